"""Rules at work: from objects in the spool to what the ledger says of their studies."""

import math
from pathlib import Path
from typing import Any

import pytest
from ledgers import claim, new_report, study_of
from report_samples import STUDY
from spooled import store_slice

from service.config import Settings
from service.ledger import JobRow, Ledger
from service.rules import Rulebook
from service.settle import Settler
from service.spool import Spool, study_key
from service.states import StudyState

NOW = 1000.0
PEERS: dict[str, Any] = {
    "sources": [
        {"name": "ct1", "ae_titles": ["CT1"]},
        {"name": "trial", "ae_titles": ["TRIAL"], "process": False},
        {"name": "er", "ae_titles": ["ER"], "quiet_s": 5.0, "priority": "high", "destinations": ["er"]},
    ],
    "destinations": [{"name": name, "ae_title": "P", "host": "h", "port": 104} for name in ("pacs", "er")],
}
ONLY_SPINES: list[dict[str, Any]] = [
    {"name": "spines", "match": {"StudyDescription": "*spine*"}, "priority": "high", "destinations": ["pacs"]},
    {"name": "rest", "sources": ["ct1", "er"], "action": "ignore"},
]


class Site:
    """A spool, a ledger and the settle pass between them."""

    def __init__(self, ledger: Ledger, root: Path, *rules: dict[str, Any]) -> None:
        self.ledger = ledger
        self.spool = Spool(root)
        self.spool.prepare()
        self.sent: list[JobRow] = []
        self.follow(*rules)

    def follow(self, *rules: dict[str, Any]) -> None:
        """Start again with other rules."""
        self.settings = Settings.model_validate(PEERS | {"rules": rules})
        self.settler = Settler(
            ledger=self.ledger,
            spool=self.spool,
            study=self.settings.study,
            dispatch=self.sent.append,
            rules=Rulebook(self.settings),
        )

    def receive(
        self, description: str, *, uid: str = STUDY, number: int = 1, source: str = "ct1", now: float = NOW
    ) -> None:
        """Take in one object."""
        sop_instance = f"{uid}.2.{number}"
        changes = {"StudyInstanceUID": uid, "SOPInstanceUID": sop_instance, "StudyDescription": description}
        store_slice(self.spool, number, **changes)
        self.ledger.arrivals.note(key=study_key(uid), study_instance_uid=uid, source=source, now=now, held_until=0.0)

    def settle(self, now: float = NOW + 60.0) -> None:
        """Run one settle pass."""
        self.settler.run(now)

    def story(self, uid: str = STUDY) -> list[tuple[str, str]]:
        """Return what happened to a study."""
        return [(each.event, each.detail) for each in self.ledger.admin.study(uid).events]


@pytest.fixture
def ledger_url(sqlite_url: str) -> str:
    """Give a SQLite ledger alone: what this asks of a ledger is asked of both kinds in test_ledger_urgency.py."""
    return sqlite_url


@pytest.fixture
def site(ledger: Ledger, tmp_path: Path) -> Site:
    """Give a site that takes spines alone."""
    return Site(ledger, tmp_path, *ONLY_SPINES)


def test_a_study_is_ignored_by_the_name_of_its_rule(site: Site) -> None:
    """Kept, and not measured; asked for by an administrator it is measured, whatever the rule says."""
    site.receive("CT head")
    site.settle()

    assert (StudyState.IGNORED, "rest", None) == (study_of(site.ledger, STUDY).state, *_why(site))
    assert ("ignored", "rest") in site.story()
    assert not site.sent

    assert [] == site.ledger.admin.retry(STUDY, now=NOW + 61.0)
    site.settle(NOW + 62.0)
    assert (StudyState.QUEUED, [1]) == (study_of(site.ledger, STUDY).state, [job.revision for job in site.sent])


def test_what_comes_later_is_looked_at_again(site: Site) -> None:
    """An ignored study into which a spine comes is taken; taken once, nothing that comes takes it out again."""
    site.receive("CT head")
    site.settle()
    site.receive("CT head", number=2, now=NOW + 70.0)
    site.settle(NOW + 170.0)
    assert StudyState.IGNORED is study_of(site.ledger, STUDY).state

    site.receive("CT spine", number=3, now=NOW + 200.0)
    site.settle(NOW + 300.0)
    taken = study_of(site.ledger, STUDY)
    assert (StudyState.QUEUED, 2, "pacs") == (taken.state, taken.priority, taken.destinations)

    site.follow({"name": "nothing", "action": "ignore"})
    site.receive("CT head", number=4, now=NOW + 400.0)
    site.settle(NOW + 500.0)
    late = study_of(site.ledger, STUDY)
    assert (StudyState.QUEUED, 2, 2, "pacs") == (late.state, late.revision, late.priority, late.destinations)


def test_an_ignored_study_is_out_by_the_rule_that_holds_now(site: Site) -> None:
    """Rules change: where another one ignores it when it comes again, that one's name is the reason."""
    site.receive("CT head")
    site.settle()
    site.follow({"name": "nothing", "action": "ignore"})
    site.receive("CT head", number=2, now=NOW + 100.0)
    site.settle(NOW + 200.0)

    assert ("nothing", None) == _why(site)
    assert [("ignored", "rest"), ("ignored", "nothing")] == [each for each in site.story() if each[0] == "ignored"]


def test_a_decision_is_an_event_of_the_story(site: Site) -> None:
    """With the rule, the priority and where it goes; a study of which nothing special is said has none."""
    site.receive("CT spine")
    site.receive("CT chest", uid="2.25.9", source="spool")
    site.settle()

    assert ("decided", "by rule spines: taken; priority high; to pacs") in site.story()
    assert "decided" not in dict(site.story("2.25.9"))


def test_a_source_says_what_no_rule_says(site: Site) -> None:
    """Processing off keeps its studies out, its own priority and destinations go with the others."""
    site.follow()
    site.receive("CT head", source="trial")
    site.receive("CT head", uid="2.25.9", source="er")
    site.settle()

    assert (StudyState.IGNORED, "processing_off", None) == (study_of(site.ledger, STUDY).state, *_why(site))
    urgent = study_of(site.ledger, "2.25.9")
    assert (StudyState.QUEUED, 2, "er") == (urgent.state, urgent.priority, urgent.destinations)


def test_a_quiet_period_may_hang_on_source_and_rule(site: Site) -> None:
    """The source's five seconds; a rule's ten, which its objects must tell; thirty for all others."""
    site.follow({"name": "spines", "match": {"StudyDescription": "*spine*"}, "quiet_s": 10.0})
    for uid, description, source in (("2.25.5", "CT", "er"), ("2.25.10", "spine", "er"), ("2.25.30", "CT", "ct1")):
        site.receive(description, uid=uid, source=source)
    queued = []
    for seconds in (4.9, 5.0, 9.9, 10.0, 29.9, 30.0):
        site.settle(NOW + seconds)
        states = {uid: study_of(site.ledger, uid).state for uid in ("2.25.5", "2.25.10", "2.25.30")}
        queued.append([uid for uid, state in states.items() if state is StudyState.QUEUED])

    five, ten = ["2.25.5"], ["2.25.5", "2.25.10"]
    assert [[], five, five, ten, ten, [*ten, "2.25.30"]] == queued


def test_a_pass_is_due_whenever_a_quiet_period_may_end(site: Site) -> None:
    """Which of those that a study can have is its own is only looked at then."""
    site.follow({"name": "spines", "match": {"StudyDescription": "*spine*"}, "quiet_s": 10.0})
    site.receive("spine", source="er")

    assert [NOW + 5.0, NOW + 10.0, math.inf] == [site.settler.due(NOW + seconds) for seconds in (4.9, 5.0, 10.0)]


def test_a_study_that_is_reported_goes_on_to_its_destinations(site: Site) -> None:
    """What was decided stays with the study when it is retried."""
    site.receive("CT spine")
    site.settle()
    (job,) = site.sent
    held = claim(site.ledger, job, now=NOW + 61.0)
    assert "pacs" == held.study.destinations
    (delivery,) = site.ledger.jobs.finish_measure(
        held, findings="{}", reason=None, objects=[new_report()], wanted={"pacs": ["sr"]}, now=NOW + 62.0
    )
    assert site.ledger.jobs.finish_delivery(claim(site.ledger, delivery, now=NOW + 63.0), detail="0", now=NOW + 63.0)
    (again,) = site.ledger.admin.retry(STUDY, now=NOW + 64.0, measure=True)

    assert ("pacs", 2) == (
        claim(site.ledger, again, now=NOW + 65.0).study.destinations,
        study_of(site.ledger, STUDY).priority,
    )


def _why(site: Site) -> tuple[str | None, str | None]:
    row = study_of(site.ledger, STUDY)
    return row.reason, row.who

"""The metrics page: what listeners counted, what the ledger says, and nothing a peer made up."""

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sinks import make_certificate

from service import roll_call
from service.associations import Counts
from service.config import Settings, Storage
from service.config_peers import Destination, Source, Tls
from service.door import Closed
from service.errors import OutOfSpace, Refused, StudyTooLarge, TooLarge, Unavailable
from service.ledger import Ledger, migrate
from service.ledger.lists import Cause
from service.ledger.switches import Pause, Paused
from service.messages import JobKind
from service.metrics import Metrics
from service.states import StudyState
from service.storing import cause_of

NOW = 1_000_000.0


@dataclass(frozen=True)
class Answers:
    """A ledger that answers with what it was made of."""

    studies: dict[StudyState, int] = field(default_factory=dict)
    jobs_waiting: dict[JobKind, tuple[int, float | None]] = field(default_factory=dict)
    failures: int = 0
    stored: dict[str, tuple[int, float]] = field(default_factory=dict)
    failed: tuple[Cause, ...] = ()
    pauses: dict[Paused, Pause] = field(default_factory=dict)

    @property
    def admin(self) -> "Answers":
        """Return itself."""
        return self

    @property
    def jobs(self) -> "Answers":
        """Return itself."""
        return self

    @property
    def watch(self) -> "Answers":
        """Return itself."""
        return self

    def unproven(self) -> dict[str, tuple[int, float]]:
        """Return what waits for proof."""
        return self.stored

    @property
    def lists(self) -> "Answers":
        """Return itself."""
        return self

    @property
    def switches(self) -> "Answers":
        """Return itself."""
        return self

    def causes(self, states: Sequence[StudyState], *, limit: int | None = None) -> tuple[Cause, ...]:
        """Return what failed."""
        assert ([StudyState.FAILED], None) == (list(states), limit)
        return self.failed

    def paused(self) -> dict[Paused, Pause]:
        """Return the pauses."""
        return self.pauses

    def counts(self) -> dict[StudyState, int]:
        """Return the studies."""
        return self.studies

    def waiting(self) -> dict[JobKind, tuple[int, float | None]]:
        """Return the jobs."""
        return self.jobs_waiting

    def destination(self, name: str) -> tuple[int, float]:
        """Return the failures of every destination."""
        assert name == "pacs"
        return (self.failures, 0.0)


class Silent(Answers):
    """A ledger that does not answer."""

    def counts(self) -> dict[StudyState, int]:
        """Fail."""
        raise Unavailable


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give settings with one destination."""
    pacs = Destination(name="pacs", ae_title="PACS", host="h", port=104)
    return Settings(storage=Storage(root=tmp_path), destinations=(pacs,))


def shown(metrics: Metrics, ledger: Answers | Ledger) -> dict[tuple[str, ...], float]:
    """Return the samples of the page: name and labels' values, but for the listener's name."""
    samples = [s for family in text_string_to_metric_families(metrics.text(ledger)) for s in family.samples]
    return {(s.name, *(v for label, v in s.labels.items() if label != "listener")): s.value for s in samples}


def test_what_a_listener_counts_is_shown_by_another_process(settings: Settings) -> None:
    """Counts that a listener saved appear on a page that another process makes, with what they are of."""
    listener = Metrics(settings, lambda: NOW)
    for _ in range(3):
        listener.received("ct1")
    listener.association_rejected("called_ae_title")
    listener.association_rejected("too_many_of_source", "ct1")
    listener.association_aborted("silent", "ct1")
    listener.object_refused("out_of_space", "ct1")
    listener.context_refused("CT Image Storage")
    listener.own_report()
    listener.save(11112, free_bytes=5)
    page = shown(Metrics(settings, lambda: NOW), Answers())

    assert page["spondyl_received_objects_total", "ct1"] == 3
    assert page["spondyl_rejected_associations_total", "called_ae_title", "unlisted"] == 1
    assert page["spondyl_rejected_associations_total", "too_many_of_source", "ct1"] == 1
    assert page["spondyl_aborted_associations_total", "silent", "ct1"] == 1
    assert page["spondyl_refused_objects_total", "out_of_space", "ct1"] == 1
    assert page["spondyl_refused_contexts_total", "CT Image Storage"] == 1
    assert page["spondyl_own_reports_received_total",] == 1
    assert page["spondyl_listener_timestamp_seconds",] == NOW
    assert page["spondyl_spool_free_bytes",] == 5


def test_every_cause_is_counted_from_the_start(settings: Settings) -> None:
    """A counter that begins with its first event hides it from `increase`: each is 0 before, of each source."""
    with_source = settings.model_copy(update={"sources": (Source(name="ct1", ae_titles=("CT1",)),)})
    Metrics(with_source).save(104, free_bytes=0)
    Metrics(with_source).save_intake(8080)
    page = shown(Metrics(with_source), Answers())
    rejected, aborted = (
        re.findall(r"\w+", (said.__doc__ or "").partition(":")[2])
        for said in (Counts.association_rejected, Counts.association_aborted)
    )
    refused = {cause_of(refusal) for refusal in (OutOfSpace(), TooLarge(), StudyTooLarge(), Refused(), Closed())}

    assert {0} == {
        page[f"spondyl_{name}_total", cause, source]
        for name, causes in (
            ("rejected_associations", {*rejected, "account"}),
            ("aborted_associations", aborted),
            ("refused_objects", refused),
        )
        for cause in causes
        for source in ("ct1", "unlisted")
    }


def test_two_listeners_are_told_apart(settings: Settings) -> None:
    """Each listener's numbers stand under its own name; each metric is described once."""
    for port, count in ((104, 1), (11112, 2)):
        listener = Metrics(settings)
        for _ in range(count):
            listener.received("ct1")
        listener.save(port, free_bytes=0)
    text = Metrics(settings).text(Answers())
    family = next(f for f in text_string_to_metric_families(text) if f.name == "spondyl_received_objects")

    found = {s.labels["listener"].rsplit("-")[-1]: s.value for s in family.samples if s.name.endswith("_total")}
    assert found == {"104": 1, "11112": 2}
    assert text.count("# TYPE spondyl_received_objects_total counter") == 1


@pytest.mark.parametrize(("hours", "shown_again"), [(23.9, True), (24.1, False)])
def test_a_listener_that_is_gone_for_a_day_is_forgotten(settings: Settings, hours: float, shown_again: bool) -> None:
    """Its last words stay for an alarm to see; a host or port that is no more does not stay for ever."""
    Metrics(settings).save(104, free_bytes=0)
    [file] = (settings.storage.root / "metrics").glob("*.prom")
    os.utime(file, (NOW, NOW))
    page = shown(Metrics(settings, lambda: NOW + hours * 3600), Answers())

    assert shown_again == (("spondyl_listener_timestamp_seconds",) in page)


def test_a_listener_that_starts_again_replaces_its_counts(settings: Settings) -> None:
    """Same machine, same port: the counter begins anew, nothing is counted twice."""
    for _ in range(2):
        listener = Metrics(settings)
        listener.received("ct1")
        listener.save(104, free_bytes=0)

    assert shown(Metrics(settings), Answers())["spondyl_received_objects_total", "ct1"] == 1


def test_the_ledger_is_asked_at_the_moment_of_the_question(settings: Settings) -> None:
    """Studies by state, waiting jobs with the oldest one's age, and each destination's failures."""
    ledger = Answers({StudyState.FAILED: 2}, {JobKind.MEASURE: (4, NOW - 60)}, failures=7)
    page = shown(Metrics(settings, lambda: NOW), ledger)

    assert page["spondyl_ledger_up",] == 1
    assert page["spondyl_studies", "failed"] == 2
    assert page["spondyl_jobs_waiting", "spondyl.measure"] == 4
    assert page["spondyl_oldest_job_seconds", "spondyl.measure"] == 60
    assert page["spondyl_destination_failures", "pacs"] == 7


def test_what_waits_for_proof_is_shown(settings: Settings) -> None:
    """By destination how many objects, and the age of the oldest; 0 where none does."""
    page = shown(Metrics(settings, lambda: NOW), Answers(stored={"pacs": (3, NOW - 90)}))
    none = shown(Metrics(settings, lambda: NOW), Answers())

    both = ("spondyl_unproven_objects", "pacs"), ("spondyl_oldest_unproven_seconds", "pacs")
    assert ([3, 90], [0, 0]) == ([page[each] for each in both], [none[each] for each in both])


def test_every_state_and_kind_is_always_shown(settings: Settings) -> None:
    """A state without studies is 0, not absent: an alert must see the change."""
    page = shown(Metrics(settings), Answers())

    assert [page["spondyl_studies", state.value] for state in StudyState] == [0] * len(StudyState)
    assert [page["spondyl_jobs_waiting", kind.value] for kind in JobKind] == [0] * len(JobKind)


def test_without_the_ledger_the_rest_is_shown(settings: Settings) -> None:
    """A ledger that does not answer is itself a metric."""
    page = shown(Metrics(settings), Silent())

    assert page["spondyl_ledger_up",] == 0
    assert ("spondyl_studies", "failed") not in page
    assert any(name == "spondyl_info" for name, *_ in page)


def test_the_real_ledger_answers(settings: Settings) -> None:
    """The ledger has what the page asks for."""
    migrate(settings.storage.ledger_url)
    ledger = Ledger.open(settings.storage.ledger_url)
    try:
        page = shown(Metrics(settings), ledger)
    finally:
        ledger.close()

    assert page["spondyl_ledger_up",] == 1
    assert page["spondyl_studies", "receiving"] == 0


def test_every_name_starts_with_the_product(settings: Settings) -> None:
    """Names that outlive a deployment carry the product's name; nothing of Python's own is added."""
    listener = Metrics(settings)
    listener.received("ct1")
    listener.save(104, free_bytes=0)
    names = {line.split(" ")[2] for line in listener.text(Answers()).splitlines() if line.startswith("# TYPE")}

    assert names
    assert all(name.startswith("spondyl_") and not name.endswith("_created") for name in names)


def test_failures_are_counted_by_cause(settings: Settings) -> None:
    """Reasons become coded causes: no name, number or address of a reason is a label; other causes stand at 0."""
    alike = {"state": StudyState.FAILED, "who": None, "first_at": 0.0, "last_at": 0.0}
    failed = (
        Cause(reason="pacs answered status 0x0124", studies=2, **alike),  # type: ignore[arg-type]  # mixed values
        Cause(reason="pacs answered status 0xA900 Planted^Name", studies=1, **alike),  # type: ignore[arg-type]  # as above
    )
    text = Metrics(settings).text(Answers(failed=failed))

    assert 'spondyl_failed_studies{cause="refused"} 3.0' in text
    assert 'spondyl_failed_studies{cause="time_limit"} 0.0' in text
    assert "Planted" not in text


def test_pauses_are_shown(settings: Settings) -> None:
    """What an operator has paused is 1, so that an alarm on what waits can be held."""
    pause = Pause(name=Paused.PROCESSING, since=NOW, actor="anna", why="upgrade")
    page = shown(Metrics(settings), Answers(pauses={Paused.PROCESSING: pause}))

    assert (0, 1) == (page["spondyl_paused", "intake"], page["spondyl_paused", "processing"])


def test_workers_are_counted_while_the_ledger_is_away(settings: Settings) -> None:
    """How many are there is known without the ledger; of one that went, nothing."""
    assert shown(Metrics(settings), Silent())["spondyl_workers",] == 0
    roll_call.sign_in(settings.storage.root, roll_call.Present(name="n1:7", processes=2, broker=True))

    assert shown(Metrics(settings), Silent())["spondyl_workers",] == 1
    assert shown(Metrics(settings, lambda: time.time() + 2 * roll_call.GONE_S), Silent())["spondyl_workers",] == 0


def test_the_end_of_each_certificate_is_shown(settings: Settings, tmp_path: Path) -> None:
    """Of the node and of every destination with TLS; one that cannot be read is missing, the page stays."""
    file, key = make_certificate(tmp_path, days=3)
    tls = Tls(cert_file=file, key_file=key, ca_file=file)
    secured = settings.model_copy(update={"node": settings.node.model_copy(update={"tls": tls})})
    ends = shown(Metrics(secured), Answers())["spondyl_certificate_expiry_timestamp_seconds", "node"]
    file.unlink()
    page = shown(Metrics(secured), Answers())

    assert ends == pytest.approx(time.time() + 3 * 86_400, abs=60)
    assert ("spondyl_certificate_expiry_timestamp_seconds", "node") not in page
    assert page["spondyl_ledger_up",] == 1

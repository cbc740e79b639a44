"""The metrics page: what listeners counted, what the ledger says, and nothing a peer made up."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.config import Destination, Settings, Storage
from service.errors import Unavailable
from service.ledger import Ledger, migrate
from service.messages import JobKind
from service.metrics import Metrics
from service.states import StudyState

NOW = 1_000_000.0


@dataclass(frozen=True)
class Answers:
    """A ledger that answers with what it was made of."""

    studies: dict[StudyState, int] = field(default_factory=dict)
    jobs_waiting: dict[JobKind, tuple[int, float | None]] = field(default_factory=dict)
    failures: int = 0

    @property
    def admin(self) -> "Answers":
        """Return itself."""
        return self

    @property
    def jobs(self) -> "Answers":
        """Return itself."""
        return self

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
    listener.object_refused("out_of_space")
    listener.context_refused("CT Image Storage")
    listener.own_report()
    listener.save(11112, free_bytes=5)
    page = shown(Metrics(settings, lambda: NOW), Answers())

    assert page["spondyl_received_objects_total", "ct1"] == 3
    assert page["spondyl_rejected_associations_total", "called_ae_title"] == 1
    assert page["spondyl_refused_objects_total", "out_of_space"] == 1
    assert page["spondyl_refused_contexts_total", "CT Image Storage"] == 1
    assert page["spondyl_own_reports_received_total",] == 1
    assert page["spondyl_listener_timestamp_seconds",] == NOW
    assert page["spondyl_spool_free_bytes",] == 5


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

"""What /metrics shows: the files of the listeners, and the ledger at the moment of the question."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from service import __version__, causes, roll_call
from service.certificates import certificates
from service.config import Settings
from service.errors import Unavailable
from service.ledger.lists import Cause
from service.ledger.switches import Pause, Paused
from service.messages import JobKind
from service.states import StudyState

#: How a listener's file ends.
SUFFIX: Final = ".prom"
#: And that of a web process, for what it takes in.
INTAKE_SUFFIX: Final = ".web"
#: A listener that has not renewed its file for so long is gone for good, seconds. Until then the page keeps its last
#: words: spondyl_listener_timestamp_seconds, which stands still, is how an alarm learns that it is down.
_GONE_S: Final = 86_400.0


class LedgerAdmin(Protocol):
    """What is asked of the studies and the queue."""

    def counts(self) -> dict[StudyState, int]:
        """Return how many studies are in each state."""

    def waiting(self) -> dict[JobKind, tuple[int, float | None]]:
        """Return how many jobs of each kind wait, and since when the oldest does."""


class LedgerJobs(Protocol):
    """What is asked of the destinations."""

    def destination(self, name: str) -> tuple[int, float]:
        """Return (consecutive failures, time before which nothing goes there)."""


class LedgerLists(Protocol):
    """What is asked of the studies that failed."""

    def causes(self, states: Sequence[StudyState], *, limit: int | None = ...) -> Sequence[Cause]:
        """Return what studies in these states ended with."""


class LedgerSwitches(Protocol):
    """What is asked of the pauses."""

    def paused(self) -> Mapping[Paused, Pause]:
        """Return what is paused now."""


class LedgerWatch(Protocol):
    """What is asked of deliveries."""

    def unproven(self) -> dict[str, tuple[int, float]]:
        """Return by destination how many objects wait for proof, and since when the oldest does."""


class LedgerOfMetrics(Protocol):
    """The part of the ledger that answers."""

    @property
    def admin(self) -> LedgerAdmin:
        """Studies and queue."""

    @property
    def jobs(self) -> LedgerJobs:
        """Destinations."""

    @property
    def watch(self) -> LedgerWatch:
        """Deliveries."""

    @property
    def lists(self) -> LedgerLists:
        """Failures."""

    @property
    def switches(self) -> LedgerSwitches:
        """Pauses."""


@dataclass(frozen=True, eq=False)
class Page(Collector):
    """Collects for one answer."""

    folder: Path
    ledger: LedgerOfMetrics
    settings: Settings
    clock: Callable[[], float]

    def collect(self) -> Iterator[Metric]:
        """Give all metrics; where the ledger does not answer, its own are missing and spondyl_ledger_up is 0."""
        yield InfoMetricFamily("spondyl", "The version that answers", {"version": __version__})
        yield from _of_listeners(self.folder, since=self.clock() - _GONE_S)
        there = roll_call.present(self.settings.storage.root, now=self.clock())
        yield GaugeMetricFamily("spondyl_workers", "Workers that are there", value=len(there))
        yield _expiries(self.settings)
        try:
            names = [destination.name for destination in self.settings.destinations]
            known = [*_of_ledger(self.ledger, names, self.clock()), *_of_failures(self.ledger)]
        except Unavailable:
            known = []
        yield GaugeMetricFamily("spondyl_ledger_up", "Whether the ledger answers", value=bool(known))
        yield from known


def refused_by_source(folder: Path, *, now: float) -> dict[str, int]:
    """Return how many objects of each source were refused since the listeners were started."""
    found: Counter[str] = Counter()
    for family in _of_listeners(folder, since=now - _GONE_S):
        for sample in family.samples:
            if sample.name == "spondyl_refused_objects_total":
                found[sample.labels["source"]] += int(sample.value)
    return dict(found)


def _of_listeners(folder: Path, *, since: float) -> Iterable[Metric]:
    """Read the files that listeners have renewed since then; a label says which listener a number is of."""
    families: dict[str, Metric] = {}
    every = (path for suffix in (SUFFIX, INTAKE_SUFFIX) for path in folder.glob(f"*{suffix}"))
    for path in sorted(path for path in every if path.stat().st_mtime >= since):
        for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
            if family.name.endswith("_created"):  # when a counter was made: of no use to anybody here
                continue
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                known.add_sample(sample.name, sample.labels | {"listener": path.stem}, sample.value)
    return families.values()


def _expiries(settings: Settings) -> Metric:
    """Return when each certificate ends; a file that cannot be read is doctor's to say."""
    found = GaugeMetricFamily(
        "spondyl_certificate_expiry_timestamp_seconds", "When a certificate ends, by its owner", labels=["certificate"]
    )
    for each in certificates(settings):
        found.add_metric([each.owner], each.expires_at)
    return found


def _of_failures(ledger: LedgerOfMetrics) -> Iterator[Metric]:
    failed = GaugeMetricFamily("spondyl_failed_studies", "Studies that are failed, by cause", labels=["cause"])
    for word, number in causes.by_cause(ledger.lists.causes([StudyState.FAILED])).items():
        failed.add_metric([word], number)
    yield failed
    paused = GaugeMetricFamily("spondyl_paused", "Whether an operator has paused it", labels=["what"])
    now = ledger.switches.paused()
    for what in Paused:
        paused.add_metric([what.value], what in now)
    yield paused


def _of_ledger(ledger: LedgerOfMetrics, destinations: Sequence[str], now: float) -> Iterator[Metric]:
    studies = GaugeMetricFamily("spondyl_studies", "Studies, by state", labels=["state"])
    counted = ledger.admin.counts()
    for state in StudyState:
        studies.add_metric([state.value], counted.get(state, 0))
    yield studies
    depth = GaugeMetricFamily("spondyl_jobs_waiting", "Jobs that wait, by kind", labels=["kind"])
    age = GaugeMetricFamily("spondyl_oldest_job_seconds", "Age of the oldest job that waits, by kind", labels=["kind"])
    waiting = ledger.admin.waiting()
    for kind in JobKind:
        count, oldest = waiting.get(kind, (0, None))
        depth.add_metric([kind.value], count)
        age.add_metric([kind.value], 0.0 if oldest is None else max(0.0, now - oldest))
    yield from (depth, age)
    failures = GaugeMetricFamily(
        "spondyl_destination_failures",
        "Tries in a row without an answer, by destination; 0: the last one was answered",
        labels=["destination"],
    )
    for name in destinations:
        failures.add_metric([name], ledger.jobs.destination(name)[0])
    yield failures
    yield from _of_proofs(ledger.watch.unproven(), destinations, now)


def _of_proofs(
    unproven: dict[str, tuple[int, float]], destinations: Sequence[str], now: float
) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    number = GaugeMetricFamily(
        "spondyl_unproven_objects", "Objects stored by a destination and not proven yet", labels=["destination"]
    )
    age = GaugeMetricFamily(
        "spondyl_oldest_unproven_seconds",
        "How long the oldest object that a destination stored waits for proof",
        labels=["destination"],
    )
    for name in destinations:
        count, oldest = unproven.get(name, (0, now))
        number.add_metric([name], count)
        age.add_metric([name], max(0.0, now - oldest))
    return number, age

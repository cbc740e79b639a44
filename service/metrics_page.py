"""What /metrics shows: the files of the listeners, and the ledger at the moment of the question."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from service import __version__
from service.errors import Unavailable
from service.messages import JobKind
from service.states import StudyState

#: How a listener's file ends.
SUFFIX: Final = ".prom"
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


class LedgerOfMetrics(Protocol):
    """The part of the ledger that answers."""

    @property
    def admin(self) -> LedgerAdmin:
        """Studies and queue."""

    @property
    def jobs(self) -> LedgerJobs:
        """Destinations."""


@dataclass(frozen=True, eq=False)
class Page(Collector):
    """Collects for one answer."""

    folder: Path
    ledger: LedgerOfMetrics
    destinations: Sequence[str]
    clock: Callable[[], float]

    def collect(self) -> Iterator[Metric]:
        """Give all metrics; where the ledger does not answer, its own are missing and spondyl_ledger_up is 0."""
        yield InfoMetricFamily("spondyl", "The version that answers", {"version": __version__})
        yield from _of_listeners(self.folder, since=self.clock() - _GONE_S)
        try:
            known = list(_of_ledger(self.ledger, self.destinations, self.clock()))
        except Unavailable:
            known = []
        yield GaugeMetricFamily("spondyl_ledger_up", "Whether the ledger answers", value=bool(known))
        yield from known


def _of_listeners(folder: Path, *, since: float) -> Iterable[Metric]:
    """Read the files that listeners have renewed since then; a label says which listener a number is of."""
    families: dict[str, Metric] = {}
    for path in sorted(path for path in folder.glob(f"*{SUFFIX}") if path.stat().st_mtime >= since):
        for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
            if family.name.endswith("_created"):  # when a counter was made: of no use to anybody here
                continue
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                known.add_sample(sample.name, sample.labels | {"listener": path.stem}, sample.value)
    return families.values()


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

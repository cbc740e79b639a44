"""What is counted, in Prometheus' terms. Every name starts with spondyl; no label holds what a peer made up.

The listener counts and the web page answers: two processes. The listener saves its counts to a small text file under
`storage.root`, the page reads every such file and adds what the ledger says at that moment
(docs/decisions/0007-listener-counts.md).
"""

import platform
import time
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest, write_to_textfile

from service import metrics_page
from service.callers import UNLISTED
from service.config import Settings
from service.private import make_folder

#: What is counted of STOW-RS, as of C-STORE.
_OF_INTAKE: Final = (
    "spondyl_received_objects_total",
    "spondyl_refused_objects_total",
    "spondyl_rejected_associations_total",
    "spondyl_own_reports_received_total",
)
#: Why a caller is turned away: of C-STORE (`associations.Counts`), and "account" of STOW-RS.
REJECTIONS: Final = (
    "calling_ae_title",
    "address",
    "called_ae_title",
    "account",
    "too_many_associations",
    "too_many_of_source",
    "paused",
    "out_of_space",
    "tls",
    "gave_way",
    "other",
)
#: How an association ends that is not released (`associations.Counts`).
ABORTS: Final = ("silent", "overdue", "pdu_too_large", "violation", "not_served", "left")
#: Why an object is refused: `storing.cause_of`, and a fault of ours.
REFUSALS: Final = (
    "out_of_space",
    "too_large",
    "study_too_large",
    "paused",
    "mismatch",
    "cannot_understand",
    "not_supported",
    "our_fault",
)


class Metrics:
    """The counts of this process, and the page made of those of all. Safe in several threads."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._folder = settings.storage.root / "metrics"
        self._settings = settings
        self._clock = clock
        self._registry = CollectorRegistry()
        self._received = self._counter("received_objects", "Objects stored, by source", "source")
        self._rejected = self._counter("rejected_associations", "Associations rejected, by cause", "cause", "source")
        self._aborted = self._counter("aborted_associations", "Associations aborted, by cause", "cause", "source")
        self._refused = self._counter("refused_objects", "Objects refused, by cause", "cause", "source")
        self._contexts = self._counter("refused_contexts", "Presentation contexts refused, by SOP class", "sop_class")
        self._own = self._counter("own_reports_received", "Reports of ours that a PACS routed back to us")
        # Each is there from the start: `increase` does not see a counter that begins with its first event.
        for source in (UNLISTED, *(each.name for each in settings.sources)):
            for cause in REJECTIONS:
                self._rejected.labels(cause, source)
            for cause in ABORTS:
                self._aborted.labels(cause, source)
            for cause in REFUSALS:
                self._refused.labels(cause, source)
        self._saved_at = self._gauge("listener_timestamp_seconds", "When a listener last said that it is there")
        self._free = self._gauge("spool_free_bytes", "Room left for the spool")

    def received(self, source: str) -> None:
        """Count an object that was stored."""
        self._received.labels(source).inc()

    def association_rejected(self, cause: str, source: str = UNLISTED) -> None:
        """Count an association that was rejected."""
        self._rejected.labels(cause, source).inc()

    def association_aborted(self, cause: str, source: str = UNLISTED) -> None:
        """Count an association that ended without a release."""
        self._aborted.labels(cause, source).inc()

    def object_refused(self, cause: str, source: str = UNLISTED) -> None:
        """Count an object that was answered with a failure."""
        self._refused.labels(cause, source).inc()

    def context_refused(self, sop_class: str) -> None:
        """Count a presentation context that was refused."""
        self._contexts.labels(sop_class).inc()

    def own_report(self) -> None:
        """Count a report of ours that came back."""
        self._own.inc()

    def save(self, port: int, *, free_bytes: int, process: int = 0) -> None:
        """Write this listener's counts where the page finds them; raises OSError.

        The file is replaced as a whole. It is named for machine and port, so a listener that was started again
        replaces its own: its counts begin anew, as Prometheus expects of a counter. Of several processes on one port
        each has a file of its own.
        """
        self._saved_at.set(self._clock())
        self._free.set(free_bytes)
        make_folder(self._folder)
        name = f"{platform.node()}-{port}" + (f"-{process}" if process else "")
        write_to_textfile(str(self._folder / f"{name}{metrics_page.SUFFIX}"), self._registry)

    def save_intake(self, port: int) -> None:
        """Write what came in over DICOMweb where the page finds it; raises OSError. Of a listener it says nothing."""
        make_folder(self._folder)
        counted = self._registry.restricted_registry(_OF_INTAKE)
        write_to_textfile(str(self._folder / f"{platform.node()}-{port}{metrics_page.INTAKE_SUFFIX}"), counted)

    def text(self, ledger: metrics_page.LedgerOfMetrics) -> str:
        """Return the page: every listener's counts, and what the ledger says now."""
        page = metrics_page.Page(self._folder, ledger, self._settings, self._clock)
        registry = CollectorRegistry()
        registry.register(page)
        return generate_latest(registry).decode()

    def refused_by_source(self) -> dict[str, int]:
        """Return how many objects of each source were refused since the listeners were started."""
        return metrics_page.refused_by_source(self._folder, now=self._clock())

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"spondyl_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"spondyl_{name}", text, registry=self._registry)

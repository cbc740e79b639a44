"""What each open association is delivering: the ledger hears of it at once, then at most once a second a study.

The spool is the truth: where the ledger does not answer, the object is durable all the same, and the reconciler
tells the ledger later.
"""

import contextlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from service.errors import Unavailable
from service.logs import log

#: A study is held open so long after the last sign of life of an association that delivers it, seconds. An
#: association that ends says so; this bounds what a killed listener leaves.
HOLD_S: Final = 15.0
#: An association holds the study it delivered last until this has passed without another object, seconds: the next
#: one may be on its way, and 1 GB takes 80 s at 100 Mbit/s. A router that keeps an association open for all its
#: traffic is done with a study when it sends another, or falls silent.
FLOWING_S: Final = 120.0
#: How often holds are renewed, seconds.
RENEW_S: Final = 5.0
#: The ledger hears of a study at most so often, seconds.
NOTE_EVERY_S: Final = 1.0
#: That objects of a study are refused is entered so often, seconds.
SAY_AGAIN_S: Final = 3600.0
#: A ledger that takes its time is left alone for so many times as long: each object would wait for it.
PATIENCE: Final = 10.0


class LedgerOfArrivals(Protocol):
    """The part of the ledger that hears of arrivals."""

    def note(self, *, key: str, study_instance_uid: str, source: str, now: float, held_until: float) -> object:
        """Enter that an object of a study arrived."""

    def hold(self, keys: Iterable[str], *, until: float) -> None:
        """Keep studies open: an association still delivers them."""

    def release(self, keys: Iterable[str], *, now: float) -> None:
        """No association delivers these studies any more."""

    def too_large(self, key: str, *, why: str, now: float, since: float) -> bool:
        """Enter that objects of a study are refused, unless that was entered `since`; tell whether it was entered."""


class Call(Protocol):
    """An association, as far as it matters here: a thread."""

    def is_alive(self) -> bool:
        """Whether the association still runs."""


@dataclass(kw_only=True)
class _Study:
    study_instance_uid: str
    source: str
    last_at: float = float("-inf")
    noted_at: float = float("-inf")
    #: Objects arrived that the ledger has not heard of.
    pending: bool = False
    #: How many objects arrived over this association.
    objects: int = 0


@dataclass(kw_only=True)
class _Delivery:
    studies: dict[str, _Study] = field(default_factory=dict)
    #: The study of the last object.
    latest: str = ""

    def held(self, now: float) -> set[str]:
        """Return the study that is being delivered, none where that is over."""
        study = self.studies.get(self.latest)
        return {self.latest} if study and now - study.last_at < FLOWING_S else set()

    def take_past(self, now: float) -> dict[str, _Study]:
        """Take out the studies whose delivery is over."""
        held = self.held(now)
        past = {key: study for key, study in self.studies.items() if key not in held}
        for key in past:
            del self.studies[key]
        return past


class Arriving:
    """The associations that are open, and the studies that each of them delivers. Safe in several threads."""

    def __init__(self, arrivals: LedgerOfArrivals, clock: Callable[[], float]) -> None:
        self._arrivals = arrivals
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[Call, _Delivery] = {}
        self._ask_again_at = float("-inf")
        #: Studies whose association is gone, and of which the ledger has not heard.
        self._untold: dict[str, _Study] = {}

    def began(self, call: Call) -> None:
        """Enter an association."""
        with self._lock:
            self._open[call] = _Delivery()

    def arrived(self, call: Call, *, key: str, study_instance_uid: str, source: str) -> None:
        """Tell the ledger that an object is in the spool, unless it has just heard of this study."""
        now = self._clock()
        with self._lock:
            delivery = self._open.get(call)
            # An association may end while its last object is being stored: then nothing is to be held.
            entered = delivery or _Delivery()
            study = entered.studies.setdefault(key, _Study(study_instance_uid=study_instance_uid, source=source))
            entered.latest = key
            study.last_at = now
            study.pending = True
            study.objects += 1
            if now - study.noted_at < NOTE_EVERY_S or now < self._ask_again_at:
                return
            study.noted_at = now
        self._note(key, study, held_until=now + HOLD_S if delivery else now)

    def too_large(self, key: str, *, why: str) -> None:
        """Tell the ledger, once in a while, that objects of a study are refused because it has too many."""
        now = self._clock()
        with self._lock:
            studies = [delivery.studies[key] for delivery in self._open.values() if key in delivery.studies]
        for study in studies:
            if study.pending:  # or there is nothing yet that it could be entered at
                self._note(key, study, held_until=now + HOLD_S)
        with _tolerating_the_ledger(study=key):
            if self._arrivals.too_large(key, why=why, now=now, since=now - SAY_AGAIN_S):
                log.warning("study too large", action="study_too_large", study=key, why=why)

    def over(self, call: Call) -> None:
        """Tell the ledger what it has not heard, and that this association delivers nothing more."""
        with self._lock:
            past = self._open.pop(call, _Delivery()).studies
        self._end(past.items())

    def renew(self) -> None:
        """Hold every study that is being delivered, and tell what was not told.

        Ends what is over, and associations that died without a word.
        """
        with self._lock:
            dead = [call for call in self._open if not call.is_alive()]
        for call in dead:
            self.over(call)
        with self._lock:
            past = [item for delivery in self._open.values() for item in delivery.take_past(self._clock()).items()]
            untold = [item for delivery in self._open.values() for item in delivery.studies.items() if item[1].pending]
        self._end(past)
        for key, study in untold:
            self._note(key, study, held_until=study.last_at)
        self._tell_late()
        held = self._held()
        if held:
            with _tolerating_the_ledger():
                self._arrivals.hold(sorted(held), until=self._clock() + HOLD_S)

    def _held(self) -> set[str]:
        now = self._clock()
        with self._lock:
            return {key for delivery in self._open.values() for key in delivery.held(now)}

    def _end(self, past: Collection[tuple[str, _Study]]) -> None:
        for key, study in past:
            if study.pending:
                self._note(key, study, held_until=study.last_at)
            if study.pending:
                with self._lock:
                    self._untold[key] = study
            log.info("received", action="objects_received", study=key, source=study.source, objects=study.objects)
        free = {key for key, _ in past} - self._held()
        if free:
            with _tolerating_the_ledger():
                self._arrivals.release(sorted(free), now=self._clock())

    def _tell_late(self) -> None:
        """Tell what could not be told when its association ended; the comparison with the spool would, much later."""
        with self._lock:
            late = list(self._untold.items())
        for key, study in late:
            self._note(key, study, held_until=study.last_at)
            if study.pending:
                return
            with self._lock:
                if self._untold.get(key) is study:
                    del self._untold[key]

    def _note(self, key: str, study: _Study, *, held_until: float) -> None:
        began = self._clock()
        with _tolerating_the_ledger(study=key):
            self._arrivals.note(
                key=key,
                study_instance_uid=study.study_instance_uid,
                source=study.source,
                now=study.last_at,
                held_until=held_until,
            )
            study.pending = False
        ended = self._clock()
        self._ask_again_at = ended + PATIENCE * (ended - began)


@contextlib.contextmanager
def _tolerating_the_ledger(**about: str) -> Iterator[None]:
    try:
        yield
    except Unavailable as error:
        log.warning("the ledger was not told; it will be", action="ledger_unavailable", why=str(error), **about)

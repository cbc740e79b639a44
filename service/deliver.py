"""Deliver: C-STORE as requestor (PS3.4 annex B), over one association a destination that is kept open for a while.

A file goes out as it is. Success here means that the destination said so; an answer that never came means "unknown",
and the same object is sent again under the same UID. One that is reached by DICOMweb gets it by STOW-RS (`stow`).
"""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from service import peer, sop_classes, stow
from service.already import NOTHING, Perhaps, is_there
from service.config import Settings
from service.config_peers import Destination
from service.errors import MayBeThere, NotNow, NotReached, NotTaken, PeerRefused, SpondylError, Unavailable
from service.spool import Spool
from service.store_status import check_status

#: An association that was not used for so long is released, seconds; PACS close theirs after 30 s or more.
IDLE_S: Final = 5.0
#: First wait after a passing failure, and the longest, seconds.
FIRST_WAIT_S: Final = 5.0
LONGEST_WAIT_S: Final = 300.0
#: (SOP class, transfer syntax): each is proposed in a context of its own, so the peer cannot choose another syntax.
_Pair = tuple[str, str]
_SYNTAXES: Final = sop_classes.UNCOMPRESSED[:2]
_EVERY_KIND: Final = ("sr", *sop_classes.WRITTEN)


def backoff_s(failures: int, rng: random.Random) -> float:
    """Return how long to wait after `failures` earlier failures in a row and this one, seconds.

    "Full jitter": even over 0 to 5 s, 10 s, 20 s ... at most 300 s. Whoever failed together does not come back
    together, which a wait of a fixed length plus a little chance does not achieve.
    """
    # 2**6 * 5 s is beyond the longest; no larger power is ever needed.
    return rng.uniform(0.0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures, 6)))


def proposed(destination: Destination) -> list[PresentationContext]:
    """Return the presentation contexts that a delivery to `destination` proposes."""
    classes = sorted({*sop_classes.written(destination.send), sop_classes.REJECTION_NOTE})
    return [build_context(sop_class, syntax) for sop_class in classes for syntax in sorted(_SYNTAXES)]


class Unsendable(SpondylError):
    """The object's file is missing, or what lies there is no object of ours: measure the study again."""


class Deliverer:
    """The calls of one process to its destinations. Safe in several threads; open it after a fork, not before."""

    def __init__(self, settings: Settings, spool: Spool, rng: random.Random) -> None:
        self._settings = settings
        self._lines: dict[str, _Line] = {}
        self._lock = threading.Lock()
        #: Where the reports lie.
        self.spool = spool
        #: For the jitter of waits.
        self.rng = rng

    def send(self, destination: Destination, *paths: Path, perhaps: Perhaps = NOTHING) -> Path:
        """Send one object, the first of these alternatives that the destination takes; return which.

        NotTaken where it takes none; PeerRefused; or Unavailable where it may be tried again (under the same UID),
        NotNow, an Unavailable, where the destination itself is well; NotReached, another, where nothing was sent. They
        say of which alternative.
        Unsendable where a file is no object of ours. Waits at most the destination's `timeout_s` for each answer.
        `perhaps`: of which an earlier try ended without the destination's word. Those go first; one that is refused
        may be there, and no alternative, which has a UID of its own, may follow it.
        """
        ordered = sorted(paths, key=lambda path: path.name not in perhaps)
        if destination.protocol == "dicomweb":
            for path in ordered:
                _pair_of(path)
            return stow.send(destination, ordered, perhaps=perhaps)
        with self._lock:
            line = self._lines.setdefault(destination.name, _Line(destination, self._settings.node.ae_title))
        return line.send(ordered, perhaps=perhaps)

    def close(self) -> None:
        """Release every association."""
        with self._lock:
            lines = list(self._lines.values())
        for line in lines:
            line.close()


class _Line:
    """The association to one destination, while there is one."""

    def __init__(self, destination: Destination, calling_ae: str) -> None:
        self._destination = destination
        self._calling_ae = calling_ae
        self._lock = threading.Lock()
        self._association: Association | None = None
        self._used_at = 0.0
        self._watch: threading.Timer | None = None

    def send(self, paths: Sequence[Path], *, perhaps: Perhaps) -> Path:
        alternatives = {path: _pair_of(path) for path in paths}
        with self._lock:
            answered = False
            try:
                sent = self._send_in_two_tries(alternatives, perhaps)
                answered = True
            except (PeerRefused, NotNow):
                answered = True
                raise
            finally:
                # An answer that is still to come (the job's time limit may strike at any line) would be taken for the
                # answer to the next report.
                if not answered:
                    self._hang_up()
                self._used_at = time.monotonic()
                self._watch_idleness(IDLE_S)
        return sent

    def _send_in_two_tries(self, alternatives: Mapping[Path, _Pair], perhaps: Perhaps) -> Path:
        """Send; once more at once where a kept-open association turns out to be gone: the peer may be well."""
        kept, start = self._association is not None, time.monotonic()
        association = self._connected()
        try:
            return self._store(association, alternatives, perhaps, start)
        except NotNow:
            raise
        except Unavailable as first:
            timed_out = time.monotonic() - start >= self._destination.timeout_s
            if not kept or timed_out or peer.is_open(association):
                raise
            if not first.unsure:
                return self._store(self._connected(), alternatives, perhaps, start)
            return self._settle(alternatives, first, perhaps, start)

    def _settle(self, alternatives: Mapping[Path, _Pair], first: Unavailable, perhaps: Perhaps, start: float) -> Path:
        """Offer again what went without an answer; the others only where that is certainly not there."""
        went = {path: pair for path, pair in alternatives.items() if path.name == first.of}
        others = {path: pair for path, pair in alternatives.items() if path not in went}
        try:
            return self._store(self._connected(), went, {**perhaps, first.of: 0.0}, start)
        except MayBeThere:
            raise
        except NotTaken:
            if not others:
                raise
        except SpondylError as error:
            # However the second try ended, what is open is whether the first has arrived.
            error.unsure, error.of = True, first.of
            raise
        return self._store(self._connected(), others, perhaps, start)

    def close(self) -> None:
        with self._lock:
            self._hang_up()

    def _store(
        self, association: Association, alternatives: Mapping[Path, _Pair], perhaps: Perhaps, start: float
    ) -> Path:
        """Store the first alternative that is taken: by its presentation context, and by the answer."""
        why = set()
        for path, pair in alternatives.items():
            what = _sendable(association, pair, path)
            if what is None:
                why |= peer.refusals(c for c in association.rejected_contexts if c.abstract_syntax == pair[0])
                continue
            try:
                check_status(self._answer(association, what), self._destination.name)
            except NotTaken as refused:
                why.add(str(refused))
                self._check_time(start)
                if is_there(self._destination, path, refused, perhaps, calling_ae=self._calling_ae):
                    return path
            except Unavailable as error:
                error.of = path.name
                raise
            else:
                return path
        raise NotTaken(f"{self._destination.name} does not take this object: {', '.join(sorted(why))}")

    def _check_time(self, start: float) -> None:
        """Raise NotNow where asking, and an alternative after it, no longer fit into config.LONGEST_DELIVERY."""
        if time.monotonic() - start > self._destination.timeout_s:
            raise NotNow(f"{self._destination.name} takes too long to refuse")

    def _answer(self, association: Association, what: Path | pydicom.Dataset) -> int | None:
        try:
            status: int | None = association.send_c_store(what).get("Status")
        except RuntimeError as error:
            # The association ended between our look at it and this call.
            raise NotReached(f"{self._destination.name} ended the association") from error
        return status

    def _connected(self) -> Association:
        if self._association is None or not peer.is_open(self._association):
            self._hang_up()
            contexts = proposed(self._destination)
            self._association = peer.call(self._destination, contexts, calling_ae=self._calling_ae)
        return self._association

    def _hang_up(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._association is not None:
            association, self._association = self._association, None
            peer.hang_up(association)

    def _watch_idleness(self, seconds: float) -> None:
        if self._watch is None and self._association is not None:
            self._watch = threading.Timer(seconds, self._hang_up_if_idle)
            self._watch.daemon = True
            self._watch.start()

    def _hang_up_if_idle(self) -> None:
        with self._lock:
            self._watch = None
            left_s = self._used_at + IDLE_S - time.monotonic()
            if left_s > 0:
                self._watch_idleness(left_s)
            else:
                self._hang_up()


def _pair_of(path: Path) -> _Pair:
    """Return (SOP class, transfer syntax) of an object by its File Meta Information (PS3.10 7.1)."""
    try:
        meta = read_file_meta_info(path)
    except (FileNotFoundError, InvalidDicomError) as error:
        raise Unsendable from error
    sop_class, syntax = str(meta.get("MediaStorageSOPClassUID")), str(meta.get("TransferSyntaxUID"))
    ours = {*sop_classes.written(_EVERY_KIND), sop_classes.REJECTION_NOTE}
    if sop_class not in ours or syntax not in _SYNTAXES:
        raise Unsendable
    return sop_class, syntax


def _sendable(association: Association, wanted: _Pair, path: Path) -> Path | pydicom.Dataset | None:
    """Return the file where it is taken as it is, its data set where it must be re-encoded, None where neither is.

    Whoever takes a SOP class at all takes it in Implicit VR Little Endian (PS3.5 10.1).
    """
    accepted = {(str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in association.accepted_contexts}
    if wanted in accepted:
        return path
    return pydicom.dcmread(path) if any(sop_class == wanted[0] for sop_class, _ in accepted) else None

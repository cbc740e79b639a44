"""What comes in by STOW-RS (PS3.18 10.5): the objects of one request stored one by one, as the listener stores them.

Each is durable before it counts as stored; what the answer does not name as stored, the sender sends again.
"""

import contextlib
import threading
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Final

from service import part10, slots, sop_classes
from service.arriving import RENEW_S, Arriving
from service.callers import UNLISTED, Admitted, NotAdmitted, admit_account
from service.door import Closed, Door
from service.errors import OutOfSpace, Refused, StudyTooLarge, TooLarge, Unavailable
from service.identity import Identity, is_uid
from service.logs import log
from service.metrics import Metrics
from service.multipart import BadBody, BodyPart, Multipart
from service.receiving import Announced
from service.storing import MISMATCH, Storing, cause_of
from service.wiring import Node

#: PS3.18 table I.2-2: Referenced SOP Class not supported; Referenced Transfer Syntax not supported; cannot understand.
CLASS_NOT_SUPPORTED: Final = 0x0122
SYNTAX_NOT_SUPPORTED: Final = 0xC122
CANNOT_UNDERSTAND: Final = 0xC000
_MEDIA_TYPE: Final = "application/dicom"
#: A request has no more parts: each is remembered for the answer.
_MOST_PARTS: Final = 20_000
#: A sender that never stops makes an entry of the trail so often, seconds.
TELL_EVERY_S: Final = 3600.0


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who sends: the name of the account, and where the request came from."""

    name: str
    address: str


@dataclass(frozen=True, kw_only=True)
class NoPlace(Exception):
    """As many are sending as may."""

    #: As associations are counted: "too_many_associations", "too_many_of_source".
    cause: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one object. Its UIDs are empty where it did not say them, or said none that are well-formed."""

    sop_class_uid: str
    sop_instance_uid: str
    #: Why it was not stored, by kind and by Failure Reason (0008,1197); None: it was. Not the error itself, whose
    #: traceback keeps the object's blocks.
    refused: type[Refused] | None = None
    reason: int = 0


@dataclass(kw_only=True)
class Taken:
    """What became of a request."""

    results: list[Result] = field(default_factory=list)
    #: Why the rest of the body could not be read.
    broken: str = ""

    @property
    def stored(self) -> list[Result]:
        """The objects that are durable."""
        return [each for each in self.results if each.refused is None]

    @property
    def failed(self) -> list[Result]:
        """The objects that are not here."""
        return [each for each in self.results if each.refused is not None]

    def only(self, *kinds: type[Refused]) -> bool:
        """Whether nothing was stored, and all of it for one of these reasons."""
        refused = [each.refused for each in self.results]
        return (
            bool(refused) and not self.broken and all(each is not None and issubclass(each, kinds) for each in refused)
        )


class _Request:
    """A request, as `Arriving` knows associations."""

    def __init__(self) -> None:
        self.open = True

    def is_alive(self) -> bool:
        return self.open


class Intake:
    """The second way in. Safe in several threads; `run` it while requests are answered."""

    def __init__(self, node: Node, metrics: Metrics) -> None:
        self._node = node
        self._metrics = metrics
        self._door = Door(node.ledger.switches, node.ledger.callers, node.clock)
        reports = node.ledger.admin
        self._storing = Storing(
            settings=node.settings, spool=node.spool, reports=reports, metrics=metrics, door=self._door
        )
        self._arriving = Arriving(node.ledger.arrivals, node.clock)
        #: For so many requests at once.
        self.places = threading.BoundedSemaphore(node.settings.node.max_associations)
        self._slots = slots.of_sources(node.settings)
        self._lock = threading.Lock()
        #: (stored, refused) of each sender that the trail has not heard of.
        self._untold: dict[Sender, tuple[int, int]] = {}
        self._told_at = float("-inf")
        self._stopping = threading.Event()

    def admit(self, sender: Sender) -> Admitted:
        """Return which source sends; raise NotAdmitted. Closed where the intake is paused."""
        try:
            admitted = admit_account(self._node.settings.sources, account=sender.name, address=sender.address)
        except NotAdmitted as refusal:
            self._metrics.association_rejected(refusal.cause, UNLISTED)
            cause = "account" if refusal.cause == "account" else "account_network"
            self._door.turned_away(calling_ae=sender.name, called_ae="", address=sender.address, cause=cause)
            raise
        self._door.require_open()
        return admitted

    def take(self, sender: Sender, source: Admitted, blocks: Iterator[bytes], *, boundary: str, study: str) -> Taken:
        """Store the objects of one body, those of `study` alone where one is named.

        Raises NoPlace before anything is read, and what `blocks` raise.
        """
        try:
            with self._place(source):
                return self._take(sender, source, blocks, boundary=boundary, study=study)
        except NoPlace as full:
            self._metrics.association_rejected(full.cause, source.counted_as)
            self._door.turned_away(calling_ae=sender.name, called_ae="", address=sender.address, cause=full.cause)
            raise

    @contextlib.contextmanager
    def _place(self, source: Admitted) -> Iterator[None]:
        """Hold a place of the node, and of the source where it has a limit: what an association of its would take."""
        with contextlib.ExitStack() as held:
            if not self.places.acquire(blocking=False):
                why = "as many are sending as node.max_associations lets in"
                raise NoPlace(cause="too_many_associations", why=why)
            held.callback(self.places.release)
            own = self._slots.get(source.counted_as)
            if own is not None:
                held.callback(own.give_back, held)
                if not _has_slot(own, held):
                    why = f"{source.name} has as many under way as its max_associations lets in"
                    raise NoPlace(cause="too_many_of_source", why=why)
            yield

    def _take(self, sender: Sender, source: Admitted, blocks: Iterator[bytes], *, boundary: str, study: str) -> Taken:
        taken, request = Taken(), _Request()
        self._arriving.began(request)
        try:
            for part in Multipart(blocks, boundary).parts(at_most=_MOST_PARTS):
                taken.results.append(self._one(part, request, sender, source, study))
                self._pass_over(part)
        except BadBody as bad:
            taken.broken = str(bad)
            self._say_refused(Refused(taken.broken), sender, source)
        finally:
            request.open = False
            self._arriving.over(request)
            self._count(sender, taken)
        return taken

    def tick(self) -> None:
        """Renew what is held, tell once an hour who sent how much, save the counts for the page of metrics."""
        self._arriving.renew()
        self._door.tell()
        if self._stopping.is_set() or self._node.clock() - self._told_at >= TELL_EVERY_S:
            self._tell()
        try:
            self._metrics.save_intake(self._node.settings.web.port)
        except OSError as error:
            log.warning("counts not saved", action="metrics_not_saved", why=error.strerror)

    def run(self) -> Callable[[], None]:
        """Tick in a thread of its own; return what ends that."""

        def ticking() -> None:
            while not self._stopping.wait(RENEW_S):
                self.tick()

        thread = threading.Thread(target=ticking, daemon=True)
        thread.start()

        def stop() -> None:
            self._stopping.set()
            thread.join()
            self.tick()

        return stop

    def _one(self, part: BodyPart, request: _Request, sender: Sender, source: Admitted, study: str) -> Result:
        announced = Announced(sop_class_uid="", sop_instance_uid="", abstract_syntax="", transfer_syntax="")
        try:
            _check_media_type(part)
            announced, data = part10.split(part.blocks)
            _check_supported(announced, source)
            kept = self._storing.store(announced, data, check=_of_study(study))
        except Refused as refusal:
            self._say_refused(refusal, sender, source)
            if isinstance(refusal, StudyTooLarge):
                self._arriving.too_large(refusal.key, why=refusal.entry)
            return _result(announced, refusal)
        if not kept.own:
            self._metrics.received(source.counted_as)
            uid = kept.identity.study_instance_uid
            self._arriving.arrived(request, key=kept.key, study_instance_uid=uid, source=source.name)
        return _result(announced)

    def _pass_over(self, part: BodyPart) -> None:
        """Pass over what is left of a part that was refused; BadBody where it has no end."""
        passed = 0
        for block in part.blocks:
            passed += len(block)
            if passed > self._node.settings.node.max_object_bytes:
                raise BadBody("a part that was refused has no end")

    def _say_refused(self, refusal: Refused, sender: Sender, source: Admitted) -> None:
        cause = cause_of(refusal)
        self._metrics.object_refused(cause, source.counted_as)
        about = {"source": source.name, "address": sender.address}
        log.warning("object refused", action="object_refused", cause=cause, why=str(refusal), **about)

    def _count(self, sender: Sender, taken: Taken) -> None:
        with self._lock:
            stored, refused = self._untold.get(sender, (0, 0))
            self._untold[sender] = stored + len(taken.stored), refused + len(taken.failed) + bool(taken.broken)

    def _tell(self) -> None:
        """Enter in the trail who sent how much since the last time; what cannot be told now, is told the next time."""
        with self._lock:
            untold, self._untold = self._untold, {}
        if untold:
            self._told_at = self._node.clock()
        for sender, (stored, refused) in untold.items():
            words = f"{stored} objects stored, {refused} refused"
            try:
                self._node.ledger.audit.note(
                    actor=sender.name, address=sender.address, what="stow", detail=words, now=self._node.clock()
                )
            except Unavailable as error:
                log.warning("the ledger was not told; it will be", action="ledger_unavailable", why=str(error))
                self._told_at = float("-inf")
                with self._lock:
                    since = self._untold.get(sender, (0, 0))
                    self._untold[sender] = stored + since[0], refused + since[1]


#: Reasons for which a request is to be made again as it is, or in smaller objects.
NO_ROOM: Final = (OutOfSpace,)
PAUSED: Final = (Closed,)
TOO_LARGE: Final = (TooLarge, StudyTooLarge)


def _has_slot(own: slots.Slots, holder: Hashable) -> bool:
    try:
        return own.take(holder)
    except OSError as error:
        if error.errno in slots.NO_MORE_FILES:
            return False
        # Storing says what is wrong with the disk; a limit that cannot be kept must not hide it.
        log.error("spool not readable", action="spool_unreadable", why=error.strerror)
        return True


def _check_media_type(part: BodyPart) -> None:
    # RFC 2045 5.2: one that says nothing is text; many senders say nothing, and the whole body is application/dicom.
    said = part.headers.get("content-type", _MEDIA_TYPE).partition(";")[0].strip().lower()
    if said != _MEDIA_TYPE:
        raise Refused(f"the part is not {_MEDIA_TYPE}", status=CANNOT_UNDERSTAND)


def _check_supported(announced: Announced, source: Admitted) -> None:
    """Refuse what a listener would not accept in a presentation context."""
    mine = source.configured.sop_class_uids if source.configured else ()
    accepted = announced.sop_class_uid in sop_classes.ACCEPTED and (not mine or announced.sop_class_uid in mine)
    if not accepted:
        raise Refused("the SOP class is not supported", status=CLASS_NOT_SUPPORTED)
    if announced.transfer_syntax not in sop_classes.transfer_syntaxes(announced.sop_class_uid):
        raise Refused("the transfer syntax is not supported", status=SYNTAX_NOT_SUPPORTED)


def _of_study(study: str) -> Callable[[Identity], None]:
    """Return what refuses an object of another study than the one that the address names."""

    def check(identity: Identity) -> None:
        if study and identity.study_instance_uid != study:
            raise Refused("Study Instance UID is not the one of the address", status=MISMATCH)

    return check


def _result(announced: Announced, refusal: Refused | None = None) -> Result:
    uids = announced.sop_class_uid, announced.sop_instance_uid
    known = all(map(is_uid, uids))
    return Result(
        sop_class_uid=uids[0] if known else "",
        sop_instance_uid=uids[1] if known else "",
        refused=type(refusal) if refusal else None,
        reason=refusal.status if refusal else 0,
    )

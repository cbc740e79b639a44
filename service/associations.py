"""Associations: who is let in, what is offered to whom, what becomes known of it, and who was turned away.

What hangs on the caller alone is decided here, before anything is received: whether it is a source, how many
associations that source may have, which SOP classes it may send. Rejections are those of PS3.8 9.3.4: permanent where
trying again cannot help until somebody changes a configuration, transient where it can.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_ASSOCIATE

from service import peer, slots
from service.arriving import Arriving
from service.callers import UNLISTED, Admitted, NotAdmitted, admit, may_connect
from service.config import Settings
from service.door import Door
from service.errors import Refused
from service.hearing import Hearing
from service.logs import log
from service.slots import NO_MORE_FILES, Shared
from service.sop_classes import NAMES
from service.storing import cause_of

#: PS3.8 9.3.4, A-ASSOCIATE-RJ: rejected-permanent, by the service user, calling AE title not recognised.
_CALLER_NOT_RECOGNISED: Final = (0x01, 0x01, 0x03)
#: Rejected-transient, by the service provider (presentation), local limit exceeded.
_LIMIT_EXCEEDED: Final = (0x02, 0x03, 0x02)
#: Rejected-transient, by the service provider (presentation), temporary congestion.
_CONGESTED: Final = (0x02, 0x03, 0x01)
#: What pynetdicom rejects by itself, by (source, reason) of PS3.8 9.3.4.
_REJECTIONS: Final[Mapping[object, str]] = {(0x01, 0x07): "called_ae_title", (0x03, 0x02): "too_many_associations"}
#: What keeps out whoever comes while it lasts: of objects the same words.
_PASSING: Final = frozenset({"paused", "out_of_space"})
#: That connections give way is said no sooner than so long after the last time, seconds: a flood must not fill a log.
_SAY_AGAIN_S: Final = 60.0


class Counts(Protocol):
    """What is counted of associations. A source is the configured name, "unlisted" where none is known."""

    def association_rejected(self, cause: str, source: str) -> None:
        """Count one, or a connection that became none.

        Causes: calling_ae_title, address, called_ae_title, too_many_associations, too_many_of_source, paused,
        out_of_space, tls, gave_way, other.
        """

    def association_aborted(self, cause: str, source: str) -> None:
        """Count one that was not released: silent, overdue, pdu_too_large, violation, not_served, left."""

    def context_refused(self, sop_class: str) -> None:
        """Count a presentation context that was refused, by the SOP class's name; "unknown" for all others."""


class Associations:
    """The associations of one listener. Safe in several threads."""

    def __init__(
        self,
        *,
        settings: Settings,
        metrics: Counts,
        arriving: Arriving,
        door: Door | None = None,
        shared: Shared | None = None,
        hearing: Hearing | None = None,
        require_open: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what they need; `require_open` raises Refused where nothing can be stored now."""
        self._settings = settings
        self._require_open = require_open
        self._metrics = metrics
        self._arriving = arriving
        self._door = door
        self._shared = shared
        self._hearing = hearing
        self._slots = slots.of_sources(settings)
        self._lock = threading.Lock()
        #: Connections that gave way since it was said, and when it may be said again (time.monotonic).
        self._unsaid = 0
        self._say_again_at = 0.0

    def handlers(self) -> list[evt.EventHandlerType]:
        """Return what is done when an association is asked for, begins and ends."""
        return [
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_REJECTED, self._on_rejected),
            (evt.EVT_REJECTED, self._on_over),
            (evt.EVT_ACCEPTED, self._on_accepted),
            (evt.EVT_RELEASED, self._on_over),
            (evt.EVT_ABORTED, self._on_over),
            (evt.EVT_CONN_CLOSE, self._on_over),
        ]

    def may_connect(self, address: str) -> bool:
        """Whether a connection from here is served; who is turned away is counted."""
        admitted = may_connect(self._settings.sources, address)
        admitted = admitted or (self._hearing is not None and self._hearing.may_connect(address))
        if not admitted:
            self._metrics.association_rejected("address", UNLISTED)
            if self._door is not None:
                self._door.turned_away(calling_ae="", called_ae="", address=address, cause="address")
            log.warning("connection closed", action="association_rejected", cause="address", address=address)
        return admitted

    def tls_refused(self, address: str) -> None:
        """Count a caller that spoke no TLS, an old one, or had no certificate of ours."""
        self._metrics.association_rejected("tls", UNLISTED)
        if self._door is not None:
            self._door.turned_away(calling_ae="", called_ae="", address=address, cause="tls")

    def gave_way(self, address: str) -> None:
        """Count a connection that was hung up on for others; that there are so many is said once a minute."""
        self._metrics.association_rejected("gave_way", UNLISTED)
        now = time.monotonic()
        with self._lock:
            self._unsaid += 1
            if now < self._say_again_at:
                return
            count, self._unsaid, self._say_again_at = self._unsaid, 0, now + _SAY_AGAIN_S
        log.warning("too many connections wait", action="connection_gave_way", count=count, address=address)

    def aborted(self, association: Association, cause: str) -> None:
        """Count an association that was not released; not who left before asking for one, which is a probe."""
        asked = isinstance(association.requestor.primitive, A_ASSOCIATE)
        if asked or cause != "left":
            self._metrics.association_aborted(cause, self.known_as(association) if asked else UNLISTED)

    def source(self, association: Association) -> Admitted:
        """Return who calls; NotAdmitted."""
        calling_ae, _, address = titles(association)
        return admit(self._settings.sources, calling_ae=calling_ae, address=address)

    def known_as(self, association: Association) -> str:
        """Return what a caller is called in metrics: its source's name, "unlisted" where none is known."""
        try:
            return self.source(association).counted_as
        except NotAdmitted:
            return UNLISTED

    def _on_requested(self, event: evt.Event) -> None:
        association = event.assoc
        # pynetdicom logs what is raised here, and would go on: a fault of ours lets nobody in.
        answer, cause = _CONGESTED, "other"
        try:
            answer, cause = self._answer(association)
        finally:
            if cause:
                association.acse.send_reject(*answer)
        if cause:
            self._say_rejected(association, cause)

    def _answer(self, association: Association) -> tuple[tuple[int, int, int], str]:
        """Return how an association is to be rejected, and the cause, "" where it may begin."""
        try:
            self._admit(association)
        except NotAdmitted as refusal:
            return _CALLER_NOT_RECOGNISED, refusal.cause
        if cause := self._why_closed(association):
            return _CONGESTED, cause
        return _LIMIT_EXCEEDED, self._over_a_limit(association) or ""

    def _admit(self, association: Association) -> None:
        """Admit a source; a destination that is none may report what it has, and nothing else."""
        try:
            source = self.source(association)
        except NotAdmitted:
            calling_ae, _, address = titles(association)
            if self._hearing is None or not self._hearing.may_report(calling_ae=calling_ae, address=address):
                raise
            self._hearing.narrow(association)
        else:
            if source.configured is not None and source.configured.sop_classes:
                _narrow(association, {*source.configured.sop_class_uids})

    def _why_closed(self, association: Association) -> str:
        """Return why an association that proposes storage is to come again later, "" where it may begin.

        Who calls somebody else is not told to come again: pynetdicom rejects it for good.
        """
        request = association.requestor.primitive
        if not isinstance(request, A_ASSOCIATE) or titles(association)[1] != self._settings.node.ae_title:
            return ""
        offered = {each.abstract_syntax for each in association.acceptor.supported_contexts}
        proposed = {each.abstract_syntax for each in request.presentation_context_definition_list}
        if not proposed & offered & NAMES.keys():
            return ""
        try:
            self._require_open()
        except Refused as refusal:
            return cause_of(refusal)
        return ""

    def _over_a_limit(self, association: Association) -> str | None:
        """Take the slots that an association needs; return which limit keeps it out, None where it may begin.

        pynetdicom itself counts the associations of a listener that is alone.
        """
        own = self._slots.get(self.known_as(association))
        try:
            if own is not None and not own.take(association):
                return "too_many_of_source"
            if self._shared and not self._shared.slots.take(association):
                return "too_many_associations"
        except OSError as error:
            if error.errno in NO_MORE_FILES:
                # One more association would have none for what it sends, either.
                return "too_many_associations"
            # C-STORE says what is wrong with the disk; a limit that cannot be kept must not hide it.
            log.error("spool not readable", action="spool_unreadable", why=error.strerror)
        return None

    def _on_rejected(self, event: evt.Event) -> None:
        answer = event.assoc.acceptor.primitive
        reason = (answer.result_source, answer.diagnostic) if isinstance(answer, A_ASSOCIATE) else None
        self._say_rejected(event.assoc, _REJECTIONS.get(reason, "other"))

    def _say_rejected(self, association: Association, cause: str) -> None:
        calling_ae, called_ae, address = titles(association)
        source = self.known_as(association)
        self._metrics.association_rejected(cause, source)
        # Who comes while nobody is let in has no fault that somebody could mend.
        if self._door is not None and cause not in _PASSING:
            self._door.turned_away(calling_ae=calling_ae, called_ae=called_ae, address=address, cause=cause)
        log.warning(
            "association rejected",
            action="association_rejected",
            cause=cause,
            source=source,
            calling_ae=calling_ae,
            called_ae=called_ae,
            address=address,
        )

    def _on_accepted(self, event: evt.Event) -> None:
        association = event.assoc
        self._arriving.began(association)
        refused = {context.abstract_syntax: peer.name_of(context) for context in association.rejected_contexts}
        for uid, name in refused.items():
            # A UID that nobody knows has itself as its name; what a caller makes up is no label of a metric.
            self._metrics.context_refused("unknown" if name == uid else name)
        if refused:
            # Many senders propose every SOP class they know; that alone is nothing to act on.
            say = log.info if association.accepted_contexts else log.warning
            say(
                "presentation contexts refused",
                action="context_refused",
                calling_ae=titles(association)[0],
                sop_class=", ".join(sorted(refused.values())),
                count=len(association.rejected_contexts),
                reason=", ".join(sorted(peer.reasons(association.rejected_contexts))),
            )

    def _on_over(self, event: evt.Event) -> None:
        self._arriving.over(event.assoc)
        for own in self._slots.values():
            own.give_back(event.assoc)
        if self._shared:
            self._shared.slots.give_back(event.assoc)


def titles(association: Association) -> tuple[str, str, str]:
    """Return (calling AE title, called AE title, address) of a caller."""
    request = association.requestor.primitive
    address = association.requestor.address_info
    if not isinstance(request, A_ASSOCIATE) or address is None:
        raise TypeError("the association was not requested yet")
    return (request.calling_ae_title or "").strip(), (request.called_ae_title or "").strip(), address.address


def _narrow(association: Association, wanted: set[str]) -> None:
    """Offer a source of the storage SOP classes only those it may send; what is no storage stays."""
    offered = association.acceptor.supported_contexts
    association.acceptor.supported_contexts = [
        each for each in offered if each.abstract_syntax in wanted or each.abstract_syntax not in NAMES
    ]

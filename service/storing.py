"""Store one object, whichever way it came: its bytes as they came, durable when `store` returns.

written aside -> identity read and compared with what was announced -> spool (fsync)
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from service import sop_classes
from service.config import Settings
from service.door import Closed, Door
from service.errors import Refused, StudyTooLarge, TooLarge, Unavailable
from service.file_meta import file_meta
from service.identity import Identity, is_uid, read_identity
from service.logs import log
from service.part import HEAD, Part
from service.receiving import Announced
from service.spool import Spool

#: Manufacturer (0008,0070) and Manufacturer's Model Name (0008,1090) of the reports that we write.
OWN_NAME: Final = "Spondyl"
#: Verification Flag (0040,A493), CS, VERIFIED, in the little endian syntaxes; ours say UNVERIFIED (PS3.3 C.17.2).
_VERIFIED: Final = re.compile(rb"\x40\x00\x93\xa4(?:CS\x08\x00|\x08\x00\x00\x00)VERIFIED")

#: PS3.4 table B.2-1: Error: Data Set does not match SOP Class.
MISMATCH: Final = 0xA900
_CAUSES: Final = {
    TooLarge.STATUS: "too_large",
    StudyTooLarge.STATUS: "study_too_large",
    0xA7: "out_of_space",
    0xA9: "mismatch",
    0xC0: "cannot_understand",
    # STOW-RS alone: a listener says it of the presentation context. SOP class, transfer syntax (PS3.18 I.2.2).
    0x0122: "not_supported",
    0xC122: "not_supported",
}


class Counts(Protocol):
    """What is counted of objects. A source is the configured name, "unlisted" where none is known."""

    def received(self, source: str) -> None:
        """Count an object that was stored."""

    def object_refused(self, cause: str, source: str) -> None:
        """Count: the words of `cause_of`, or our_fault."""

    def own_report(self) -> None:
        """Count a report of ours that came back."""


class LedgerOfReports(Protocol):
    """The part of the ledger that knows which reports are ours."""

    def is_own_report(self, sop_instance_uid: str) -> bool:
        """Whether we made this SOP instance."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An object that is durable."""

    #: The study's, in the spool.
    key: str
    identity: Identity
    #: Whether it is a report of ours that came back: it is measured never, and counted already.
    own: bool


class Storing:
    """Stores what comes in. Safe in several threads."""

    def __init__(
        self,
        *,
        settings: Settings,
        spool: Spool,
        reports: LedgerOfReports,
        metrics: Counts,
        door: Door | None = None,
    ) -> None:
        #: Of a data set.
        self.most_bytes = settings.node.max_object_bytes
        self._spool = spool
        self._reports = reports
        self._metrics = metrics
        self._door = door

    def require_open(self) -> None:
        """Raise Closed while the intake is paused, OutOfSpace while the disk is below its reserve."""
        if self._door is not None:
            self._door.require_open()
        self._spool.require_room()

    def store(
        self, announced: Announced, blocks: Iterator[memoryview], *, check: Callable[[Identity], None] | None = None
    ) -> Kept:
        """Store one object; it is durable when this returns, and leaves nothing behind where this raises.

        `check` may refuse it by its identity. Raises Refused, and whatever `blocks` raise.
        """
        if self._door is not None:
            self._door.require_open()
        if not (is_uid(announced.sop_class_uid) and is_uid(announced.sop_instance_uid)):
            raise Refused("the UIDs that were announced are malformed", status=MISMATCH)
        with self._spool.receiving() as part:
            part.begin(file_meta(announced))
            for block in blocks:
                if part.size + len(block) > self.most_bytes:
                    raise TooLarge
                part.write(block)
            identity = _identity(part, announced.transfer_syntax)
            _check_against(announced, identity)
            if check is not None:
                check(identity)
            own = self._is_own(identity)
            stored = self._spool.keep(
                part,
                study_instance_uid=identity.study_instance_uid,
                sop_instance_uid=identity.sop_instance_uid,
                own=own,
            )
            changed = own and _is_changed(identity, part)
        if own:
            self._say_own(stored.key, changed=changed)
        return Kept(key=stored.key, identity=identity, own=own)

    def _is_own(self, identity: Identity) -> bool:
        """Whether this is an object of ours that a PACS routes back to us: the ledger knows its UID.

        The maker's name says less: a tool that lets a reader move the points of our report may keep it. It only
        counts while the ledger cannot be asked, and it tells which of many images may be ours at all.
        """
        has_our_name = identity.manufacturer == OWN_NAME and identity.model == OWN_NAME
        if identity.sop_class_uid not in sop_classes.STRUCTURED_REPORTS and not has_our_name:
            return False
        try:
            return self._reports.is_own_report(identity.sop_instance_uid)
        except Unavailable as error:
            log.warning("the ledger was not asked", action="ledger_unavailable", why=str(error))
            return has_our_name

    def _say_own(self, key: str, *, changed: bool) -> None:
        self._metrics.own_report()
        if changed:
            log.warning("own report came back changed", action="own_report_changed", study=key)
        else:
            log.info("own report came back", action="own_report_ignored", study=key)


def cause_of(refusal: Refused) -> str:
    """Return what a refusal is counted as."""
    if isinstance(refusal, Closed):
        return "paused"
    return _CAUSES.get(refusal.status) or _CAUSES.get(refusal.status >> 8, "cannot_understand")


def _is_changed(identity: Identity, part: Part) -> bool:
    """Whether somebody saved an object of ours under the UID that we gave it: another maker's name, or verified."""
    if (identity.manufacturer, identity.model) != (OWN_NAME, OWN_NAME):
        return True
    with part.whole() as data:
        return _VERIFIED.search(data) is not None


def _identity(part: Part, transfer_syntax: str) -> Identity:
    """Read the identity of an object of which all is there; Refused where there is none."""
    if not part.size:
        raise Refused("there is no data set")
    try:
        return read_identity(part.head(), transfer_syntax)
    except Refused:
        if part.size <= HEAD:
            raise
    with part.whole() as data:
        return read_identity(data, transfer_syntax)


def _check_against(announced: Announced, identity: Identity) -> None:
    """Refuse (0xA900) a data set that is not what the command and the presentation context say, or the File Meta."""
    if identity.sop_class_uid not in {announced.sop_class_uid} & {announced.abstract_syntax}:
        raise Refused("SOP Class UID is not the one that was announced", status=MISMATCH)
    if identity.sop_instance_uid != announced.sop_instance_uid:
        raise Refused("SOP Instance UID is not the one that was announced", status=MISMATCH)

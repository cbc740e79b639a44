"""Storage commitment as provider (PS3.4 annex J): senders ask whether we have what they sent, the spool answers.

An object counts that lies durably in the spool, under the SOP class that is named. Nothing is kept of a request: the
answer is found anew, so whoever did not get it asks again. It goes on an association of its own where the caller's AE
title is a destination's, else on the one that asked.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Final, Protocol

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID
from pynetdicom import build_role, evt
from pynetdicom.dimse_primitives import N_ACTION, N_EVENT_REPORT
from pynetdicom.dsutils import encode
from pynetdicom.presentation import PresentationContextTuple

from service import commitment, peer
from service.commitment import CLASS_INSTANCE_CONFLICT, NO_SUCH_OBJECT, Reference
from service.config import Settings
from service.config_peers import Destination
from service.errors import NotNow, PeerRefused, SpondylError, Unavailable
from service.identity import is_uid
from service.logs import log
from service.receiving import ReceivingAssociation
from service.spool import Spool, digests
from service.tries import Tries

#: PS3.7 10.1.4.1.10, of an N-ACTION.
_SUCCESS: Final = 0x0000
_NO_SUCH_INSTANCE: Final = 0x0112
_INVALID_ARGUMENT: Final = 0x0115
_NO_SUCH_ACTION: Final = 0x0123
_NOT_AUTHORISED: Final = 0x0124
_RESOURCE_LIMITATION: Final = 0x0213
#: So many objects may be asked for in one request; a request of more is decoded for seconds.
_MOST_REFERENCES: Final = 10_000
#: So many studies are looked through before all others are.
_RECENT: Final = 200
#: So many reports wait to be brought back.
_MOST_REPORTS: Final = 100
#: PS3.5 7.5: what begins an item, in the byte order of `commitment.SYNTAXES`.
_ITEM: Final = b"\xfe\xff\x00\xe0"
#: PS3.7 annex C, of an N-EVENT-REPORT: processing failure, resource limitation.
_PASSING: Final = frozenset({0x0110, 0x0213})
#: A report on an association of its own is tried again after so long, seconds; then the caller must ask again.
_AGAIN_S: Final = (2.0, 10.0, 60.0)


class LedgerOfKeys(Protocol):
    """The part of the ledger that knows where to look first."""

    def recent(self, limit: int) -> list[str]:
        """Return the keys of the studies that got objects last."""


@dataclass(frozen=True, kw_only=True)
class Committing:
    """Answers requests for storage commitment; where [node] storage_commitment is off it refuses them."""

    settings: Settings
    spool: Spool
    ledger: LedgerOfKeys
    #: The reports that go on associations of their own.
    reports: Tries = field(default_factory=lambda: Tries(_MOST_REPORTS))
    #: Held by whoever looks through the whole spool.
    searching: threading.Lock = field(default_factory=threading.Lock)

    def on_action(self, event: evt.Event) -> tuple[int, Dataset | None]:
        """Return the status of the response to an N-ACTION-RQ; the report follows."""
        request, association = event.request, event.assoc
        if not isinstance(request, N_ACTION) or not isinstance(association, ReceivingAssociation):
            raise TypeError("not a request to this node")
        if not self.settings.node.storage_commitment:
            return _NOT_AUTHORISED, None
        if event.action_type != commitment.REQUEST:
            return _NO_SUCH_ACTION, None
        if str(request.RequestedSOPInstanceUID) != commitment.PUSH_MODEL_INSTANCE:
            return _NO_SUCH_INSTANCE, None
        if _has_too_many(request.ActionInformation):
            return _RESOURCE_LIMITATION, None
        transaction_uid, references = commitment.read_request(event.action_information)
        if not references or not is_uid(transaction_uid):
            return _INVALID_ARGUMENT, None
        taken = self._answer(association, event.context, transaction_uid, references)
        return (_SUCCESS if taken else _RESOURCE_LIMITATION), None

    def _answer(
        self,
        association: ReceivingAssociation,
        context: PresentationContextTuple,
        transaction_uid: str,
        references: Sequence[Reference],
    ) -> bool:
        """See to it that the report follows the response; False where too many wait to be brought back."""
        calling_ae = association.requestor.ae_title.strip()
        # One that is reached by DICOMweb has no AE title.
        named = (each for each in self.settings.destinations if each.ae_title)
        elsewhere = next((each for each in named if each.ae_title == calling_ae), None)
        if elsewhere is None:
            association.afterwards.append(partial(self._here, association, context, transaction_uid, references))
            return True
        waits_s = iter(_AGAIN_S)
        return self.reports.add(partial(self._elsewhere, elsewhere, transaction_uid, references, waits_s))

    def report(self, transaction_uid: str, references: Sequence[Reference]) -> tuple[int, Dataset]:
        """Return (event type, Event Information) that the spool gives cause for."""
        missing = self._missing(references)
        committed = [each for each in references if each.sop_instance_uid not in missing]
        failed = [(each, missing[each.sop_instance_uid]) for each in references if each.sop_instance_uid in missing]
        log.info("storage commitment answered", action="commitment_given", committed=len(committed), failed=len(failed))
        kind = commitment.SOME_FAILED if failed else commitment.ALL_STORED
        return kind, commitment.event_information(transaction_uid, committed=committed, failed=failed)

    def _missing(self, references: Sequence[Reference]) -> dict[str, int]:
        """Return by SOP Instance UID the Failure Reason of what is not here as it is named."""
        wanted = {each.sop_instance_uid: each.sop_class_uid for each in references}
        left = digests(wanted)
        # Who asks has mostly just sent.
        recent = self.ledger.recent(limit=_RECENT)
        unlike = self._take(recent, left, wanted)
        if left:
            # Every folder is read: for one request at a time, however many ask for what is not here.
            with self.searching:
                unlike |= self._take(set(self.spool.keys()).difference(recent), left, wanted)
        return unlike | dict.fromkeys(left.values(), NO_SUCH_OBJECT)

    def _take(self, keys: Iterable[str], left: dict[str, str], wanted: Mapping[str, str]) -> dict[str, int]:
        """Take out of `left`, UIDs by their digests, what lies in these studies; return what of it is another."""
        unlike: dict[str, int] = {}
        for key in keys:
            here = self.spool.among_digests(key, left)
            for digest in [digest for digest, uid in left.items() if uid in here] if here else ():
                del left[digest]
            unlike |= {uid: reason for uid, path in here.items() if (reason := _unlike(path, wanted[uid]))}
            if not left:
                break
        return unlike

    def _here(
        self,
        association: ReceivingAssociation,
        context: PresentationContextTuple,
        transaction_uid: str,
        references: Sequence[Reference],
    ) -> None:
        """Send the report on the association that asked; who has hung up asks again."""
        try:
            kind, information = self.report(transaction_uid, references)
        except (SpondylError, OSError) as error:
            _say_unreported(association.requestor.ae_title.strip(), error)
            return
        association.dimse.send_msg(_event(kind, information, context.transfer_syntax), context.context_id)

    def _elsewhere(
        self, destination: Destination, transaction_uid: str, references: Sequence[Reference], waits_s: Iterator[float]
    ) -> float | None:
        """Send the report on an association of its own, in the role of SCP (PS3.4 J.3.3); return when to try again."""
        try:
            kind, information = self.report(transaction_uid, references)
            self._call(destination, kind, information)
        except (SpondylError, OSError) as error:
            wait_s = None if isinstance(error, PeerRefused) else next(waits_s, None)
            if wait_s is None:
                _say_unreported(destination.name, error)
            return wait_s
        return None

    def _call(self, destination: Destination, kind: int, information: Dataset) -> None:
        role = build_role(commitment.PUSH_MODEL, scp_role=True)
        calling_ae = self.settings.node.ae_title
        with peer.calling(destination, [commitment.context()], calling_ae=calling_ae, roles=[role]) as association:
            known = commitment.PUSH_MODEL, commitment.PUSH_MODEL_INSTANCE
            try:
                answer, _ = association.send_n_event_report(information, kind, *known)
            except RuntimeError as error:
                raise Unavailable(f"{destination.name} ended the association") from error
            except ValueError as error:
                raise PeerRefused(f"{destination.name} takes no report of storage commitment from us") from error
        status: int | None = answer.get("Status")
        if status is None:
            raise Unavailable(f"{destination.name} gave no answer to a report of storage commitment")
        if status != _SUCCESS:
            why = f"{destination.name} answered a report of storage commitment with status 0x{status:04X}"
            raise NotNow(why) if status in _PASSING else PeerRefused(why)


def _unlike(path: Path, sop_class_uid: str) -> int | None:
    """Return the Failure Reason of an object that is not of this SOP class, None where it is."""
    try:
        kept = str(read_file_meta_info(path).get("MediaStorageSOPClassUID"))
    except (OSError, InvalidDicomError):
        return NO_SUCH_OBJECT
    return None if kept == sop_class_uid else CLASS_INSTANCE_CONFLICT


def _has_too_many(information: BytesIO | None) -> bool:
    """Whether Action Information has more items than may be asked for; looked at before anything is decoded."""
    return information is not None and information.getvalue().count(_ITEM) > _MOST_REFERENCES


def _say_unreported(to: str, error: Exception) -> None:
    # An OSError's own text names a path; its strerror does not.
    why = error.strerror if isinstance(error, OSError) else str(error)
    log.warning("storage commitment not reported", action="commitment_unreported", destination=to, why=why)


def _event(kind: int, information: Dataset, transfer_syntax: str) -> N_EVENT_REPORT:
    syntax = UID(transfer_syntax)
    encoded = encode(information, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    message = N_EVENT_REPORT()
    message.MessageID = 1
    message.AffectedSOPClassUID = commitment.PUSH_MODEL
    message.AffectedSOPInstanceUID = commitment.PUSH_MODEL_INSTANCE
    message.EventTypeID = kind
    message.EventInformation = BytesIO(encoded or b"")
    return message

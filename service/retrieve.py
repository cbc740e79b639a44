"""Query and retrieve as user (PS3.4 annex C): what an archive has of a study, and having it sent here.

By C-GET objects come over the association that asks, into the same spool as everything that is received: their bytes
as they came, durable before the archive is told so. By C-MOVE the archive sends them to our listener.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Final, Protocol

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import PresentationContext

from service import peer, sop_classes
from service.asking import FIND
from service.config_peers import Archive, Destination
from service.errors import NotNow, PeerRefused, Refused, StudyTooLarge, Unavailable
from service.identity import is_uid
from service.logs import log
from service.receiving import Announced
from service.sockets import LARGEST_SAID
from service.storing import Counts, Storing, cause_of

#: PS3.4 C.6.2: Study Root Query/Retrieve Information Model.
MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
#: PS3.4 tables C.4-1 to C.4-3.
_PENDING: Final = frozenset({0xFF00, 0xFF01})
_SUCCESS: Final = 0x0000
#: Sub-operations complete, one or more failures or warnings: what is missing is seen afterwards.
_SOME_FAILED: Final = 0xB000
#: Another try meets these again: move destination unknown, identifier does not match SOP class, SOP class not
#: supported, not authorised.
_PERMANENT: Final = frozenset({0xA801, 0xA900, 0x0122, 0x0124})
#: PS3.4 table B.2-1, of an object that a C-GET brings.
_OUT_OF_RESOURCES: Final = 0xA700
_MISMATCH: Final = 0xA900
_TOO_LARGE: Final = "larger than node.max_object_mb"
#: So many matches of one question are read at most; a study has fewer.
_MOST: Final = 50_000
#: A list of UIDs in one request (PS3.4 C.4.2.1.4.1) is kept so short that every peer's element takes it.
_UIDS_AT_ONCE: Final = 100
#: PS3.5 6.2: an LO has so many characters at most; a longer Patient ID is none.
_LONGEST_ID: Final = 64
_DATE: Final = re.compile(r"[0-9]{8}")
#: PS3.8 9.3.2.2: so many presentation contexts has an association; one is for C-GET itself.
_MOST_CONTEXTS: Final = 127
_STORED: Final = (*sop_classes.LOSSLESS, *sop_classes.LOSSY)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One object that an archive lists."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    #: Empty where the archive does not say.
    sop_class_uid: str


class Keeper(Protocol):
    """What becomes of an object that an archive sends over our association."""

    @property
    def largest(self) -> int:
        """Of a data set, bytes: what is larger passes by."""

    def __call__(self, announced: Announced, data: bytes) -> None:
        """Keep it, durable. Refused, with the DIMSE status to answer, where it cannot be kept."""
        ...


def as_peer(archive: Archive, name: str) -> Destination:
    """Return an archive as something to call; `name` is its source's."""
    where = {"ae_title": archive.ae_title, "host": archive.host, "port": archive.port}
    return Destination.model_validate({"name": name, **where, "timeout_s": archive.timeout_s, "tls": archive.tls})


def find_contexts() -> list[PresentationContext]:
    """Return what is proposed to ask."""
    return [build_context(FIND, list(sop_classes.UNCOMPRESSED[:2]))]


def move_contexts() -> list[PresentationContext]:
    """Return what is proposed to have objects sent to our listener."""
    return [build_context(MOVE, list(sop_classes.UNCOMPRESSED[:2]))]


def get_contexts(classes: Collection[str]) -> list[PresentationContext]:
    """Return what is proposed to get objects of these SOP classes over the same association.

    Each compressed syntax stands in a context of its own, so that the archive can send what it has as it is; where that
    would be more contexts than an association has, it chooses one syntax a class.
    """
    found = [build_context(GET, list(sop_classes.UNCOMPRESSED[:2]))]
    wanted = {uid: sop_classes.transfer_syntaxes(uid) for uid in sorted(classes)}
    apart = [
        build_context(uid, list(syntaxes))
        for uid, taken in wanted.items()
        for syntaxes in (taken[:2], *((each,) for each in taken if each in _STORED))
    ]
    whole = [build_context(uid, list(taken)) for uid, taken in wanted.items()]
    return found + (apart if len(apart) <= _MOST_CONTEXTS else whole)


def said(identifier: Dataset, keyword: str) -> str:
    """Return what an archive says of an attribute, as text; "" where it says nothing.

    Its bytes are taken as they came: pydicom's conversion raises on damaged ones, or warns and quotes a patient's.
    """
    tag = tag_for_keyword(keyword)
    value = identifier.get_item(tag).value if tag is not None and tag in identifier else None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
    return text.strip(" \0")


def _require(association: Association, name: str, sop_class: str) -> None:
    """Raise PeerRefused where the archive did not accept the service that is to be asked."""
    if sop_class not in {str(context.abstract_syntax) for context in association.accepted_contexts}:
        raise PeerRefused(f"{name} does not accept {UID(sop_class).name}")


def find(association: Association, name: str, end: float, **keys: str) -> Iterator[Dataset]:
    """Yield the matches of a C-FIND until `end`, as `move`; an empty key asks for a value.

    Raises PeerRefused, NotNow or Unavailable.
    """
    wanted = Dataset()
    for keyword, value in keys.items():
        setattr(wanted, keyword, value)
    matches = _answers(association, partial(association.send_c_find, wanted, FIND), name, "C-FIND", end)
    for count, identifier in enumerate(matches, start=1):
        if count > _MOST:
            raise PeerRefused(f"{name} lists more than {_MOST} matches of one study")
        if identifier is not None:
            yield identifier


def objects_of(
    association: Association, name: str, end: float, study_instance_uid: str, *, wanted: Callable[[Dataset], bool]
) -> list[Listed]:
    """Return the objects that an archive lists of a study, of those series that are `wanted`, by what it says of them.

    It is listened to until `end`, as `move`. Objects of SOP classes that are not taken are left out.
    """
    _require(association, name, FIND)
    study = {"StudyInstanceUID": study_instance_uid}
    about = dict.fromkeys(("Modality", "SeriesInstanceUID", "SeriesDescription"), "")
    series = list(find(association, name, end, QueryRetrieveLevel="SERIES", **study, **about))
    found = []
    for one in series:
        uid = said(one, "SeriesInstanceUID")
        if not is_uid(uid) or not wanted(one):
            continue
        keys = {"QueryRetrieveLevel": "IMAGE", **study, "SeriesInstanceUID": uid}
        for item in find(association, name, end, **keys, SOPInstanceUID="", SOPClassUID=""):
            sop_class, sop_instance = said(item, "SOPClassUID"), said(item, "SOPInstanceUID")
            if is_uid(sop_instance) and (not sop_class or sop_class in sop_classes.ACCEPTED):
                found.append(
                    Listed(
                        study_instance_uid=study_instance_uid,
                        series_instance_uid=uid,
                        sop_instance_uid=sop_instance,
                        sop_class_uid=sop_class,
                    )
                )
    return found


def earlier_studies(association: Association, name: str, end: float, *, patient_id: str, until: str) -> list[str]:
    """Return the Study Instance UIDs that an archive lists of a patient up to a date, YYYYMMDD, the newest first.

    It is listened to until `end`, as `move`.
    """
    if not 0 < len(patient_id) <= _LONGEST_ID or not _DATE.fullmatch(until) or any(c in patient_id for c in "*?\\"):
        return []
    keys = {"QueryRetrieveLevel": "STUDY", "PatientID": patient_id, "StudyDate": f"-{until}", "StudyInstanceUID": ""}
    _require(association, name, FIND)
    charset = {} if patient_id.isascii() else {"SpecificCharacterSet": "ISO_IR 192"}
    dates = {
        said(one, "StudyInstanceUID"): said(one, "StudyDate")
        for one in find(association, name, end, **charset, **keys)
        # A peer that matches otherwise than we asked returns somebody else.
        if said(one, "PatientID") == patient_id
    }
    return sorted(filter(is_uid, dates), key=lambda uid: dates[uid], reverse=True)


def move(archive: Archive, name: str, missing: Collection[Listed], *, our_ae: str, end: float) -> None:
    """Have an archive send objects to our listener, until `end` (time.monotonic).

    Raises PeerRefused, NotNow or Unavailable; that some could not be sent is seen by what is missing afterwards.
    """
    with peer.calling(as_peer(archive, name), move_contexts(), calling_ae=our_ae) as association:
        _require(association, name, MOVE)
        for wanted in _requests(missing):
            deque(
                _answers(association, partial(association.send_c_move, wanted, our_ae, MOVE), name, "C-MOVE", end),
                maxlen=0,
            )


def get(archive: Archive, name: str, missing: Collection[Listed], keep: Keeper, *, our_ae: str, end: float) -> None:
    """Have an archive send objects over the association that asks, as `move`; each goes to `keep`."""
    classes = {each.sop_class_uid for each in missing}
    classes = set(sop_classes.ACCEPTED) if "" in classes else classes
    roles = [build_role(uid, scp_role=True) for uid in sorted(classes)]
    contexts = get_contexts(classes)
    called, largest = as_peer(archive, name), keep.largest + LARGEST_SAID
    with peer.calling(called, contexts, calling_ae=our_ae, roles=roles, largest=largest) as association:
        _require(association, name, GET)
        association.bind(evt.EVT_PDU_RECV, _on_pdu, [keep.largest])
        association.bind(evt.EVT_C_STORE, _on_store, [keep, {each.sop_instance_uid for each in missing}, end])
        for wanted in _requests(missing):
            deque(_answers(association, partial(association.send_c_get, wanted, GET), name, "C-GET", end), maxlen=0)


def _answers(
    association: Association,
    ask: Callable[[], Iterable[tuple[Dataset, Dataset | None]]],
    name: str,
    asked: str,
    end: float,
) -> Iterator[Dataset | None]:
    """Yield what comes with each answer that says that more follows; whoever says so after `end` is hung up on."""
    try:
        for answer, identifier in ask():
            if not _is_match(answer, name, asked):
                continue
            if time.monotonic() > end:
                association.abort()
                raise Unavailable(f"{name} has not sent all in the time that there was ({asked})")
            yield identifier
    except RuntimeError as error:
        raise Unavailable(f"{name} ended the association") from error


def _is_match(answer: Dataset, name: str, asked: str) -> bool:
    """Whether more follows; raises what the status gives cause for."""
    status: int | None = answer.get("Status")
    if status is None:
        raise Unavailable(f"{name} gave no answer to a {asked}")
    if status in _PENDING:
        return True
    if status not in {_SUCCESS, _SOME_FAILED}:
        why = f"{name} answered a {asked} with status 0x{status:04X}"
        raise PeerRefused(why) if status in _PERMANENT else NotNow(why)
    return False


def _requests(missing: Iterable[Listed]) -> Iterator[Dataset]:
    """Yield the identifiers of requests for these objects (PS3.4 C.4.2.1.4.1), a series or a part of one each."""
    series: dict[tuple[str, str], list[str]] = {}
    for each in missing:
        series.setdefault((each.study_instance_uid, each.series_instance_uid), []).append(each.sop_instance_uid)
    for (study, one), uids in series.items():
        for start in range(0, len(uids), _UIDS_AT_ONCE):
            wanted = Dataset()
            wanted.QueryRetrieveLevel = "IMAGE"
            wanted.StudyInstanceUID, wanted.SeriesInstanceUID = study, one
            wanted.SOPInstanceUID = uids[start : start + _UIDS_AT_ONCE]
            yield wanted


class _PassesBy(BytesIO):
    """What is left of a data set that was too large before its end."""


def _on_pdu(event: evt.Event, largest: int) -> None:
    """Let the rest of a data set pass by that is too large already: pynetdicom would keep it until its end."""
    message = event.assoc.dimse.message
    came = message.data_set if message is not None else None
    if message is not None and came is not None and (isinstance(came, _PassesBy) or came.tell() > largest):
        message.data_set = _PassesBy()


def _on_store(event: evt.Event, keep: Keeper, wanted: Collection[str], end: float) -> int:
    """Answer a C-STORE-RQ that a C-GET brings; what was not asked for is refused, and what comes after `end`."""
    request = event.request
    if time.monotonic() > end:
        # Not every archive says in between how far it is; what a C-GET brings may come without an end.
        event.assoc.abort()
        return _OUT_OF_RESOURCES
    if not isinstance(request, C_STORE) or request.DataSet is None:
        return _MISMATCH
    announced = Announced(
        sop_class_uid=str(request.AffectedSOPClassUID),
        sop_instance_uid=str(request.AffectedSOPInstanceUID),
        abstract_syntax=str(event.context.abstract_syntax),
        transfer_syntax=str(event.context.transfer_syntax),
    )
    if announced.sop_instance_uid not in wanted:
        return _MISMATCH
    if isinstance(request.DataSet, _PassesBy):
        log.warning("object refused", action="object_refused", cause="retrieved", why=_TOO_LARGE)
        return _OUT_OF_RESOURCES
    return _kept(keep, announced, request.DataSet.getvalue())


def _kept(keep: Keeper, announced: Announced, data: bytes) -> int:
    """Keep an object; return the status to answer."""
    try:
        keep(announced, data)
    except Refused as refusal:
        log.warning("object refused", action="object_refused", cause="retrieved", why=str(refusal))
        return refusal.status
    except OSError as error:
        log.error("object not stored", action="object_refused", cause="retrieved", why=error.strerror)
        return _OUT_OF_RESOURCES
    return _SUCCESS


@dataclass(frozen=True, kw_only=True)
class IntoSpool:
    """Stores what comes as the listener does, and counts it for its source; the ledger is to be told of it."""

    storing: Storing
    metrics: Counts
    source: str
    #: Studies of which an object is durable now: Study Instance UID by key.
    arrived: dict[str, str] = field(default_factory=dict)
    #: Studies that have too many objects or bytes for another one: why, by key.
    full: dict[str, str] = field(default_factory=dict)

    @property
    def largest(self) -> int:
        """Of a data set, bytes."""
        return self.storing.most_bytes

    def __call__(self, announced: Announced, data: bytes) -> None:
        """Keep an object."""
        try:
            kept = self.storing.store(announced, iter((memoryview(data),)))
        except Refused as refusal:
            self.metrics.object_refused(cause_of(refusal), self.source)
            if isinstance(refusal, StudyTooLarge):
                self.full[refusal.key] = refusal.entry
            raise
        if not kept.own:
            self.metrics.received(self.source)
            self.arrived[kept.key] = kept.identity.study_instance_uid

"""Deliver by STOW-RS as user agent (PS3.18 10.5): a POST an object, its file streamed as it is.

What counts is what the answer says of the object: a proxy, a login page or an empty body that comes with 200 stores
nothing. An answer that never came means "unknown", and the same object is sent again under the same UID.
"""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from service import dicomweb
from service.already import NOTHING, Perhaps, is_there
from service.config_peers import Destination
from service.errors import NotNow, NotTaken, PeerRefused, Unavailable
from service.store_status import check_status

#: PS3.18 table I.1-1, in the DICOM JSON model: Failed SOP Sequence, Other Failures Sequence, Referenced SOP Sequence.
_FAILED: Final = "00081198"
_OTHER_FAILURES: Final = "0008119A"
_REFERENCED: Final = "00081199"
#: Referenced SOP Instance UID, Failure Reason.
_UID: Final = "00081155"
_REASON: Final = "00081197"
#: PS3.18 table I.2-2: Processing failure; where no reason is given.
_PROCESSING_FAILURE: Final = 0x0110
#: PS3.18 table 10.5.3-1: all of it stored; some of it, or with warnings.
_STORED: Final = frozenset({200, 202})
#: Bad syntax, a conflict, too large, a media type that is not supported: said of this object.
_NOT_THIS_ONE: Final = frozenset({400, 409, 413, 415})
#: Another request (connection, answer, its body) is begun after so many times `timeout_s` at most: then all of it fits
#: into config.LONGEST_DELIVERY.
_MOST_WAITS: Final = 3
_BLOCK: Final = 128 * 1024


def send(destination: Destination, paths: Sequence[Path], *, perhaps: Perhaps = NOTHING) -> Path:
    """Send one object, the first of these alternatives that is taken; return which.

    NotTaken where none is; PeerRefused; or Unavailable where it may be tried again under the same UID: NotNow where the
    destination itself is well. `perhaps`: as in `deliver`.
    """
    going: list[Path] = []
    try:
        return _send(destination, paths, going, perhaps)
    except Unavailable as error:
        error.of = going[-1].name if going else ""
        raise


def _send(destination: Destination, paths: Sequence[Path], going: list[Path], perhaps: Perhaps) -> Path:
    """Do what `send` says; `going` is told what goes out."""
    why, start = set(), time.monotonic()
    with dicomweb.calling(destination) as client:
        for path in paths:
            _check_time(destination, start)
            going.append(path)
            try:
                _store(client, destination, path)
            except NotTaken as refused:
                why.add(str(refused))
                _check_time(destination, start)
                if not is_there(destination, path, refused, perhaps):
                    continue
            return path
    raise NotTaken(f"{destination.name} does not take this object: {', '.join(sorted(why))}")


def _check_time(destination: Destination, start: float) -> None:
    """Raise NotNow where the refusals so far took so long that the next step might outlast the task."""
    if time.monotonic() - start > _MOST_WAITS * destination.timeout_s:
        raise NotNow(f"{destination.name} takes too long to refuse")


def send_each(destination: Destination, paths: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
    """Send files; give each with what was wrong with it, None where it was stored. Raises Unavailable."""
    with dicomweb.calling(destination) as client:
        for path in paths:
            try:
                _store(client, destination, path)
            except (InvalidDicomError, KeyError):
                yield path, "it does not say what it is"
            except (PeerRefused, NotNow) as refused:
                yield path, str(refused)
            else:
                yield path, None


def _store(client: httpx.Client, destination: Destination, path: Path) -> None:
    uid = str(read_file_meta_info(path)["MediaStorageSOPInstanceUID"].value)
    boundary = uuid.uuid4().hex
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Content-Length": str(len(head) + path.stat().st_size + len(tail)),
    }
    with client.stream("POST", "/studies", content=body(head, path, tail), headers=headers) as answer:
        _judge(destination, uid, answer.status_code, dicomweb.body_of(answer, destination))


def body(head: bytes, path: Path, tail: bytes) -> Iterator[bytes]:
    """Give the body of a request in blocks: what stands around the one part, and its file."""
    yield head
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
    yield tail


def _judge(destination: Destination, uid: str, status: int, body: bytes) -> None:
    """Return where the object was stored, also where it had been before, or with a warning; else raise."""
    if status not in _STORED | _NOT_THIS_ONE:
        raise dicomweb.refusal(destination, status, "STOW-RS")
    module = _module(body)
    failures = [*_items(module, _FAILED), *_items(module, _OTHER_FAILURES)]
    if failures:
        # One object was sent, so whatever failed is this one.
        reason = _value(failures[0], _REASON)
        check_status(reason if isinstance(reason, int) and reason else _PROCESSING_FAILURE, destination.name)
        return
    if status in _NOT_THIS_ONE:
        raise NotTaken(f"{destination.name} answered STOW-RS with HTTP status {status}")
    if not any(_value(each, _UID) == uid for each in _items(module, _REFERENCED)):
        why = f"{destination.name} answered STOW-RS with HTTP status {status}, without a word on the object"
        raise NotNow(why, unsure=True)


def _module(body: bytes) -> dict[str, Any]:
    """Return the Store Instances Response Module, empty where the body is none."""
    try:
        module = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return module if isinstance(module, dict) else {}


def _items(module: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    sequence = module.get(tag)
    values = sequence.get("Value") if isinstance(sequence, dict) else None
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _value(item: dict[str, Any], tag: str) -> object:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None

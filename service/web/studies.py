"""STOW-RS, the second way in (PS3.18 10.5): objects are posted to /dicom-web/studies, and durable before the answer."""

import time
from collections.abc import Callable, Iterator
from email.message import Message
from typing import Any, Final, cast

import anyio
import anyio.from_thread
import anyio.to_thread
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from service import intake
from service.callers import NotAdmitted
from service.door import Closed
from service.identity import is_uid
from service.intake import Intake, NoPlace, Result, Sender, Taken
from service.logs import log
from service.web.access import TheNode, TheVisitor
from service.web.guard import DICOMWEB, Rejected, problem

router: Final = APIRouter(prefix=DICOMWEB.rstrip("/"), include_in_schema=False)
_JSON: Final = "application/dicom+json"
#: Media ranges (RFC 9110 12.5.1) of which DICOM JSON is one. XML is not offered.
_ACCEPTED: Final = frozenset({"*/*", "application/*", "application/json", _JSON})
#: PS3.18 table I.1-1, as the DICOM JSON model names them (annex F).
_RETRIEVE_URL: Final = "00081190"
_FAILED: Final = "00081198"
_REFERENCED: Final = "00081199"
_OTHER_FAILURES: Final = "0008119A"
#: RFC 2046 5.1.1 has 70; Orthanc's plugin sends 73.
_LONGEST_BOUNDARY: Final = 200
#: Whoever brings less than this in node.idle_timeout_s is silent, bytes: a sender that drips must not hold a place.
_LEAST: Final = 64 * 1024
#: RFC 9110 10.2.3: when a sender may try again, seconds.
_RETRY_S: Final = {"Retry-After": "30"}


class Silent(Exception):
    """The sender says nothing any more."""


@router.post("/studies")
@router.post("/studies/{study}")
async def store(request: Request, node: TheNode, visitor: TheVisitor, study: str = "") -> Response:
    """Store the objects of a multipart body, those of `study` alone where the address names one."""
    taker = cast("Intake", request.app.state.intake)
    if not visitor.may_send:
        raise Rejected(f"{visitor.name} may look and not send: the role sender is needed", status=403)
    boundary = _boundary(request)
    if study and not is_uid(study):
        raise Rejected("the address: expected a Study Instance UID behind studies/", status=400)
    sender = Sender(name=visitor.name, address=visitor.address)
    try:
        source = await run_in_threadpool(taker.admit, sender)
    except NotAdmitted as refusal:
        raise _not_admitted(refusal, sender) from None
    except Closed as closed:
        return _later(request, str(closed))
    settings = node.settings.node
    blocks = _blocks(request, idle_s=settings.idle_timeout_s, longest_s=settings.max_association_s)
    try:
        return await _in_a_thread(lambda: _answered(taker.take(sender, source, blocks, boundary=boundary, study=study)))
    except NoPlace as full:
        _say_turned_away(sender, full.cause)
        return _later(request, full.why)
    except Silent:
        return problem(request, 408, "the body stopped coming")
    except ClientDisconnect:
        raise Rejected("the body ended early", status=400) from None


async def _in_a_thread(work: Callable[[], Response]) -> Response:
    # A thread of its own: those who send slowly must not take the page's.
    return await anyio.to_thread.run_sync(work, limiter=anyio.CapacityLimiter(1))


def _boundary(request: Request) -> str:
    """Return the boundary of the body; Rejected where the answer or the body cannot be what they are to be."""
    accepts = [each.partition(";")[0].strip().lower() for each in request.headers.get("accept", "*/*").split(",")]
    if not _ACCEPTED & set(accepts):
        raise Rejected(f"Accept: expected {_JSON}", status=406)
    said = Message()
    said["content-type"] = request.headers.get("content-type", "")
    kind = str(said.get_param("type", "application/dicom")).lower()
    encoded = request.headers.get("content-encoding", "identity")
    if said.get_content_type() != "multipart/related" or kind != "application/dicom" or encoded != "identity":
        raise Rejected('Content-Type: expected multipart/related; type="application/dicom"; boundary=...', status=415)
    boundary = said.get_param("boundary")
    if not isinstance(boundary, str) or not 1 <= len(boundary) <= _LONGEST_BOUNDARY or not boundary.isascii():
        raise Rejected("Content-Type: expected a boundary", status=400)
    return boundary


def _say_turned_away(sender: Sender, cause: str) -> None:
    log.warning("sender turned away", action="sender_rejected", cause=cause, source=sender.name, address=sender.address)


def _not_admitted(refusal: NotAdmitted, sender: Sender) -> Rejected:
    _say_turned_away(sender, refusal.cause)
    if refusal.cause == "address":
        return Rejected(f"the source {sender.name} does not send from this network", status=403)
    return Rejected(f"no source is called {sender.name}: [[sources]] needs one with the account's name", status=403)


def _later(request: Request, why: str) -> Response:
    answer = problem(request, 503, why, who="nobody: the sender tries again")
    answer.headers.update(_RETRY_S)
    return answer


def _blocks(request: Request, *, idle_s: float, longest_s: float) -> Iterator[bytes]:
    """Give the body as it comes, in the thread that stores it; raise Silent, ClientDisconnect."""
    stream, end = request.stream(), time.monotonic() + longest_s
    came, waited_s = 0, 0.0

    async def more(at_most_s: float) -> bytes:
        with anyio.fail_after(at_most_s):
            return await anext(stream, b"")

    while True:
        began = time.monotonic()
        try:
            block = anyio.from_thread.run(more, max(min(idle_s - waited_s, end - began), 0.0))
        except TimeoutError:
            raise Silent from None
        if not block:
            return
        waited_s += time.monotonic() - began
        came += len(block)
        if came >= _LEAST:
            came, waited_s = 0, 0.0
        yield block


def _answered(taken: Taken) -> Response:
    """Return the answer to a request whose body was read (PS3.18 10.5.3)."""
    status = _status(taken)
    if taken.broken and not taken.results:
        raise Rejected(f"the body: {taken.broken}", status=400)
    headers = _RETRY_S if status in {503, 507} else {}
    return JSONResponse(_module(taken), status_code=status, headers=headers, media_type=_JSON)


def _status(taken: Taken) -> int:
    if taken.stored:
        return 202 if taken.failed or taken.broken else 200
    kinds = {503: intake.PAUSED, 507: intake.NO_ROOM, 413: intake.TOO_LARGE}
    found = next((status for status, kind in kinds.items() if taken.only(*kind)), None)
    return found or (400 if taken.broken or not taken.results else 409)


def _module(taken: Taken) -> dict[str, Any]:
    """Return the Store Instances Response Module: nothing that is named as stored can be lost any more."""
    named = [each for each in taken.failed if each.sop_instance_uid]
    unnamed = [_reason(each) for each in taken.failed if not each.sop_instance_uid]
    unnamed += [_reason_of(intake.CANNOT_UNDERSTAND)] if taken.broken else []
    items = {
        _FAILED: [_reference(each) | _reason(each) for each in named],
        _REFERENCED: [_reference(each) | {_RETRIEVE_URL: {"vr": "UR"}} for each in taken.stored],
        _OTHER_FAILURES: unnamed,
    }
    # Nothing can be retrieved here.
    return {_RETRIEVE_URL: {"vr": "UR"}} | {tag: {"vr": "SQ", "Value": found} for tag, found in items.items() if found}


def _reference(result: Result) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [result.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [result.sop_instance_uid]},
    }


def _reason(result: Result) -> dict[str, Any]:
    return _reason_of(result.reason)


def _reason_of(status: int) -> dict[str, Any]:
    return {"00081197": {"vr": "US", "Value": [status]}}

"""What stands before every route: headers that keep a browser strict, who may change anything, the form of an error."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from fastapi import Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from service import dicomweb
from service.errors import (
    BadLandmarks,
    Misconfigured,
    NotHeld,
    OutOfSpace,
    PeerRefused,
    SpondylError,
    Unavailable,
    Unknown,
)
from service.web import render

Next = Callable[[Request], Awaitable[Response]]
Middleware = Callable[[Request, Next], Awaitable[Response]]

#: A page loads our own style sheet and scripts and nothing else; no script stands in a page, nothing may frame it.
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": a form that is posted from such a page names no origin.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: How a family of errors is answered; what is in none of them is 500.
STATUSES: Final[dict[type[Exception], int]] = {
    Unknown: 404,
    BadLandmarks: 422,
    Misconfigured: 422,
    NotHeld: 422,
    PeerRefused: 502,
    Unavailable: 503,
    OutOfSpace: 507,
}
#: Below which DICOMweb is served.
DICOMWEB: Final = f"{dicomweb.SERVICE_ROOT}/"
#: Shorter secrets can be guessed.
_SHORTEST_TOKEN: Final = 16
#: Methods that change nothing (RFC 9110 9.2.1).
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Rejected(SpondylError):
    """This request cannot be taken; carries the status of the answer, and when it may be made again, seconds."""

    who = "the caller"

    def __init__(self, message: str, *, status: int, retry_s: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_s = retry_s


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a request below /api failed."""

    error: str
    who_must_act: str


def read_token(path: Path | None) -> str | None:
    """Return the token in `path`, None where no file is named; Misconfigured where it is unreadable or too short."""
    if path is None:
        return None
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"web.token_file = {path}: cannot be read ({type(error).__name__})") from None
    if len(token) < _SHORTEST_TOKEN:
        raise Misconfigured(f"web.token_file = {path}: the token must have at least {_SHORTEST_TOKEN} characters")
    return token


def wants_json(request: Request) -> bool:
    """Whether the caller is a program."""
    return request.url.path.startswith(("/api/", DICOMWEB))


def wants_html(request: Request) -> bool:
    """Whether the caller is a browser that will show what it gets."""
    return not wants_json(request) and "text/html" in request.headers.get("accept", "")


def problem(request: Request, status: int, message: str, *, who: str = "the caller") -> Response:
    """Return an error as the caller can read it: JSON below /api, a page for a browser, else plain text."""
    if wants_json(request):
        return JSONResponse(asdict(Problem(error=message, who_must_act=who)), status_code=status)
    if wants_html(request):
        return render.page(request, "error.html", {"status": status, "message": message, "who": who}, status=status)
    return PlainTextResponse(f"{message}\nwho must act: {who}\n", status_code=status)


def told(request: Request, error: SpondylError) -> Response:
    """Return the answer that an expected error is worth."""
    status = next((code for kind, code in STATUSES.items() if isinstance(error, kind)), 500)
    status = error.status if isinstance(error, Rejected) else status
    answer = problem(request, status, str(error), who=error.who_now)
    if isinstance(error, Rejected) and error.retry_s:
        answer.headers["Retry-After"] = str(error.retry_s)
    return answer


def said_token(authorization: str) -> bytes:
    """Return the token in an Authorization header, empty where it holds none.

    Programs say it as it is (Bearer, RFC 6750 2.1), or as the password of any user (Basic, RFC 7617 2).
    """
    scheme, _, said = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return said.strip().encode("latin-1")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(said.strip().encode("latin-1"), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


async def only_own_pages(request: Request, call_next: Next) -> Response:
    """Let no page of another site change anything: its browser names the site (RFC 6454 7.3), a program names none.

    Every browser of today names the origin of what it posts, so a session without one is no browser.
    """
    origin = request.headers.get("origin")
    if request.method in _SAFE or (origin is None and "cookie" not in request.headers):
        return await call_next(request)
    if (origin or "").partition("://")[2].lower() == request.headers.get("host", "").lower():
        return await call_next(request)
    return problem(request, 403, "pages of other sites change nothing here: send this from a program, without Origin")


async def strict_headers(request: Request, call_next: Next) -> Response:
    """Add HEADERS to every answer; what never changes may be kept."""
    response = await call_next(request)
    response.headers.update(HEADERS)
    if request.url.path.startswith("/static/") and response.status_code < 400:  # noqa: PLR2004 an error is not kept
        response.headers["Cache-Control"] = "max-age=3600"
    return response

"""What stands before every route: who may ask, headers that keep a browser strict, and the form of an error."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from fastapi import Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from service.config import Web, is_loopback
from service.errors import Misconfigured, SpondylError

Next = Callable[[Request], Awaitable[Response]]
Middleware = Callable[[Request, Next], Awaitable[Response]]

#: A page loads our own style sheet and nothing else; no script runs, nothing may frame it.
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
#: Shorter secrets can be guessed.
_SHORTEST_TOKEN: Final = 16
#: Methods that change nothing (RFC 9110 9.2.1).
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Rejected(SpondylError):
    """This request cannot be taken; carries the status of the answer."""

    who = "the caller"

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


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
    return request.url.path.startswith("/api/")


def problem(request: Request, status: int, message: str, *, who: str = "the caller") -> Response:
    """Return an error as the caller can read it: JSON below /api, else plain text."""
    if wants_json(request):
        return JSONResponse(asdict(Problem(error=message, who_must_act=who)), status_code=status)
    return PlainTextResponse(f"{message}\nwho must act: {who}\n", status_code=status)


def said_token(authorization: str) -> bytes:
    """Return the token in an Authorization header, empty where it holds none.

    Programs say it as it is (Bearer, RFC 6750 2.1), browsers as the password of any user (Basic, RFC 7617 2).
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


def only_with_token(token: str) -> Middleware:
    """Return the middleware that asks for the token everywhere but on /healthz."""
    expected = token.encode("ascii")

    async def guard(request: Request, call_next: Next) -> Response:
        said = said_token(request.headers.get("authorization", ""))
        if request.url.path == "/healthz" or hmac.compare_digest(said, expected):
            return await call_next(request)
        refusal = problem(
            request, 401, "the token in web.token_file is required: as password of any user, or Authorization: Bearer"
        )
        # A browser asks its user for nothing but Basic; a program that has the token does not ask.
        refusal.headers["WWW-Authenticate"] = 'Basic realm="spondyl"'
        return refusal

    return guard


async def only_loopback_names(request: Request, call_next: Next) -> Response:
    """Refuse a foreign Host where no token protects the page: a site that rebinds its name could read it else."""
    if is_loopback(request.url.hostname or ""):
        return await call_next(request)
    return problem(request, 421, "without web.token_file only names of this machine are answered")


def chosen(web: Web) -> Middleware:
    """Return the guard that fits the configuration; Misconfigured where the token cannot be used."""
    token = read_token(web.token_file)
    return only_loopback_names if token is None else only_with_token(token)


async def only_own_pages(request: Request, call_next: Next) -> Response:
    """Let no page of another site change anything: its browser names the site (RFC 6454 7.3), a program names none."""
    origin = request.headers.get("origin")
    if request.method in _SAFE or origin is None:
        return await call_next(request)
    if origin.partition("://")[2].lower() == request.headers.get("host", "").lower():
        return await call_next(request)
    return problem(request, 403, "pages of other sites change nothing here: send this from a program, without Origin")


async def strict_headers(request: Request, call_next: Next) -> Response:
    """Add HEADERS to every answer."""
    response = await call_next(request)
    response.headers.update(HEADERS)
    return response

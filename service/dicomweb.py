"""Calls under the DICOMweb service root of a destination (PS3.18 8): TLS, who we are there, and what a failure means.

A connection lasts for one call, so a certificate, a password or a token that was renewed is used by the next one. No
proxy of the environment is asked and no redirection is followed: what is sent is a patient's.
"""

import ssl
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from service.config_peers import Destination
from service.errors import NotNow, NotReached, PeerRefused, SpondylError, Unavailable
from service.tls import calling_context

#: DICOM JSON (PS3.18 annex F), which every answer is asked for in.
JSON: Final = "application/dicom+json"
#: Below which our own service is, at the address of the page.
SERVICE_ROOT: Final = "/dicom-web"
#: An answer about one object has some thousand bytes; more is not read.
_LONGEST_ANSWER: Final = 1_000_000
#: RFC 9110 15: the server blames itself; of those who blame the request, what passes: time-out, too early, too many.
_SERVER_ERROR: Final = 500
_PASSING: Final = frozenset({408, 425, 429})
#: Nobody behind a gateway answers; or nobody knows us, which is mended by a new file, and then all goes on by itself.
_NOBODY_THERE: Final = frozenset({502, 503, 504})
_NOT_KNOWN: Final = 401
_REDIRECTED: Final = range(300, 400)
#: There was no connection.
_NOT_REACHED: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, httpx.UnsupportedProtocol)


@contextmanager
def calling(destination: Destination) -> Iterator[httpx.Client]:
    """Hold a client whose addresses are below the service root.

    Raises Unavailable where nobody answers inside the block, NotReached where nobody is there, and where a file of ours
    cannot be used.
    """
    with httpx.Client(
        base_url=destination.dicomweb_url.rstrip("/"),
        verify=_context(destination),
        auth=_auth(destination),
        headers={"Accept": JSON, "Accept-Encoding": "identity"},
        timeout=destination.timeout_s,
        trust_env=False,
    ) as client:
        try:
            yield client
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            family = NotReached if isinstance(error, _NOT_REACHED) else Unavailable
            raise family(f"{destination.name} does not answer at its dicomweb_url: {_words(error)}") from error


def body_of(answer: httpx.Response, destination: Destination) -> bytes:
    """Return the body of an answer that is streamed; Unavailable where it takes longer than the destination may."""
    end = time.monotonic() + destination.timeout_s
    body = bytearray()
    for block in answer.iter_bytes():
        body += block
        if len(body) > _LONGEST_ANSWER or time.monotonic() > end:
            raise Unavailable(f"{destination.name} began an answer that has no end")
    return bytes(body)


def refusal(destination: Destination, status: int, service: str) -> SpondylError:
    """Return what a status says that is about no object: NotNow, Unavailable, or PeerRefused: somebody must act."""
    why = f"{destination.name} answered {service} with HTTP status {status}"
    if status == _NOT_KNOWN:
        return NotReached(f"{why}: it does not accept what stands in user and secret_file")
    if status in _NOBODY_THERE:
        return Unavailable(f"{why}: nobody is there")
    if status in _REDIRECTED:
        return PeerRefused(f"{why}: it wants another dicomweb_url")
    if status >= _SERVER_ERROR or status in _PASSING:
        # Whoever says 500 may have failed after it had done it.
        return NotNow(why, unsure=status == _SERVER_ERROR)
    return PeerRefused(why)


def _context(destination: Destination) -> ssl.SSLContext:
    """Return the TLS side: the destination's own certificates where it has some, else those the system trusts."""
    return calling_context(destination.tls, over="https") if destination.tls else ssl.create_default_context()


def _auth(destination: Destination) -> httpx.Auth | None:
    """Return who we are there: Basic (RFC 7617) with a user, else Bearer (RFC 6750)."""
    if destination.secret_file is None:
        return None
    secret = _secret(destination.secret_file, is_token=not destination.user)
    return httpx.BasicAuth(destination.user, secret) if destination.user else _Bearer(secret)


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def _secret(path: Path, *, is_token: bool) -> str:
    """Return the one line of a file; NotReached, which never quotes it, where it is none."""
    try:
        said = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotReached(f"secret_file = {path}: cannot be read ({type(error).__name__})") from None
    if not said or not said.isprintable() or (is_token and not said.isascii()):
        raise NotReached(f"secret_file = {path}: expected one line that can be printed")
    return said


def _words(error: Exception) -> str:
    """Return what went wrong. Only of a connection that never was the text is told: it can quote nothing."""
    return str(error) if isinstance(error, httpx.ConnectError) else type(error).__name__

"""Whether TLS files can be used, and when certificates expire.

The latter is read from the PEM files without a library: Python's own tells it of a peer's only.
"""

import base64
import contextlib
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from service.config import Settings
from service.config_peers import Tls
from service.errors import Misconfigured
from service.tls import client_context, server_context

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
#: ASN.1 tags (X.690): UTCTime; GeneralizedTime; the version of a certificate, [0].
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_VERSION: Final = 0xA0
#: RFC 5280 4.1.2.5.1: two digits of the year, 50 and above are of the last century.
_CENTURY: Final = 50


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """One that TLS uses here: whose it is, and when it ends, seconds since the epoch."""

    #: "node", "destination NAME" or "archive of SOURCE".
    owner: str
    file: Path
    expires_at: float


def certificates(settings: Settings) -> Iterator[Certificate]:
    """Give the certificate of the node, and of each destination and archive with TLS, and those of their CA files.

    Of several in a certificate file the one that ends first, of a CA file the one that ends last. Files that cannot be
    read are left out: see `unusable`.
    """
    for owner, tls, _ in _sides(settings):
        with contextlib.suppress(Misconfigured):
            yield Certificate(owner=owner, file=tls.cert_file, expires_at=min(expiries(tls.cert_file)))
        with contextlib.suppress(Misconfigured):
            yield Certificate(owner=f"{owner}, CA", file=tls.ca_file, expires_at=max(expiries(tls.ca_file)))


def unusable(settings: Settings) -> dict[str, str]:
    """Return by owner why TLS files cannot be used. A node that runs goes on with those it had."""
    found = {}
    for owner, tls, make in _sides(settings):
        try:
            make(tls)
            expiries(tls.cert_file)
            expiries(tls.ca_file)
        except Misconfigured as error:
            found[owner] = str(error)
    return found


def _sides(settings: Settings) -> Iterator[tuple[str, Tls, Callable[[Tls], ssl.SSLContext]]]:
    if settings.node.tls is not None:
        yield "node", settings.node.tls, server_context
    for each in settings.destinations:
        if each.tls is not None:
            yield f"destination {each.name}", each.tls, client_context
    for source in settings.sources:
        if source.archive is not None and source.archive.tls is not None:
            yield f"archive of {source.name}", source.archive.tls, client_context


def expiries(file: Path) -> list[float]:
    """Return when each certificate of a PEM file ends, seconds since the epoch; Misconfigured where there is none."""
    try:
        found = [_not_after(base64.b64decode(match[1])) for match in _PEM.finditer(file.read_bytes())]
    except OSError as error:
        raise Misconfigured(f"tls: {file}: cannot be read: {error.strerror}") from None
    except (ValueError, IndexError) as error:
        raise Misconfigured(f"tls: {file}: holds a certificate that cannot be read") from error
    if not found:
        raise Misconfigured(f"tls: {file}: expected certificates in PEM, found none")
    return found


def _not_after(der: bytes) -> float:
    """Return the end of the validity of an X.509 certificate (RFC 5280 4.1): the fourth or fifth field, second time."""
    (_, certificate), *_ = _fields(der)
    (_, to_be_signed), *_ = _fields(certificate)
    fields = [value for tag, value in _fields(to_be_signed) if tag != _VERSION]
    _serial, _algorithm, _issuer, validity, *_ = fields
    _not_before, (tag, value) = list(_fields(validity))[:2]
    return _moment(tag, value.decode("ascii"))


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give (tag, value) of the fields of a DER sequence's content."""
    place = 0
    while place < len(data):
        tag, length = data[place], data[place + 1]
        place += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[place : place + size], "big")
            place += size
        if place + length > len(data):
            raise ValueError("the certificate is cut off")
        yield tag, data[place : place + length]
        place += length


def _moment(tag: int, text: str) -> float:
    if tag not in {_UTC_TIME, _GENERALIZED_TIME}:
        raise ValueError("expected a time")
    if tag == _UTC_TIME:
        text = ("19" if int(text[:2]) >= _CENTURY else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()

"""TLS as BCP 195 asks for it (RFC 9325; DICOM PS3.15 B.12), with certificates that may be renewed under a running node.

TLS 1.2 with the four suites that RFC 9325 section 4.2 recommends, or TLS 1.3; both sides show a certificate. A session
ends with its connection and with the files it was made with, so a CA that was taken out lets nobody in any more. Until
then OpenSSL resumes one of TLS 1.2 by its ID, which Python cannot forbid; there are no tickets.
"""

import functools
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from service.config_peers import Tls
from service.errors import Misconfigured, NotReached
from service.logs import log

#: RFC 9325 4.2: TLS_ECDHE_{RSA,ECDSA}_WITH_AES_{128_GCM_SHA256,256_GCM_SHA384}. TLS 1.3 has suites of its own.
_SUITES: Final = "ECDHE+AESGCM"
#: RFC 9325 4.5: RSA keys of 2048 bits or more, no SHA-1 in signatures; so OpenSSL's security level 2.
_LEVEL: Final = "@SECLEVEL=2"

#: A file as it lies there: (time of change in ns, size, number of the file); None where it cannot be looked at.
_Seen = tuple[tuple[int, int, int] | None, ...]


def server_context(tls: Tls) -> ssl.SSLContext:
    """Return the TLS side of the listener: the caller must present a certificate of the CA. Misconfigured."""
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls)


def client_context(tls: Tls) -> ssl.SSLContext:
    """Return the TLS side of a call by DICOM: the peer must present a certificate of the CA. Misconfigured.

    The name in it is not compared: DICOM nodes are configured by bare addresses, which their certificates seldom
    name. Who holds a certificate of `ca_file` is trusted, so that file should hold the site's own CA alone.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return _loaded(context, tls)


def web_context(tls: Tls) -> ssl.SSLContext:
    """Return the TLS side of a call by HTTPS: as by DICOM, and the certificate must name the host (RFC 9110 4.3.4)."""
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), tls)


class Renewed:
    """The TLS side of one table of the configuration, made anew once one of its files has changed. Safe in threads.

    New files that cannot be used leave the old side in force, and are said in the log, once.
    """

    def __init__(self, make: Callable[[Tls], ssl.SSLContext], tls: Tls) -> None:
        """Load the files; Misconfigured where they cannot be used: there are no older ones."""
        self._make = make
        self._tls = tls
        self._lock = threading.Lock()
        self._seen = self._look()
        self._context = make(tls)

    def context(self) -> ssl.SSLContext:
        """Return what a new connection is to use."""
        with self._lock:
            # Looked at before they are read: what changes in between is seen the next time.
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                self._renew()
            return self._context

    def _renew(self) -> None:
        file = self._tls.cert_file.name
        try:
            self._context = self._make(self._tls)
        except Misconfigured as error:
            log.error(
                "new TLS files cannot be used, the old ones stay in force",
                action="tls_not_renewed",
                file=file,
                why=str(error),
            )
            return
        log.info("TLS files were renewed", action="tls_renewed", file=file)

    def _look(self) -> _Seen:
        return tuple(map(_seen, (self._tls.cert_file, self._tls.key_file, self._tls.ca_file)))


def calling_context(tls: Tls, *, over: Literal["dicom", "https"] = "dicom") -> ssl.SSLContext:
    """Return the TLS side of a call that is made now; see `Renewed`.

    NotReached where the files cannot be used and this process has no older ones: what is to be sent waits for them.
    """
    try:
        return _calling(tls, over).context()
    except Misconfigured as error:
        raise NotReached(str(error)) from error


@functools.cache
def _calling(tls: Tls, over: str) -> Renewed:
    # A library may set what it says over HTTPS, so DICOM has a side of its own.
    return Renewed(web_context if over == "https" else client_context, tls)


def _seen(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _loaded(context: ssl.SSLContext, tls: Tls) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_ciphers(f"{_SUITES}:{_LEVEL}")
    # RFC 9325 3.3 (no compression), 3.4 (resumption: no tickets), 3.5 (renegotiation).
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    if context.protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_password)
        context.load_verify_locations(tls.ca_file)
    except OSError as error:
        raise Misconfigured(
            f"tls: {error.strerror or error} (cert_file {tls.cert_file}, ca_file {tls.ca_file})"
        ) from error
    return context


def _no_password() -> str:
    """Answer OpenSSL, which would ask at the terminal, and wait."""
    return ""

"""Ask a destination by QIDO-RS (PS3.18 10.6) whether it has an object."""

import json
import ssl
import urllib.error
import urllib.request
from typing import Final
from urllib.parse import urlencode

from service import peer
from service.asking import Place
from service.config_peers import Destination
from service.errors import NotNow, PeerRefused, Unavailable

#: An answer about one object has some thousand bytes; more is not read.
_LONGEST_ANSWER: Final = 1_000_000
#: SOP Instance UID (0008,0018) in the DICOM JSON model (PS3.18 annex F).
_SOP_INSTANCE_UID: Final = "00080018"
_NO_CONTENT: Final = 204
_SERVER_ERROR: Final = 500
#: What passes of those that blame the request: time-out, too many requests.
_PASSING: Final = frozenset({408, 429})
_NOT_FOUND: Final = 404


def find(destination: Destination, place: Place) -> bool:
    """Ask whether an object is there, under the destination's `dicomweb_url`.

    Raises PeerRefused, NotNow, Unavailable, or Misconfigured where its TLS files cannot be loaded.
    """
    request = urllib.request.Request(_url(destination, place), headers={"Accept": "application/dicom+json"})  # noqa: S310 - configuration admits http and https only
    try:
        with urllib.request.urlopen(request, timeout=destination.timeout_s, context=_context(destination)) as answer:  # noqa: S310 - as above
            body = b"" if answer.status == _NO_CONTENT else answer.read(_LONGEST_ANSWER)
    except urllib.error.HTTPError as error:
        return _refused(destination, error.code)
    except OSError as error:
        raise Unavailable(f"{destination.name} does not answer at its dicomweb_url ({type(error).__name__})") from error
    return place.sop_instance_uid in _found(destination, body)


def _url(destination: Destination, place: Place) -> str:
    where = f"studies/{place.study_instance_uid}/series/{place.series_instance_uid}/instances"
    return f"{destination.dicomweb_url.rstrip('/')}/{where}?{urlencode({'SOPInstanceUID': place.sop_instance_uid})}"


def _context(destination: Destination) -> ssl.SSLContext | None:
    """Return the TLS side: the destination's own certificates where it has some, else those the system trusts."""
    if not destination.dicomweb_url.startswith("https:"):
        return None
    return peer.client_context(destination.tls) if destination.tls else ssl.create_default_context()


def _refused(destination: Destination, status: int) -> bool:
    """Return that nothing is there where the server says so; else raise what its answer means."""
    if status == _NOT_FOUND:
        return False
    why = f"{destination.name} answered QIDO-RS with HTTP status {status}"
    raise NotNow(why) if status >= _SERVER_ERROR or status in _PASSING else PeerRefused(why)


def _found(destination: Destination, body: bytes) -> set[str]:
    """Return the SOP Instance UIDs of an answer."""
    try:
        objects = json.loads(body) if body.strip() else []
        return {str(each[_SOP_INSTANCE_UID]["Value"][0]) for each in objects}
    except (ValueError, TypeError, LookupError) as error:
        raise NotNow(f"{destination.name} answered QIDO-RS with something else than DICOM JSON") from error

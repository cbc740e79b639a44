"""Ask a destination by QIDO-RS (PS3.18 10.6): whether it has an object, and whether it is there at all."""

import json
import time
from typing import Final

from service import dicomweb
from service.asking import Place
from service.config_peers import Destination
from service.errors import NotNow

#: SOP Instance UID (0008,0018) in the DICOM JSON model (PS3.18 annex F).
_SOP_INSTANCE_UID: Final = "00080018"
_FOUND: Final = 200
_NO_CONTENT: Final = 204
_NOT_FOUND: Final = 404
#: No search here, or none like this one: a server that stores need not answer QIDO-RS, where nobody asks it for proof.
_NO_SEARCH: Final = frozenset({400, 405, 406, 501})


def find(destination: Destination, place: Place) -> bool:
    """Ask whether an object is there, under the destination's `dicomweb_url`.

    Raises PeerRefused, NotNow or Unavailable; the last also where a file of its TLS or of who we are cannot be used.
    """
    where = f"/studies/{place.study_instance_uid}/series/{place.series_instance_uid}/instances"
    wanted = {"SOPInstanceUID": place.sop_instance_uid}
    with (
        dicomweb.calling(destination) as client,
        client.stream("GET", where, params=wanted) as answer,
    ):
        if answer.status_code in {_NO_CONTENT, _NOT_FOUND}:
            return False
        if answer.status_code != _FOUND:
            raise dicomweb.refusal(destination, answer.status_code, "QIDO-RS")
        return place.sop_instance_uid in _found(destination, dicomweb.body_of(answer, destination))


def echo(destination: Destination) -> float:
    """Return the seconds that a search for any one study takes to its answer, of which nothing is read.

    Raises as `find` does; PeerRefused also where nothing at this address answers.
    """
    start = time.perf_counter()
    with dicomweb.calling(destination) as client, client.stream("GET", "/studies", params={"limit": "1"}) as answer:
        need_not_search = destination.proven_by == "status" and answer.status_code in _NO_SEARCH
        if answer.status_code not in {_FOUND, _NO_CONTENT} and not need_not_search:
            raise dicomweb.refusal(destination, answer.status_code, "QIDO-RS")
    return time.perf_counter() - start


def _found(destination: Destination, body: bytes) -> set[str]:
    """Return the SOP Instance UIDs of an answer."""
    try:
        objects = json.loads(body) if body.strip() else []
        return {str(each[_SOP_INSTANCE_UID]["Value"][0]) for each in objects}
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise NotNow(f"{destination.name} answered QIDO-RS with something else than DICOM JSON") from error

"""Ask a peer whether it is there (C-ECHO, PS3.4 annex A) and send it files as they are (C-STORE, annex B).

One with protocol = "dicomweb" is asked by QIDO-RS, and gets its files by STOW-RS.
For somebody who watches: each file's outcome at the end of its C-STORE. Reports go through `deliver`, which keeps its
association open and knows what may be tried again.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pynetdicom import build_context
from pynetdicom.association import Association

from service import peer, qido, sop_classes, stow
from service.config_peers import Destination
from service.errors import PeerRefused, Unavailable
from service.store_status import check_status

#: PS3.8 9.3.2.2: presentation context identifiers are the odd numbers 1..255.
_MOST_CONTEXTS: Final = 128

#: (SOP class, transfer syntax): each is proposed in a context of its own, so a file goes out as it is or not at all.
_Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What became of one file; `problem` is None where the peer stored it."""

    path: Path
    problem: str | None


def echo(destination: Destination, *, calling_ae: str) -> float:
    """Return the seconds of a C-ECHO, or a search, from call to answer; raise PeerRefused or Unavailable."""
    if destination.protocol == "dicomweb":
        return qido.echo(destination)
    start = time.perf_counter()
    with peer.calling(destination, [build_context(sop_classes.VERIFICATION)], calling_ae=calling_ae) as association:
        check_status(_status(association.send_c_echo), destination.name)
        return time.perf_counter() - start


def refused_classes(destination: Destination, classes: Sequence[str], *, calling_ae: str) -> list[str]:
    """Return which of these storage SOP classes `destination` does not take; raise PeerRefused or Unavailable.

    Verification is proposed as well: an association in which nothing at all is accepted is no answer to the question.
    Over DICOMweb nobody can be asked that: the answer to each object says so.
    """
    if destination.protocol == "dicomweb":
        return []
    contexts = [build_context(uid, list(sop_classes.UNCOMPRESSED[:2])) for uid in (*classes, sop_classes.VERIFICATION)]
    with peer.calling(destination, contexts, calling_ae=calling_ae) as association:
        accepted = {pair[0] for pair in _accepted(association)}
    return [uid for uid in classes if uid not in accepted]


def send(destination: Destination, files: Sequence[Path], *, calling_ae: str) -> Iterator[Sent]:
    """Send DICOM files, those of one kind together; raise PeerRefused or Unavailable where the association fails."""
    if destination.protocol == "dicomweb":
        yield from (Sent(path=path, problem=problem) for path, problem in stow.send_each(destination, files))
        return
    pairs = {path: _pair(path) for path in files}
    yield from (Sent(path=path, problem="it does not say what it is") for path in files if pairs[path] is None)
    every = sorted({pair for pair in pairs.values() if pair})
    for start in range(0, len(every), _MOST_CONTEXTS):
        proposed = every[start : start + _MOST_CONTEXTS]
        contexts = [build_context(sop_class, syntax) for sop_class, syntax in proposed]
        with peer.calling(destination, contexts, calling_ae=calling_ae) as association:
            accepted = _accepted(association)
            for path in (path for path in files if pairs[path] in proposed):
                taken = pairs[path] in accepted
                problem = _store(association, destination, path) if taken else "its kind is not accepted"
                yield Sent(path=path, problem=problem)


def _pair(path: Path) -> _Pair | None:
    """Return what a file says it is in its File Meta Information (PS3.10 7.1), None where it does not."""
    try:
        meta = read_file_meta_info(path)
    except InvalidDicomError:
        return None
    sop_class, syntax = meta.get("MediaStorageSOPClassUID"), meta.get("TransferSyntaxUID")
    return (str(sop_class), str(syntax)) if sop_class and syntax else None


def _accepted(association: Association) -> set[_Pair]:
    return {(str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in association.accepted_contexts}


def _store(association: Association, destination: Destination, path: Path) -> str | None:
    """Send one file; return why the peer did not take it. Unavailable where it does not answer any more."""
    status = _status(association.send_c_store, path)
    if status is None:
        raise Unavailable(f"{destination.name} gave no answer to a C-STORE")
    try:
        check_status(status, destination.name)
    except (PeerRefused, Unavailable) as error:
        return str(error)
    return None


def _status(send_message: Callable[..., Dataset], *arguments: Path) -> int | None:
    """Return the status of a response, None where there was none."""
    try:
        status: int | None = send_message(*arguments).get("Status")
    except RuntimeError:
        # pynetdicom: the association is no longer there.
        return None
    return status

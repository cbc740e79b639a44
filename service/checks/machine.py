"""This machine: which configuration, whose packages and ports, what can be decoded, is there room."""

import http.client
import importlib.metadata
import shutil
import socket
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import build_context

from service import config_text, dciodvfy, peer, sop_classes
from service.certificates import unusable
from service.checks.check import Check, bad, good, noted
from service.config import Settings, Storage, Web
from service.config_peers import Destination
from service.errors import PeerRefused, SpondylError, Unavailable
from service.room import room
from service.web.health import ping_spool

_PACKAGES: Final = ("service", "workers", "sr_templates")
_DISTRIBUTION: Final = "spondyl"
_TIMEOUT_S: Final = 3.0
_OK_BYTES: Final = 16
#: What the libraries that come with us decode: RLE (numpy), JPEG-LS (pyjpegls), JPEG 2000 and JPEG (Pillow).
_BROUGHT: Final = (
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
)
#: Any UID (UUID-derived): the object is written for dciodvfy alone and kept nowhere.
_NO_OBJECT: Final = "2.25.1"
#: Where a server that listens on all addresses is reached from here.
_LOCAL: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 looked up, not bound


def configuration(file: Path | None) -> Check:
    """Say where the configuration comes from; without a file that may be what somebody wants, or an oversight."""
    if file is None:
        return noted("configuration", config_text.source(file), "if there is one, name it: --config or SPONDYL_CONFIG")
    return good("configuration", config_text.source(file))


def packages() -> Iterator[Check]:
    """Ask whether another distribution has written over our packages, whose names are not rare."""
    owners = importlib.metadata.packages_distributions()
    for package in _PACKAGES:
        # An editable install owns no files, so nobody at all is as good as we alone.
        others = sorted({*owners.get(package, [])} - {_DISTRIBUTION})
        name = f"package {package}"
        if others:
            yield bad(name, f"belongs to {', '.join(others)}", "install spondyl into an environment of its own")
        else:
            yield good(name, "ours alone")


def decoders() -> Iterator[Check]:
    """Say which encapsulated transfer syntaxes can be decoded; masks and points need none of them."""
    compressed = (*sop_classes.LOSSLESS, *sop_classes.LOSSY)
    usable = [uid for uid in compressed if _decodable(uid)]
    missing = ", ".join(UID(uid).name.split(",")[0] for uid in _BROUGHT if uid not in usable)
    if missing:
        remedy = "install spondyl anew into an environment of its own: numpy, Pillow or pyjpegls is missing or broken"
        yield bad("decoders", f"cannot be decoded, though it should be: {missing}", remedy)
        return
    yield good("decoders", f"{len(usable)} of {len(compressed)} compressed transfer syntaxes; the others are stored")


def gate(settings: Settings) -> Check:
    """Say who looks at an object before it is sent."""
    if not settings.report.dciodvfy:
        return noted("gate", "our structural check alone: report.dciodvfy is false")
    program = shutil.which(dciodvfy.PROGRAM)
    if program is None:
        return noted(
            "gate", "our structural check alone: no dciodvfy is found", "install dicom3tools for a second look"
        )
    answer = _tried(program)
    if not answer.errors:
        why = answer.failure or "it finds nothing wrong with an object that is empty"
        return bad(
            "gate",
            f"our structural check alone: dciodvfy does not work: {why}",
            f"run {program} by hand and install dicom3tools anew, or set report.dciodvfy = false",
        )
    return good("gate", "our structural check, then dciodvfy")


def _tried(program: str) -> dciodvfy.Answer:
    """Return what dciodvfy says of an object that has nothing but UIDs: errors, if it works."""
    empty = Dataset()
    empty.SOPClassUID, empty.SOPInstanceUID = SecondaryCaptureImageStorage, _NO_OBJECT
    empty.file_meta = FileMetaDataset()
    empty.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with tempfile.TemporaryDirectory(prefix="spondyl-doctor-") as folder:
        file = Path(folder) / "empty.dcm"
        empty.save_as(file, enforce_file_format=True)
        return dciodvfy.look(program, file)


def _decodable(transfer_syntax: str) -> bool:
    try:
        return get_decoder(transfer_syntax).is_available
    except NotImplementedError:
        return False


def dicom_port(settings: Settings) -> Iterator[Check]:
    """Ask whether our DICOM port is free, or this node listens there."""
    node = settings.node
    yield _port(f"DICOM port {node.port}", node.bind, node.port, "node.port", lambda: _node_listens(settings))


def web_port(settings: Settings) -> Iterator[Check]:
    """Ask whether the page's port is free, or our page answers there."""
    web = settings.web
    yield _port(f"web port {web.port}", web.bind, web.port, "web.port", lambda: _page_answers(web))


def _port(name: str, bind: str, port: int, key: str, ours: Callable[[], str | None]) -> Check:
    """Return a check of a port; `ours` is asked where it is taken and says what of us listens there, if anything."""
    if port == 0:
        return noted(name, "the system chooses one", f"set {key}")
    try:
        socket.create_server((bind, port), family=socket.AF_INET6 if ":" in bind else socket.AF_INET).close()
    except OSError as error:
        found = ours()
        if found is None:
            return bad(name, f"cannot be used: {error.strerror}", f"stop what holds it, or set {key}")
        return good(name, found)
    return good(name, "free")


def _node_listens(settings: Settings) -> str | None:
    node = settings.node
    if "node" in unusable(settings):
        return "somebody listens; it was not asked who, since our TLS files cannot be used"
    myself = Destination(
        name="this-node",
        ae_title=node.ae_title,
        host=_LOCAL.get(node.bind, node.bind),
        port=node.port,
        timeout_s=_TIMEOUT_S,
        tls=node.tls,
    )
    # A source that sends by STOW-RS alone has no title.
    caller = next((title for source in settings.sources for title in source.ae_titles), node.ae_title)
    try:
        with peer.calling(myself, [build_context(sop_classes.VERIFICATION)], calling_ae=caller) as association:
            found = association.acceptor.implementation_class_uid
    except PeerRefused:
        return "a DICOM node listens; it does not admit us as a caller"
    except Unavailable:
        return None
    return "this node listens" if found == peer.IMPLEMENTATION_CLASS_UID else None


def _page_answers(web: Web) -> str | None:
    host = _LOCAL.get(web.bind, web.bind)
    url = f"http://{f'[{host}]' if ':' in host else host}:{web.port}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            return "our page answers" if answer.read(_OK_BYTES) == b"ok\n" else None
    except (OSError, http.client.HTTPException):
        return None


def storage(settings: Settings) -> Iterator[Check]:
    """Ask whether the spool can be written and has room."""
    kept: Storage = settings.storage
    remedy = f"give this user the folder {kept.root}, or set storage.root; free space, or lower storage.min_free_gb"
    if not kept.root.exists():
        yield noted("spool", f"{kept.root} is not there yet", "it is made at the first start")
        return
    try:
        ping_spool(kept)
    except SpondylError as error:
        yield bad("spool", str(error), remedy)
        return
    free_gb, full, nearly = room(kept.root, least_gb=kept.min_free_gb)
    found = f"{kept.root} can be written, {free_gb:.1f} GB are free"
    if nearly:
        yield noted("spool", f"{found}, {100 * full:.0f} % are used: nearly full", "make room, or lower retention_days")
    else:
        yield good("spool", found)

"""QIDO-RS as proof: what a server's answer means."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from service import qido
from service.asking import Place
from service.config_peers import Destination
from service.errors import NotNow, PeerRefused, Unavailable

PLACE = Place(study_instance_uid="1.2", series_instance_uid="1.2.3", sop_instance_uid="1.2.3.4")


def listed(uid: str) -> bytes:
    """Return an answer that lists one object, in the DICOM JSON model (PS3.18 annex F)."""
    return json.dumps([{"00080018": {"vr": "UI", "Value": [uid]}}]).encode()


@dataclass
class Web:
    """A server that answers as a test wants."""

    status: int = 200
    body: bytes = b"[]"
    asked: list[str] = field(default_factory=list)
    destination: Destination | None = None

    def find(self) -> bool:
        """Ask it."""
        assert self.destination is not None
        return qido.find(self.destination, PLACE)


@pytest.fixture
def web() -> Iterator[Web]:
    """Start a server."""
    found = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            self.send_response(found.status)
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/dicom-web/"
    where = {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 104, "timeout_s": 2}
    found.destination = Destination.model_validate(where | {"proof": "qido", "dicomweb_url": url})
    yield found
    server.shutdown()
    server.server_close()


def test_it_asks_for_the_one_object(web: Web) -> None:
    """Study and series in the path, the object as key (PS3.18 10.6)."""
    web.find()
    assert ["/dicom-web/studies/1.2/series/1.2.3/instances?SOPInstanceUID=1.2.3.4"] == web.asked


@pytest.mark.parametrize(
    ("status", "body", "there"),
    [
        (200, listed("1.2.3.4"), True),
        (200, listed("1.2.3.5"), False),
        (200, b"[]", False),
        (200, b"", False),
        (204, b"", False),
        (404, b"no such study", False),
    ],
)
def test_only_the_object_itself_is_proof(web: Web, status: int, body: bytes, there: bool) -> None:
    """A server that ignores the key lists others; an empty answer, 204 and 404 mean that it is not there."""
    web.status, web.body = status, body
    assert there == web.find()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, b"", NotNow),
        (429, b"", NotNow),
        (401, b"", Unavailable),
        (503, b"", Unavailable),
        (403, b"", PeerRefused),
        (200, b"<html>", NotNow),
        (200, b"[{}]", NotNow),
        (200, b"[" * 200_000, NotNow),
    ],
)
def test_an_answer_that_is_none_is_no_proof(web: Web, status: int, body: bytes, error: type[Exception]) -> None:
    """What passes is asked again; a refusal is somebody's to act on; neither says that the object is missing."""
    web.status, web.body = status, body
    with pytest.raises(error):
        web.find()


def test_a_server_that_is_down_is_unavailable() -> None:
    """Nobody listens there."""
    where = {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 104}
    nowhere = Destination.model_validate(where | {"proof": "qido", "dicomweb_url": "http://127.0.0.1:9"})
    with pytest.raises(Unavailable, match="dicomweb_url"):
        qido.find(nowhere, PLACE)

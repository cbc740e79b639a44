"""A DICOMweb archive that a test plays: it answers STOW-RS and QIDO-RS as it is told to, and remembers what came."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

from pydicom import dcmread

#: (status, body), or what is done in the place of an answer: "hang up" and "store and hang up".
Answered = tuple[int, bytes] | str


def module(*, stored: str = "", failed: str = "", reason: int = 0, tag: str = "00081198") -> bytes:
    """Return a Store Instances Response Module (PS3.18 I.1) that names one object."""

    def sequence(uid: str, **more: dict[str, Any]) -> dict[str, Any]:
        return {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid]}, **more}]}

    found: dict[str, Any] = {"00081190": {"vr": "UR"}}
    if stored:
        found["00081199"] = sequence(stored)
    if failed:
        found[tag] = sequence(failed, **{"00081197": {"vr": "US", "Value": [reason]}})
    return json.dumps(found).encode()


@dataclass
class WebArchive:
    """What it is told, and what came."""

    #: One for each request; then, and where there are none, each object is stored.
    answers: list[Answered] = field(default_factory=list)
    #: Of a search that is none for an object; 0: as it is.
    search_status: int = 0
    #: SOP Instance UIDs, each time it came whole.
    came: list[str] = field(default_factory=list)
    stored: set[str] = field(default_factory=set)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    url: str = ""

    def take(self, kind: str, body: bytes) -> str:
        """Take one object; return its UID."""
        message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
        (part,) = message.iter_parts()
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        assert "application/dicom" == part.get_content_type()
        self.bodies.append(content)
        uid = str(dcmread(BytesIO(content), stop_before_pixels=True).SOPInstanceUID)
        self.came.append(uid)
        return uid

    def answer(self, uid: str) -> Answered:
        """Return what is answered to an object, which is stored unless the answer says otherwise."""
        told = self.answers.pop(0) if self.answers else (200, module(stored=uid))
        if told == "store and hang up" or (isinstance(told, tuple) and b"00081199" in told[1]):
            self.stored.add(uid)
        return told


@contextmanager
def web_archive(*, tls: ssl.SSLContext | None = None) -> Iterator[WebArchive]:
    """Run one."""
    found = WebArchive()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._noted()
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told = found.answer(found.take(self.headers["Content-Type"], body))
            if isinstance(told, str):
                self.close_connection = True
            else:
                self._say(*told)

        def do_GET(self) -> None:
            self._noted()
            wanted = self.path.partition("SOPInstanceUID=")[2]
            there = [{"00080018": {"vr": "UI", "Value": [wanted]}}] if wanted in found.stored else []
            self._say(found.search_status or 200, json.dumps(there).encode())

        def _noted(self) -> None:
            found.paths.append(self.path)
            found.headers.append(dict(self.headers))

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    found.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}/dicom-web"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()

"""OHIF's built viewer beside an archive, behind one origin: what a department's reverse proxy does."""

import contextlib
import http.client
import json
import mimetypes
import shutil
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from servers import Orthanc, missing, program

HERE: Final = Path(__file__).resolve().parent / "viewers" / "ohif"
_ARCHIVE: Final = ("/dicom-web", "/wado")


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """A running viewer: `folder` takes the pictures."""

    url: str
    folder: Path

    def show(self, study: str, name: str, modalities: Sequence[str]) -> dict[str, Any]:
        """Open a study in a browser of its own and show its series of these modalities; give what show.mjs tells."""
        browser = shutil.which("chromium") or program("chromium")
        url = f"{self.url}/viewer?StudyInstanceUIDs={study}"
        command = [program("node"), str(HERE / "show.mjs"), browser, url, str(self.folder), name, *modalities]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
        if done.returncode:
            raise AssertionError(done.stderr[-3000:])
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@contextlib.contextmanager
def run_viewer(folder: Path, orthanc: Orthanc) -> Iterator[Viewer]:
    """Serve the viewer that `make viewers` unpacked into `folder`, with the archive under the same origin."""
    dist = folder / "ohif" / "package" / "dist"
    if not dist.is_dir() or not (HERE / "node_modules").is_dir():
        missing(f"no viewer in {dist} (make viewers unpacks it)")
    handler = type("Handler", (_Handler,), {"dist": dist, "archive": urllib.parse.urlsplit(orthanc.url).netloc})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Viewer(url=f"http://127.0.0.1:{server.server_address[1]}", folder=folder)
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Files of the viewer, its page for every other path, the archive for the paths of DICOMweb."""

    protocol_version = "HTTP/1.1"
    dist: Path
    archive: str

    def do_GET(self) -> None:
        path = urllib.parse.urlsplit(self.path).path
        if path.startswith(_ARCHIVE):
            self._forward()
            return
        file = self.dist / path.lstrip("/")
        if path == "/app-config.js":
            file = HERE / "app-config.js"
        if not file.is_file():
            file = self.dist / "index.html"
        self._answer(200, mimetypes.guess_type(file.name)[0] or "application/octet-stream", file.read_bytes())

    def _forward(self) -> None:
        connection = http.client.HTTPConnection(self.archive, timeout=60)
        # The archive names itself in what it answers as it was called.
        headers = {"Accept": self.headers.get("Accept", "*/*"), "Host": self.headers["Host"]}
        with contextlib.closing(connection):
            connection.request("GET", self.path, headers=headers)
            answer = connection.getresponse()
            self._answer(answer.status, answer.headers.get("Content-Type", ""), answer.read())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: a request a file is no news."""

"""What alerts are sent to in tests: a mail server and a web server on this machine, which keep what they get."""

import base64
import contextlib
import json
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from servers import program

#: The names of this machine, as a certificate says them.
HERE = "DNS:localhost,IP:127.0.0.1"


def make_certificate(folder: Path, name: str = "here", *, days: int = 2, of: str = HERE) -> tuple[Path, Path]:
    """Make a certificate that signs itself, for this machine; of 0 days it has expired. Return it and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(days or 1))
    named = ("-subj", f"/CN={name}", "-addext", f"subjectAltName={of}")
    command = [program("openssl"), "req", *kind, *named, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    if not days:
        again = [program("openssl"), "x509", "-in", str(certificate), "-signkey", str(key), "-days", "0"]
        certificate.write_bytes(subprocess.run(again, check=True, capture_output=True).stdout)
    return certificate, key


@dataclass
class MailSink:
    """A mail server (RFC 5321) that takes what comes; with a certificate it speaks STARTTLS, and asks who it is."""

    certificate: tuple[Path, Path] | None = None
    #: What it answers to RCPT TO.
    recipient_answer: str = "250 ok"
    port: int = 0
    mails: list[Message] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    #: (user, password, whether it was said over TLS)
    logins: list[tuple[str, str, bool]] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator["MailSink"]:
        """Serve for the length of a block."""
        sink = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    sink._talk(self.request)

        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            self.port = server.server_address[1]
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            try:
                yield self
            finally:
                server.shutdown()

    def _talk(self, connection: socket.socket, *, is_tls: bool = False) -> None:
        with connection.makefile("rb") as reader:
            if not is_tls:
                _say(connection, "220 sink")
            while line := reader.readline().decode().strip():
                word = line.upper().split()[0]
                if word == "STARTTLS" and self.certificate:
                    _say(connection, "220 go")
                    break
                if word == "AUTH":
                    _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
                    self.logins.append((user, password, is_tls))
                    _say(connection, "235 ok")
                else:
                    self._answer(connection, reader, line, is_tls=is_tls)
            else:
                return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        with context.wrap_socket(connection, server_side=True) as secured:
            self._talk(secured, is_tls=True)

    def _answer(self, connection: socket.socket, reader: BinaryIO, line: str, *, is_tls: bool) -> None:
        word = line.upper().split()[0]
        if word == "EHLO":
            offers = ["AUTH PLAIN" if is_tls else "STARTTLS"] if self.certificate else ["8BITMIME"]
            _say(connection, "250-sink", f"250 {offers[0]}")
        elif word == "RCPT":
            self.recipients.append(line.partition(":")[2].strip("<> "))
            _say(connection, self.recipient_answer)
        elif word == "DATA":
            _say(connection, "354 go on")
            self.mails.append(message_from_bytes(b"".join(iter(reader.readline, b".\r\n"))))
            _say(connection, "250 kept")
        else:
            _say(connection, "221 bye" if word == "QUIT" else "250 ok")


def _say(connection: socket.socket, *lines: str) -> None:
    connection.sendall("".join(f"{line}\r\n" for line in lines).encode())


@dataclass
class WebSink:
    """A web server that keeps the JSON that is posted."""

    status: int = 200
    location: str = ""
    port: int = 0
    posts: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator["WebSink"]:
        """Serve for the length of a block."""
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sink.paths.append(self.path)
                sink.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(sink.status)
                if sink.location:
                    self.send_header("Location", sink.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.port = server.server_address[1]
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            try:
                yield self
            finally:
                server.shutdown()

    @property
    def url(self) -> str:
        """Where it is reached, with a secret in the path."""
        return f"http://127.0.0.1:{self.port}/hook/T0-SECRET"

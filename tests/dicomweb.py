"""A DICOMweb client of the standard library (PS3.18): what a web viewer asks of an archive."""

import json
import urllib.request
import uuid
from collections.abc import Sequence
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

Json = dict[str, Any]


def stow(root: str, files: Sequence[bytes]) -> Json:
    """Store files (STOW-RS); give the response, PS3.18 10.5."""
    boundary = uuid.uuid4().hex
    parts = (b"--%b\r\nContent-Type: application/dicom\r\n\r\n%b\r\n" % (boundary.encode(), file) for file in files)
    body = b"".join(parts) + b"--%b--\r\n" % boundary.encode()
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    answer: Json = json.loads(_call(f"{root}/studies", "application/dicom+json", body=body, kind=kind)[0])
    return answer


def qido(root: str, study: str) -> list[Json]:
    """Return what the archive says of every instance of a study (QIDO-RS)."""
    found: list[Json] = json.loads(_call(f"{root}/studies/{study}/instances", "application/dicom+json")[0])
    return found


def retrieve(root: str, study: str, series: str, instance: str) -> bytes:
    """Return the file of one instance (WADO-RS)."""
    path = f"{root}/studies/{study}/series/{series}/instances/{instance}"
    body, kind = _call(path, 'multipart/related; type="application/dicom"')
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    (part,) = message.iter_parts()
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


def _call(url: str, accept: str, *, body: bytes | None = None, kind: str = "") -> tuple[bytes, str]:
    headers = {"Accept": accept, **({"Content-Type": kind} if kind else {})}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - the test's own server
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
        return answer.read(), answer.headers["Content-Type"]

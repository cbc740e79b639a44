"""What a request brings, read into memory to a limit and kept nowhere; the file of a form (RFC 7578) among it."""

from collections.abc import Mapping
from email.message import Message
from typing import Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.multipart import BadBody, Multipart
from service.web.guard import Rejected

#: Bytes of a body. An image of a plain radiograph has 10 to 30 million; the command line takes what is larger.
LARGEST: Final = 32_000_000
_FORM: Final = "multipart/form-data"
_MOST_FIELDS: Final = 20
#: RFC 2046 5.1.1.
_LONGEST_BOUNDARY: Final = 70


async def body_of(request: Request, *, at_most: int) -> bytes:
    """Return the body; Rejected where it is larger: no more of it is read then."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > at_most:
                raise Rejected(f"the body: expected at most {at_most} bytes, found more", status=413)
    except ClientDisconnect:
        raise Rejected("the body ended early", status=400) from None
    return bytes(body)


async def whole_body(request: Request) -> bytes:
    """Return the body of a form; Rejected where it is larger than LARGEST."""
    return await body_of(request, at_most=LARGEST)


def fields(content_type: str, body: bytes) -> Mapping[str, bytes]:
    """Return the fields of a form by name, the last of each; Rejected where it is none."""
    boundary = _parameter(content_type, _FORM, "boundary")
    if not boundary or len(boundary) > _LONGEST_BOUNDARY or not boundary.isascii():
        raise Rejected(f"Content-Type: expected {_FORM} with a boundary", status=415)
    found: dict[str, bytes] = {}
    try:
        for part in Multipart(iter([body]), boundary).parts(at_most=_MOST_FIELDS):
            name = _parameter(part.headers.get("content-disposition", ""), "form-data", "name")
            found[name or ""] = b"".join(part.blocks)
    except BadBody as error:
        raise Rejected(f"the form cannot be read: {error}", status=400) from None
    return found


def _parameter(value: str, kind: str, name: str) -> str | None:
    """Return a parameter of a header's value (RFC 2045 5.1), None where it has none or is of another kind."""
    header = Message()
    header["Content-Type"] = value
    if value.partition(";")[0].strip().lower() != kind:
        return None
    found = header.get_param(name)
    return found if isinstance(found, str) else None

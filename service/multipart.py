"""Multipart bodies (RFC 2046 5.1) read as they come: nothing of a part is in memory but the block that is looked at.

    for part in Multipart(blocks, boundary).parts(at_most=100):
        for block in part.blocks: ...

What is left of a part is passed over when the next one is asked for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

#: Headers of a part: a line or two.
_MOST_HEADERS: Final = 16 * 1024
#: What stands before the first boundary, or behind one on its line.
_MOST_BETWEEN: Final = 1024
_LINE_END: Final = b"\r\n"


class BadBody(Exception):
    """The body is no multipart message, or ends before its last boundary."""


@dataclass(frozen=True, kw_only=True)
class BodyPart:
    """One part. A block is valid until the next is asked for."""

    #: By name in lower case.
    headers: Mapping[str, str]
    blocks: Iterator[memoryview]


class Multipart:
    """The parts of one body."""

    def __init__(self, blocks: Iterator[bytes], boundary: str) -> None:
        self._source = blocks
        # The first boundary need not stand behind a line.
        self._buffer = bytearray(_LINE_END)
        self._delimiter = b"\r\n--" + boundary.encode("ascii")

    def parts(self, *, at_most: int) -> Iterator[BodyPart]:
        """Give the parts, in order; BadBody where the body is none, is cut off, or has more of them."""
        number = 0
        before = 0
        for block in self._blocks():
            before += len(block)
            if before > _MOST_BETWEEN:
                raise BadBody("something else stands before the first boundary")
        while not self._is_last():
            number += 1
            if number > at_most:
                raise BadBody(f"there are more than {at_most} parts")
            part = BodyPart(headers=self._headers(), blocks=self._blocks())
            yield part
            for _ in part.blocks:
                pass

    def _blocks(self) -> Iterator[memoryview]:
        """Give what comes before the next delimiter, and pass that."""
        kept = len(self._delimiter) - 1
        while (at := self._buffer.find(self._delimiter)) < 0:
            if len(self._buffer) > kept:
                block = bytes(self._buffer[:-kept])
                del self._buffer[:-kept]
                yield memoryview(block)
            self._more()
        block = bytes(self._buffer[:at])
        del self._buffer[: at + len(self._delimiter)]
        if block:
            yield memoryview(block)

    def _is_last(self) -> bool:
        """Read what stands behind a boundary: two dashes end the body, blanks and a line end begin a part."""
        while len(self._buffer) < len(b"--"):
            self._more()
        if self._buffer.startswith(b"--"):
            return True
        if self._up_to(_LINE_END, at_most=_MOST_BETWEEN).strip(b" \t"):
            raise BadBody("something else stands behind a boundary")
        return False

    def _headers(self) -> dict[str, str]:
        """Read the headers of a part, up to the empty line behind them."""
        headers: dict[str, str] = {}
        size = 0
        while line := self._up_to(_LINE_END, at_most=_MOST_HEADERS - size):
            size += len(line) + len(_LINE_END)
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        return headers

    def _up_to(self, end: bytes, *, at_most: int) -> bytes:
        while (at := self._buffer.find(end)) < 0 and len(self._buffer) <= at_most:
            self._more()
        if not 0 <= at <= at_most:
            raise BadBody("the headers of a part have no end")
        found = bytes(self._buffer[:at])
        del self._buffer[: at + len(end)]
        return found

    def _more(self) -> None:
        block = next(self._source, None)
        if block is None:
            raise BadBody("the body ends before its last boundary")
        self._buffer += block

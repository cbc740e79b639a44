"""P-DATA from the socket to whoever takes it: presentation data values put together to messages (PS3.8 annex E).

    PDU  04 | length | PDV  length | context | control | fragment ... | PDV ...

A fragment of a data set is read into one preallocated block and handed on when that is full, so an association takes
the same memory whatever is sent over it. Nothing is believed before it is compared: with the PDU around it, with the
contexts that were accepted, and with what may follow what came before.
"""

import struct
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from service.command_set import Command, Garbled, read_command
from service.upper_layer import (
    ABORT,
    DATA_TF,
    INVALID_PARAMETER,
    RELEASE_RQ,
    UNEXPECTED_PARAMETER,
    UNEXPECTED_PDU,
    UpperLayer,
    Violation,
)
from service.wire import Left, Over, Silent

#: What is handed on at once, bytes: written and hashed while the next comes. Measured on ext4, Linux 6.18: in blocks
#: of 256 KiB and more the kernel takes twice as long for the same bytes, likely for its large folios.
BLOCK: Final = 128 * 1024
#: A command set has some hundred bytes; those that list attributes have some thousand.
_COMMAND_LIMIT: Final = 64 * 1024
#: Who sends slower than this, bytes a second, on top of the idle time, holds a slot and gets nowhere.
_SLOWEST: Final = 4096
#: PS3.8 E.2, message control header.
_IS_COMMAND: Final = 0x01
_IS_LAST: Final = 0x02
_PDV: Final = struct.Struct(">LBB")
#: Context and control, which the length of a PDV counts.
_IN_LENGTH: Final = 2


class Released(Over):
    """The peer asks for the release of the association."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A command, and the presentation context it came in; its data set is still on its way."""

    context_id: int
    command: Command
    encoded: bytes


class Messages:
    """Reads the messages of one association, which must be read one after the other, each to its end."""

    def __init__(self, upper: UpperLayer, *, contexts: Collection[int], max_pdu: int, idle_s: float) -> None:
        self._upper = upper
        self._contexts = contexts
        self._max_pdu = max_pdu
        self._idle_s = idle_s
        #: Made for the first data set: most who connect only ask whether we are there.
        self._block = memoryview(b"")
        #: What of the current PDU was not read yet, bytes.
        self._left = 0
        self._began = 0.0
        self._came = 0

    def next(self) -> Message:
        """Read a command. Raises Released, Left, Violation, TooLarge."""
        encoded = bytearray()
        context_id = 0
        while True:
            size, context, control = self._value()
            if not control & _IS_COMMAND or (encoded and context != context_id):
                raise Violation(UNEXPECTED_PARAMETER)
            if not encoded:
                context_id, self._began, self._came = context, time.monotonic(), 0
            if len(encoded) + size > _COMMAND_LIMIT or not size:
                raise Violation(INVALID_PARAMETER)
            encoded += self._upper.wire.read(size)
            self._count(size)
            if control & _IS_LAST:
                return self._message(context_id, bytes(encoded))

    def data_set(self, message: Message) -> Iterator[memoryview]:
        """Read the data set of a message, block by block; a block is valid until the next is asked for.

        Raises Released, Left, Violation, TooLarge.
        """
        # What was done about the command is our own time as well.
        self._began = time.monotonic()
        if not self._block:
            self._block = memoryview(bytearray(BLOCK))
        filled = 0
        last = False
        while not last:
            size, context, control = self._value()
            if control & _IS_COMMAND or context != message.context_id:
                raise Violation(UNEXPECTED_PARAMETER)
            last = bool(control & _IS_LAST)
            self._count(0)
            while size:
                room = self._block[filled : filled + size]
                self._upper.wire.read_into(room)
                self._count(len(room))
                filled += len(room)
                size -= len(room)
                if filled == BLOCK:
                    given = time.monotonic()
                    yield self._block
                    # A disk of ours that stalls is not the sender's silence.
                    self._began += time.monotonic() - given
                    filled = 0
        if filled:
            yield self._block[:filled]

    def _value(self) -> tuple[int, int, int]:
        """Read up to the fragment of the next PDV: (its size, context, control)."""
        while not self._left:
            self._next_pdu()
        if self._left < _PDV.size:
            raise Violation(INVALID_PARAMETER)
        length, context, control = _PDV.unpack(self._upper.wire.read(_PDV.size))
        size: int = length - _IN_LENGTH
        self._left -= _PDV.size + size
        if size < 0 or self._left < 0 or context not in self._contexts:
            raise Violation(INVALID_PARAMETER)
        return size, context, control

    def _next_pdu(self) -> None:
        kind, length = self._upper.read_header(self._max_pdu)
        if kind == DATA_TF:
            # A PDU without any PDV is none (PS3.8 9.3.5); a stream of them would be no sign of life, either.
            if length < _PDV.size:
                raise Violation(INVALID_PARAMETER)
            self._left = length
            return
        if kind not in {RELEASE_RQ, ABORT}:
            raise Violation(UNEXPECTED_PDU)
        self._upper.wire.read(length)
        raise Released if kind == RELEASE_RQ else Left

    def _count(self, size: int) -> None:
        self._came += size
        if time.monotonic() - self._began > self._idle_s + self._came / _SLOWEST:
            raise Silent

    @staticmethod
    def _message(context_id: int, encoded: bytes) -> Message:
        try:
            return Message(context_id=context_id, command=read_command(encoded), encoded=encoded)
        except Garbled as error:
            raise Violation(INVALID_PARAMETER) from error

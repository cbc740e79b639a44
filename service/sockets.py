"""pynetdicom's socket with its gaps closed, for the associations that we open: bounded waits and PDUs, no Nagle.

Those that others open read past it; see `wire`.
"""

import contextlib
import socket
from typing import Final

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

from service.upper_layer import ASSOCIATE_LIMIT

#: PS3.7 6.3.1: a command set of a few hundred bytes, with every UID list that a peer may put into it, bytes.
_COMMAND_LIMIT: Final = 64 * 1024
#: A match of a C-FIND, or a report of storage commitment, is smaller, bytes.
LARGEST_SAID: Final = 1024 * 1024
#: So many messages may wait to be read; a peer that says more does not listen.
_MOST_WAITING: Final = 10_000


class BoundedSocket(AssociationSocket):
    """Reads no PDU and no message that is larger than any we would take, and closes what it shuts down."""

    #: Of the data set of a message, bytes.
    largest = LARGEST_SAID

    def recv(self, nr_bytes: int) -> bytearray:
        """Read `nr_bytes`; a PDU that announces too many ends the connection before its body is read.

        pynetdicom 3.0.4 takes whatever length is announced, up to 4 GB (issue 1086).
        """
        limit = max(self.assoc.ae.maximum_pdu_size, ASSOCIATE_LIMIT)
        if nr_bytes > limit:
            raise ConnectionAbortedError(f"a PDU of {nr_bytes} bytes was announced; the most that is taken is {limit}")
        self._bound_message()
        return super().recv(nr_bytes)

    def _bound_message(self) -> None:
        """End the connection of a peer whose message has no end: pynetdicom keeps all of it until then."""
        dimse = self.assoc.dimse
        message = dimse.message
        if message is not None:
            said = message.data_set.tell() if message.data_set is not None else 0
            if said > self.largest or message.encoded_command_set.tell() > _COMMAND_LIMIT:
                raise ConnectionAbortedError(f"a message goes on after {said} bytes of its data set")
        if dimse.msg_queue.qsize() > _MOST_WAITING:
            raise ConnectionAbortedError(f"more than {_MOST_WAITING} messages came that nobody asked for")

    def _shutdown_socket(self) -> None:
        # pynetdicom skips close() where shutdown() fails, as it does once the peer has gone.
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()


def prepare_socket(association: Association, *, timeout_s: float) -> None:
    """Turn Nagle's algorithm off, and bound every wait for a byte.

    With Nagle's algorithm each response waits some 40 ms for a delayed acknowledgement. Without a time limit
    pynetdicom waits for ever in the middle of a PDU.
    """
    wrapper = association.dul.socket
    if wrapper is not None and wrapper.socket is not None:
        wrapper.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wrapper.socket.settimeout(timeout_s)

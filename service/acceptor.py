"""pynetdicom's server with its gaps closed: what an unfriendly or broken caller could hold or fill.

- The TLS handshake runs in the caller's own thread, with a time limit; in pynetdicom 3.0.4 it runs in the accept loop,
  where one silent caller stops the whole node.
- A PDU that announces more than any we would take is not read; see `sockets`.
- A connection that is closed before it asks for an association, as a port scanner's or a load balancer's probe, ends at
  once; pynetdicom counts it as an association until the ARTIM timer ends.
- A connection that has not asked for an association is none: it does not count among those that are limited.
- A connection from where no source is ends before anything is read from it.
- The queue of connections that wait to be accepted is longer than five.
"""

import socket
import ssl
from collections.abc import Callable
from socketserver import BaseServer
from typing import Any

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from service.logs import log
from service.sockets import BoundedSocket


class Entity(AE):
    """An application entity that counts whoever has asked for an association, not whoever has connected."""

    @property
    def active_associations(self) -> list[Association]:
        """The associations that run, or are being negotiated."""
        return [association for association in super().active_associations if association.requestor.primitive]


class BoundedHandler(RequestHandler):
    """Makes the association of one connection, with our socket."""

    def _create_association(self) -> Association:
        association = super()._create_association()
        # The class of the socket is written into pynetdicom's method; ours adds nothing to its state.
        association.dul.socket.__class__ = BoundedSocket
        return association


def stop_waiting(association: Association) -> None:
    """Wake an association that waits for an A-ASSOCIATE-RQ over a connection that is gone (a handler's body)."""
    if association.requestor.primitive is None:
        # What receive_pdu() returns where the time is over.
        association.dul.to_user_queue.put(None)  # there is no public way


class Acceptor(ThreadedAssociationServer):
    """Accepts connections, each in a thread of its own."""

    daemon_threads = True
    request_queue_size = 128
    #: Time for a TLS handshake, seconds.
    handshake_timeout_s = 10.0
    #: Tells of an address whether a connection from there is served.
    admits: Callable[[str], bool] | None = None

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; nothing is read from it here."""
        listening: socket.socket = self.socket  # type: ignore[assignment]  # never None once it is bound
        return listening.accept()

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ANN401, ARG002 - as in socketserver
        """Tell whether a connection is served; it is closed otherwise."""
        return self.admits is None or self.admits(client_address[0])

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in socketserver
        """Do the handshake where TLS is on, then start the association."""
        if self.ssl_context:
            try:
                request.settimeout(self.handshake_timeout_s)
                request = self.ssl_context.wrap_socket(request, server_side=True)
            except OSError as error:
                log.warning("TLS handshake failed", action="tls_refused", address=client_address[0], why=_reason(error))
                self.shutdown_request(request)
                return
        super().process_request_thread(request, client_address)

    def close(self) -> None:
        """Accept no more connections; those that are open go on."""
        # AssociationServer.shutdown() expects that AE.start_server() made it, which leaves no choice of class.
        BaseServer.shutdown(self)
        self.server_close()


def _reason(error: OSError) -> str:
    return error.reason if isinstance(error, ssl.SSLError) else type(error).__name__

"""pynetdicom's server with its gaps closed: what an unfriendly or broken caller could hold or fill.

- Nothing is read from a caller in the loop that accepts: a thread of its own reads, and does the handshake of TLS;
  in pynetdicom 3.0.4 that runs in the accept loop, where one silent caller stops the whole node.
- Of those that have connected and not asked for an association, so many are waited for; one more, and the oldest of
  them is hung up on. None of them counts among the associations that are limited.
- A connection from where no source is ends before anything is read from it.
- The queue of connections that wait to be accepted is longer than five.
- Nothing collects garbage on a timer: pynetdicom's full collection every 60 turns of the loop stops all associations.

Several processes may accept from one socket that is handed to them; who has less to do comes first.
"""

import contextlib
import errno
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from service.logs import log
from service.receiving import Receiver, ReceivingAssociation
from service.sockets import BoundedSocket
from service.tls import Renewed
from service.wire import Wire

#: So many callers may have connected and not asked for an association; each has a thread and some 50 kB.
MOST_WAITING: Final = 256
#: Before it accepts from a shared socket, a process leaves the others so long for each association that it has, up to
#: four, seconds.
_AFTER_YOU_S: Final = 0.001
#: Where no more files may be opened, the loop that accepts rests so long, seconds.
_REST_S: Final = 0.05


class Registrar(Protocol):
    """Enters who was let go of by the listener itself, for those who look after it."""

    def tls_refused(self, address: str) -> None:
        """Enter a caller whose TLS handshake was refused."""

    def gave_way(self, address: str) -> None:
        """Enter a connection that was hung up on since it had waited longest."""

    def aborted(self, association: Association, cause: str) -> None:
        """Enter an association that ended without a release; one that nobody had asked for yet as well."""


class Entity(AE):
    """An application entity that counts whoever has asked for an association, not whoever has connected."""

    @property
    def active_associations(self) -> list[Association]:
        """The associations that run, or are being negotiated; who was turned away and has not hung up is none."""
        return [each for each in super().active_associations if each.requestor.primitive and not _is_over(each)]


class Waiting:
    """The callers that have connected and not asked for an association, by address. Safe in several threads."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._sockets: dict[Any, socket.socket] = {}

    def enter(self, address: Any, connection: socket.socket) -> Any:  # noqa: ANN401 - of any family
        """Enter a caller, or the socket under which it goes on; where there are too many `give_way`."""
        with self._lock:
            self._sockets[address] = connection
            crowded = len(self._sockets) > self._most
        return self.give_way() if crowded else None

    def leave(self, address: Any) -> None:  # noqa: ANN401 - of any family
        """Forget a caller: it has asked for an association, or is gone."""
        with self._lock:
            self._sockets.pop(address, None)

    def give_way(self) -> Any:  # noqa: ANN401 - of any family
        """Hang up on the caller that has waited longest; return its address, None where nobody waits."""
        with self._lock:
            address = next(iter(self._sockets), None)
            oldest = self._sockets.pop(address, None)
        if oldest is not None:
            with contextlib.suppress(OSError):
                # Its own thread finds out, and closes it.
                socket.socket.shutdown(oldest, socket.SHUT_RDWR)
        return address


class BoundedHandler(RequestHandler):
    """Makes the association of one connection, with our upper layer."""

    server: "Acceptor"

    def _create_association(self) -> Association:
        """Make what pynetdicom would make; the supported contexts, which nobody changes, are not copied."""
        server, entity = self.server, self.ae
        # Bounded from the first byte on; the association sets its own limits.
        wire = Wire(self.request, timeout_s=entity.acse_timeout or 0, most_s=server.max_association_s)
        association = ReceivingAssociation(entity, wire=wire, receive=server.receive, max_object=server.max_object)
        association.no_longer_waits = lambda: server.waiting.leave(self.client_address)
        association.enter_aborted = lambda cause: server.registrar.aborted(association, cause)
        association._server = server  # noqa: SLF001 - pynetdicom's own handler does the same
        association.name = f"AcceptorThread@{datetime.now(UTC):%Y%m%d%H%M%S}"
        association.set_socket(BoundedSocket(association, client_socket=self.request))
        acceptor = association.acceptor
        acceptor.maximum_length = entity.maximum_pdu_size
        acceptor.ae_title = server.ae_title
        acceptor.address_info = self.local
        acceptor.implementation_class_uid = entity.implementation_class_uid
        acceptor.implementation_version_name = entity.implementation_version_name
        acceptor.supported_contexts = server.contexts
        association.requestor.address_info = self.remote
        for event, handlers in server._handlers.items():  # noqa: SLF001 - there is no public way
            for handler in [handlers] if isinstance(handlers, tuple) else handlers:
                association.bind(event, *handler)
        return association


class Acceptor(ThreadedAssociationServer):
    """Accepts connections, each in a thread of its own. `receive` and what follows it are set before it serves."""

    daemon_threads = True
    request_queue_size = 128
    #: Time for a TLS handshake, seconds.
    handshake_timeout_s = 5.0
    #: Tells of an address whether a connection from there is served.
    admits: Callable[[str], bool] | None = None
    receive: Receiver
    registrar: Registrar
    max_object: int
    max_association_s: float

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - as in pynetdicom
        shared: socket.socket | None = None,
        tls: Renewed | None = None,
        **options: Any,  # noqa: ANN401 - as in pynetdicom
    ) -> None:
        self.waiting = Waiting()
        self._shared = shared
        self._tls = tls
        super().__init__(*args, **options)
        # The loop that accepts waits at the one end as well; to close the other ends it.
        self._end, self._ended = socket.socketpair()
        self._over = threading.Event()

    def shutdown(self) -> None:
        """Close it: socketserver's own way would wait for its own loop."""
        self.close()

    def server_bind(self) -> None:
        """Bind, or take the socket that other processes accept from as well."""
        if self._shared is None:
            super().server_bind()
            return
        self.socket.close()  # type: ignore[union-attr]  # just made
        self.socket = self._shared.dup()
        # Who comes second finds nothing, and must not wait for the next.
        self.socket.setblocking(False)
        self.server_address = self.socket.getsockname()

    def server_close(self) -> None:
        """Close the socket; one that is shared stays open to the others."""
        if self._shared is None:
            super().server_close()
        else:
            self.socket.close()  # type: ignore[union-attr]  # it was bound

    def serve_forever(self, poll_interval: float | None = None) -> None:  # noqa: ARG002 - it waits as long as it takes
        """Accept until `close`. socketserver's own loop looks whether it is to end many times a second, all night."""
        try:
            with selectors.PollSelector() as selector:
                selector.register(self, selectors.EVENT_READ)
                selector.register(self._ended, selectors.EVENT_READ)
                while self._ended not in (ready := [key.fileobj for key, _ in selector.select()]):
                    if ready:
                        self._handle_request_noblock()  # type: ignore[attr-defined]  # not in typeshed
        finally:
            self._over.set()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; nothing is read from it here."""
        listening: socket.socket = self.socket  # type: ignore[assignment]  # never None once it is bound
        if self._shared is not None:
            time.sleep(_AFTER_YOU_S * min(len(self.active_associations), 4))
        try:
            return listening.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                self._enter_gone(self.waiting.give_way())
                time.sleep(_REST_S)
            raise

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ANN401, ARG002 - as in socketserver
        """Tell whether a connection is served; it is closed otherwise."""
        return self.admits is None or self.admits(client_address[0])

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in socketserver
        """Begin an association, after a handshake in a thread of its own where TLS is on."""
        self._enter_gone(self.waiting.enter(client_address, request))
        if self._tls:
            super().process_request(request, client_address)
        else:
            super().process_request_thread(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in socketserver
        """Do the handshake, then start the association."""
        try:
            request.settimeout(self.handshake_timeout_s)
            # The socket that was accepted is spent now; who is to give way in the handshake is hung up on by this one.
            request = self._tls.context().wrap_socket(request, server_side=True, do_handshake_on_connect=False)  # type: ignore[union-attr]  # see process_request
            self._enter_gone(self.waiting.enter(client_address, request))
            request.do_handshake()
        except OSError as error:
            self.waiting.leave(client_address)
            # Who hangs up or says nothing is a port scanner or a probe, as without TLS.
            gone = not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError)
            say = log.debug if gone else log.warning
            say("TLS handshake failed", action="tls_refused", address=client_address[0], why=_reason(error))
            if not gone:
                self.registrar.tls_refused(client_address[0])
            self.shutdown_request(request)
            return
        super().process_request_thread(request, client_address)

    def _enter_gone(self, address: Any) -> None:  # noqa: ANN401 - of any family
        if address is not None:
            self.registrar.gave_way(address[0])

    def close(self) -> None:
        """Accept no more connections; those that are open go on."""
        self._end.close()
        self._over.wait()
        self._ended.close()
        self.server_close()


def _is_over(association: Association) -> bool:
    return association.is_rejected or association.is_released or association.is_aborted


def _reason(error: OSError) -> str:
    return error.reason if isinstance(error, ssl.SSLError) else type(error).__name__

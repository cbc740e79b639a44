"""What pynetdicom 3.0.4 does by itself, each in its smallest form: where one of these fails, a mend of ours may go."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import
from raw_caller import RawCaller
from servers import wait_until

from service import peer

GET_MSG = DIMSEServiceProvider.get_msg


class Late(threading.Event):
    """A checkpoint whose thread is not on a core just after it until a response has come: any busy machine has that."""

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._came = association.dimse.msg_queue

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, and until something has come."""
        passed = super().wait(timeout)
        end = time.monotonic() + 3
        while self._came.empty() and time.monotonic() < end:
            time.sleep(0.001)
        return passed


def get_late(provider: DIMSEServiceProvider, block: bool = False) -> object:
    """Read from the queue; who waits for its response comes to a core once something has come and lain there."""
    end = time.monotonic() + 3
    while block and provider.msg_queue.empty() and time.monotonic() < end:
        time.sleep(0.001)
    while block and not provider.msg_queue.empty() and time.monotonic() < end:
        time.sleep(0.001)
    return GET_MSG(provider, block)


@pytest.fixture
def echoing() -> Iterator[int]:
    """Run pynetdicom as a peer that answers C-ECHO; give its port."""
    peer.silence_pynetdicom()
    entity = AE(ae_title="PACS")
    entity.add_supported_context(Verification)
    server = entity.start_server(("127.0.0.1", 0), block=False)
    assert server is not None
    yield server.server_address[1]
    server.shutdown()


def test_by_itself_it_loses_a_response(echoing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reactor takes the response that a call waits for (`service/peer.py`, `_Parked`): the call hears nothing."""
    entity = AE()
    entity.dimse_timeout = 0.5
    association = entity.associate("127.0.0.1", echoing, contexts=[build_context(Verification)])
    association._reactor_checkpoint = checkpoint = Late(association)  # noqa: SLF001 - see Late
    checkpoint.set()
    time.sleep(0.1)
    monkeypatch.setattr(DIMSEServiceProvider, "get_msg", get_late)
    try:
        assert "Status" not in association.send_c_echo()
    finally:
        association.abort()


def test_by_itself_it_waits_for_whatever_length_is_announced(echoing: int) -> None:
    """A PDU header that claims 4 GB holds its association (`service/sockets.py`, `service/wire.py`; issue 1086)."""
    caller = RawCaller(echoing, timeout_s=1.0)
    try:
        caller.say(struct.pack(">BxL", 0x01, 0xFFFF_FFFF))
        with pytest.raises(TimeoutError):
            caller.socket.recv(1)
    finally:
        caller.close()


def test_by_itself_it_closes_no_socket_whose_peer_has_gone() -> None:
    """Where shutdown() fails close() is not called (`service/sockets.py`): the file stays open."""
    held: list[socket.socket] = []
    entity = AE()
    entity.add_requested_context(Verification)
    entity.acse_timeout = entity.network_timeout = 1.0
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reset() -> None:
            connection, _ = server.accept()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        threading.Thread(target=reset, daemon=True).start()
        opened: list[Any] = [(evt.EVT_CONN_OPEN, lambda event: held.append(event.assoc.dul.socket.socket))]
        association = entity.associate("127.0.0.1", server.getsockname()[1], evt_handlers=opened)
        assert not association.is_established
        wait_until(lambda: not association.dul.is_alive(), "its thread has ended", seconds=5)
    try:
        assert held[0].fileno() >= 0
    finally:
        held[0].close()

"""A peer that we call costs bounded time and memory, whatever it says: archives that drip, or never come to an end."""

import contextlib
import dataclasses
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from raw_caller import command_set, padded, pdu, pdv

from service import asking, peer, retrieve
from service.asking import FIND, Place
from service.config_peers import Archive
from service.errors import NotNow, PeerRefused, Unavailable

STUDY: Final = "1.2.3"
#: What a peer gets rid of before it is hung up on, bytes: the most that is taken, and what lies in buffers.
MOST: Final = 20_000_000


@contextlib.contextmanager
def archive(
    on_find: Callable[[evt.Event], Iterator[tuple[int, Dataset | None]]], *, timeout_s: float = 2.0
) -> Iterator[Archive]:
    """Run an archive that answers a C-FIND in its own way."""
    peer.silence_pynetdicom()
    ae = AE(ae_title="PACS")
    ae.add_supported_context(FIND)
    handlers: list[Any] = [(evt.EVT_C_FIND, on_find)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield Archive(ae_title="PACS", host="127.0.0.1", port=server.server_address[1], timeout_s=timeout_s)
    finally:
        server.shutdown()


def listed(asked: Archive, *, seconds: float = 30.0) -> list[Dataset]:
    """Ask an archive for the series of a study."""
    called = retrieve.as_peer(asked, "pacs")
    with peer.calling(called, retrieve.find_contexts(), calling_ae="ME") as association:
        end = time.monotonic() + seconds
        return list(retrieve.find(association, "pacs", end, QueryRetrieveLevel="SERIES", StudyInstanceUID=STUDY))


def dripping(_event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
    """List one series more every now and then, each within any time-out."""
    for number in range(10_000):
        found = Dataset()
        found.QueryRetrieveLevel, found.SeriesInstanceUID = "SERIES", f"1.2.3.{number}"
        time.sleep(0.05)
        yield 0xFF00, found


def match(event: evt.Event) -> bytes:
    """Return the command set of a C-FIND-RSP that says that more follows, with an identifier (PS3.7 table 9.3-4)."""
    return command_set(
        (0x0002, padded(FIND)),
        (0x0100, struct.pack("<H", 0x8020)),
        (0x0120, struct.pack("<H", event.message_id)),
        (0x0800, struct.pack("<H", 1)),
        (0x0900, struct.pack("<H", 0xFF00)),
    )


@dataclasses.dataclass
class Endless:
    """An answer whose last fragment never comes: 16 kB each, 300 MB in all."""

    #: Whether it is the command set that has no end; else the identifier after one.
    command: bool
    sent: int = 0

    def __call__(self, event: evt.Event) -> Iterator[Any]:
        """Say it."""
        context = event.assoc.accepted_contexts[0].context_id or 1
        wrapper = event.assoc.dul.socket
        connection = wrapper.socket if wrapper is not None else None
        assert connection is not None
        connection.setblocking(True)
        fragment = pdu(4, pdv(bytes(16_000), context=context, command=self.command, last=False))
        with contextlib.suppress(OSError):
            if not self.command:
                connection.sendall(pdu(4, pdv(match(event), context=context, command=True)))
            while self.sent < 300_000_000:
                connection.sendall(fragment)
                self.sent += len(fragment)
        connection.close()  # pynetdicom skips it where the other side has gone
        yield 0x0000, None


def test_an_archive_that_never_ends_a_list_is_hung_up_on() -> None:
    """Each match comes in time, and there is always one more: no longer than there is time for."""
    with archive(dripping) as asked:
        start = time.monotonic()
        with pytest.raises(Unavailable, match=r"not sent all in the time that there was \(C-FIND\)"):
            listed(asked, seconds=0.3)
        assert time.monotonic() - start < 3


def test_a_destination_that_never_ends_a_list_is_hung_up_on() -> None:
    """Asked for proof of one object, it lists others for ever."""
    with archive(dripping) as asked:
        place = Place(study_instance_uid=STUDY, series_instance_uid="1.2.3.4", sop_instance_uid="1.2.3.4.5")
        start = time.monotonic()
        with pytest.raises(NotNow, match="without an end"):
            asking.find(retrieve.as_peer(asked, "pacs"), place, calling_ae="ME")
        assert time.monotonic() - start < 3 * asked.timeout_s


def test_an_archive_lists_so_many_matches_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast they come."""
    monkeypatch.setattr(retrieve, "_MOST", 3)
    with archive(dripping) as asked, pytest.raises(PeerRefused, match="more than 3 matches"):
        listed(asked)


@pytest.mark.parametrize("command", [False, True], ids=["an identifier", "a command set"])
def test_a_message_without_an_end_is_not_kept(command: bool) -> None:
    """Pynetdicom keeps what comes until the last fragment; who goes on after the most that is taken is hung up on."""
    answer = Endless(command)
    # Longer than it takes to send all of it.
    with archive(answer, timeout_s=20.0) as asked, pytest.raises(Unavailable):
        listed(asked)
    assert answer.sent < MOST


def test_a_peer_that_listens_and_says_nothing_is_waited_for_as_long_as_it_may_take() -> None:
    """The connection is taken, and no answer to the A-ASSOCIATE-RQ comes."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked = Archive(ae_title="PACS", host="127.0.0.1", port=silent.getsockname()[1], timeout_s=0.5)
        start = time.monotonic()
        with pytest.raises(Unavailable, match="does not answer"):
            listed(asked)
        assert time.monotonic() - start < 3

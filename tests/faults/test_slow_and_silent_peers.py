"""Peers that are slow, silent, gone, or many, against the real role `listen` in a process of its own.

Each row of what receivers are known to fail at: it ends within its time, the memory stays bounded, nothing is left,
and a legitimate sender is served within a second meanwhile. The handshake of TLS: tests/faults/test_tls_peers.py. The
disk that fills: tests/faults/test_disks.py; random and malformed PDUs: tests/integration/test_upper_layer_fuzz.py.
"""

import os
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from authority import Authority, authority, modality
from nodes import Running, serving, write_config
from raw_caller import (
    ECHO_CONTEXT,
    RawCaller,
    assert_quick,
    assert_served,
    associate_rq,
    calling_raw,
    ct_object,
    echo_rq,
    new_uid,
    pdu,
    pdv,
    served_s,
    store_rq,
)
from servers import sockets, wait_until

from service.config_peers import Tls

__all__ = ["authority", "modality"]

#: `make campaign` connects 50,000 times; a legitimate sender comes after each hundred.
CONNECTS = int(os.environ.get("SPONDYL_TEST_CONNECTS", "600"))
IDLE_S, LONGEST_S = 1.5, 4.0
#: `receive` waits for an A-ASSOCIATE-RQ for so long: 5 s, or the idle time where that is shorter.
REQUEST_S = min(5.0, IDLE_S)
#: What a loaded machine may be late by, seconds.
LATE_S = 2.0
#: Resident memory may grow by so much, bytes: allocators keep what they were given.
GROWTH = 50_000_000
#: Files that SQLite opens for the connections of its pool, when several ask at once.
LEDGER_FILES = 15


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the role `listen`."""
    with _listening(tmp_path_factory.mktemp("slow") / "node") as running:
        yield running


@pytest.fixture(scope="module")
def secure(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the role `listen` with TLS."""
    table = "\n".join(f'{name} = "{path}"' for name, path in authority.sign("node").model_dump().items())
    with _listening(tmp_path_factory.mktemp("slow") / "node", f"[node.tls]\n{table}\n") as running:
        yield running


@contextmanager
def _listening(folder: Path, more: str = "") -> Iterator[Running]:
    configured = write_config(folder, {})
    text = configured.config.read_text(encoding="utf-8")
    limits = f"idle_timeout_s = {IDLE_S}\nmax_association_s = {LONGEST_S}\nmax_object_mb = 2\n"
    limited = text.replace("[node]\n", f"[node]\n{limits}").replace("[study]\n", "[study]\nmax_objects = 3\n")
    configured.config.write_text(f"{limited}\n{more}", encoding="utf-8")
    configured.migrate()
    with serving(configured, "listen") as running:
        yield running


@pytest.fixture
def process(node: Running) -> psutil.Process:
    """Return the process that receives, once everybody before has gone."""
    found = psutil.Process(node.processes[0].pid)
    for _ in range(3):
        served_s(node.port)  # what is made for the first sender is made
    quiet = 0

    def settled() -> bool:
        nonlocal quiet
        connected = [each for each in found.net_connections("tcp") if each.status != psutil.CONN_LISTEN]
        quiet = 0 if connected else quiet + 1
        return quiet > 2

    wait_until(settled, "everybody has gone", seconds=20)
    return found


def parts(node: Running) -> list[Path]:
    """Return unfinished files."""
    return list((node.folder / "state" / "incoming").iterdir())


def status_of(node: Running, *said: bytes) -> int:
    """Say something over an association; return the status of the response."""
    with calling_raw(node.port) as caller:
        caller.say(*said)
        return caller.status()


# ---- slow and silent, all at once

STORE = pdu(4, pdv(store_rq("1.2.9"), command=True))
HALF = STORE + pdu(4, pdv(bytes(1000), last=False))
ECHO = pdu(4, pdv(echo_rq(), context=ECHO_CONTEXT, command=True))
REQUEST = associate_rq()


@dataclass(frozen=True, kw_only=True)
class Row:
    """What somebody says, and when it must be over, seconds."""

    said: bytes
    within_s: float
    associated: bool = True
    #: Said again and again.
    drip: bytes = b""
    pause_s: float = 0.1
    #: Said beneath TLS, so by nobody else.
    beneath: bytes = b""


ROWS = {
    "connects and says nothing": Row(said=b"", within_s=REQUEST_S, associated=False),
    "half an A-ASSOCIATE-RQ": Row(said=REQUEST[:60], within_s=2 * REQUEST_S, associated=False),
    "an A-ASSOCIATE-RQ byte by byte": Row(
        said=REQUEST[:8], drip=REQUEST[8:9], within_s=2 * REQUEST_S, associated=False
    ),
    "an A-ASSOCIATE-RQ of 4 GB": Row(said=struct.pack(">BxL", 1, 2**32 - 1), within_s=0, associated=False),
    "a PDU of 2 GB": Row(said=struct.pack(">BxL", 4, 2**31), within_s=0),
    "a PDU larger than was negotiated": Row(said=struct.pack(">BxL", 4, 131_073), within_s=0),
    "an idle association": Row(said=b"", within_s=IDLE_S),
    "silent in the header of a PDU": Row(said=HALF + b"\x04\x00", within_s=IDLE_S),
    "silent inside a PDU": Row(said=HALF + struct.pack(">BxLLBB", 4, 1000, 996, 1, 0) + bytes(10), within_s=IDLE_S),
    "silent between two PDUs": Row(said=HALF, within_s=IDLE_S),
    "a PDU byte by byte": Row(
        said=HALF + struct.pack(">BxLLBB", 4, 100_000, 99_996, 1, 0), drip=b"x", within_s=2 * IDLE_S
    ),
    "an object in PDUs of one byte": Row(said=STORE, drip=pdu(4, pdv(b"x", last=False)), within_s=2 * IDLE_S),
    "C-ECHO for ever": Row(said=b"", drip=ECHO, within_s=LONGEST_S),
    "answers that nobody reads": Row(said=b"", drip=ECHO * 1000, pause_s=0, within_s=LONGEST_S + IDLE_S),
}


#: A TLS record of 4 kB of which 20 bytes come.
HALF_A_RECORD = Row(said=b"", beneath=b"\x17\x03\x03\x10\x00" + bytes(20), within_s=IDLE_S)
OVER = {"plain": ROWS, "TLS": ROWS | {"half a record": HALF_A_RECORD}}


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How it went at one port: seconds until each connection was over, and what legitimate senders waited meanwhile."""

    node: Running
    tls: Tls | None
    after_s: dict[str, float] = field(default_factory=dict)
    waits_s: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    def look(self) -> None:
        """Note how much memory the listener holds."""
        self.memory.append(psutil.Process(self.node.processes[0].pid).memory_info().rss)

    def say(self, name: str, row: Row) -> None:
        """Have a row said; what the node answers is thrown away."""
        self.after_s[name] = seconds_to_the_end(self.node.port, row, self.tls)

    def serve(self, over: threading.Event) -> None:
        """Have legitimate senders come, one after the other."""
        while not over.wait(0.3):
            self.waits_s.append(served_s(self.node.port, tls=self.tls))


def seconds_to_the_end(port: int, row: Row, tls: Tls | None) -> float:
    """Say it, and return how long it took until the node had hung up."""
    with closing(RawCaller(port, tls=tls)) as caller:
        if row.associated:
            caller.associate()
        start = time.monotonic()
        caller.say(row.said)
        caller.say_beneath(row.beneath)
        caller.socket.settimeout(max(row.pause_s, 0.02))
        rest = row.drip
        while time.monotonic() - start < 4 * LONGEST_S:
            try:
                if row.drip:
                    # What was not taken goes next: TLS forgives no other bytes in its place.
                    rest = rest[caller.socket.send(rest) :] or row.drip
                if row.pause_s and not caller.socket.recv(4096):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        return time.monotonic() - start


@pytest.fixture(scope="module")
def ended(node: Running, secure: Running, modality: Tls) -> dict[str, Ended]:
    """Have all of them at it at once, at both ports, and legitimate senders in between."""
    found = {"plain": Ended(node=node, tls=None), "TLS": Ended(node=secure, tls=modality)}
    over = threading.Event()
    rows, senders = [], []
    for transport, port in found.items():
        for _ in range(3):
            served_s(port.node.port, tls=port.tls)
        port.look()
        rows += [threading.Thread(target=port.say, args=each) for each in OVER[transport].items()]
        senders.append(threading.Thread(target=port.serve, args=(over,)))
    for thread in rows + senders:
        thread.start()
    for thread in rows:
        thread.join()
    over.set()
    for thread in senders:
        thread.join()
    for transport, port in found.items():
        port.look()
        after = ", ".join(f"{name} {took:.1f} s" for name, took in port.after_s.items())
        grown = (port.memory[1] - port.memory[0]) / 1e6
        print(f"\n{transport}: {after}; memory grew by {grown:.0f} MB")  # noqa: T201 - for the campaign
    return found


@pytest.mark.parametrize(("transport", "name"), [(over, name) for over, rows in OVER.items() for name in rows])
def test_it_is_over_within_its_time(ended: dict[str, Ended], transport: str, name: str) -> None:
    """Whoever says it costs one slot for a bounded time."""
    assert ended[transport].after_s[name] < OVER[transport][name].within_s + LATE_S


@pytest.mark.parametrize("transport", OVER)
def test_senders_are_served_meanwhile(ended: dict[str, Ended], transport: str) -> None:
    """Within a second, as long as the slow ones are there."""
    assert len(ended[transport].waits_s) >= LONGEST_S
    assert_quick(ended[transport].waits_s)


@pytest.mark.parametrize("transport", OVER)
def test_the_slow_ones_take_no_memory_and_leave_nothing(ended: dict[str, Ended], transport: str) -> None:
    """Not what is announced counts, but what came."""
    before, after = ended[transport].memory
    assert after - before < GROWTH
    wait_until(lambda: not parts(ended[transport].node), "every part is gone", seconds=5)


@pytest.mark.parametrize("transport", OVER)
def test_who_was_cut_off_is_said(ended: dict[str, Ended], transport: str) -> None:
    """By cause, for the administrator: silence, time used up, a PDU beyond the limit; in the log and in the metrics."""
    node = ended[transport].node
    for cause in ("silent", "overdue", "pdu_too_large"):
        assert f"cause={cause}" in node.log or f'"cause": "{cause}"' in node.log
        counted = rf'spondyl_aborted_associations_total\{{cause="{cause}",source="unlisted"\}} [1-9]'
        assert re.search(counted, _saved_counts(node, counted))


# ---- what arrives broken


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (ct_object("1.2.9")[:50], 0xC000),
        (os.urandom(3000), 0xC000),
        (b"", 0xC000),
        (ct_object("1.2.10"), 0xA900),
    ],
    ids=["truncated", "random", "empty", "another UID than announced"],
)
def test_an_object_that_is_none_is_refused(node: Running, data: bytes, status: int) -> None:
    """PS3.4 B.2.3: cannot understand, or does not match; nothing of it is kept."""
    before = node.spool.keys()
    known = set(before)
    assert status_of(node, STORE, pdu(4, pdv(data))) == status
    assert (set(node.spool.keys()), parts(node)) == (known, [])


def test_a_uid_that_climbs_directories_names_nothing(node: Running) -> None:
    """Neither the announced one nor the data set's: refused, and no file stands anywhere but in the spool."""
    climbing = "../../../x"
    said = pdu(4, pdv(store_rq(climbing), command=True)), pdu(4, pdv(ct_object(climbing)))
    assert status_of(node, *said) == 0xA900
    assert status_of(node, STORE, pdu(4, pdv(ct_object("1.2.9").replace(b"1.2.9", b"../.9")))) in {0xA900, 0xC000}
    assert not [path for path in node.folder.rglob("*x*") if path.suffix not in {".toml", ".log", ".sqlite"}]


def test_the_same_uid_with_other_content_overwrites_nothing(node: Running) -> None:
    """Both versions are kept; the one that was sent last counts."""
    instance, study = new_uid(), new_uid()
    with calling_raw(node.port) as caller:
        for pixels in (100, 200):
            assert caller.store(instance, ct_object(instance, pixels=pixels, study=study)) == 0x0000
    kept = [path for path in (node.folder / "state" / "spool").rglob("*.dcm") if instance.encode() in path.read_bytes()]
    assert len(kept) == 2


def test_a_reset_in_the_middle_of_an_object_leaves_nothing(node: Running, process: psutil.Process) -> None:
    """RST instead of the rest: the part is gone, and so is the socket."""
    before = sockets(process)
    caller = RawCaller(node.port)
    caller.associate()
    caller.say(HALF)
    wait_until(lambda: bool(parts(node)) and sockets(process) > before, "half an object is there", seconds=5)
    caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.close()
    # Before it would have been cut off for its silence.
    wait_until(lambda: parts(node) == [] and sockets(process) <= before, "part and socket are gone", seconds=IDLE_S / 2)
    assert_served(node.port)


def test_an_object_beyond_the_limit_is_refused(node: Running) -> None:
    """0xA701 once all of it has passed by, in memory that does not grow with it."""
    with calling_raw(node.port) as caller:
        assert caller.store("1.2.9", ct_object("1.2.9", pixels=2_500_000)) == 0xA701
    assert parts(node) == []


# ---- many


@pytest.mark.parametrize("count", [300, 500])
def test_connections_opened_and_left_keep_no_sender_out(node: Running, process: psutil.Process, count: int) -> None:
    """So many connect and stay: threads are bounded, a sender is served meanwhile, and later all is as before."""
    before = process.num_threads(), sockets(process), process.memory_info().rss
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(closing(RawCaller(node.port)))
        assert_served(node.port)
        # 256 may wait; the others are on their way out.
        assert process.num_threads() < before[0] + 400
        assert process.memory_info().rss - before[2] < GROWTH
        # They are hung up on; nobody here lets go.
        wait_until(lambda: process.num_threads() <= before[0], "their threads have ended", seconds=REQUEST_S + 10)
        wait_until(lambda: sockets(process) <= before[1], "their sockets are closed", seconds=5)


@pytest.mark.timeout(max(120, CONNECTS // 40))
def test_port_scanners_and_health_checks_leave_nothing(node: Running, process: psutil.Process) -> None:
    """Connects of every kind, one after the other: threads, sockets and memory stay as they were."""
    grown_from, before = 0, (process.num_threads(), sockets(process), process.num_fds())
    waits, began = [], time.monotonic()
    for number in range(CONNECTS):
        _KNOCKS[number % len(_KNOCKS)](node.port)
        if number % 100 == 99:
            waits.append(served_s(node.port))
            grown_from = grown_from or process.memory_info().rss
    took = time.monotonic() - began
    wait_until(lambda: process.num_threads() <= before[0], "every thread has ended", seconds=15)
    wait_until(lambda: sockets(process) <= before[1], "every socket is closed", seconds=15)
    after = process.num_threads(), sockets(process), process.num_fds()
    memory = f"memory {grown_from / 1e6:.1f} -> {process.memory_info().rss / 1e6:.1f} MB"
    print(f"\n{CONNECTS} connects in {took:.0f} s: threads, sockets, files {before} -> {after}, {memory}")  # noqa: T201 - for the campaign
    assert after[2] <= before[2] + LEDGER_FILES
    assert process.memory_info().rss - grown_from < GROWTH
    assert_quick(waits)


def _closes(port: int) -> None:
    RawCaller(port).close()


def _resets(port: int) -> None:
    caller = RawCaller(port)
    caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.close()


def _speaks_http(port: int) -> None:
    with closing(RawCaller(port)) as caller:
        caller.say(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def _speaks_tls(port: int) -> None:
    with closing(RawCaller(port)) as caller:
        caller.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200))


def _asks_whether_we_are_there(port: int) -> None:
    with calling_raw(port) as caller:
        caller.say(ECHO)
        assert caller.status() == 0x0000
        caller.say(pdu(5, bytes(4)))
        assert caller.read()[0] == 6


_KNOCKS = (_closes, _resets, _speaks_http, _closes, _speaks_tls, _asks_whether_we_are_there)


# ---- a study without an end


def test_a_study_without_an_end_is_refused_and_says_so(node: Running) -> None:
    """0xA702 beyond study.max_objects; what was acknowledged stays, what is there may come again, who acts is said."""
    study = new_uid()
    instances = [new_uid() for _ in range(5)]
    with calling_raw(node.port) as caller:
        objects = [ct_object(each, study=study) for each in instances]
        said = [caller.store(*each) for each in zip(instances, objects, strict=True)]
        again = caller.store(instances[0], objects[0])
    assert (said, again) == ([0x0000] * 3 + [0xA702] * 2, 0x0000)
    with node.ledger() as ledger:
        [row] = [each for each in ledger.admin.studies() if each.study_instance_uid == study]
        assert len(node.spool.files(row.key)) == 3
        told = [each for each in ledger.admin.study(study).events if each.event == "objects_refused"]
    assert [each.detail for each in told] == [
        "study.max_objects: the study has 3 objects; who must act: the administrator of this node"
    ]
    counted = r'spondyl_refused_objects_total\{cause="study_too_large",source="unlisted"\} [1-9]'
    assert re.search(counted, _saved_counts(node, counted))


def _saved_counts(node: Running, wanted: str) -> str:
    folder = node.folder / "state" / "metrics"
    text = ""

    def found() -> bool:
        nonlocal text
        text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.prom"))
        return re.search(wanted, text) is not None

    wait_until(found, "the counts are saved", seconds=10)
    return text

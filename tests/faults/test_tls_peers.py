"""TLS in the real role `listen`, in two processes on one port: peers silent in the handshake, certificates renewed."""

import contextlib
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest
from authority import Authority, authority, handshake, modality, put
from nodes import Running, serving, write_config
from pynetdicom import build_context
from raw_caller import VERIFICATION, assert_quick
from servers import sockets, wait_until

from service import peer
from service.config_peers import Destination, Tls

__all__ = ["authority", "modality"]

#: Time for a handshake (`Acceptor.handshake_timeout_s`), and what a loaded machine may be late by, seconds.
HANDSHAKE_S, LATE_S = 5.0, 3.0
GROWTH = 50_000_000
#: Sockets of a process that serves nobody: the port, inherited and its own, and the pair that ends its loop.
OWN = 4
#: `make campaign` connects 50,000 times, a tenth of them here: a handshake costs more.
CONNECTS = int(os.environ.get("SPONDYL_TEST_CONNECTS", "2000")) // 10
#: A TLS record that announces a ClientHello of 508 bytes.
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


@pytest.fixture(scope="module")
def files(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Put the node's files where the configuration names them."""
    folder = tmp_path_factory.mktemp("tls")
    named = Tls(cert_file=folder / "node.pem", key_file=folder / "node.key", ca_file=folder / "ca.pem")
    put(authority.sign("node"), named)
    return named


@pytest.fixture(scope="module")
def node(files: Tls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the role `listen` with TLS in two processes."""
    configured = write_config(tmp_path_factory.mktemp("node"), {})
    table = "\n".join(f'{name} = "{path}"' for name, path in files.model_dump().items())
    text = configured.config.read_text(encoding="utf-8").replace("[node]\n", "[node]\nprocesses = 2\n")
    configured.config.write_text(f"{text}\n[node.tls]\n{table}\n", encoding="utf-8")
    configured.migrate()
    with serving(configured, "listen") as running:
        saved = running.folder / "state" / "metrics"
        wait_until(lambda: len(list(saved.glob("*.prom"))) == 2, "both processes have saved their counts")
        yield running


def echoed_s(node: Running, tls: Tls) -> float:
    """Return how long somebody with a certificate waited for the answer to a C-ECHO, from connecting on, seconds."""
    place = Destination(name="node", ae_title="SPONDYL", host="127.0.0.1", port=node.port, timeout_s=10, tls=tls)
    start = time.monotonic()
    with peer.calling(place, [build_context(VERIFICATION)], calling_ae="TEST") as association:
        assert association.send_c_echo().Status == 0x0000
    return time.monotonic() - start


def test_peers_silent_in_the_handshake_stop_nobody(node: Running, modality: Tls) -> None:
    """Silent, half a ClientHello, byte by byte: each is over within the time of a handshake; others are served."""
    processes = psutil.Process(node.processes[0].pid).children()
    echoed_s(node, modality)
    before = sum(each.memory_info().rss for each in processes)
    start = time.monotonic()
    with ExitStack() as stack:
        callers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", node.port), timeout=60)) for _ in range(60)
        ]
        for caller in callers[20:]:
            caller.sendall(HELLO)
        dripping = threading.Event()
        drip = threading.Thread(target=_drip, args=(callers[40:], dripping))
        drip.start()
        try:
            assert_quick([echoed_s(node, modality) for _ in range(5)])
            for caller in callers:
                _read_to_the_end(caller)
        finally:
            dripping.set()
            drip.join()
    assert time.monotonic() - start < HANDSHAKE_S + LATE_S
    assert sum(each.memory_info().rss for each in processes) - before < GROWTH


def _drip(callers: list[socket.socket], enough: threading.Event) -> None:
    while not enough.wait(0.1):
        for caller in callers:
            try:
                caller.sendall(b"\0")
            except OSError:
                continue


def _read_to_the_end(caller: socket.socket) -> None:
    try:
        while caller.recv(4096):
            pass
    except ConnectionError:
        return


def test_scanners_of_the_tls_port_leave_nothing(node: Running, modality: Tls) -> None:
    """Connects that say nothing, another protocol or no certificate: sockets, threads and memory stay as they were."""
    processes = psutil.Process(node.processes[0].pid).children()
    wait_until(lambda: sum(map(sockets, processes)) <= OWN * len(processes), "everybody before has gone", seconds=20)
    before = sum(each.num_threads() for each in processes), sum(map(sockets, processes))
    anonymous = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anonymous.check_hostname, anonymous.verify_mode = False, ssl.CERT_NONE
    for number in range(CONNECTS):
        with socket.create_connection(("127.0.0.1", node.port), timeout=20) as caller:
            if number % 4 == 1:
                caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            elif number % 4 == 2:
                caller.sendall(HELLO)
            elif number % 4 == 3:
                with contextlib.suppress(OSError), anonymous.wrap_socket(caller) as refused:
                    refused.recv(1)
        if number == CONNECTS // 10:
            grown_from = sum(each.memory_info().rss for each in processes)
    assert_quick([echoed_s(node, modality) for _ in range(5)])
    wait_until(lambda: sum(each.num_threads() for each in processes) <= before[0], "threads have ended", seconds=15)
    wait_until(lambda: sum(map(sockets, processes)) <= before[1], "sockets are closed", seconds=15)
    assert sum(each.memory_info().rss for each in processes) - grown_from < GROWTH


def test_every_process_takes_the_renewed_certificate(
    node: Running, authority: Authority, modality: Tls, files: Tls
) -> None:
    """Without a restart, and without a caller that is refused meanwhile."""
    assert {"subject=CN = node"} == _subjects(node, modality)
    put(authority.sign("renewed"), files)
    assert {"subject=CN = renewed"} == _subjects(node, modality)


def _subjects(node: Running, tls: Tls) -> set[str]:
    said = [handshake(node.port, tls) for _ in range(12)]
    return {line for each in said for line in each.splitlines() if line.startswith("subject=")}


def test_broken_files_are_said_and_change_nothing(node: Running, modality: Tls, files: Tls) -> None:
    """By each process, before anybody calls; by `doctor`, with what to do. Callers are served as before."""
    kept = files.key_file.read_bytes()
    files.key_file.write_bytes(b"no key")
    wait_until(lambda: node.log.count("tls_not_renewed") >= 2, "both processes say so", seconds=20)
    done = node.command("doctor", "--json")
    assert done.returncode != 0
    assert done.stdout, done.stderr
    [check] = [each for each in json.loads(done.stdout)["checks"] if each["name"] == "TLS files of node"]
    assert (check["verdict"], "goes on with the old ones" in check["remedy"]) == ("failed", True)
    echoed_s(node, modality)
    files.key_file.write_bytes(kept)
    echoed_s(node, modality)

"""How long 300 structured reports take to a destination, over one association that is kept open, beside storescu.

    .venv/bin/python benchmarks/send.py [ROUNDS] [COUNT]

The same files go to dcmtk's storescp and to Orthanc, from Spondyl's own sender and from dcmtk's storescu in turn, A B A
B; TCP_NODELAY=1 for every dcmtk and Orthanc process, without which each object costs some 45 ms. Two sizes: reports on
one vertebra, and a fifth as many on T1 to L5. Both times hold the association's request and release; storescu's also
that of a process, ours not: a worker is there already. What arrived is counted at the other side: none may be lost.
"""

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from report import spine
from report_samples import context
from servers import program, run_orthanc, run_storescp
from surroundings import say, stop_in_order

from service.config import Settings
from service.config_peers import Destination
from service.deliver import Deliverer
from service.spool import Spool
from sr_templates.document import build_report, to_bytes
from sr_templates.findings import StudyFindings

#: At most so many times storescu's time.
GOAL = 1.5


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A destination: where it is, how many objects it has, how it forgets them."""

    ae_title: str
    port: int
    count: Callable[[], int]
    forget: Callable[[], None]


def make_reports(folder: Path, found: StudyFindings, count: int) -> list[Path]:
    """Write so many reports, equal but for the SOP Instance UID."""
    folder.mkdir()
    made = build_report(found, context("patient"), "1.2.840.10008.5.1.4.1.1.88.34")
    like, first = to_bytes(made), str(made.SOPInstanceUID)
    for number in range(count):
        # As long as the first, so the bytes are exchanged.
        (folder / f"{number:04}.dcm").write_bytes(like.replace(first.encode(), f"{first[:-4]}{number:04}".encode()))
    return sorted(folder.iterdir())


def by_spondyl(peer: Peer, files: Sequence[Path], base: Path) -> float:
    """Send as a worker does, each object when the one before is answered; return the seconds."""
    destination = Destination(name="pacs", ae_title=peer.ae_title, host="127.0.0.1", port=peer.port)
    start = time.perf_counter()
    with closing(Deliverer(Settings(), Spool(base / "state"), random.SystemRandom())) as deliverer:
        for path in files:
            deliverer.send(destination, path)
    return time.perf_counter() - start


def by_storescu(peer: Peer, files: Sequence[Path]) -> float:
    """Send with dcmtk; return the seconds."""
    command = [program("storescu"), "-R", "-aec", peer.ae_title, "--max-pdu", "131072", "127.0.0.1", str(peer.port)]
    start = time.perf_counter()
    subprocess.run([*command, *map(str, files)], check=True, env={**os.environ, "TCP_NODELAY": "1"})
    return time.perf_counter() - start


def compare(name: str, peer: Peer, files: Sequence[Path], base: Path, rounds: int) -> int:
    """Print medians and the ratio of the pairs; return how many objects of ours did not arrive."""
    ours: list[float] = []
    theirs: list[float] = []
    lost = 0
    for number in range(rounds):
        senders = [lambda: ours.append(by_spondyl(peer, files, base)), lambda: theirs.append(by_storescu(peer, files))]
        for turn in (number, number + 1):  # each is first in turn
            senders[turn % 2]()
            lost += len(files) - peer.count()
            peer.forget()
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    size = files[0].stat().st_size / 1000
    each = [1000 * statistics.median(times) / len(files) for times in (ours, theirs)]
    shown = f"spondyl {each[0]:6.2f} ms   storescu {each[1]:6.2f} ms   {ratio:5.2f} x (goal {GOAL} x)   lost {lost}"
    print(f"{len(files)} reports of {size:4.0f} kB to {name:8} {shown}", flush=True)
    return lost


def main(rounds: int = 7, count: int = 300) -> None:
    """Print the table; fail where an object of ours was lost."""
    stop_in_order()
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        scp = stack.enter_context(run_storescp(base / "storescp" / "in"))
        orthanc = stack.enter_context(run_orthanc(base / "orthanc", SyncStorageArea=True))

        def empty_storescp() -> None:
            for path in scp.files():
                path.unlink()

        def empty_orthanc() -> None:
            for study in orthanc.call("/studies"):
                orthanc.call(f"/studies/{study}", method="DELETE")

        peers = {
            "storescp": Peer(ae_title="PACS", port=scp.port, count=lambda: len(scp.files()), forget=empty_storescp),
            "Orthanc": Peer(
                ae_title="PACS",
                port=orthanc.port,
                count=lambda: int(orthanc.call("/statistics")["CountInstances"]),
                forget=empty_orthanc,
            ),
        }
        whole = spine()
        sizes = {"one": (replace(whole, vertebrae=whole.vertebrae[:1]), count), "spine": (whole, count // 5)}
        say(f"{rounds} rounds, medians")
        lost = 0
        for word, (found, many) in sizes.items():
            files = make_reports(base / word, found, many)
            lost += sum(compare(name, peer, files, base, rounds) for name, peer in peers.items())
    if lost:
        raise SystemExit(f"{lost} objects were lost")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""How fast objects are received and durable, against the servers people use, in the same run.

    .venv/bin/python benchmarks/receive.py [ROUNDS] [KIND ...]

dcmtk's storescu sends the same objects over loopback to each receiver in turn, A B C D A B C D, over 1, 4 and 8
associations; TCP_NODELAY=1 for every dcmtk and Orthanc process, without which each object costs some 45 ms.

    spondyl   the role `listen`; answers after file and name are durable
    orthanc   SyncStorageArea true: one fdatasync an object, no folder, index not synced
    storescp  dcmtk's, --fork: a process an association, never fsyncs
    tcp       no DICOM: the bytes over a bare connection into a file, fsync, one byte back; a process a connection
"""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from nodes import serving, write_config
from servers import free_port, listens, program, run_orthanc, run_storescp, running, wait_until
from surroundings import say, stop_in_order

#: What is sent: how many objects, SOP class, rows and columns of 16 bit.
KINDS = {
    "ct": (300, CTImageStorage, (512, 512)),
    "dx": (20, DigitalXRayImageStorageForPresentation, (2048, 2560)),
    "small": (1000, CTImageStorage, (64, 64)),
}
ASSOCIATIONS = (1, 4, 8)
PROCESSES = int(os.environ.get("PROCESSES", "2"))
SINK = Path(__file__).with_name("tcp_sink.py")


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A receiver that runs: how files get to it, how it forgets them, and its processes."""

    send: Callable[[list[Path]], list[str]]
    clear: Callable[[], None]
    pid: int


def make_objects(folder: Path, kind: str) -> list[Path]:
    """Write the objects of a kind; noise, so that nothing can be compressed on the way."""
    count, sop_class, shape = KINDS[kind]
    noise = np.random.default_rng(0).integers(0, 4096, shape, dtype=np.uint16).tobytes()
    study, series = generate_uid(), generate_uid()
    folder.mkdir()
    for number in range(count):
        made = Dataset()
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.SOPClassUID, made.SOPInstanceUID = sop_class, generate_uid()
        made.StudyInstanceUID, made.SeriesInstanceUID = study, series
        made.PatientName, made.PatientID, made.Modality = "Bench^Mark", "B1", "CT"
        made.Rows, made.Columns = shape
        made.BitsAllocated = made.BitsStored = 16
        made.HighBit, made.PixelRepresentation, made.SamplesPerPixel = 15, 0, 1
        made.PhotometricInterpretation = "MONOCHROME2"
        made.add_new("PixelData", "OW", noise)
        made.save_as(folder / f"{number:05d}.dcm", enforce_file_format=True)
    return sorted(folder.iterdir())


def seconds_to_send(peer: Peer, files: list[Path], associations: int) -> float:
    """Send the files, dealt out to so many senders at once; give the wall time, seconds."""
    commands = [peer.send(files[n::associations]) for n in range(associations)]
    os.sync()  # what was deleted before is not this receiver's work
    start = time.perf_counter()
    senders = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "TCP_NODELAY": "1"})
        for command in commands
    ]
    if sum(abs(sender.wait()) for sender in senders):
        raise RuntimeError("a sender failed")
    return time.perf_counter() - start


def _storescu(ae_title: str, port: int) -> Callable[[list[Path]], list[str]]:
    command = [program("storescu"), "-R", "-aec", ae_title, "--max-pdu", "131072", "127.0.0.1", str(port)]
    return lambda files: [*command, *map(str, files)]


def _empty(folder: Path) -> None:
    for each in folder.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()


def _listening_pid(port: int) -> int:
    return next(c.pid or 0 for c in psutil.net_connections("tcp") if c.laddr.port == port and c.status == "LISTEN")  # type: ignore[union-attr]  # a listening socket has an address


@contextmanager
def receivers(base: Path) -> Iterator[dict[str, Peer]]:
    """Run all four over folders of one disk."""
    with ExitStack() as stack:
        configured = write_config(base / "node", {}, quiet_s=3000)
        several = configured.config.read_text(encoding="utf-8").replace("[node]", f"[node]\nprocesses = {PROCESSES}")
        configured.config.write_text(several, encoding="utf-8")
        configured.command("migrate").check_returncode()
        node = stack.enter_context(serving(configured, "listen"))
        orthanc = stack.enter_context(run_orthanc(base / "orthanc", SyncStorageArea=True, DicomThreadsCount=8))
        storescp = stack.enter_context(run_storescp(base / "storescp" / "in"))
        sink, sunk = free_port(), base / "sunk"
        sunk.mkdir()
        stack.enter_context(running([sys.executable, str(SINK), "receive", str(sink), str(sunk)], base / "sink.log"))
        wait_until(lambda: listens(sink), "the sink accepts connections")

        def forget() -> None:
            for study in orthanc.call("/studies"):
                orthanc.call(f"/studies/{study}", method="DELETE")

        yield {
            "spondyl": Peer(
                send=_storescu("SPONDYL", node.port),
                clear=lambda: _empty(node.folder / "state" / "spool"),
                pid=node.processes[0].pid,
            ),
            "orthanc": Peer(send=_storescu("PACS", orthanc.port), clear=forget, pid=_listening_pid(orthanc.port)),
            "storescp": Peer(
                send=_storescu("PACS", storescp.port),
                clear=lambda: _empty(storescp.folder),
                pid=_listening_pid(storescp.port),
            ),
            "tcp": Peer(
                send=lambda files: [sys.executable, str(SINK), "send", str(sink), *map(str, files)],
                clear=lambda: _empty(sunk),
                pid=_listening_pid(sink),
            ),
        }


@contextmanager
def peak_mib(pid: int) -> Iterator[list[float]]:
    """Give the largest memory (PSS) of a process and its children during the block, MiB."""
    code = [sys.executable, str(SINK), "watch", str(pid)]
    peak: list[float] = []
    with subprocess.Popen(code, stdout=subprocess.PIPE, text=True) as watcher:
        yield peak
        watcher.send_signal(signal.SIGTERM)
        peak.append(float(watcher.communicate()[0]))


def compare(peers: dict[str, Peer], kind: str, files: list[Path], rounds: int) -> None:
    """Print a line a number of associations: objects a second of each, and our ratios, pair by pair."""
    for associations in ASSOCIATIONS:
        took: dict[str, list[float]] = {name: [] for name in peers}
        for number in range(rounds):
            # Whoever is first has a machine that has just been idle; each is first in turn.
            names = list(peers)[number % len(peers) :] + list(peers)[: number % len(peers)]
            for name in names:
                took[name].append(seconds_to_send(peers[name], files, associations))
                peers[name].clear()
        rates = "  ".join(f"{name} {len(files) / statistics.median(times):6.1f}" for name, times in took.items())
        ratios = "  ".join(
            f"/{name} {statistics.median(b / a for a, b in zip(took['spondyl'], took[name], strict=True)):5.2f}"
            for name in peers
            if name != "spondyl"
        )
        print(f"{kind:5s} x{associations}  objects/s: {rates}   ratio: {ratios}", flush=True)


def main(rounds: int = 7, *kinds: str) -> None:
    """Print rates, ratios and the memory with eight large objects arriving at once."""
    stop_in_order()
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shared = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of our own in it
        sent = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=shared)))
        peers = stack.enter_context(receivers(base))
        say(f"{rounds} rounds, medians; [node] processes = {PROCESSES}")
        for kind in kinds or KINDS:
            files = make_objects(sent / kind, kind)
            compare(peers, kind, files, rounds)
            if kind == "dx":
                with peak_mib(peers["spondyl"].pid) as peak:
                    seconds_to_send(peers["spondyl"], files, 8)
                print(f"memory with 8 x 10 MB arriving: {peak[0]:.0f} MiB", flush=True)
                peers["spondyl"].clear()
            shutil.rmtree(sent / kind)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 7, *sys.argv[2:])

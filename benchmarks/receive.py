"""How fast objects are received, against dcmtk's storescp in the same run.

    .venv/bin/python benchmarks/receive.py [OBJECTS] [ROUNDS]

Both receive the same synthetic CT slices (0.5 MB, explicit VR little endian) over loopback from dcmtk's storescu on one
association, Nagle off on both sides, in turn, A B A B. storescp does not fsync; Spondyl answers after fsync.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from nodes import serving, write_config
from servers import program, run_storescp


def make_slices(folder: Path, count: int) -> None:
    """Write `count` slices of 512 x 512, 16 bit."""
    noise = np.random.default_rng(0).integers(0, 4096, (512, 512), dtype=np.uint16).tobytes()
    study, series = generate_uid(), generate_uid()
    for number in range(count):
        slice_ = Dataset()
        slice_.file_meta = FileMetaDataset()
        slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, generate_uid()
        slice_.StudyInstanceUID, slice_.SeriesInstanceUID = study, series
        slice_.PatientName, slice_.PatientID, slice_.Modality = "Bench^Mark", "B1", "CT"
        slice_.Rows = slice_.Columns = 512
        slice_.BitsAllocated = slice_.BitsStored = 16
        slice_.HighBit, slice_.PixelRepresentation, slice_.SamplesPerPixel = 15, 0, 1
        slice_.PhotometricInterpretation = "MONOCHROME2"
        slice_.add_new("PixelData", "OW", noise)
        slice_.save_as(folder / f"{number:05d}.dcm", enforce_file_format=True)


def seconds_to_send(folder: Path, ae_title: str, port: int) -> float:
    """Send the folder; give the wall time, seconds."""
    command = [program("storescu"), "-R", "-aec", ae_title, "--max-pdu", "131072", "+sd", "127.0.0.1", str(port)]
    start = time.perf_counter()
    subprocess.run([*command, str(folder)], check=True, capture_output=True, env={**os.environ, "TCP_NODELAY": "1"})
    return time.perf_counter() - start


def main(count: int = 200, rounds: int = 5) -> None:
    """Print both rates and the ratio, pair by pair."""
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (base / "slices").mkdir()
        make_slices(base / "slices", count)
        configured = write_config(base / "node", {}, quiet_s=600)
        configured.command("migrate").check_returncode()
        node = stack.enter_context(serving(configured, "listen"))
        peer = stack.enter_context(run_storescp(base / "storescp"))
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(seconds_to_send(base / "slices", "SPONDYL", node.port))
            theirs.append(seconds_to_send(base / "slices", "PACS", peer.port))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    print(f"{count} CT slices of 0.5 MB, one association, {rounds} pairs, medians")
    print(f"spondyl (durable)          {count / statistics.median(ours):7.0f} objects/s")
    print(f"dcmtk storescp (no fsync)  {count / statistics.median(theirs):7.0f} objects/s")
    print(f"time, spondyl / storescp   {statistics.median(ratios):7.2f}  ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

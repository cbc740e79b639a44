"""How long a study takes from files to report, and where the time goes.

    .venv/bin/python benchmarks/measure.py [ROUNDS]

The phantom study of `spondyl demo` is measured here. The peer, in the same run, is dcmqi's segimage2itkimage,
which only reads the same SEG into volumes.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from servers import program

from service.config import Settings
from workers.inputs import SEGMENTATIONS, read_inputs
from workers.landmarks.seg import from_segmentation
from workers.morphometry.findings import measure
from workers.phantom.study import make_study
from workers.pipeline import measure_files, policy_of


def timed(work: Callable[[], object], rounds: int) -> float:
    """Return the median wall time of `work`, seconds, after one round that does not count."""
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def main(rounds: int = 5) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        make_study(Path(folder) / "study", patient_name="Bench^Mark", patient_id="B1", seed=1)
        files = sorted(path for path in (Path(folder) / "study").rglob("*") if path.is_file())
        settings, inputs = Settings(), read_inputs(files)
        (header,) = inputs.of_classes(SEGMENTATIONS)
        segmentation = inputs.whole(header)
        vertebrae = from_segmentation(segmentation)
        volumes = [program("segimage2itkimage"), "--inputDICOM", str(inputs.files[header.SOPInstanceUID])]

        def peer() -> None:
            subprocess.run([*volumes, "--outputDirectory", folder], check=True, capture_output=True)

        rows = {
            "files to report": timed(lambda: measure_files(files, settings=settings), rounds),
            "  read headers": timed(lambda: read_inputs(files), rounds),
            "  masks to points": timed(lambda: from_segmentation(segmentation), rounds),
            "  points to findings": timed(lambda: measure(vertebrae, policy_of(settings.measure)), rounds),
            "dcmqi reads the SEG": timed(peer, rounds),
        }
    # The rest of a study is the report: content tree, evidence, encoding.
    steps = [seconds for name, seconds in rows.items() if name.startswith(" ")]
    rows["  findings to report"] = rows["files to report"] - sum(steps)
    print(f"{len(files)} files, {len(vertebrae)} vertebrae, medians of {rounds}")
    for name, seconds in rows.items():
        print(f"{name:22} {seconds * 1000:8.1f} ms   {seconds / rows['dcmqi reads the SEG']:6.2f} x dcmqi")
    print(f"peak memory            {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MiB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

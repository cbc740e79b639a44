"""How long the vertebrae of a whole spine take from masks to findings on one core, how much memory, and where it goes.

    .venv/bin/python benchmarks/masks.py [ROUNDS]

A Label Map Segmentation of 600 axial frames of 512 x 512, T1 to L5, uncompressed, 0.8 x 0.8 x 1 mm. The peers only read
it: pydicom into an array, highdicom into a volume. Each is a process of its own on one core, in turn, A B C A B C.
Times are those on the core, so that what else the machine does hardly counts.
"""

import cProfile
import json
import os
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# One core is measured: numpy's own threads are off before it starts.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import highdicom
from label_map import GRID, SPINE, write_label_map
from outlines import patient
from pydicom import dcmread

from sr_templates.levels import ORDER
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.seg import from_segmentation
from workers.morphometry.findings import measure
from workers.morphometry.policy import Policy

#: What the time goes into: file and function, what they do. Each is counted with all it calls.
STAGES = {
    ("volumes.py", "read_segments"): "decode frames, cut the masks out",
    ("coarse.py", "look"): "coarse field, largest ball, strays",
    ("plane.py", "symmetric"): "planes of symmetry, of vertebra and body",
    ("field.py", "signed_distance"): "signed distance about the bodies",
    ("body.py", "section"): "sections through the bodies",
    ("rims.py", "find_rims"): "walls, rims, middle points",
    ("body.py", "posterior_sign"): "which side is anterior",
    ("findings.py", "measure"): "points to findings",
}
#: C1 to S1 of a spine without variants.
EVERY_LEVEL = [level for level in ORDER if level not in {"T13", "L6"}]


def spondyl(path: Path) -> list[VertebraLandmarks]:
    """Take the file to findings."""
    vertebrae = from_segmentation(dcmread(path))
    measure(vertebrae, Policy())
    return vertebrae


def by_pydicom(path: Path) -> object:
    """Read the file into an array of labels."""
    return dcmread(path).pixel_array


def by_highdicom(path: Path) -> object:
    """Read the file into a volume of labels, in the patient."""
    return highdicom.seg.segread(path).get_volume(combine_segments=True)


#: A process inherits the peak of its parent: what makes the object is a process of its own too.
MAKER = "make the label map"
READERS: dict[str, Callable[[Path], object]] = {
    "spondyl, file to findings": spondyl,
    "highdicom, file to volume": by_highdicom,
    "pydicom, file to array": by_pydicom,
}


def alone(name: str, path: Path) -> tuple[float, float]:
    """Run one of them in a process of its own; return its time on the core, s, and its peak memory, MiB."""
    shown = subprocess.run([sys.executable, __file__, name, path], check=True, capture_output=True, text=True)
    seconds, peak = json.loads(shown.stdout)
    return seconds, peak


def child(name: str, path: Path) -> None:
    """Print the time on the core, s, and the peak memory, MiB."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    start = time.process_time()
    (write_label_map if name == MAKER else READERS[name])(path)
    seconds = time.process_time() - start
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def stages(path: Path) -> dict[str, float]:
    """Return the share of each stage in the time from file to findings, by profile."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # what a second core does would not be profiled
    profile = cProfile.Profile()
    vertebrae = profile.runcall(spondyl, path)
    reasons = [vertebra.reason for vertebra in vertebrae if vertebra.reason]
    if len(vertebrae) != len(SPINE) or reasons:
        raise SystemExit(f"expected {len(SPINE)} vertebrae, found {len(vertebrae)}, refused: {reasons}")
    stats = pstats.Stats(profile)
    own = {(Path(file).name, name): row[3] for (file, _, name), row in stats.stats.items()}  # type: ignore[attr-defined] # not in typeshed
    shares = {what: own[where] / stats.total_tt for where, what in STAGES.items()}  # type: ignore[attr-defined] # as above
    return {**shares, "the rest": 1 - sum(shares.values())}


def points_to_findings_ms(levels: Sequence[str], rounds: int = 50) -> float:
    """Return the median time from the points of these levels to findings, ms."""
    spread = {"anterior": 0.3, "middle": 0.2, "posterior": 0.3}
    given = [
        patient(level, at=(0.0, 0.0, -36.0 * place), axial_spacing_mm=1.0, height_sd_mm=spread)
        for place, level in enumerate(levels)
    ]
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        measure(given, Policy())
        seconds.append(time.process_time() - start)
    return 1000 * statistics.median(seconds)


def main(rounds: int = 3) -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.dcm"
        alone(MAKER, path)
        runs = [{name: alone(name, path) for name in READERS} for _ in range(rounds)]
        shares = stages(path)
    print(f"{len(SPINE)} vertebrae, label map of {' x '.join(map(str, GRID))}, one core, medians of {rounds}")
    read = statistics.median(run["pydicom, file to array"][0] for run in runs)
    for name in READERS:
        seconds, peak = (statistics.median(run[name][place] for run in runs) for place in (0, 1))
        print(f"{name:28} {seconds:7.2f} s   {seconds / read:6.1f} x pydicom   peak {peak:6.0f} MiB")
    print("share of the time from file to findings, profiled")
    for what, share in shares.items():
        print(f"  {what:44} {100 * share:3.0f} %")
    for levels in (SPINE, EVERY_LEVEL):
        print(f"points to findings, {len(levels)} levels      {points_to_findings_ms(levels):7.2f} ms")


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in (*READERS, MAKER):
        child(sys.argv[1], Path(sys.argv[2]))
    else:
        main(*map(int, sys.argv[1:]))

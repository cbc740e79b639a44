"""How long a report takes to build, beside the same report by highdicom's own SR classes.

    .venv/bin/python benchmarks/report.py [ROUNDS]

T1 to L5, 17 vertebrae, every number that a vertebra can have, in each of the three SOP classes. Both make the same tree
with highdicom's templates; they are built in turn, A B A B, and must agree byte for byte. Times are those on the core.
"""

import cProfile
import pstats
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from plain_report import dressed, plain_report
from pydicom.dataset import Dataset
from report_samples import context, findings, vertebra

from sr_templates.document import SOP_CLASSES, build_report, to_bytes
from sr_templates.findings import StudyFindings
from sr_templates.levels import LEVELS

#: Where the time of the plain report goes: file and function, what they do. Each is counted with all it calls.
STAGES = {
    ("content.py", "report_content"): "the tree, by highdicom's templates",
    ("copy.py", "deepcopy"): "deep copy of the finished tree",
    ("value_types.py", "_from_dataset_derived"): "parsing the copy again",
    ("utils.py", "collect_evidence"): "searching the tree for references, twice",
}


def spine() -> StudyFindings:
    """Return findings on T1 to L5."""
    levels = [level for level in LEVELS if level[0] in "TL" and level not in {"T13", "L6"}]
    measured = tuple(vertebra(level, 100.0 - 12.0 * number, "patient") for number, level in enumerate(levels))
    return replace(findings("patient"), vertebrae=measured)


def timed(work: Callable[[], object]) -> float:
    """Return the time of `work` on the core, seconds."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main(rounds: int = 9) -> None:
    """Build, compare and print."""
    found, sources = spine(), context("patient")
    print(f"{len(found.vertebrae)} vertebrae, medians of {rounds}; seconds on the core")
    for sop_class_uid in SOP_CLASSES:
        ours: list[float] = []
        plain: list[float] = []
        like = build_report(found, sources, sop_class_uid)
        for _ in range(rounds):
            ours.append(timed(lambda: build_report(found, sources, sop_class_uid)))  # noqa: B023 - called at once
            plain.append(timed(lambda: plain_report(found, sources, like)))  # noqa: B023 - called at once
        same = to_bytes(dressed(plain_report(found, sources, like), sources, like)) == to_bytes(like)
        one, other = statistics.median(ours), statistics.median(plain)
        print(f"{like.SOPClassUID}  ours {one:.3f}  highdicom {other:.3f}  {other / one:.1f} x  same bytes: {same}")
    print(f"{len(to_bytes(like))} bytes, written in {timed(lambda: to_bytes(like)):.3f}")
    profile(found, like)


def profile(found: StudyFindings, like: Dataset) -> None:
    """Print where the time of highdicom's SR classes goes."""
    profiler = cProfile.Profile()
    profiler.runcall(plain_report, found, context("patient"), like)
    stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined]  # not in the stubs
    whole = max(entry[3] for entry in stats.values())
    for (file, _, function), entry in stats.items():
        if what := STAGES.get((Path(file).name, function)):
            print(f"{100 * entry[3] / whole:3.0f} %  {what}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

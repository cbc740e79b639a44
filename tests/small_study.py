"""A phantom study of three vertebrae, for tests that ask how a study fares, not how a whole spine is measured."""

from pathlib import Path

import pytest

from workers.phantom import study
from workers.phantom.column import column

LEVELS = ("T12", "L1", "L2")
#: Slices, rows, columns: these three with what lies above and below them, 1 mm a row.
_GRID = (60, 180, 180)


def make_small_study(out: Path, *, patient_name: str, patient_id: str, seed: int) -> None:
    """Write CT and masks as workers.phantom.study does, of LEVELS alone."""
    few = tuple(vertebra for vertebra in column() if vertebra.level in LEVELS)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(study, "column", lambda: few)
        patched.setattr(study, "_GRID", _GRID)
        study.make_study(out, patient_name=patient_name, patient_id=patient_id, seed=seed)

"""The series that a volume model is given: axial, even, untilted, and of these the one with the most slices."""

from collections.abc import Callable
from math import cos, radians, sin
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from report_samples import CT, header

from workers.finders.series import best_series

AXIAL = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def _series(folder: Path, uid: str, heights_mm: list[float], **changes: Any) -> list[Path]:
    folder.mkdir(exist_ok=True)
    files = []
    for number, height_mm in enumerate(heights_mm):
        ds: Dataset = header(CT, number, "CT")
        ds.SeriesInstanceUID, ds.SOPInstanceUID = uid, f"{uid}.{number}"
        ds.Rows, ds.Columns, ds.ImageOrientationPatient = 64, 64, AXIAL
        ds.ImagePositionPatient = [-10.0, -10.0, height_mm]
        for keyword, value in changes.items():
            setattr(ds, keyword, value(number) if callable(value) else value)
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        files.append(folder / f"{uid}.{number}.dcm")
        ds.save_as(files[-1], enforce_file_format=True)
    return files


def _even(count: int, step_mm: float) -> list[float]:
    return [number * step_mm for number in range(count)]


def test_the_most_slices_win(tmp_path: Path) -> None:
    """Thin slices of the same body are more; they come from caudal to cranial, whatever their names."""
    thick = _series(tmp_path, "1.2.1", _even(13, 3.0))
    thin = _series(tmp_path, "1.2.2", _even(20, 1.5)[::-1])
    found = best_series([*thick, *thin])

    assert found
    assert ("1.2.2", tuple(reversed(thin)), 1.5) == (found.uid, found.files, found.spacing_mm)


def test_of_equals_the_finer_then_the_first(tmp_path: Path) -> None:
    """As many slices: the smaller spacing; as fine, too: the lower UID; the order of the files does not count."""
    one, two, three = (_series(tmp_path, uid, _even(12, mm)) for uid, mm in (("1.1", 2.0), ("1.3", 1.0), ("1.2", 1.0)))

    assert {"1.2"} == {
        found.uid for files in ([*one, *two, *three], [*three, *two, *one]) if (found := best_series(files))
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"ImageOrientationPatient": [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]},
        {"ImageOrientationPatient": [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0]},
        {"ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, cos(radians(30)), sin(radians(30))]},
        {"ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, cos(radians(15)), -sin(radians(15))]},
        {"ImageOrientationPatient": None},
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"Rows": lambda number: 64 + number % 2},
    ],
    ids=["sagittal", "rows to the right", "30 degrees", "gantry tilt", "no orientation", "localizer", "sizes"],
)
def test_what_is_no_upright_axial_stack_is_left(tmp_path: Path, changes: dict[str, Any | Callable[[int], Any]]) -> None:
    """Masks of such a series would come back turned or not at all."""
    assert best_series(_series(tmp_path, "1.2", _even(20, 1.0), **changes)) is None


@pytest.mark.parametrize(
    "heights_mm",
    [[*_even(10, 1.0), *(h + 11 for h in _even(10, 1.0))], _even(11, 1.0), [0.0] * 20],
    ids=["a slice is missing", "too few", "all in one place"],
)
def test_what_is_no_even_stack_is_left(tmp_path: Path, heights_mm: list[float]) -> None:
    """Uneven, too few or repeated slices are no volume."""
    assert best_series(_series(tmp_path, "1.2", heights_mm)) is None

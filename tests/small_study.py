"""A phantom study of three vertebrae, for tests that ask how a study fares, not how a whole spine is measured."""

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

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


def make_small_studies(folder: Path, count: int, *, name: str) -> dict[str, Path]:
    """Write `count` studies, copies of the phantom's masks and of four images under new UIDs; return them by UID."""
    make_small_study(folder / "phantom", patient_name=name, patient_id="K-1", seed=4)
    originals = [folder / "phantom" / "SEG" / "seg.dcm", *sorted((folder / "phantom" / "CT").iterdir())[28:32]]
    studies = {}
    for number in range(count):
        place = folder / f"{number:04d}"
        place.mkdir()
        uid = generate_uid(entropy_srcs=[name, str(number)])
        for path in originals:
            dataset = dcmread(path)
            dataset.StudyInstanceUID = uid
            dataset.SOPInstanceUID = generate_uid(entropy_srcs=[uid, dataset.SOPInstanceUID])
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            dataset.save_as(place / path.name)
        studies[str(uid)] = place
    return studies

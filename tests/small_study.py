"""A phantom study of three vertebrae, for tests that ask how a study fares, not how a whole spine is measured."""

from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid
from readable_studies import readable_studies

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
    """Write `count` studies of one vertebra, its masks and four images each; return their folders by UID."""
    return dict(make_study_of("binary masks", folder, number, name=name) for number in range(count))


def make_study_of(kind: str, folder: Path, number: int, *, name: str, first: int = 0) -> tuple[str, Path]:
    """Write one of the readable studies under new UIDs, its files from `first` on; return its UID and its folder.

    Its objects must not refer to each other.
    """
    place = folder / f"{number:06d}"
    place.mkdir(parents=True)
    uid = str(generate_uid(entropy_srcs=[name, str(number)]))
    for file in readable_studies()[kind][first:]:
        dataset = dcmread(BytesIO(file))
        dataset.StudyInstanceUID, dataset.StudyDescription, dataset.PatientName = uid, "Spine", name
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[uid, dataset.SOPInstanceUID])
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(place / f"{dataset.SOPInstanceUID}.dcm")
    return uid, place

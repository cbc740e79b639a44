"""Studies whose vertebrae are masks: one object or many, whole or damaged."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from plain_settings import REPORT_ALONE
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID
from small_study import LEVELS, make_small_study

from service.config import Settings
from sr_templates.findings import LandmarkSource, StudyFindings
from sr_templates.objects import ObjectKind
from workers.pipeline import Outcome, measure_files


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a phantom study of three vertebrae."""
    folder = tmp_path_factory.mktemp("study")
    make_small_study(folder, patient_name="PHANTOM^ONE", patient_id="P1", seed=1)
    return folder


@pytest.fixture(scope="module")
def images(study: Path) -> list[Path]:
    """Return the image files."""
    return sorted((study / "CT").iterdir())


@pytest.fixture(scope="module")
def outcome(study: Path, images: list[Path]) -> Outcome:
    """Return what came of the study as it was made: all vertebrae in one object."""
    return measure_files([*images, study / "SEG" / "seg.dcm"], settings=Settings())


@pytest.fixture(scope="module")
def whole(outcome: Outcome) -> StudyFindings:
    """Return its findings."""
    return outcome.findings


def _findings(files: Iterable[Path]) -> StudyFindings:
    return measure_files(list(files), settings=REPORT_ALONE).findings


def _alone(seg: Dataset, number: int, uid: str) -> Dataset:
    """Return a segmentation of one of the segments, with its frames only."""
    one = deepcopy(seg)
    frames = list(enumerate(seg.PerFrameFunctionalGroupsSequence))
    kept = [n for n, item in frames if item.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number]
    one.SegmentSequence = [item for item in one.SegmentSequence if item.SegmentNumber == number]
    one.PerFrameFunctionalGroupsSequence = [one.PerFrameFunctionalGroupsSequence[n] for n in kept]
    one.NumberOfFrames = len(kept)
    bits = np.packbits(seg.pixel_array[kept].astype(np.uint8).ravel(), bitorder="little").tobytes()
    one.PixelData = bits + b"\0" * (len(bits) % 2)
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    return one


def _numbers(findings: StudyFindings) -> list[tuple[str, object]]:
    return [
        (v.level, v.measured and (v.measured.heights_mm, v.measured.height_loss_percent, v.measured.genant_grade))
        for v in findings.vertebrae
    ]


def test_an_object_a_vertebra_is_measured_as_one_object(
    study: Path, images: list[Path], whole: StudyFindings, tmp_path: Path
) -> None:
    """Segmentations of a vertebra each give what one of all gives; a level in two of them is not guessed."""
    seg = dcmread(study / "SEG" / "seg.dcm")
    files = []
    for number in range(1, len(LEVELS) + 1):
        files.append(tmp_path / f"{number}.dcm")
        _alone(seg, number, f"2.25.{number}").save_as(files[-1])
    again = tmp_path / "again.dcm"
    _alone(seg, 3, "2.25.99").save_as(again)
    twice = _findings([*images, *files, again])

    assert _numbers(whole) == _numbers(_findings([*images, *files]))
    assert {whole.vertebrae[2].level: "LEVEL_DUPLICATED"} == {v.level: v.reason for v in twice.vertebrae if v.reason}
    assert () == twice.notes


def test_masks_of_another_frame_of_reference_are_said_not_to_be_used(
    study: Path, images: list[Path], whole: StudyFindings, tmp_path: Path
) -> None:
    """Positions of two frames of reference are not compared; the one with most vertebrae is measured."""
    other = _alone(dcmread(study / "SEG" / "seg.dcm"), 1, "2.25.1")
    other.FrameOfReferenceUID = "2.25.2"
    other.save_as(tmp_path / "other.dcm")
    found = _findings([*images, study / "SEG" / "seg.dcm", tmp_path / "other.dcm"])

    assert _numbers(whole) == _numbers(found)
    assert ("SEGMENTATIONS_NOT_USED: 1",) == found.notes


def _no_frame(seg: Dataset) -> None:
    del seg.FrameOfReferenceUID


def _no_series(seg: Dataset) -> None:
    del seg.ReferencedSeriesSequence[0].SeriesInstanceUID


def _no_shared_groups(seg: Dataset) -> None:
    seg.SharedFunctionalGroupsSequence = []


def _short_pixels(seg: Dataset) -> None:
    seg.PixelData = seg.PixelData[:1000]


@pytest.mark.parametrize(
    ("damage", "with_images", "reasons"),
    [
        (_no_frame, True, {None}),
        (_no_frame, False, {"FRAME_OF_REFERENCE_UNKNOWN"}),
        (_no_series, True, {None}),
        (_no_shared_groups, True, {"NO_GEOMETRY"}),
        (_short_pixels, True, {"UNREADABLE"}),
    ],
)
def test_damage_is_a_reason(
    study: Path,
    images: list[Path],
    tmp_path: Path,
    damage: Callable[[Dataset], None],
    with_images: bool,
    reasons: set[str | None],
) -> None:
    """What a segmentation does not say is taken from its images or is a coded reason, never an error."""
    seg = dcmread(study / "SEG" / "seg.dcm")
    damage(seg)
    seg.save_as(tmp_path / "seg.dcm")
    found = _findings([*(images if with_images else []), tmp_path / "seg.dcm"])

    assert len(LEVELS) == len(found.vertebrae)
    assert reasons == {vertebra.reason for vertebra in found.vertebrae}


def test_a_review_of_one_level_leaves_the_others_to_the_masks(
    study: Path, images: list[Path], outcome: Outcome, tmp_path: Path
) -> None:
    """A presentation state of ours that draws L1 alone, saved by a reader: the protocol stays, and nothing drops."""
    (state,) = (dcmread(BytesIO(each.data)) for each in outcome.objects if each.kind is ObjectKind.PRESENTATION)
    for item in state.GraphicAnnotationSequence:
        item.GraphicObjectSequence = [one for one in item.GraphicObjectSequence if one.TrackingID.startswith("L1 ")]
        item.TextObjectSequence = [one for one in item.TextObjectSequence if one.TrackingID.startswith("L1 ")]
    state.ContentCreatorName = "Doe^Jane"
    state.SOPInstanceUID = state.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    state.save_as(tmp_path / "state.dcm")
    before, after = outcome.findings, _findings([*images, study / "SEG" / "seg.dcm", tmp_path / "state.dcm"])

    assert {"L1"} == {one.level for one in after.vertebrae if one.landmark_source is LandmarkSource.REVIEWED}
    assert (before.landmark_protocol, ()) == (after.landmark_protocol, after.notes)
    for then, now in zip(before.vertebrae, after.vertebrae, strict=True):
        assert then.measured is not None
        assert now.measured is not None
        assert then.level == now.level
        assert then.measured.heights_mm is not None
        assert now.measured.heights_mm is not None
        assert then.measured.heights_mm.anterior == pytest.approx(now.measured.heights_mm.anterior, abs=0.05)
        assert then.measured.genant_grade == now.measured.genant_grade

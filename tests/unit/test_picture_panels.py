"""Which pictures a study has."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pictured import context_of, ct, film, landmarks, moved, on_film, only, turned, written
from pydicom.dataset import Dataset
from report_samples import FRAME_OF_REFERENCE, STUDY, findings

from sr_templates.findings import Landmarks, Space
from workers.inputs import Inputs
from workers.pictures.panels import MOST_PANELS, NO_PIXELS, NO_SLICE_NEAR, NO_SLICES, panels

PATIENT = only(findings("patient"), ("T12", "L1"))


def _bright(points: np.ndarray) -> np.ndarray:
    """Return bone, 1000 HU, above the middle of T12, z = 0, and soft tissue below it."""
    return np.where(points[..., 2] > 0, 1000.0, 40.0)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Return seven slices around the points, and one of ours, which is no source."""
    own = ct(9, Manufacturer="Spondyl", ManufacturerModelName="Spondyl")
    own.SeriesInstanceUID = f"{STUDY}.88"
    images = [ct(place, _bright, x_mm=3.0 * (place - 4)) for place in range(1, 8)]
    return written(tmp_path_factory.mktemp("study"), *images, own)


@pytest.mark.parametrize("turn", [False, True], ids=["straight", "twisted"])
def test_sections_give_one_picture_with_every_point_in_its_place(study: Inputs, *, turn: bool) -> None:
    """The edge of bone at z = 0 runs through the picture where the middle of T12 is, half way between AS and AI."""
    found = moved(PATIENT, turned) if turn else PATIENT
    (panel,) = panels(found, study, study.headers)
    points = panel.points["T12"]
    middle = (points["AS"][1] + points["AI"][1]) / 2
    column = panel.background[:, int(points["AS"][0]) + 5].astype(int)

    # The shade of soft tissue, 40 HU, is 76, that of bone, 1000 HU, is 212.
    assert 212 == column[int(middle) - 20]
    assert 76 == column[int(middle) + 20]
    assert ("T12", "L1") == tuple(panel.points)
    assert "CT: sagittal reformat" in panel.caption


def test_what_we_computed_ourselves_is_no_source(study: Inputs) -> None:
    """A section of ours that came back with the study is not reformatted again."""
    (panel,) = panels(PATIENT, study, study.headers)

    assert {f"{STUDY}.2"} == {str(image.SeriesInstanceUID) for image in panel.images}


def test_points_on_slices_are_shown_on_the_reformat(study: Inputs) -> None:
    """Pixels of a CT slice have a place in the patient: they are drawn where the patient's own points are drawn."""
    image = study.headers[4]
    x = float(image.ImagePositionPatient[0])
    flat = moved(PATIENT, lambda _, points: {name: (x, *point[1:]) for name, point in points.items()})
    there = {level: landmarks(flat, level).points for level in ("T12", "L1")}
    on_slice = moved(
        PATIENT, lambda level, _: {name: (y + 100.5, 128.5 - z) for name, (_, y, z) in there[level].items()}
    )
    vertebrae = []
    for one in on_slice.vertebrae:
        assert one.measured is not None
        placed = replace(
            one.measured.landmarks,
            space=Space.IMAGE,
            sop_instance_uid=str(image.SOPInstanceUID),
            frame_of_reference_uid=None,
        )
        vertebrae.append(replace(one, measured=replace(one.measured, landmarks=placed)))
    (given,) = panels(flat, study, study.headers)
    (found,) = panels(replace(on_slice, vertebrae=tuple(vertebrae)), study, study.headers)

    for level, points in given.points.items():
        for name, point in points.items():
            assert point == pytest.approx(found.points[level][name], abs=1e-6)


def test_a_study_without_its_slices_has_a_picture_of_points(tmp_path: Path) -> None:
    """Points of another frame of reference than any image's: lines on black, and the page says why."""
    other = ct(0)
    other.FrameOfReferenceUID = f"{FRAME_OF_REFERENCE}.1"
    inputs = written(tmp_path, other)
    (panel,) = panels(PATIENT, inputs, inputs.headers)

    assert (NO_SLICES, ()) == (panel.missing, panel.images)
    assert 0 == panel.background.max()


@pytest.mark.parametrize("kind", ["sections", "film"])
def test_undecodable_pixels_are_said_and_fail_nothing(tmp_path: Path, kind: str) -> None:
    """The points remain, on black; the page says that the pixels could not be read."""
    image = ct(0) if kind == "sections" else film()
    image.PixelData = image.PixelData[:10]
    inputs = written(tmp_path, image)
    (panel,) = panels(PATIENT if kind == "sections" else on_film(), inputs, inputs.headers)

    assert (NO_PIXELS, ()) == (panel.missing, panel.images)
    assert {"T12", "L1"} == set(panel.points)


def test_slices_that_could_not_be_read_are_counted(tmp_path: Path) -> None:
    """A picture with gaps says how many slices it lacks, and names as sources only those that it was made from."""
    images = [ct(0), ct(1)]
    images[1].PixelData = images[1].PixelData[:10]
    inputs = written(tmp_path, *images)
    (panel,) = panels(PATIENT, inputs, inputs.headers)

    assert panel.caption.endswith("Not for measuring. 1 of 2 slices could not be read.")
    assert ("", [images[0].SOPInstanceUID]) == (panel.missing, [image.SOPInstanceUID for image in panel.images])


def test_a_black_picture_says_that_no_slice_is_there(tmp_path: Path) -> None:
    """A slice 30 mm beside the points is readable, and shows none of what they lie on."""
    inputs = written(tmp_path, ct(10))
    (panel,) = panels(PATIENT, inputs, inputs.headers)

    assert (NO_SLICE_NEAR, ()) == (panel.missing, panel.images)


@pytest.mark.parametrize(
    ("across", "is_steep"),
    [((0.0, 0.0, 1.0), True), ((0.0, -0.1, 0.995), True), ((0.3, 0.0, 0.954), False), ((1.0, 0.0, 0.0), False)],
    ids=["axial", "axial, gantry tilted", "coronally tilted by 17 degrees", "sagittal"],
)
def test_a_reformat_along_its_slices_may_show_their_text(
    tmp_path: Path, across: tuple[float, float, float], *, is_steep: bool
) -> None:
    """The sheet is sagittal: axial slices cross it, whatever the tilt in its plane; sagittal ones lie in it."""
    image = ct(0)
    normal = np.array(across) / np.linalg.norm(across)
    row = np.cross(normal, (0.0, 0.0, 1.0) if abs(normal[0]) > 0.5 else (1.0, 0.0, 0.0))
    row /= np.linalg.norm(row)
    image.ImageOrientationPatient = [*map(float, row), *map(float, np.cross(normal, row))]
    inputs = written(tmp_path, image)
    (panel,) = panels(PATIENT, inputs, inputs.headers)

    assert is_steep is panel.is_steep


def test_each_radiograph_has_its_own_picture(tmp_path: Path) -> None:
    """T12 on one film and L1 on another: two pictures; more than four are not drawn."""
    films = [_numbered(number) for number in range(1, 7)]
    inputs = written(tmp_path, *films)
    found = findings("image")
    every = found.vertebrae[0]
    assert every.measured is not None
    levels = ("T9", "T10", "T11", "T12", "L1", "L2")
    vertebrae = tuple(
        replace(every, level=level, measured=replace(every.measured, landmarks=_named(every.measured.landmarks, n)))
        for n, level in enumerate(levels, start=1)
    )
    shown = panels(replace(found, vertebrae=vertebrae), inputs, context_of(inputs).images)

    assert MOST_PANELS == len(shown)
    assert [["T9"], ["T10"], ["T11"], ["T12"]] == [list(panel.points) for panel in shown]


def _named(points: Landmarks, number: int) -> Landmarks:
    return replace(points, sop_instance_uid=f"{STUDY}.2.{number}")


def _numbered(number: int) -> Dataset:
    image = film()
    image.SOPInstanceUID = f"{STUDY}.2.{number}"
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    return image

"""Studies with contours in RT Structure Sets, with masks, with both, and with cement and hardware beside them."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import UID
from segmentations import grid, shares
from structure_sets import FRAME, contours, images, item, structure_set

from workers.inputs import read_inputs
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.rtstruct import from_structure_sets
from workers.landmarks.volumes import Volume
from workers.morphometry.findings import measure
from workers.morphometry.policy import Policy
from workers.phantom.vertebra import Shape, Vertebra
from workers.sources import Found, find_landmarks

SHAPE = Shape(anterior_mm=21, middle_mm=22, posterior_mm=27, depth_mm=34, width_mm=45)
TRUTH = [21.0, 22.0, 27.0]
LEAN = np.radians(8.0)
L2 = Vertebra(
    level="L2",
    shape=SHAPE,
    centre=np.array([3.3, -2.7, 40.2]),
    axes=np.array([[1, 0, 0], [0, np.cos(LEAN), np.sin(LEAN)], [0, -np.sin(LEAN), np.cos(LEAN)]]),
)


@pytest.fixture(scope="module")
def verse(test_data: Path) -> Path:
    """Return VerSe case 012: images, masks, contours of the same vertebrae."""
    return test_data / "verse012"


def _landmarks(verse: Path, *files: Path) -> Found:
    """Return what is found of the images of VerSe case 012 with other files."""
    return find_landmarks(read_inputs([*sorted((verse / "CT").iterdir()), *files]))


@pytest.fixture
def masks(verse: Path, tmp_path: Path) -> Path:
    """Return a segmentation of T12 alone."""
    ds = dcmread(verse / "SEG" / "seg.dcm")
    ds.SegmentSequence = [one for one in ds.SegmentSequence if "T12" in one.SegmentLabel]
    ds.save_as(tmp_path / "seg.dcm")
    return tmp_path / "seg.dcm"


def _structure_set(verse: Path, folder: Path, names: Collection[str], damage: Callable[[Dataset], None]) -> Path:
    """Write the structure set of VerSe case 012 with the regions of these names only."""
    ds = dcmread(verse / "RTSTRUCT" / "rt.dcm")
    ds.StructureSetROISequence = [one for one in ds.StructureSetROISequence if one.ROIName in names]
    damage(ds)
    ds.save_as(folder / "rt.dcm")
    return folder / "rt.dcm"


def _as_it_is(_: Dataset) -> None:
    """Damage nothing."""


def test_masks_go_before_contours_of_the_same_vertebrae(verse: Path, masks: Path, tmp_path: Path) -> None:
    """The structure set is not drawn, and said not to be used."""
    contoured = _structure_set(verse, tmp_path, {"vertebrae_T12"}, _as_it_is)
    found = _landmarks(verse, masks, contoured)

    assert found.vertebrae == _landmarks(verse, masks).vertebrae
    assert ("STRUCTURE_SETS_NOT_USED: 1",) == found.notes


def test_contours_of_more_vertebrae_go_before_masks(verse: Path, masks: Path, tmp_path: Path) -> None:
    """A segmentation of one vertebra leaves the study to contours of two, and is said not to be used."""
    found = _landmarks(verse, masks, _structure_set(verse, tmp_path, {"vertebrae_T12", "VB_T11"}, _as_it_is))

    assert [("T11", None), ("T12", None)] == [(one.level, one.reason) for one in found.vertebrae]
    assert ("SEGMENTATIONS_NOT_USED: 1",) == found.notes


def test_cement_in_an_object_of_its_own_marks_the_vertebra(verse: Path, masks: Path, tmp_path: Path) -> None:
    """A segmentation that names no vertebra is asked too; it is one of those that the report rests on."""
    ds = dcmread(masks)
    segment = ds.SegmentSequence[0]
    segment.SegmentLabel = "bone cement"
    segment.SegmentedPropertyTypeCodeSequence[0].CodeValue = "7320"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID("2.25.2")
    ds.save_as(tmp_path / "cement.dcm")
    found = _landmarks(verse, masks, tmp_path / "cement.dcm")

    assert [("T12", ("CEMENT",))] == [(one.level, one.flags) for one in found.vertebrae]
    assert {"2.25.2", str(dcmread(masks).SOPInstanceUID)} == {str(one.SOPInstanceUID) for one in found.others}
    assert () == _landmarks(verse, tmp_path / "cement.dcm").vertebrae


def _invalid_reference(ds: Dataset) -> None:
    for roi in ds.ROIContourSequence:
        for contour in roi.ContourSequence:
            contour.ContourImageSequence = [item(ReferencedSOPInstanceUID="2.25.1")]


def _no_reference(ds: Dataset) -> None:
    for roi in ds.ROIContourSequence:
        for contour in roi.ContourSequence:
            del contour.ContourImageSequence


def _no_frame(ds: Dataset) -> None:
    del ds.ReferencedFrameOfReferenceSequence
    for roi in ds.StructureSetROISequence:
        del roi.ReferencedFrameOfReferenceUID


@pytest.mark.parametrize("damage", [_invalid_reference, _no_reference, _no_frame])
def test_references_that_lead_nowhere_change_nothing(
    verse: Path, tmp_path: Path, damage: Callable[[Dataset], None]
) -> None:
    """The frame of reference leads to the images, or the images to the frame: T12 is measured on their pixels."""
    (one,) = _landmarks(verse, _structure_set(verse, tmp_path, {"vertebrae_T12"}, damage)).vertebrae

    assert (None, ()) == (one.reason, one.flags)
    assert one.axial_spacing_mm == pytest.approx(1.0, abs=0.1)


def _heights(vertebra: VertebraLandmarks) -> list[float]:
    assert vertebra.landmarks is not None, vertebra.reason
    points = {name: np.array(point) for name, point in vertebra.landmarks.points.items()}
    return [float(np.linalg.norm(points[f"{at}S"] - points[f"{at}I"])) for at in "AMP"]


Phantom = tuple[Volume, list[Dataset]]


def _phantom(direction: str, spacing_mm: tuple[float, float, float]) -> Phantom:
    """Return the mask of the phantom and the headers of its images."""
    affine, shape = grid(direction, spacing_mm, [L2])
    (mask,) = shares([L2], affine, shape)
    return Volume(mask=mask >= 0.5, affine=affine, low=(0, 0, 0), high=(0, 0, 0)), images(affine, shape)


@pytest.fixture(scope="module")
def axial() -> Phantom:
    """Return the phantom on axial images, 2 mm apart."""
    return _phantom("axial", (2.0, 1.0, 1.0))


def _found(ds: Dataset, headers: Sequence[Dataset]) -> VertebraLandmarks:
    (one,) = from_structure_sets([ds], frame_of_reference_uid=FRAME, images=headers)
    return one


@pytest.mark.parametrize("direction", ["sagittal, to the right", "oblique"])
def test_contours_on_any_plane_give_the_heights(direction: str) -> None:
    """Round the pixels of the images: heights within a voxel; the sampling is that of planes and pixels together."""
    volume, headers = _phantom(direction, (1.5, 1.0, 1.0))
    one = _found(structure_set({"VB_L2": contours(volume)}, kind="CLOSEDPLANAR_XOR"), headers)
    superior = L2.axes[2] @ (volume.affine[:3, :3] / volume.spacing_mm)

    assert TRUTH == pytest.approx(_heights(one), abs=1.5)
    assert one.axial_spacing_mm == pytest.approx(np.linalg.norm(superior * volume.spacing_mm), abs=0.05)
    assert () == one.flags


def test_planes_that_were_not_drawn_count_as_coarse_sampling(axial: Phantom) -> None:
    """One of many axial planes is missing: it is filled in by shape, said, and 4 mm make the sampling too coarse."""
    volume, headers = axial
    drawn = np.flatnonzero(volume.mask.any(axis=(1, 2))).tolist()
    one = _found(structure_set({"L2": contours(volume, [p for p in drawn if p != drawn[6]])}), headers)

    assert TRUTH == pytest.approx(_heights(one), abs=2.0)
    assert ("PLANES_FILLED",) == one.flags
    assert one.axial_spacing_mm == pytest.approx(4.0 * np.cos(LEAN), abs=0.1)


def test_a_body_that_ends_with_the_images_is_cut_off(axial: Phantom) -> None:
    """The last image lies 4 mm above the middle of the body, and so do the last contours."""
    volume, headers = axial
    last = int(volume.to_index(L2.centre)[0]) + 2
    ds = structure_set({"L2": contours(volume, range(last + 1))})

    assert "TOUCHES_BORDER" == _found(ds, headers[: last + 1]).reason


def test_without_images_the_edge_and_the_fineness_are_not_known(axial: Phantom) -> None:
    """The heights are there, with a word; 2 mm between planes are coarser than fine, so they are said."""
    volume, _ = axial
    one = _found(structure_set({"L2": contours(volume)}), [])

    assert TRUTH == pytest.approx(_heights(one), abs=2.0)
    assert ("EDGE_UNKNOWN",) == one.flags
    assert one.axial_spacing_mm == pytest.approx(2.0 * np.cos(LEAN), abs=0.05)


def test_hardware_in_a_body_is_said(axial: Phantom) -> None:
    """A region called screw within L2 marks it; heights stay, and no grade is given."""
    volume, headers = axial
    plane, row, column = (int(value) for value in volume.to_index(L2.centre))
    screw = Volume(mask=np.zeros_like(volume.mask), affine=volume.affine, low=(0, 0, 0), high=(0, 0, 0))
    screw.mask[plane : plane + 3, row - 3 : row + 3, column - 3 : column + 3] = True
    one = _found(structure_set({"L2": contours(volume), "Screw 1": contours(screw)}), headers)
    (finding,) = measure([one], Policy())[0]

    assert ("HARDWARE",) == one.flags
    assert finding.measured is not None
    assert finding.measured.genant_grade is None

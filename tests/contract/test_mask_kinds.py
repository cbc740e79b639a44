"""Masks of phantoms as Segmentations of every kind, on every grid, and what keeps one from being believed."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from segmentations import grid, position, segmentation, shares
from structure_sets import FRAME

from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.seg import from_segmentation, from_segmentations
from workers.phantom.vertebra import Shape, Vertebra

Array = npt.NDArray[np.float64]

SHAPE = Shape(anterior_mm=21, middle_mm=22, posterior_mm=27, depth_mm=34, width_mm=45)
TRUTH = [21.0, 22.0, 27.0]
SPACING_MM = (1.2, 1.0, 1.1)


def _axes(lean_deg: float, tilt_deg: float) -> Array:
    """Return the axes of a vertebra that leans forward, and to the side."""
    a, b = np.radians([lean_deg, tilt_deg])
    lean = np.array([[1, 0, 0], [0, np.cos(a), np.sin(a)], [0, -np.sin(a), np.cos(a)]])
    tilt = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    return np.asarray(lean @ tilt)


L2 = Vertebra(level="L2", shape=SHAPE, centre=np.array([3.3, -2.7, 40.2]), axes=_axes(9.0, 4.0))


def _column(*levels: str) -> list[Vertebra]:
    """Return vertebrae of one shape, 36 mm apart, from cranial to caudal."""
    shape = replace(SHAPE, anterior_mm=26, middle_mm=25)
    return [
        Vertebra(level=level, shape=shape, centre=np.array([0.3, 0.4 * place, -36.3 * place]), axes=_axes(3.0, 2.0))
        for place, level in enumerate(levels)
    ]


def _heights(vertebra: VertebraLandmarks) -> list[float]:
    assert vertebra.landmarks is not None, vertebra.reason
    points = {name: np.array(point) for name, point in vertebra.landmarks.points.items()}
    return [float(np.linalg.norm(points[f"{at}S"] - points[f"{at}I"])) for at in "AMP"]


@pytest.mark.parametrize(
    ("direction", "kind"),
    [
        ("axial", "BINARY"),
        ("axial, from the head", "FRACTIONAL"),
        ("sagittal", "LABELMAP"),
        ("sagittal, to the right", "BINARY"),
        ("coronal", "LABELMAP"),
        ("oblique", "FRACTIONAL"),
    ],
)
def test_every_kind_on_every_grid_gives_the_heights(direction: str, kind: str) -> None:
    """Frames in any order, whole vertebra: within a voxel of the truth, and the body alone within 0.5 mm of that."""
    affine, shape = grid(direction, SPACING_MM, [L2])
    found = []
    for seed, elements in ((1, True), (2, False)):
        vertebra = replace(L2, shape=replace(SHAPE, posterior_elements=elements))
        (mask,) = shares([vertebra], affine, shape)
        ds = segmentation({"vertebrae_L2": mask}, affine, kind=kind, seed=seed)
        places = [tuple(position(affine, place)) for place in range(shape[0])]
        (one,) = from_segmentation(ds, image_positions=places)  # type: ignore[arg-type] # three numbers each
        found.append(_heights(one))

    assert TRUTH == pytest.approx(found[0], abs=1.2)
    assert found[0] == pytest.approx(found[1], abs=0.5)


def _labelled(*labels: str, levels: tuple[str, ...]) -> list[tuple[str, str | None, tuple[str, ...]]]:
    """Return what is found of a column of `levels` whose segments are labelled so."""
    column = _column(*levels)
    affine, shape = grid("sagittal", (2.0, 2.0, 2.0), column)
    ds = segmentation(dict(zip(labels, shares(column, affine, shape), strict=True)), affine, kind="LABELMAP")
    return [(one.level, one.reason, one.flags) for one in from_segmentation(ds)]


def test_verse_numbers_are_measured_and_other_numbers_are_refused() -> None:
    """20 above 21 is L1 above L2; TotalSegmentator's 21 above 20 is refused, and no level is read into it."""
    assert [("L1", None, ()), ("L2", None, ())] == _labelled("20", "21", levels=("L1", "L2"))
    refused = _labelled("21", "20", levels=("L2", "L3"))

    assert [
        ("L1", "NUMBER_UNCONFIRMED", ("STANDS_BELOW_L2",)),
        ("L2", "NUMBER_UNCONFIRMED", ("STANDS_ABOVE_L1",)),
    ] == refused


def test_labels_in_the_wrong_order_are_refused_by_name() -> None:
    """L2 and L3 are exchanged: both say what they stand beside; L1 is measured."""
    found = _labelled("L1", "L3", "L2", levels=("L1", "L2", "L3"))

    assert [
        ("L1", None, ()),
        ("L2", "LABEL_ORDER", ("STANDS_BELOW_L3",)),
        ("L3", "LABEL_ORDER", ("STANDS_ABOVE_L2",)),
    ] == found


def test_a_mask_that_took_half_of_its_neighbour_is_refused_with_it() -> None:
    """The upper half of L2 in the mask of L1: neither has a height that is its own."""
    column = _column("T12", "L1", "L2")
    affine, shape = grid("axial", (2.0, 2.0, 2.0), column)
    masks = shares(column, affine, shape)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    upper = column[2].to_local(index @ affine[:3, :3].T + affine[:3, 3])[..., 2] > 0
    masks[1], masks[2] = np.where(upper, np.maximum(masks[1], masks[2]), masks[1]), np.where(upper, 0, masks[2])
    named = {f"vertebrae_{vertebra.level}": mask for vertebra, mask in zip(column, masks, strict=True)}
    found = [(one.level, one.reason, one.flags) for one in from_segmentation(segmentation(named, affine))]

    assert [
        ("T12", None, ()),
        ("L1", "MERGED_NEIGHBOUR", ("MERGED_WITH_L2",)),
        ("L2", "MERGED_NEIGHBOUR", ("MERGED_WITH_L1",)),
    ] == found


def test_cement_and_hardware_mark_the_vertebra_that_holds_them() -> None:
    """Objects of their own, on another grid; what cannot be read may be anywhere, and is said."""
    affine, shape = grid("axial", (2.0, 2.0, 2.0), [L2])
    vertebra = segmentation({"vertebrae_L2": shares([L2], affine, shape)[0]}, affine)
    fine = np.diag([1.0, 1.0, 1.0, 1.0])
    fine[:3, 3] = L2.centre
    cement = segmentation({"cement": np.ones((5, 5, 5), dtype=np.float32)}, fine, kind="LABELMAP")
    screw = segmentation({"screws": np.ones((5, 5, 5), dtype=np.float32)}, fine)
    screw.PixelData = b""
    for ds in (cement, screw):
        ds.SegmentSequence[0].SegmentedPropertyTypeCodeSequence = []
    (one,) = from_segmentations([screw, vertebra, cement], lambda ds: ds, frame_of_reference_uid=FRAME)

    assert ("CEMENT", "DEVICE_UNREADABLE") == one.flags
    assert one.landmarks is not None

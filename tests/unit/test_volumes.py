from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, FileMetaDataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from workers.landmarks.reasons import Reason
from workers.landmarks.seg import from_segmentation
from workers.landmarks.volumes import LABEL_MAP, Stack, Volume, read_segments, read_stack

Frames = npt.NDArray[np.uint8]

#: A sagittal stack: columns backwards, rows down, 3 mm between slices, 0.5 mm rows, 0.8 mm columns.
ORIENTATION = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]
SPACING = [0.5, 0.8]


def _item(**attributes: object) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def _frame(position: Sequence[float], segment: int) -> Dataset:
    return _item(
        PlanePositionSequence=[_item(ImagePositionPatient=list(position))],
        SegmentIdentificationSequence=[_item(ReferencedSegmentNumber=segment)],
    )


def _segmentation(
    frames: Frames, positions: Sequence[Sequence[float]], segments: Sequence[int], kind: str = "BINARY"
) -> Dataset:
    """Return what the readers need of a Segmentation: `frames` (n, rows, columns) at `positions`."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = LABEL_MAP if kind == "LABELMAP" else SegmentationStorage
    ds.SegmentationType = kind
    ds.NumberOfFrames, ds.Rows, ds.Columns = frames.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated = ds.BitsStored = 1 if kind == "BINARY" else 8
    ds.HighBit = ds.BitsStored - 1
    if kind == "FRACTIONAL":
        ds.MaximumFractionalValue = 200
    ds.SharedFunctionalGroupsSequence = [
        _item(
            PlaneOrientationSequence=[_item(ImageOrientationPatient=ORIENTATION)],
            PixelMeasuresSequence=[_item(PixelSpacing=SPACING, SliceThickness=99)],
        )
    ]
    ds.PerFrameFunctionalGroupsSequence = [_frame(p, n) for p, n in zip(positions, segments, strict=True)]
    data = np.packbits(frames.ravel(), bitorder="little") if kind == "BINARY" else frames.ravel()
    ds.PixelData = data.tobytes() + b"\0" * (data.size % 2)
    return ds


def _volume(ds: Dataset, number: int = 1) -> Volume:
    stack = read_stack(ds)
    assert isinstance(stack, Stack)
    volume = read_segments(ds, stack, [number])[number]
    assert isinstance(volume, Volume)
    return volume


def _patterned(count: int) -> Frames:
    """Return frames of 5 x 7 whose filled part differs from frame to frame; 35 bits do not fill whole bytes."""
    frames = np.zeros((count, 5, 7), dtype=np.uint8)
    for number in range(count):
        frames[number, 1:4, 2 : 4 + number % 3] = 1
    return frames


def test_a_voxel_lies_where_position_orientation_and_spacing_put_it() -> None:
    """The centre of (slice, row, column) is position + column x 0.8 backwards + row x 0.5 down (PS3.3 C.7.6.2.1.1)."""
    frames = np.zeros((2, 5, 7), dtype=np.uint8)
    frames[:, 2, 3] = 1
    volume = _volume(_segmentation(frames, [(10, 20, 30), (7, 20, 30)], [1, 1]))
    assert (2, 1, 1) == volume.mask.shape
    expected = {(10.0, 22.4, 29.0), (7.0, 22.4, 29.0)}
    found = {tuple(float(x) for x in volume.to_patient(np.array(i)).round(9)) for i in ((0, 0, 0), (1, 0, 0))}
    assert expected == found


def test_slice_distance_comes_from_positions_and_never_from_slice_thickness() -> None:
    """Slice Thickness says 99, the positions say 2."""
    volume = _volume(_segmentation(_patterned(3), [(0, 0, 0), (2, 0, 0), (4, 0, 0)], [1, 1, 1]))
    assert [2.0, 0.5, 0.8] == pytest.approx(volume.spacing_mm.tolist())


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(5)))
def test_the_order_of_frames_does_not_matter(order: list[int]) -> None:
    """Frames in any order give the volume of the frames in line."""
    frames, positions = _patterned(5), [(3.0 * n, 1.0, 2.0) for n in range(5)]
    straight = _volume(_segmentation(frames, positions, [1] * 5))
    mixed = _volume(_segmentation(frames[order], [positions[n] for n in order], [1] * 5))
    assert (straight.mask == mixed.mask).all()
    assert np.allclose(straight.affine, mixed.affine)


def test_missing_frames_are_empty() -> None:
    """Frames at 0, -3 and -9 mm make four slices, the third of them empty."""
    volume = _volume(_segmentation(_patterned(3), [(0, 0, 0), (-3, 0, 0), (-9, 0, 0)], [1, 1, 1]))
    assert [True, True, False, True] == volume.mask.any(axis=(1, 2)).tolist()


def test_overlapping_segments_are_read_apart() -> None:
    """Two segments may fill the same pixel."""
    frames = np.ones((4, 5, 7), dtype=np.uint8)
    ds = _segmentation(frames, [(0, 0, 0), (3, 0, 0)] * 2, [1, 1, 2, 2])
    assert _volume(ds, 1).mask.all()
    assert _volume(ds, 2).mask.all()


def test_fractional_segments_count_from_one_half() -> None:
    """Of a maximum of 200, 100 belongs to the segment and 99 does not."""
    frames = np.zeros((2, 5, 7), dtype=np.uint8)
    frames[:, 1, 1], frames[:, 1, 2] = 99, 100
    volume = _volume(_segmentation(frames, [(0, 0, 0), (3, 0, 0)], [1, 1], "FRACTIONAL"))
    assert 2 == volume.mask.sum()


def test_a_label_map_holds_every_segment_in_each_frame() -> None:
    """A frame of a label map names its segments by pixel value."""
    frames = np.zeros((2, 5, 7), dtype=np.uint8)
    frames[:, 1, 1:3], frames[:, 3, 4] = 1, 2
    ds = _segmentation(frames, [(0, 0, 0), (3, 0, 0)], [0, 0], "LABELMAP")
    assert 4 == _volume(ds, 1).mask.sum()
    assert 2 == _volume(ds, 2).mask.sum()


@pytest.mark.parametrize(
    ("positions", "reason"),
    [
        ([(0, 0, 0), (3, 0, 0), (7, 0, 0)], Reason.IRREGULAR_SPACING),
        ([(0, 0, 0), (3, 1, 0), (6, 0, 0)], Reason.IRREGULAR_SPACING),
        ([(0, 0, 0), (3, 6, 0), (6, 12, 0)], Reason.IRREGULAR_SPACING),
        ([(0, 0, 0), (0, 0, 0), (0, 0, 0)], Reason.NO_GEOMETRY),
    ],
    ids=["unequal", "out of line", "sheared", "one plane"],
)
def test_a_stack_that_is_no_regular_grid_gives_the_reason(
    positions: list[tuple[int, int, int]], reason: Reason
) -> None:
    """Unequal distances, a slice out of line, a strong shear and a single plane are refused."""
    assert reason is read_stack(_segmentation(_patterned(3), positions, [1, 1, 1]))


def test_rounded_positions_are_regular() -> None:
    """Positions written to a hundredth of a millimetre still make a grid."""
    positions = [(round(n / 3, 2), 0, 0) for n in range(40)]
    stack = read_stack(_segmentation(_patterned(40), positions, [1] * 40))
    assert isinstance(stack, Stack)
    assert 40 == stack.shape[0]


def test_a_frame_without_a_position_makes_no_volume() -> None:
    """Geometry is never guessed."""
    ds = _segmentation(_patterned(2), [(0, 0, 0), (3, 0, 0)], [1, 1])
    del ds.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    assert Reason.NO_GEOMETRY is read_stack(ds)


@pytest.mark.parametrize("spacing", [0.5, [0.5], [0.5, 0.0], None])
def test_a_spacing_that_is_none_makes_no_volume(spacing: object) -> None:
    """A single value, zero or nothing where two spacings belong is a coded reason."""
    ds = _segmentation(_patterned(2), [(0, 0, 0), (3, 0, 0)], [1, 1])
    ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = spacing

    assert Reason.NO_GEOMETRY is read_stack(ds)


@pytest.mark.parametrize(
    "orientation",
    [[0, 2, 0, 0, 0, -2], [0, 0.5, 0, 0, 0, -0.5], [0, 1, 0, 0, 0.3, -1], [0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0]],
    ids=["twice", "half", "askew", "parallel", "five"],
)
def test_an_orientation_that_is_none_makes_no_volume(orientation: list[float]) -> None:
    """Vectors of another length, or not at right angles, would give millimetres of another size."""
    ds = _segmentation(_patterned(2), [(0, 0, 0), (3, 0, 0)], [1, 1])
    ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = orientation

    assert Reason.NO_GEOMETRY is read_stack(ds)


def test_a_rounded_orientation_does_not_change_the_millimetre() -> None:
    """Direction cosines that a writer rounded by 1.5 % are still directions: the spacing is what Pixel Spacing says."""
    ds = _segmentation(_patterned(2), [(0, 0, 0), (3, 0, 0)], [1, 1])
    ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1.015, 0, 0, 0, -1]

    assert [3.0, *SPACING] == pytest.approx(_volume(ds).spacing_mm)


def test_a_segment_without_pixels_is_empty() -> None:
    """A segment that no frame fills gives the reason."""
    ds = _segmentation(_patterned(2), [(0, 0, 0), (3, 0, 0)], [1, 1])
    stack = read_stack(ds)
    assert isinstance(stack, Stack)
    assert {2: Reason.EMPTY} == read_segments(ds, stack, [2])


def test_a_segment_larger_than_any_vertebra_is_not_built() -> None:
    """Frames 300 mm apart at their ends would take memory for nothing."""
    positions = [(3.0 * n, 0, 0) for n in range(101)]
    ds = _segmentation(_patterned(101), positions, [1] * 101)
    stack = read_stack(ds)
    assert isinstance(stack, Stack)
    assert {1: Reason.IMPLAUSIBLE_SIZE} == read_segments(ds, stack, [1])


def test_images_tell_how_far_the_volume_reaches() -> None:
    """Images at -3 and 6 to 9 mm show that frames at 0 and 3 mm are not its ends; slices count towards the right."""
    ds = _segmentation(_patterned(2), [(0, 0, 0), (3, 0, 0)], [1, 1])
    stack = read_stack(ds, [(-3, 0, 0), (0, 0, 0), (3, 0, 0), (6, 0, 0), (9, 0, 0), (1, 50, 0)])
    assert isinstance(stack, Stack)
    volume = read_segments(ds, stack, [1])[1]
    assert isinstance(volume, Volume)
    assert (2, 1) == (volume.low[0], volume.high[0])
    assert (3.0, 1.6, -0.5) == tuple(float(x) for x in volume.to_patient(np.zeros(3)).round(9))


@settings(max_examples=50, deadline=None)
@given(st.tuples(*[st.floats(-500, 500)] * 3))
def test_index_and_patient_positions_are_inverse(point: tuple[float, float, float]) -> None:
    """Going to the voxel grid and back is the identity."""
    volume = _volume(_segmentation(_patterned(2), [(9, 8, 7), (6, 8, 7)], [1, 1]))
    there = volume.to_index(np.array(point))
    assert point == pytest.approx(tuple(volume.to_patient(there)), abs=1e-6)


@pytest.mark.parametrize(
    ("path", "voxels"),
    [
        ("highdicom/data/test_files/seg_image_ct_binary.dcm", 638),
        ("highdicom/data/test_files/seg_image_ct_binary_fractional.dcm", 638),
        ("dcmqi/data/segmentations/liver.dcm", 107098),
        ("dcmqi/data/segmentations/sparse-labelmap-ppv5.dcm", 630),
    ],
)
def test_objects_of_other_writers_hold_the_voxels_their_pixels_say(test_data: Path, path: str, voxels: int) -> None:
    """Binary, fractional, SRT-coded and label map objects of highdicom and dcmqi: as many voxels as pixels are set."""
    ds = dcmread(test_data / "dicom" / path)
    half = int(ds.get("MaximumFractionalValue", 1)) / 2
    assert voxels == int((ds.pixel_array >= half).sum() if half > 0.5 else (ds.pixel_array == 1).sum())
    assert voxels == int(_volume(ds, 1).mask.sum())


@pytest.mark.parametrize(
    "path",
    [
        "highdicom/data/test_files/seg_image_ct_binary_overlap.dcm",
        "highdicom/data/test_files/seg_image_cr_binary.dcm",
        "dcmqi/data/segmentations/liver.dcm",
        "dcmqi/data/segmentations/partial_overlaps.dcm",
        "dcmqi/data/segmentations/sparse-labelmap-noppv.dcm",
        "dcmqi/data/sr-example/seg.dcm",
    ],
)
def test_a_segmentation_that_names_no_level_gives_no_vertebra(test_data: Path, path: str) -> None:
    """Liver, tumour and a spine in one piece are not vertebrae."""
    assert [] == from_segmentation(dcmread(test_data / "dicom" / path))

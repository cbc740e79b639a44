"""Masks on radiographs: which image a frame lies on and how, which segments count, what is refused."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage
from report_samples import STUDY, ct_slice, dx_lateral
from structure_sets import item

from workers.landmarks.outline.drawn import Device, Drawn, Outlines
from workers.landmarks.outline.find import find
from workers.landmarks.outline.frames import lies_on_films
from workers.landmarks.outline.images import films_of
from workers.landmarks.outline.segmentation import devices_of, outlines_of
from workers.landmarks.volumes import LABEL_MAP

ROWS, COLUMNS = 60, 40
L2, L3 = "14293000", "36470004"
VERTEBRA, BODY = "51282000", "3572006"


def _film(**changes: Any) -> Dataset:
    image = dx_lateral()
    image.Rows, image.Columns = ROWS, COLUMNS
    for keyword, value in changes.items():
        setattr(image, keyword, value)
    return image


def _segment(number: int | None, label: str, kind: str = VERTEBRA, region: str = "") -> Dataset:
    code = item(CodingSchemeDesignator="SCT", CodeValue=kind, CodeMeaning="kind")
    segment = item(SegmentLabel=label, SegmentedPropertyTypeCodeSequence=[code])
    if number is not None:
        segment.SegmentNumber = number
    if region:
        segment.AnatomicRegionSequence = [item(CodingSchemeDesignator="SCT", CodeValue=region, CodeMeaning="level")]
    return segment


def _source(image: Dataset, **more: Any) -> Dataset:
    named = {"ReferencedSOPClassUID": image.SOPClassUID, "ReferencedSOPInstanceUID": image.SOPInstanceUID}
    return item(SourceImageSequence=[item(**{**named, **more})])


def _box(value: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    pixels = np.zeros((ROWS, COLUMNS), dtype=np.uint8)
    pixels[20:40, 10:30] = value
    return pixels


def _seg(segments: Sequence[Dataset], image: Dataset, numbers: Sequence[int] = (1,), **changes: Any) -> Dataset:
    """Return a segmentation with one frame for each of the segment `numbers`."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = SegmentationStorage, f"{STUDY}.3.1"
    ds.SegmentationType, ds.SegmentSequence = "BINARY", list(segments)
    ds.Rows, ds.Columns, ds.NumberOfFrames = ROWS, COLUMNS, len(numbers)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit = 0
    ds.SharedFunctionalGroupsSequence = [Dataset()]
    ds.PerFrameFunctionalGroupsSequence = [
        item(
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=number)],
            DerivationImageSequence=[_source(image)],
        )
        for number in numbers
    ]
    data = np.packbits(np.concatenate([_box().ravel() for _ in numbers]), bitorder="little").tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    return ds


def _read(*objects: Dataset, image: Dataset | None = None) -> Outlines:
    return outlines_of(objects, lambda held: held, films_of([image or _film()]))


def _reasons(outlines: Outlines) -> dict[str, str | None]:
    return {level: one.reason for level, one in outlines.refused.items()}


def test_a_frame_is_an_outline_on_its_image() -> None:
    """Rows 20 to 39 and columns 10 to 29 are a box from 10, 20 to 30, 40 on the image that the frame was made from."""
    (drawn,) = _read(_seg([_segment(1, "vertebrae_L2")], _film())).drawn

    assert ("L2", _film().SOPInstanceUID, None, (1.0, 1.0)) == (
        drawn.level,
        drawn.where.sop_instance_uid,
        drawn.where.frame,
        drawn.step,
    )
    assert ([10, 20], [30, 40]) == (drawn.rings[0].min(axis=0).tolist(), drawn.rings[0].max(axis=0).tolist())


@pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
def test_every_kind_of_segmentation_is_read(kind: str) -> None:
    """A fractional mask counts from half its maximum on, a label map by its values."""
    pixels = _box(180) if kind == "FRACTIONAL" else _box(1)
    more = {"MaximumFractionalValue": 200} if kind == "FRACTIONAL" else {"SOPClassUID": LABEL_MAP}
    ds = _seg(
        [_segment(1, "L2")],
        _film(),
        SegmentationType=kind,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelData=pixels.tobytes(),
        **more,
    )

    assert ["L2"] == [drawn.level for drawn in _read(ds).drawn]


def _named_by(ds: Dataset, where: str) -> Dataset:
    """Move the reference to the image from the frame to the shared groups, the object or its series."""
    for group in ds.PerFrameFunctionalGroupsSequence:
        derivation = group.pop("DerivationImageSequence").value
    if where == "shared":
        ds.SharedFunctionalGroupsSequence[0].DerivationImageSequence = derivation
    elif where == "object":
        ds.SourceImageSequence = derivation[0].SourceImageSequence
    else:
        ds.ReferencedSeriesSequence = [item(ReferencedInstanceSequence=derivation[0].SourceImageSequence)]
    return ds


@pytest.mark.parametrize("where", ["shared", "object", "series"])
def test_the_image_may_be_named_elsewhere(where: str) -> None:
    """In the shared functional groups, as the object's source image, or in its referenced series."""
    ds = _named_by(_seg([_segment(1, "L2")], _film()), where)

    assert lies_on_films(ds, films_of([_film()]))
    assert 1 == len(_read(ds).drawn)


def test_a_frame_of_several_is_kept() -> None:
    """A mask on the second frame of a fluoroscopy lies on that frame; without a number it is not known on which."""
    image = _film(NumberOfFrames=3)
    numbered, silent = (_seg([_segment(1, "L2")], image) for _ in range(2))
    numbered.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence = [_source(image, ReferencedFrameNumber=2)]

    assert 2 == _read(numbered, image=image).drawn[0].where.frame
    assert _read(silent, image=image).drawn[0].where.frame is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"SpatialLocationsPreserved": "YES"}, None),
        ({"SpatialLocationsPreserved": "NO"}, "GRID_MISMATCH"),
        ({"SpatialLocationsPreserved": "REORIENTED_ONLY"}, "GRID_MISMATCH"),
        ({"ReferencedSOPInstanceUID": "9.9"}, "IMAGE_MISSING"),
        ({"ReferencedSOPClassUID": ct_slice(1).SOPClassUID, "ReferencedSOPInstanceUID": "9.9"}, "IMAGE_MISSING"),
    ],
)
def test_a_frame_lies_on_its_image_only_as_stated(change: dict[str, str], expected: str | None) -> None:
    """What was cropped, turned or flipped lies somewhere else; an image that is not there has no pixels."""
    ds = _seg([_segment(1, "L2")], _film())
    ds.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence = [_source(_film(), **change)]
    outlines = _read(ds)

    assert expected == (_reasons(outlines).get("L2") if expected != "IMAGE_MISSING" else _missing(outlines))


def _missing(outlines: Outlines) -> str | None:
    """Return IMAGE_MISSING where it is refused, or drawn on an image that is not in the study."""
    there = {_film().SOPInstanceUID}
    gone = any(drawn.where.sop_instance_uid not in there for drawn in outlines.drawn)
    return "IMAGE_MISSING" if gone else _reasons(outlines).get("L2")


def test_two_images_for_one_frame_are_none() -> None:
    """A frame that was made from two radiographs does not say on which of them it lies."""
    other = _film(SOPInstanceUID="9.9")
    ds = _seg([_segment(1, "L2")], _film())
    ds.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence = Items([_source(_film()), _source(other)])
    outlines = outlines_of([ds], lambda held: held, films_of([_film(), other]))

    assert {"L2": "IMAGE_MISSING"} == _reasons(outlines)


@pytest.mark.parametrize(
    ("image", "own", "step"),
    [
        ({"Rows": 120, "Columns": 80, "ImagerPixelSpacing": [0.2, 0.2]}, [0.4, 0.4], (2.0, 2.0)),
        ({"Rows": 180, "Columns": 80, "ImagerPixelSpacing": [0.2, 0.2]}, [0.6, 0.4], (2.0, 3.0)),
        ({"Rows": 120, "Columns": 80, "ImagerPixelSpacing": [0.2, 0.2]}, [0.2, 0.2], None),
        ({"Rows": 120, "Columns": 80, "ImagerPixelSpacing": [0.2, 0.2]}, None, None),
        ({"Rows": 120, "Columns": 80, "ImagerPixelSpacing": None}, [0.4, 0.4], None),
    ],
    ids=["half", "other ratio", "cropped", "silent", "image silent"],
)
def test_another_grid_needs_spacings_that_cover_the_image(
    image: dict[str, Any], own: list[float] | None, step: tuple[float, float] | None
) -> None:
    """Half the rows and columns at twice the spacing lie on all of the image; anything else is not known to."""
    ds = _seg([_segment(1, "L2")], _film(**image))
    if own is not None:
        ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence = [item(PixelSpacing=own)]
    outlines = _read(ds, image=_film(**image))

    if step is None:
        assert {"L2": "GRID_MISMATCH"} == _reasons(outlines)
    else:
        (drawn,) = outlines.drawn
        assert step == pytest.approx(drawn.step)
        assert [10 * step[0], 20 * step[1]] == pytest.approx(drawn.rings[0].min(axis=0).tolist())


def test_a_mask_of_sections_lies_on_no_film() -> None:
    """A mask of CT images is left to the masks in space, and so is one with a place there that names both."""
    section, both = _seg([_segment(1, "L2")], ct_slice(1)), _seg([_segment(1, "L2")], _film())
    both.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence = [item(ImagePositionPatient=[0, 0, 0])]
    both.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence.append(_source(ct_slice(1)))

    assert [False, False] == [lies_on_films(one, films_of([_film(), ct_slice(1)])) for one in (section, both)]


def test_a_place_that_a_film_cannot_have_stands_for_nothing() -> None:
    """Writers put an origin where none is; the frame names a radiograph, so it lies on it."""
    placed = _seg([_segment(1, "L2")], _film())
    placed.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence = [item(ImagePositionPatient=[0, 0, 0])]

    assert lies_on_films(placed, films_of([_film()]))
    assert ["L2"] == _levels(_read(placed).drawn)


def _levels(drawn: Sequence[Drawn]) -> list[str]:
    return [one.level for one in drawn]


def test_the_body_goes_before_the_whole_vertebra() -> None:
    """Of a body and a vertebra of the same level the body's outline is measured."""
    segments = [_segment(1, "vertebra", region=L2), _segment(2, "body", BODY, region=L2)]
    outlines = _read(_seg(segments, _film(), numbers=[2]))

    assert ["L2"] == _levels(outlines.drawn)
    assert {} == _reasons(outlines)


def test_two_masks_in_one_object_may_be_a_double_contour() -> None:
    """Both are handed over; a third, or one of another object, makes the level ambiguous."""
    two = _seg([_segment(1, "L2"), _segment(2, "L2")], _film(), numbers=[1, 2])
    three = _seg([_segment(n, "L2") for n in (1, 2, 3)], _film(), numbers=[1, 2, 3])
    again = deepcopy(_seg([_segment(1, "L2")], _film()))
    again.SOPInstanceUID = "9.9"

    assert ["L2", "L2"] == _levels(_read(two).drawn)
    assert {"L2": "LEVEL_DUPLICATED"} == _reasons(_read(three))
    both = _read(_seg([_segment(1, "L2")], _film()), again)
    assert ["LEVEL_DUPLICATED"] == [one.reason for one in find(both, films_of([_film()]))]


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([_segment(1, "vertebrae_L3", L2)], {"L2": "LEVEL_CONFLICT", "L3": "LEVEL_CONFLICT"}),
        ([_segment(None, "L2")], {"L2": "UNREADABLE"}),
        ([_segment(2, "L2")], {"L2": "EMPTY"}),
        ([_segment(1, "19"), _segment(2, "20")], {"T12": "NUMBER_UNCONFIRMED", "L1": "NUMBER_UNCONFIRMED"}),
        ([_segment(1, "Lung T2", "39607008")], {}),
    ],
    ids=["conflict", "no number", "no frame", "numbers", "no vertebra"],
)
def test_levels_come_by_code_then_label_and_never_by_a_number(
    segments: list[Dataset], expected: dict[str, str]
) -> None:
    """Contradictions, segments without frames and plain numbers are refused with the reason; others are left alone."""
    outlines = _read(_seg(segments, _film()))

    assert expected == _reasons(outlines)
    assert [] == _levels(outlines.drawn)


def test_a_level_that_is_coded_is_read() -> None:
    """The code of L3 (CID 7603) names it, whatever its label."""
    assert ["L3"] == _levels(_read(_seg([_segment(1, "third", L3)], _film())).drawn)


@pytest.mark.parametrize("label", ["anterior", "posterior"])
def test_a_segment_may_mark_a_side(label: str) -> None:
    """A segment whose label says no more than anterior or posterior is a mark in its middle."""
    outlines = _read(_seg([_segment(1, "L2"), _segment(2, label)], _film(), numbers=[1, 2]))

    assert [(label == "anterior", [20.0, 30.0])] == [(one.is_anterior, one.point.tolist()) for one in outlines.marks]


def _devices(ds: Dataset) -> list[Device]:
    return devices_of([ds], lambda held: held, films_of([_film()]))


def test_cement_is_handed_over() -> None:
    """A segment that is labelled as cement is a device where it lies."""
    ds = _seg([_segment(1, "L2"), _segment(2, "bone cement")], _film(), numbers=[1, 2])

    assert [("CEMENT", 1)] == [(str(one.flag), len(one.rings)) for one in _devices(ds)]


def test_pixels_that_cannot_be_read_are_said() -> None:
    """Short pixel data refuses the vertebrae and leaves cement unknown."""
    segments = [_segment(1, "L2"), _segment(2, "bone cement")]
    ds = _seg(segments, _film(), numbers=[1, 2], PixelData=b"\0\0")

    assert {"L2": "UNREADABLE"} == _reasons(_read(ds))
    assert ["DEVICE_UNREADABLE"] == [str(one.flag) for one in _devices(ds)]


def test_cement_in_the_patient_may_be_anywhere_on_a_film() -> None:
    """A mask of CT images cannot be laid on a radiograph: what it marks is not known to be elsewhere."""
    section = ct_slice(1)
    section.SOPInstanceUID = "9.9"

    assert ["DEVICE_UNREADABLE"] == [str(one.flag) for one in _devices(_seg([_segment(1, "screw")], section))]


def test_a_segmentation_without_frames_is_unreadable() -> None:
    """Where no frame says which segment it is, the level is not merely empty."""
    ds = _seg([_segment(1, "L2")], _film())
    del ds.PerFrameFunctionalGroupsSequence

    assert {"L2": "UNREADABLE"} == _reasons(_read(ds))


def test_a_level_that_another_object_shows_is_not_empty() -> None:
    """Two films may each list all levels: what is empty in one and drawn in the other is drawn."""
    first, second = (_seg([_segment(1, "L2"), _segment(2, "L3")], _film(), numbers=[number]) for number in (1, 2))
    second.SOPInstanceUID = "9.9"
    outlines = _read(first, second)

    assert ["L2", "L3"] == _levels(outlines.drawn)
    assert {} == _reasons(outlines)

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from structure_sets import FRAME, item, structure_set

from workers.landmarks.reasons import Reason
from workers.landmarks.rtstruct import contoured_images, from_structure_sets, named_levels

Array = npt.NDArray[np.float64]
Said = list[tuple[str, str | None, tuple[str, ...]]]

#: A triangle: one plane is no volume, so whatever has a level cannot be measured and says so.
TRIANGLE = [np.array([[0.0, 0, 5], [10, 0, 5], [0, 10, 5]])]
L1, L2, NEOPLASM = ("SCT", "66794005"), ("SCT", "14293000"), ("SCT", "108369006")
VERTEBRA = ("SCT", "51282000")


def _code(scheme: str, value: str) -> list[Dataset]:
    return [item(CodingSchemeDesignator=scheme, CodeValue=value, CodeMeaning="meaning")]


def _named(*names: str) -> Dataset:
    return structure_set(dict.fromkeys(names, TRIANGLE))


def _observed(ds: Dataset, **said: object) -> Dataset:
    """Return a structure set with an observation of its first region."""
    ds.RTROIObservationsSequence.append(item(ObservationNumber=1, ReferencedROINumber=1, **said))
    return ds


def _found(*objects: Dataset, frame: str = FRAME) -> Said:
    found = from_structure_sets(objects, frame_of_reference_uid=frame)
    return [(vertebra.level, vertebra.reason, vertebra.flags) for vertebra in found]


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("T10", "T10"),
        ("VB_T11", "T11"),
        ("vertebrae_T12", "T12"),
        ("L1 vertebra", "L1"),
        ("l3", "L3"),
        ("Lumbar 3", "L3"),
    ],
)
def test_a_name_names_the_level(name: str, level: str) -> None:
    """As TotalSegmentator, TG-263 and people write it, without any code."""
    assert {FRAME: {level}} == named_levels(_named(name))
    assert [(level, "NO_GEOMETRY", ())] == _found(_named(name))


@pytest.mark.parametrize("name", ["PTV_L3", "GTV L3", "L3+5mm", "ROI-1", "T2", "S1", "spinal cord", "L3 endplate", ""])
def test_a_name_with_a_word_that_is_not_understood_names_nothing(name: str) -> None:
    """A target at L3 is not L3, and T2 may be a weighting."""
    assert {} == named_levels(_named(name))
    assert [] == _found(_named(name))


@pytest.mark.parametrize("kind", ["PTV", "CTV", "GTV", "TREATED_VOLUME", "IRRAD_VOLUME", "DOSE_REGION"])
def test_what_is_treated_is_no_vertebra_whatever_its_name(kind: str) -> None:
    """RT ROI Interpreted Type says that this is a volume of the plan; ORGAN says nothing against a vertebra."""
    assert [] == _found(_observed(_named("L3"), RTROIInterpretedType=kind))
    assert [("L3", "NO_GEOMETRY", ())] == _found(_observed(_named("L3"), RTROIInterpretedType="ORGAN"))


@pytest.mark.parametrize(
    ("name", "code", "region", "levels"),
    [
        ("anything", L1, None, ["L1"]),
        ("L1", VERTEBRA, None, ["L1"]),
        ("body", VERTEBRA, L2, ["L2"]),
        ("L1", NEOPLASM, None, []),
        ("x", NEOPLASM, L1, []),
        ("x", None, L1, []),
    ],
)
def test_level_comes_from_the_code_then_from_the_name(
    name: str, code: tuple[str, str] | None, region: tuple[str, str] | None, levels: list[str]
) -> None:
    """RT ROI Identification Code Sequence; a region only where the code says vertebra: a lesion has a region too."""
    said = {} if code is None else {"RTROIIdentificationCodeSequence": _code(*code)}
    said |= {} if region is None else {"AnatomicRegionSequence": _code(*region)}
    assert levels == [level for level, _, _ in _found(_observed(_named(name), **said))]


def test_a_contradiction_refuses_both_levels() -> None:
    """Code L1, name L2: neither is believed, and both readings are said."""
    ds = _observed(_named("vertebrae_L2"), RTROIIdentificationCodeSequence=_code(*L1))
    flags = ("CODE_SAYS_L1", "LABEL_SAYS_L2")
    assert [("L1", "LEVEL_CONFLICT", flags), ("L2", "LEVEL_CONFLICT", flags)] == _found(ds)


def test_objects_are_read_as_one() -> None:
    """Each vertebra may have an object of its own; a level in two of them is not guessed."""
    assert [("L1", "NO_GEOMETRY", ()), ("L2", "LEVEL_DUPLICATED", ())] == _found(
        _named("L1", "L2"), _named("vertebrae_L2")
    )


def test_regions_of_another_frame_of_reference_are_left_out() -> None:
    """A region says where it lies, else the structure set does; of several nobody is given one that it did not say."""
    ds = _named("L1", "L2", "L3")
    ds.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "2.25.2"
    del ds.StructureSetROISequence[2].ReferencedFrameOfReferenceUID

    assert {FRAME: {"L1"}, "2.25.2": {"L2"}, "": {"L3"}} == named_levels(ds)
    unknown = ("L3", "FRAME_OF_REFERENCE_UNKNOWN", ())
    assert [("L1", "NO_GEOMETRY", ()), unknown] == _found(ds)
    assert [("L2", "NO_GEOMETRY", ()), unknown] == _found(ds, frame="2.25.2")


@pytest.mark.parametrize("said", ["by the other region", "by the object", "by nobody"])
def test_a_region_that_is_silent_lies_where_its_structure_set_does(said: str) -> None:
    """One frame of reference is that of every region; without any, the images tell, and so the caller."""
    ds = _named("L1", "L2")
    del ds.StructureSetROISequence[1].ReferencedFrameOfReferenceUID
    if said != "by the other region":
        del ds.StructureSetROISequence[0].ReferencedFrameOfReferenceUID
    if said == "by the object":
        ds.ReferencedFrameOfReferenceSequence = [item(FrameOfReferenceUID=FRAME)]

    assert {"" if said == "by nobody" else FRAME: {"L1", "L2"}} == named_levels(ds)
    assert [("L1", "NO_GEOMETRY", ()), ("L2", "NO_GEOMETRY", ())] == _found(ds)


def test_numbers_are_read_as_for_segments() -> None:
    """20 and 21 may be VerSe's; where they are no volumes, no column bears them out, and that is the reason."""
    assert {FRAME: {"L1", "L2"}} == named_levels(_named("20", "21"))
    assert ["NUMBER_UNCONFIRMED"] * 2 == [reason for _, reason, _ in _found(_named("20", "21"))]
    assert {} == named_levels(_named("20"))


def test_points_and_open_lines_enclose_nothing() -> None:
    """A region that is a point, or a line, is empty: it marks a place."""
    for kind in ("POINT", "OPEN_PLANAR", "OPEN_NONPLANAR", ""):
        assert [("L1", "EMPTY", ())] == _found(structure_set({"L1": TRIANGLE}, kind=kind))


def _no_contours(ds: Dataset) -> None:
    del ds.ROIContourSequence


def _no_number(ds: Dataset) -> None:
    ds.StructureSetROISequence[0].ROINumber = None


def _no_data(ds: Dataset) -> None:
    del ds.ROIContourSequence[0].ContourSequence[0].ContourData


def _data(text: str) -> Callable[[Dataset], None]:
    """Return what puts these bytes where a file has the Contour Data."""

    def put(ds: Dataset) -> None:
        tag, value = Tag("ContourData"), text.encode()
        ds.ROIContourSequence[0].ContourSequence[0][tag] = RawDataElement(tag, "DS", len(value), value, 0, False, True)

    return put


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_no_contours, "EMPTY"),
        (_no_number, "UNREADABLE"),
        (_no_data, "UNREADABLE"),
        (_data("0\\0\\5\\10\\0\\5\\0\\10"), "UNREADABLE"),
        (_data("0\\0\\5\\10\\zero\\5\\0\\10\\5"), "UNREADABLE"),
        (_data("0\\0\\5\\10\\nan\\5\\0\\10\\5"), "UNREADABLE"),
        (_data("0\\0\\5\\10\\inf\\5\\0\\10\\5"), "UNREADABLE"),
        (_data(""), "UNREADABLE"),
        (_data("\xff\\0\\5"), "UNREADABLE"),
        (_data("0\\0\\5\\10\\0\\5\\0\\10\\5 "), "NO_GEOMETRY"),
        (_data("0\\0\\5\\9999\\0\\5\\0\\10\\5"), "IMPLAUSIBLE_SIZE"),
    ],
)
def test_damage_is_a_reason(damage: Callable[[Dataset], None], reason: str) -> None:
    """What cannot be read is said for the vertebra, and the other ones are not touched by it."""
    ds = _named("L1", "L2")
    damage(ds)
    assert ("L1", reason, ()) == _found(ds)[0]
    assert ["L1", "L2"] == [level for level, _, _ in _found(ds)]


def test_contours_name_their_images() -> None:
    """Contour Image Sequence, whatever else is missing."""
    ds = _named("L1")
    ds.ROIContourSequence[0].ContourSequence[0].ContourImageSequence = [item(ReferencedSOPInstanceUID="2.25.7")]
    assert {"2.25.7"} == contoured_images(ds)
    assert set() == contoured_images(Dataset())


@pytest.mark.parametrize(
    "name",
    [
        "empty/dummy_rt.dcm",
        "mock_data/rt.dcm",
        "mock_data/invalid_reference_rt.dcm",
        "mock_data/non_existent_reference_rt.dcm",
    ],
)
def test_structure_sets_of_other_writers_are_read_whatever_they_refer_to(test_data: Path, name: str) -> None:
    """rt-utils: ROI-1 is no vertebra; called L1, its few planes are no body, and wrong references are no error."""
    ds = dcmread(test_data / "dicom" / "rt-utils" / "tests" / name)
    assert {} == named_levels(ds)
    ds.StructureSetROISequence[0].ROIName = "L1"
    ((frame, levels),) = named_levels(ds).items()
    ((level, reason, _),) = _found(ds, frame=frame)

    assert ({"L1"}, "L1") == (levels, level)
    assert reason in set(Reason)

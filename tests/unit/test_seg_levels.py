import pytest
from pydicom import Dataset

from workers.landmarks.seg import from_segmentation, from_segmentations, names_vertebrae


def _code(scheme: str, value: str) -> list[Dataset]:
    item = Dataset()
    item.CodingSchemeDesignator, item.CodeValue, item.CodeMeaning = scheme, value, "meaning"
    return [item]


def _segment(number: int, label: str, scheme: str, value: str) -> Dataset:
    item = Dataset()
    item.SegmentNumber, item.SegmentLabel = number, label
    item.SegmentedPropertyTypeCodeSequence = _code(scheme, value)
    return item


def _found(*segments: Dataset) -> list[tuple[str, str | None, tuple[str, ...]]]:
    """Return level, reason and flags of a segmentation without frames: whatever has a level cannot be measured."""
    ds = Dataset()
    ds.SOPInstanceUID = "2.25.1"
    ds.SegmentSequence = list(segments)
    return [(vertebra.level, vertebra.reason, vertebra.flags) for vertebra in from_segmentation(ds)]


@pytest.mark.parametrize(
    ("label", "scheme", "value", "levels"),
    [
        ("anything", "SCT", "66794005", ["L1"]),
        ("anything", "SCT", "61032001", ["L1"]),
        ("anything", "SRT", "T-11910", ["L1"]),
        ("vertebrae_L1", "SCT", "85756007", ["L1"]),
        ("L1", "SCT", "51282000", ["L1"]),
        ("L1", "SCT", "84020006", []),
        ("L1", "99LOCAL", "lesion", []),
        ("L1 vertebra", "99LOCAL", "bone", ["L1"]),
        ("spine", "SCT", "421060004", []),
    ],
)
def test_level_comes_from_the_code_then_from_the_label(label: str, scheme: str, value: str, levels: list[str]) -> None:
    """A bare level name counts only where the type says no more than vertebra, bone or tissue."""
    assert levels == [level for level, _, _ in _found(_segment(1, label, scheme, value))]


def test_a_region_names_the_level_of_a_vertebra_but_not_of_anything_else() -> None:
    """Type vertebra with the region L1 is L1; a neoplasm in the region L1 is not."""
    vertebra, neoplasm = _segment(1, "a", "SCT", "51282000"), _segment(1, "a", "SCT", "108369006")
    for item in (vertebra, neoplasm):
        item.AnatomicRegionSequence = _code("SCT", "66794005")
    assert ["L1"] == [level for level, _, _ in _found(vertebra)]
    assert [] == _found(neoplasm)


def test_the_label_of_a_lesion_says_where_it_is() -> None:
    """In the category Morphologically Abnormal Structure "L1 vertebra" is no name; a vertebra's own code is one."""
    lesion, vertebra = _segment(1, "L1 vertebra", "SCT", "108369006"), _segment(2, "x", "SCT", "14293000")
    assert ["L1", "L2"] == [level for level, _, _ in _found(lesion, vertebra)]
    for item in (lesion, vertebra):
        item.SegmentedPropertyCategoryCodeSequence = _code("SCT", "49755003")
    assert ["L2"] == [level for level, _, _ in _found(lesion, vertebra)]


def test_a_contradiction_of_code_and_label_refuses_both_levels() -> None:
    """A segment coded L1 and labelled L2 leaves neither L1 nor L2 believable, and says what it read."""
    flags = ("CODE_SAYS_L1", "LABEL_SAYS_L2")
    found = _found(_segment(1, "vertebrae_L2", "SCT", "66794005"), _segment(2, "vertebrae_L2", "SCT", "14293000"))
    assert [("L1", "LEVEL_CONFLICT", flags), ("L2", "LEVEL_CONFLICT", flags)] == found


def test_one_number_for_two_levels_refuses_both() -> None:
    """Two descriptions of segment 1 would give one mask two levels; another object has numbers of its own."""
    l1, l4, l5 = (_segment(1, f"vertebrae_{level}", "SCT", "85756007") for level in ("L1", "L4", "L5"))
    flags = ("LABEL_SAYS_L1", "LABEL_SAYS_L4")
    found = from_segmentations(
        [_object("2.25.1", l1, l4), _object("2.25.2", l5)], lambda ds: ds, frame_of_reference_uid="1.2"
    )
    assert [("L1", "LEVEL_CONFLICT", flags), ("L4", "LEVEL_CONFLICT", flags), ("L5", "NO_GEOMETRY", ())] == [
        (one.level, one.reason, one.flags) for one in found
    ]


def test_two_segments_of_one_level_are_refused() -> None:
    """Which of two segments is the vertebra is not guessed."""
    found = _found(_segment(1, "vertebrae_L2", "SCT", "14293000"), _segment(2, "VB_L2", "SCT", "14293000"))
    assert [("L2", "LEVEL_DUPLICATED", ())] == found


def test_a_whole_vertebra_goes_before_its_body() -> None:
    """Vertebra and body of one level are no duplicate; both without frames have no geometry."""
    found = _found(_segment(1, "L2", "SCT", "14293000"), _segment(2, "L2", "SCT", "53983007"))
    assert [("L2", "NO_GEOMETRY", ())] == found


def test_vertebrae_stand_from_cranial_to_caudal() -> None:
    """The order of segments does not matter."""
    found = _found(_segment(1, "a", "SCT", "66794005"), _segment(2, "a", "SCT", "23215003"))
    assert ["T12", "L1"] == [level for level, _, _ in found]


def test_a_segmentation_that_cannot_be_read_gives_the_reason() -> None:
    """Geometry without pixels is a coded reason for each vertebra, and no error."""
    ds = Dataset()
    ds.SOPInstanceUID, ds.SOPClassUID = "2.25.1", "1.2.840.10008.5.1.4.1.1.66.4"
    ds.SegmentSequence = [_segment(1, "L2", "SCT", "14293000")]
    measures, orientation, frames = Dataset(), Dataset(), [Dataset(), Dataset()]
    orientation.ImageOrientationPatient, measures.PixelSpacing = [1, 0, 0, 0, 1, 0], [1, 1]
    shared = Dataset()
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    for place, frame in enumerate(frames):
        position = Dataset()
        position.ImagePositionPatient = [0, 0, place]
        frame.PlanePositionSequence = [position]
    ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = [shared], frames
    ds.NumberOfFrames, ds.Rows, ds.Columns = 2, 4, 4
    assert [("L2", "UNREADABLE", ())] == [(v.level, v.reason, v.flags) for v in from_segmentation(ds)]


def _object(uid: str, *segments: Dataset) -> Dataset:
    ds = Dataset()
    ds.SOPInstanceUID = uid
    ds.SegmentSequence = list(segments)
    return ds


def test_objects_are_read_as_one() -> None:
    """Each vertebra may have an object of its own; a level in two objects is not guessed; unneeded ones stay unread."""
    l1, l2 = _segment(1, "a", "SCT", "66794005"), _segment(1, "a", "SCT", "14293000")
    objects = [_object("2.25.1", l2), _object("2.25.2", l1), _object("2.25.3", l2), _object("2.25.4")]
    opened = []

    def whole(ds: Dataset) -> Dataset:
        opened.append(str(ds.SOPInstanceUID))
        return ds

    found = from_segmentations(objects, whole, frame_of_reference_uid="1.2")

    assert [("L1", "NO_GEOMETRY"), ("L2", "LEVEL_DUPLICATED")] == [(v.level, v.reason) for v in found]
    assert ["2.25.2"] == opened


def test_a_segment_without_a_number_is_unreadable() -> None:
    """No frame can belong to it, be its number empty or missing; the other segments are not touched by it."""
    empty, missing = _segment(1, "a", "SCT", "66794005"), _segment(1, "a", "SCT", "66794005")
    empty.SegmentNumber = None
    del missing.SegmentNumber

    for item in (empty, missing):
        expected = [("L1", "UNREADABLE", ()), ("L2", "NO_GEOMETRY", ())]
        assert expected == _found(item, _segment(2, "a", "SCT", "14293000"))


def test_a_code_without_a_value_names_nothing() -> None:
    """An empty code leaves the label to name the level."""
    item = _segment(1, "L1 vertebra", "SCT", "66794005")
    item.SegmentedPropertyTypeCodeSequence[0].CodeValue = None

    assert ["L1"] == [level for level, _, _ in _found(item)]
    assert not names_vertebrae(_object("2.25.1", _segment(1, "liver", "SCT", "10200004")))

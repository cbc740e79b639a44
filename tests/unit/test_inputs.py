"""The files of one study, sorted."""

import resource
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import psutil
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ComprehensiveSRStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    SegmentationStorage,
    generate_uid,
)

from workers.inputs import REPORTS, SEGMENTATIONS, NotOneStudy, newest_date, read_inputs

STUDY = "1.2.826.0.1.3680043.8.498.1"


def _write(folder: Path, name: str, **attributes: object) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[name])
    dataset.StudyInstanceUID = STUDY
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(folder / name, enforce_file_format=True)
    return folder / name


def test_objects_are_sorted_by_what_they_can_tell(tmp_path: Path) -> None:
    """Segmentations and reports are found by SOP class, every object by its UID."""
    image = _write(tmp_path, "image")
    seg = _write(tmp_path, "seg", SOPClassUID=SegmentationStorage)
    report = _write(tmp_path, "sr", SOPClassUID=ComprehensiveSRStorage)

    inputs = read_inputs([image, seg, report])

    assert STUDY == inputs.study_instance_uid
    assert [seg] == [inputs.files[h.SOPInstanceUID] for h in inputs.of_classes(SEGMENTATIONS)]
    assert [report] == [inputs.files[h.SOPInstanceUID] for h in inputs.of_classes(REPORTS)]
    assert inputs.header("1.2.3") is None


def test_the_order_of_files_does_not_matter(tmp_path: Path) -> None:
    """Headers come ordered by SOP Instance UID, whatever the order of the files."""
    files = [_write(tmp_path, name) for name in ("a", "b", "c")]

    orders = [[h.SOPInstanceUID for h in read_inputs(order).headers] for order in (files, files[::-1])]

    assert sorted(orders[0]) == orders[0] == orders[1]


OURS = {"Manufacturer": "Spondyl", "ManufacturerModelName": "Spondyl"}
PATIENT = {"PatientID": "P-1", "PatientBirthDate": "19500203"}


def test_our_reports_on_other_studies_of_the_patient_are_kept_apart(tmp_path: Path) -> None:
    """They are no objects of this study; of what else we made of those studies nothing is needed."""
    image = _write(tmp_path, "image", **PATIENT)
    own = _write(tmp_path, "own", SOPClassUID=ComprehensiveSRStorage, **OURS, **PATIENT)
    earlier = _write(tmp_path, "sr", SOPClassUID=ComprehensiveSRStorage, StudyInstanceUID="1.2.3", **OURS, **PATIENT)
    picture = _write(tmp_path, "sc", StudyInstanceUID="1.2.3", **OURS, **PATIENT)

    inputs = read_inputs([image, own, earlier, picture])
    assert STUDY == inputs.study_instance_uid
    assert {image, own} == {inputs.files[header.SOPInstanceUID] for header in inputs.headers}
    assert [earlier] == [inputs.files[header.SOPInstanceUID] for header in inputs.other_reports]


@pytest.mark.parametrize(
    "other",
    [
        {**OURS, **PATIENT, "PatientID": "P-2"},
        {**OURS, **PATIENT, "PatientBirthDate": "19500204"},
        {**OURS, "PatientID": ""},
        {**PATIENT, "Manufacturer": "Other"},
    ],
    ids=["another patient", "another birth date", "nobody", "another maker"],
)
def test_any_other_object_of_another_study_is_another_study(tmp_path: Path, other: dict[str, str]) -> None:
    """What we did not make, or not of this patient, makes two studies of the files."""
    files = [
        _write(tmp_path, "image", **{**PATIENT, "PatientID": other["PatientID"] and "P-1"}),
        _write(tmp_path, "sr", SOPClassUID=ComprehensiveSRStorage, StudyInstanceUID="1.2.3", **other),
    ]
    with pytest.raises(NotOneStudy, match="found 2"):
        read_inputs(files)


def test_reports_of_two_studies_alone_are_not_one_study(tmp_path: Path) -> None:
    """Without anything else nobody can tell which of them is to be measured."""
    files = [
        _write(tmp_path, name, SOPClassUID=ComprehensiveSRStorage, StudyInstanceUID=uid, **OURS, **PATIENT)
        for name, uid in (("one", "1.2.3"), ("two", "1.2.4"))
    ]
    with pytest.raises(NotOneStudy, match="found 2"):
        read_inputs(files)


def test_a_section_of_ours_is_a_place_and_no_object(tmp_path: Path) -> None:
    """Its header is there for points; what else we made, of another study, another maker's, or received, is not."""
    image = _write(tmp_path, "image")
    place = {"FrameOfReferenceUID": "1.2.9", "Rows": 4, **OURS}
    section = _write(tmp_path, "section", **place)
    others = [
        _write(tmp_path, "page", Rows=4, **OURS),
        _write(tmp_path, "elsewhere", **{**place, "StudyInstanceUID": "1.2.3"}),
        _write(tmp_path, "foreign", **{**place, "Manufacturer": "Somebody"}),
    ]

    inputs = read_inputs([image], sections=[*others, section, section])
    assert [pydicom.dcmread(section).SOPInstanceUID] == [header.SOPInstanceUID for header in inputs.sections]
    assert [image] == list(inputs.files.values())
    assert () == read_inputs([image, section], sections=[section]).sections


def test_what_is_no_dicom_is_kept_aside(tmp_path: Path) -> None:
    """A file that is no DICOM does not stop the others and is named."""
    image = _write(tmp_path, "image")
    (tmp_path / "notes.txt").write_text("not an image")

    inputs = read_inputs([tmp_path / "notes.txt", image])

    assert (tmp_path / "notes.txt",) == inputs.unreadable
    assert 1 == len(inputs.headers)


def test_a_truncated_file_is_no_object(tmp_path: Path) -> None:
    """A file cut off inside its header is kept aside, with no traceback."""
    whole = _write(tmp_path, "whole").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:200])

    with pytest.raises(NotOneStudy, match="cut") as caught:
        read_inputs([tmp_path / "cut"])
    # True of who sent the study to a node, and of who named the files on a command line.
    assert caught.value.who == "whoever supplied the files"


@pytest.mark.parametrize(
    ("keyword", "name"),
    [
        ("StudyInstanceUID", "Study Instance UID"),
        ("SOPInstanceUID", "SOP Instance UID"),
        ("SOPClassUID", "SOP Class UID"),
    ],
)
def test_a_missing_uid_is_refused(tmp_path: Path, keyword: str, name: str) -> None:
    """An object that a report could not refer to is refused by name, with the one UID that is missing."""
    path = _write(tmp_path, "image")
    dataset = pydicom.dcmread(path)
    dataset[keyword].value = ""
    dataset.save_as(path)

    with pytest.raises(NotOneStudy, match=rf"^image: missing, empty or several: {name}$"):
        read_inputs([path])


def test_two_values_are_no_uid(tmp_path: Path) -> None:
    """A UID with two values names nothing."""
    path = _write(tmp_path, "image")
    dataset = pydicom.dcmread(path)
    dataset.StudyInstanceUID = [STUDY, f"{STUDY}.2"]
    dataset.save_as(path)

    with pytest.raises(NotOneStudy, match=r"several: Study Instance UID$"):
        read_inputs([path])


def test_two_studies_are_refused(tmp_path: Path) -> None:
    """Files of two studies are refused, with both named."""
    files = [_write(tmp_path, "one"), _write(tmp_path, "other", StudyInstanceUID=f"{STUDY}.2")]

    with pytest.raises(NotOneStudy, match=rf"found 2: {STUDY}, {STUDY}\.2"):
        read_inputs(files)


def test_nothing_is_refused() -> None:
    """No file at all is no study."""
    with pytest.raises(NotOneStudy, match="found none"):
        read_inputs([])


def test_the_newest_date_counts(tmp_path: Path) -> None:
    """Of several objects the newest date is taken, of one object the most telling."""
    files = [
        _write(tmp_path, "old", StudyDate="20190102", StudyTime="030405"),
        _write(tmp_path, "new", StudyDate="20010101", ContentDate="20200203", ContentTime="0405"),
        _write(tmp_path, "none"),
    ]

    assert datetime(2020, 2, 3, 4, 5) == newest_date(read_inputs(files).headers)  # noqa: DTZ001 - none is stated


def test_a_date_is_that_of_its_own_clock(tmp_path: Path) -> None:
    """A date has its object's offset from UTC: 18:00 at +09:00 is before 10:00 UTC; a bad offset is none."""
    files = [
        _write(tmp_path, "east", ContentDate="20200203", ContentTime="180000", TimezoneOffsetFromUTC="+0900"),
        _write(tmp_path, "bad", ContentDate="20200203", ContentTime="085959", TimezoneOffsetFromUTC="+9900"),
    ]
    later = _write(tmp_path, "later", ContentDate="20200203", ContentTime="100000", TimezoneOffsetFromUTC="+0000")

    east = newest_date(read_inputs(files).headers)

    assert datetime(2020, 2, 3, 18, tzinfo=timezone(timedelta(hours=9))) == east
    assert timedelta(hours=9) == east.utcoffset()
    assert datetime(2020, 2, 3, 10, tzinfo=UTC) == newest_date(read_inputs([*files, later]).headers)


def test_damage_in_the_bulk_data_leaves_the_header(tmp_path: Path) -> None:
    """Where an object cannot be read whole its header is what there is."""
    path = _write(tmp_path, "seg", SOPClassUID=SegmentationStorage)
    inputs = read_inputs([path])
    path.write_bytes(path.read_bytes()[:100])

    assert inputs.headers[0] is inputs.whole(inputs.headers[0])


def test_a_damaged_uid_is_a_missing_one(tmp_path: Path) -> None:
    """A length that does not fit the value, which pydicom raises an exception of its own for, is no traceback."""
    path = _write(tmp_path, "image")
    dataset = pydicom.dcmread(path)
    dataset[0x0020000D] = RawDataElement(
        dataset[0x0020000D].tag, "FD", 3, b"abc", 0, is_implicit_VR=False, is_little_endian=True
    )
    dataset.save_as(path)

    with pytest.raises(NotOneStudy, match=r"image: missing, empty or several: Study Instance UID$"):
        read_inputs([path])


def test_a_length_asks_for_no_more_than_the_file_holds(tmp_path: Path) -> None:
    """An element claims 4 GB (PS3.5 7.1.1): nothing as large is made room for, and what is there is read."""
    path = _write(tmp_path, "image", BitsAllocated=8, PixelData=bytes(1000))
    file = bytearray(path.read_bytes())
    file[-1004:-1000] = b"\xfe\xff\xff\xff"
    path.write_bytes(file)
    inputs = read_inputs([path])
    limit = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 1_000_000_000, limit[1]))
    try:
        whole = inputs.whole(inputs.headers[0])
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limit)

    assert bytes(1000) == whole.PixelData


def test_an_error_of_the_disk_is_no_damage(tmp_path: Path) -> None:
    """A file that cannot be read now may be read later: the system's error is raised, no object is left out."""
    with pytest.raises(FileNotFoundError):
        read_inputs([tmp_path / "gone"])


def test_no_date_is_the_same_every_time(tmp_path: Path) -> None:
    """Without any date the content date is a fixed one, never the clock."""
    headers = read_inputs([_write(tmp_path, "none")]).headers

    assert datetime(1900, 1, 1) == newest_date(headers)  # noqa: DTZ001 - no clock is meant

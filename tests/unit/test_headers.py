from datetime import UTC, datetime
from io import BytesIO

import pytest
from pydicom import config, dcmread, dcmwrite
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from report_samples import ct_slice

from sr_templates import headers

TYPE_2 = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID")


def _read_back(ds: Dataset) -> Dataset:
    """Return a header as it comes from a file: undecoded."""
    with BytesIO() as file:
        dcmwrite(file, ds, implicit_vr=False, little_endian=True)
        return dcmread(BytesIO(file.getvalue()), force=True)


def _damaged(keyword_tag: int, vr: str, raw: bytes) -> Dataset:
    ds = Dataset()
    element = RawDataElement(Tag(keyword_tag), vr, len(raw), raw, 0, False, True)
    ds._dict[Tag(keyword_tag)] = element  # noqa: SLF001 - no public way to plant what a file may hold
    return ds


@pytest.mark.parametrize("keyword", [*TYPE_2, "AccessionNumber", "ReferringPhysicianName"])
def test_a_stripped_type_2_attribute_is_empty(keyword: str) -> None:
    """What an anonymiser stripped is written empty, as Type 2 asks (PS3.5 7.4.3)."""
    source = ct_slice(1)
    delattr(source, keyword)

    assert not headers.identity(source)[keyword].value


def test_the_patient_and_study_are_kept() -> None:
    """Identity of patient, study and order are those of the source, the issuer of the Patient ID included."""
    found = headers.identity(ct_slice(1))

    assert str(found.PatientName) == "Müller^Jörg"
    assert (found.PatientID, found.IssuerOfPatientID) == ("P-4711", "HOSPITAL")
    assert (found.StudyID, found.AccessionNumber) == ("S1", "A77")
    assert (found.StudyDate, found.StudyTime) == ("20260304", "040000")


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 144", "Иванов^Иван"),
        ("ISO_IR 192", "王^小東"),
        ("ISO_IR 126", "Παπαδόπουλος^Γιώργος"),
        ("ISO_IR 166", "สมชาย^ใจดี"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("GBK", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        (["ISO 2022 IR 100", "ISO 2022 IR 144"], "Müller^Jörg"),
    ],
)
def test_text_in_any_character_set_is_written_as_utf_8(character_set: str | list[str], name: str) -> None:
    """A name survives the way from its own character set to ISO_IR 192 and back, ideographic groups included."""
    source = ct_slice(1)
    source.SpecificCharacterSet, source.PatientName = character_set, name
    found = headers.identity(_read_back(source))
    found.SpecificCharacterSet = headers.CHARACTER_SET

    assert name == str(_read_back(found).PatientName)


def test_values_that_break_their_vr_are_kept() -> None:
    """A report must match its study, so an over-long ID or an odd sex is repeated as it stands, without a warning."""
    source = ct_slice(1)
    for keyword, vr, value in (
        ("PatientID", "LO", "9" * 70),
        ("PatientSex", "CS", "male"),
        ("StudyDate", "DA", "2026"),
    ):
        source[keyword] = DataElement(keyword, vr, value, validation_mode=config.IGNORE)
    found = headers.identity(source)

    assert ("9" * 70, "male", "2026") == (found.PatientID, found.PatientSex, found.StudyDate)


def test_the_requested_procedures_are_kept() -> None:
    """Each requested procedure of the source is referred to (PS3.3 C.17.2), Type 2 attributes filled or empty."""
    source, request, code = ct_slice(1), Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "CTLS", "99HOSPITAL", "Wirbelsäule"
    request.RequestedProcedureID, request.RequestedProcedureCodeSequence = "RP1", [code]
    source.RequestAttributesSequence = [request]
    found = headers.identity(_read_back(source)).ReferencedRequestSequence

    assert len(found) == 1
    assert (found[0].RequestedProcedureID, found[0].AccessionNumber) == ("RP1", "A77")
    assert found[0].StudyInstanceUID == source.StudyInstanceUID
    assert not found[0].FillerOrderNumberImagingServiceRequest
    assert found[0].RequestedProcedureCodeSequence[0].CodeMeaning == "Wirbelsäule"


def test_a_request_keeps_its_own_accession() -> None:
    """An accession number that a request states comes before that of the study."""
    source, request = ct_slice(1), Dataset()
    request.AccessionNumber = "A78"
    source.RequestAttributesSequence = [request]

    assert headers.identity(source).ReferencedRequestSequence[0].AccessionNumber == "A78"


def test_nested_text_is_decoded_before_it_is_written_elsewhere() -> None:
    """Text in items changes its character set with the report, at every depth."""
    source, item, code = ct_slice(1), Dataset(), Dataset()
    code.CodeMeaning = "Entfärbt"
    item.ConceptNameCodeSequence = [code]
    item.PersonName = "Müller^Jörg"
    source.DeidentificationMethodCodeSequence = [item]
    found = headers.identity(_read_back(source))
    found.SpecificCharacterSet = headers.CHARACTER_SET
    again = _read_back(found).DeidentificationMethodCodeSequence[0]

    assert again.ConceptNameCodeSequence[0].CodeMeaning == "Entfärbt"
    assert str(again.PersonName) == "Müller^Jörg"


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ("+0100", "06:06"),
        ("-0430", "00:36"),
        ("", "05:06"),
        ("0100", "05:06"),
        ("+1h00", "05:06"),
        ("+1400", "19:06"),
        ("+9999", "05:06"),
    ],
)
def test_times_are_told_by_the_clock_of_the_source(offset: str, expected: str) -> None:
    """05:06 UTC is shown in the source's Timezone Offset From UTC (0008,0201); as it is where that is none."""
    source = Dataset()
    source["TimezoneOffsetFromUTC"] = DataElement("TimezoneOffsetFromUTC", "SH", offset, validation_mode=config.IGNORE)

    assert expected == headers.local(datetime(2026, 3, 4, 5, 6, tzinfo=UTC), source).strftime("%H:%M")


@pytest.mark.parametrize(
    ("tag", "vr", "raw", "keyword"),
    [
        (0x00280010, "IS", b"inf ", "Rows"),  # OverflowError
        (0x00081115, "SQ", b"\xfe\xff", "ReferencedSeriesSequence"),  # it ends inside an item: OSError
    ],
)
def test_whatever_pydicom_raises_is_damage(tag: int, vr: str, raw: bytes, keyword: str) -> None:
    """What a mutated file made it raise (tests/faults/test_object_fuzz.py) makes an attribute a missing one."""
    assert headers.value(_damaged(tag, vr, raw), keyword) is None


def test_damaged_attributes_are_missing_ones() -> None:
    """What pydicom cannot read is no text and no item, never an exception or a warning that quotes it."""
    odd_length = _damaged(0x00700022, "FL", b"\1\2\3")
    no_sequence = Dataset()
    no_sequence.PatientID = "7"

    assert headers.text(odd_length, "GraphicData") == ""
    assert headers.items(odd_length, "GraphicData") == []
    assert headers.items(no_sequence, "PatientID") == []
    assert headers.items(no_sequence, "ContentSequence") == []


@pytest.mark.parametrize(
    ("vr", "stated", "expected"),
    [
        ("DS", ["1.5", "-2"], [1.5, -2.0]),
        ("DS", "3", [3.0]),
        ("DS", None, []),
        ("LO", ["1", "x"], []),
        ("LO", ["1", "nan"], []),
        ("LO", ["1", "inf"], []),
    ],
)
def test_numbers_are_read_or_there_are_none(vr: str, stated: object, expected: list[float]) -> None:
    """One value or several; text, NaN and infinity among them leave none to rely on."""
    source = Dataset()
    source.add(DataElement("PixelSpacing", vr, stated, validation_mode=config.IGNORE))

    assert expected == headers.numbers(source, "PixelSpacing")
    assert [] == headers.numbers(source, "ImageOrientationPatient")


def test_several_values_are_one_text() -> None:
    """Multiple values are joined as DICOM writes them."""
    source = Dataset()
    source.PatientOrientation = ["A", "F"]

    assert headers.text(source, "PatientOrientation") == "A\\F"


def test_only_dicom_keywords_are_written() -> None:
    """A keyword that DICOM does not know is a bug, said at once."""
    with pytest.raises(ValueError, match="NoSuchKeyword"):
        headers._put(Dataset(), "NoSuchKeyword", "x")  # noqa: SLF001 - the tables of this module are its only callers

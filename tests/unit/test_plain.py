"""Datasets as plain values: what pydicom reads of an object, without an object an element."""

from collections.abc import Callable
from io import BytesIO
from typing import cast

import pydicom
import pytest
from pydicom import dcmwrite
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from report_samples import COMPREHENSIVE_3D, Sample, report

from sr_templates.document import SOP_CLASSES, to_bytes
from sr_templates.plain import plain


def _written(made: Dataset, transfer_syntax: UID = ExplicitVRLittleEndian) -> Dataset:
    """Return a dataset as it is read again, nothing decoded yet."""
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = transfer_syntax
    file = BytesIO()
    dcmwrite(file, made)
    return pydicom.dcmread(BytesIO(file.getvalue()), force=True)


def _item(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


@pytest.mark.parametrize("sample", ["patient", "image", "uncalibrated"])
@pytest.mark.parametrize("sop_class", SOP_CLASSES)
def test_it_says_of_a_report_what_pydicom_says(sample: Sample, sop_class: str) -> None:
    """Every element of every item, whether pydicom has decoded it before or nobody has."""
    data = to_bytes(report(sample, sop_class))
    decoded = pydicom.dcmread(BytesIO(data))
    assert list(decoded.iterall())

    assert plain(decoded) == plain(pydicom.dcmread(BytesIO(data)))


def test_values_are_texts_and_numbers() -> None:
    """Padding goes, backslashes part values but in texts of many lines, empty and missing attributes have no value."""
    item = _item(FrameOfReferenceUID="1.2", ImageType=["A", "B"], ContentLabel="", Rows=3, NumericValue="1.5")
    item.TextValue, item.GraphicData = "one\\two ", [1.0, -2.5]

    found = plain(_written(_item(ContentSequence=[item]))).items("ContentSequence")[0]

    assert "1.2" == found.text("FrameOfReferenceUID")
    assert "A\\B" == found.text("ImageType")
    assert ("one\\two",) == found.attributes["TextValue"].texts
    assert [1.0, -2.5] == found.numbers("GraphicData")
    assert [1.5] == found.numbers("NumericValue")
    assert "ContentLabel" in found
    assert found.is_empty("ContentLabel")
    assert found.is_empty("PatientID")
    assert "PatientID" not in found


def test_text_beyond_ascii_is_decoded_in_its_character_set() -> None:
    """The character set stands at the top and holds for the items below it."""
    item = _item(TextValue="Wirbelkörper", CodeMeaning="ö")

    found = plain(_written(_item(SpecificCharacterSet="ISO_IR 192", ContentSequence=[item])))

    assert "Wirbelkörper" == found.items("ContentSequence")[0].text("TextValue")


def _undefined(made: Dataset) -> Dataset:
    made["ContentSequence"].is_undefined_length = True
    made.ContentSequence[0].is_undefined_length_sequence_item = True
    return _written(made)


@pytest.mark.parametrize(
    "as_read",
    [
        _undefined,
        lambda made: _written(made, ImplicitVRLittleEndian),
        lambda made: _written(made, ExplicitVRBigEndian),
        lambda made: made,
    ],
)
def test_other_encodings_say_the_same(as_read: Callable[[Dataset], Dataset]) -> None:
    """Lengths that are not stated, implicit VRs, the other byte order, and what was never written."""
    item = _item(ValueType="NUM", GraphicData=[1.0, 2.0], ConceptNameCodeSequence=[_item(CodeValue="1")])

    found = plain(as_read(_item(ContentSequence=[item]))).items("ContentSequence")[0]

    assert "NUM" == found.text("ValueType")
    assert [1.0, 2.0] == found.numbers("GraphicData")
    assert ("", "1") == found.code("ConceptNameCodeSequence")


def test_a_sequence_that_is_cut_short_is_what_pydicom_takes_it_for() -> None:
    """A damaged file is not read in two ways."""
    data = to_bytes(report("patient", COMPREHENSIVE_3D))
    expected, found = pydicom.dcmread(BytesIO(data)), pydicom.dcmread(BytesIO(data))
    for read in (expected, found):
        stored = cast(RawDataElement, read.get_item("ContentSequence"))
        read["ContentSequence"] = stored._replace(value=(stored.value or b"")[:-20])
    assert list(expected.iterall())

    assert plain(expected) == plain(found)


def test_numbers_that_are_none_are_not_given() -> None:
    """Text in the place of a number, and what is not finite."""
    assert [] == plain(_item(GraphicData=[1.0, float("nan")])).numbers("GraphicData")
    assert [] == plain(_item(TextValue="many")).numbers("TextValue")
    assert [] == plain(_item(ContentSequence=Sequence())).numbers("NumericValue")


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI:UserWarning")
def test_padding_goes_from_each_of_several_values() -> None:
    """Read as they lie in the file, or decoded by pydicom: the same."""
    values = {"ImageType": b"A \\B ", "FrameOfReferenceUID": b" 1.2", "PatientComments": b"A \\B ", "PatientID": b" A "}
    values |= {"OtherPatientNames": b"A \\B ", "FailedSOPInstanceUIDList": b"1.2 \\ 1.3", "OperatorsName": b"A \\ B"}
    values |= {"DeviceSerialNumber": b" A \\ B ", "SoftwareVersions": b" A \\ B "}
    expected, found = (_written(_item(**dict.fromkeys(values, "1"))) for _ in range(2))
    for read in (expected, found):
        for keyword, value in values.items():
            read[keyword] = cast(RawDataElement, read.get_item(keyword))._replace(value=value)
    assert list(expected.iterall())

    assert plain(expected) == plain(found)
    assert (" A", " B") == plain(found).attributes["SoftwareVersions"].texts


def test_overlays_are_told_apart() -> None:
    """Their attributes have one keyword for all of them (PS3.5 7.6)."""
    item = Dataset()
    item.add_new(0x60001500, "LO", "one")
    item.add_new(0x60021500, "LO", "two")

    assert ["one", "two"] == [each.texts[0] for each in plain(item).attributes.values()]

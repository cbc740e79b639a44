"""Objects as files: the content tree of a report is encoded by us, and is what pydicom would have written."""

from dataclasses import replace
from io import BytesIO

import pydicom
import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from report_samples import COMPREHENSIVE, COMPREHENSIVE_3D, ENHANCED, Sample, context, findings, report

from sr_templates.context import Predecessor
from sr_templates.document import SOP_CLASSES, build_report, build_reports
from sr_templates.encoding import to_bytes


def _by_pydicom(made: Dataset) -> bytes:
    file = BytesIO()
    dcmwrite(file, made, enforce_file_format=True)
    return file.getvalue()


def _object(character_set: str, item: Dataset, transfer_syntax: UID = ExplicitVRLittleEndian) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = transfer_syntax
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = UID("1.2"), UID("1.3")
    made.SpecificCharacterSet, made.SOPInstanceUID, made.PatientName = character_set, "1.3", "Müller^Jo"
    made.ContentSequence = [item]
    return made


@pytest.mark.parametrize("sample", ["patient", "image", "uncalibrated"])
@pytest.mark.parametrize("sop_class", SOP_CLASSES)
def test_a_report_is_what_pydicom_would_have_written(sample: Sample, sop_class: str) -> None:
    """Byte for byte, in every SOP class, and read again and written again, too."""
    made = report(sample, sop_class)
    expected = _by_pydicom(made)

    assert expected == to_bytes(made)
    assert expected == to_bytes(pydicom.dcmread(BytesIO(expected)))


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI:UserWarning")
@pytest.mark.parametrize("character_set", ["ISO_IR 192", "ISO_IR 100"])
@pytest.mark.parametrize("transfer_syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_all_kinds_of_values_are_what_pydicom_would_have_written(character_set: str, transfer_syntax: UID) -> None:
    """Odd lengths, several values, none, numbers, names and letters beyond ASCII; in other encodings as well."""
    item = Dataset()
    item.ValueType, item.TextValue, item.PersonName = "TEXT", "Wirbelkörper", "Müller^Jo"
    item.ImageType, item.UID, item.CodeMeaning = ["A", "BC"], "1.2.3", ""
    item.GraphicData, item.NumericValue, item.ReferencedFrameNumber = [1.0, 2.5], "1.50", [1, 2]
    item.DateTime, item.Date, item.Time, item.LongCodeValue = "20260105101500", "20260105", "1015", "odd"
    item.ConceptNameCodeSequence = []
    item.FrameOfReferenceUID = "1.2.é"  # as damaged ones of sources are
    made = _object(character_set, item, transfer_syntax)

    assert _by_pydicom(made) == to_bytes(made)


@pytest.mark.parametrize("read_as", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_what_was_read_and_is_written_in_another_encoding_is_left_to_pydicom(read_as: UID) -> None:
    """A character set or transfer syntax of another kind than it was read in: nothing goes on undecoded."""
    item = Dataset()
    item.TextValue = "Größe"
    read = pydicom.dcmread(BytesIO(_by_pydicom(_object("ISO_IR 100", item, read_as))))
    again = pydicom.dcmread(BytesIO(_by_pydicom(_object("ISO_IR 100", item, read_as))))
    for each in (read, again):
        assert each.ContentSequence[0].TextValue == "Größe"
        each.SpecificCharacterSet, each.file_meta.TransferSyntaxUID = "ISO_IR 192", ExplicitVRLittleEndian

    assert _by_pydicom(again) == to_bytes(read)


def test_what_was_read_in_part_is_what_pydicom_would_have_written() -> None:
    """Some items are decoded, the others are still as they lay in the file."""
    read = pydicom.dcmread(BytesIO(_by_pydicom(report("patient", COMPREHENSIVE_3D))))
    expected = _by_pydicom(pydicom.dcmread(BytesIO(_by_pydicom(report("patient", COMPREHENSIVE_3D)))))
    assert read.ContentSequence[0].ValueType

    assert expected == to_bytes(read)


def test_the_object_is_as_it_was() -> None:
    """Writing it leaves its content tree in place."""
    made = report("patient", COMPREHENSIVE_3D)
    to_bytes(made)

    assert isinstance(made.ContentSequence[0], Dataset)
    assert to_bytes(made) == to_bytes(made)


def test_reports_made_together_are_those_made_alone() -> None:
    """They may share a content tree; each has its own class, UID, and the predecessors of that class."""
    found, sources = findings("patient"), context("patient")
    earlier = Predecessor(sop_class_uid=ENHANCED, sop_instance_uid="1.2.3", series_instance_uid="1.2")
    predecessors: dict[str, tuple[Predecessor, ...]] = {COMPREHENSIVE_3D: (), COMPREHENSIVE: (), ENHANCED: (earlier,)}

    alone = [
        to_bytes(build_report(found, replace(sources, predecessors=before), sop_class))
        for sop_class, before in predecessors.items()
    ]

    assert alone == [to_bytes(made) for made in build_reports(found, sources, predecessors)]

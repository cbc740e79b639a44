"""A rejection note: TID 2010 with a title of CID 7010, and what it rejects, listed twice and alike."""

import pytest
from pydicom.sr.codedict import codes as dicom
from rejections import REJECTED, rejection, rejection_note
from report_samples import ct_slice

from service.rejection_titles import Title
from service.sop_classes import REJECTION_NOTE
from sr_templates import codes
from sr_templates.check import problems
from sr_templates.rejection_note import SOP_CLASS_UID, build_rejection_note

_CID_7010 = {
    "quality": dicom.DCM.RejectedForQualityReasons,
    "patient-safety": dicom.DCM.RejectedForPatientSafetyReasons,
    "worklist-entry": dicom.DCM.IncorrectModalityWorklistEntry,
    "retention": dicom.DCM.DataRetentionPolicyExpired,
}


@pytest.mark.parametrize("title", Title)
def test_every_title_that_can_be_asked_for_is_the_one_of_the_standard(title: Title) -> None:
    """Code, scheme and meaning are those of CID 7010; each word has one, and each code has a word."""
    [concept] = rejection_note(title=title.value).ConceptNameCodeSequence

    expected = _CID_7010[title]
    assert (expected.value, "DCM", expected.meaning) == (
        concept.CodeValue,
        concept.CodingSchemeDesignator,
        concept.CodeMeaning,
    )
    assert set(_CID_7010) == set(Title) == set(codes.REJECTIONS)


def test_it_names_what_it_rejects_as_images_or_as_other_objects() -> None:
    """TID 2010 rows 8 and 10, without a concept name; the evidence (PS3.3 C.17.2) lists the same."""
    note = rejection_note()

    items = [item for item in note.ContentSequence if "ReferencedSOPSequence" in item]
    assert [None] * len(REJECTED) == [item.get("ConceptNameCodeSequence") for item in items]
    assert ["COMPOSITE", "COMPOSITE", "IMAGE", "IMAGE"] == [item.ValueType for item in items]
    named = [item.ReferencedSOPSequence[0] for item in items]
    assert REJECTED == {one.ReferencedSOPInstanceUID: one.ReferencedSOPClassUID for one in named}
    assert [] == problems(note, known=set(REJECTED))
    assert REJECTION_NOTE == SOP_CLASS_UID == note.SOPClassUID


def test_it_repeats_patient_and_study_and_says_when_on_the_clock_of_its_source() -> None:
    """12:30 UTC is 14:30 where the source states +0200; its series is one of its own."""
    source = ct_slice(1)
    source.TimezoneOffsetFromUTC = "+0200"
    note = build_rejection_note(rejection(why="another patient"), source, software="spondyl 1.2.3")

    assert (source.PatientName, source.PatientID, source.AccessionNumber) == (
        note.PatientName,
        note.PatientID,
        note.AccessionNumber,
    )
    assert ("20260305", "143000.000000", "KO") == (note.ContentDate, note.ContentTime, note.Modality)
    assert ["another patient"] == [
        item.TextValue
        for item in note.ContentSequence
        if item.get("RelationshipType") == "CONTAINS" and "TextValue" in item
    ]


@pytest.mark.parametrize(
    "changes", [{"title": "patient-safety"}, {"why": "wrong"}, {"number": 2}, {"rejected": rejection().rejected[:1]}]
)
def test_another_note_has_another_uid(changes: dict[str, object]) -> None:
    """The same order gives the same bytes; anything else is another object in the same series."""
    one, other = rejection_note(), rejection_note(**changes)

    assert one.SOPInstanceUID == rejection_note().SOPInstanceUID
    assert one.SOPInstanceUID != other.SOPInstanceUID
    assert one.SeriesInstanceUID == other.SeriesInstanceUID


@pytest.mark.parametrize("changes", [{"rejected": []}, {"title": "fracture"}])
def test_a_note_without_objects_or_title_is_refused(changes: dict[str, object]) -> None:
    """Valid once constructed."""
    with pytest.raises(ValueError, match="expected"):
        rejection(**changes)


def test_the_check_finds_a_note_that_rejects_what_was_never_sent() -> None:
    """What a note names must be ours; a title that is missing is found, too."""
    note = rejection_note()
    assert any("neither received nor made" in line for line in problems(note, known=()))

    del note.ConceptNameCodeSequence
    assert "ConceptNameCodeSequence: type 1, is missing or empty" in problems(note, known=set(REJECTED))

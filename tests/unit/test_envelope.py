"""What all objects besides the report have in common."""

from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from report_samples import STUDY, context, ct_slice, findings

from sr_templates.context import ReportContext
from sr_templates.envelope import Derivation, add_derivation, envelope, references
from sr_templates.objects import ObjectKind
from sr_templates.seal import seal

SC = "1.2.840.10008.5.1.4.1.1.7"


def _made(number: int = 1, **changes: object) -> Dataset:
    sources = replace(context("patient"), **changes)  # type: ignore[arg-type]
    return envelope(ObjectKind.SUMMARY, SC, findings("patient"), sources, number=number)


def test_patient_and_study_are_those_of_the_source() -> None:
    """Name, number and study are repeated in UTF-8; an umlaut survives (PS3.3 C.12.1.1.2)."""
    made = _made()

    assert ("Müller^Jörg", "P-4711", STUDY) == (str(made.PatientName), made.PatientID, made.StudyInstanceUID)
    assert ("A77", "HOSPITAL") == (made.AccessionNumber, made.IssuerOfPatientID)
    assert "ISO_IR 192" == made.SpecificCharacterSet


def test_a_kind_has_a_series_of_its_own() -> None:
    """Series Number and Description are those of its kind; all revisions of one version share the series."""
    first, second = (
        seal(made, ObjectKind.SUMMARY, uid_root="").SeriesInstanceUID for made in (_made(), _made(revision=2))
    )

    assert (9003, "Vertebral morphometry summary (unverified)") == (_made().SeriesNumber, _made().SeriesDescription)
    assert first == second
    assert first not in {image.SeriesInstanceUID for image in context("patient").images}


def test_instances_of_a_revision_are_counted() -> None:
    """Instance Number is 100 (revision - 1) + number, so that viewers sort later revisions behind."""
    assert [1, 2, 101] == [_made().InstanceNumber, _made(number=2).InstanceNumber, _made(revision=2).InstanceNumber]


def test_a_designator_that_is_not_ours_has_its_owner() -> None:
    """The code of the algorithm's purpose is IHE's: a designator that begins with 99 is identified (PS3.3 C.12.1)."""
    (item,) = _made().ContributingEquipmentSequence[0].PurposeOfReferenceCodeSequence
    (scheme,) = _made().CodingSchemeIdentificationSequence

    assert "99IHE" == item.CodingSchemeDesignator == scheme.CodingSchemeDesignator
    assert "IHE International" == scheme.CodingSchemeResponsibleOrganization


def test_evidence_of_another_study_is_refused() -> None:
    """An object lies in the study that was measured, or is not made."""
    with pytest.raises(ValueError, match="objects of the measured study"):
        _made(images=(), others=())
    with pytest.raises(ValueError, match="objects of the measured study"):
        envelope(
            ObjectKind.SUMMARY,
            SC,
            replace(findings("patient"), study_instance_uid="1.2"),
            context("patient"),
            number=1,
        )


def test_what_is_of_reports_only_is_left_out() -> None:
    """Referenced Request Sequence belongs to SR Document General (PS3.3 C.17.2), not to images."""
    request, source = Dataset(), ct_slice(1)
    request.RequestedProcedureID = "R1"
    source.RequestAttributesSequence = [request]
    made = envelope(
        ObjectKind.SUMMARY,
        SC,
        findings("patient"),
        ReportContext(images=(source,), started_at=context("patient").started_at),
        number=1,
    )

    assert "ReferencedRequestSequence" not in made


@pytest.mark.parametrize(
    ("said", "is_steep", "expected"),
    [
        (["NO"], False, "NO"),
        (["NO", "YES"], False, "YES"),
        ([None], False, ""),
        (["NO", None], False, ""),
        ([None], True, "NO"),
        (["YES"], True, "YES"),
        ([], False, "NO"),
    ],
)
def test_burned_in_annotation_is_what_the_sources_say(said: list[str | None], is_steep: bool, expected: str) -> None:
    """It asks for what identifies the patient (PS3.3 C.7.6.1); we draw none, a radiograph's pixels may hold some."""
    sources = []
    for number, word in enumerate(said):
        image = ct_slice(number)
        if word is not None:
            image.BurnedInAnnotation = word
        sources.append(image)

    assert expected == Derivation(description="", sources=tuple(sources), is_steep=is_steep).burned_in


def test_a_derived_image_names_its_sources_and_what_they_lost() -> None:
    """Source Image Sequence in the order given, each with its purpose; a lossy source makes a lossy picture."""
    first, second = ct_slice(1), ct_slice(2)
    second.LossyImageCompression = "01"
    made = Dataset()
    add_derivation(made, Derivation(description="drawn", sources=(first, second)))

    named = [item.ReferencedSOPInstanceUID for item in made.SourceImageSequence]
    assert [first.SOPInstanceUID, second.SOPInstanceUID] == named
    assert {"121322"} == {item.PurposeOfReferenceCodeSequence[0].CodeValue for item in made.SourceImageSequence}
    assert ("drawn", "01") == (made.DerivationDescription, made.LossyImageCompression)


def test_a_reference_names_frames_only_where_there_are_some() -> None:
    """A single-frame image is named whole (PS3.3 table 10-3)."""
    (whole,), (framed,) = references([ct_slice(1)]), references([ct_slice(1)], (2,))

    assert "ReferencedFrameNumber" not in whole
    assert 2 == framed.ReferencedFrameNumber

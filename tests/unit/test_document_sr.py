import re
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import pytest
from plain_report import dressed, plain_report
from pydicom import dcmread
from pydicom.dataset import Dataset
from report_samples import (
    COMPREHENSIVE,
    CT,
    FRAME_OF_REFERENCE,
    SEG,
    STARTED,
    STUDY,
    Sample,
    build,
    context,
    ct_slice,
    findings,
    groups,
    header,
    named,
    report,
    report_bytes,
    segmentation,
    unmeasured,
)

from sr_templates import identity
from sr_templates.document import SOP_CLASSES, Predecessor, to_bytes
from sr_templates.findings import Reference, ReferenceRule, Triple

SAMPLES: tuple[Sample, ...] = ("patient", "image", "uncalibrated")
#: One vertebra, where the rest would say no more.
SMALL = replace(findings("image"), vertebrae=findings("image").vertebrae[:1])


def _read(sample: Sample) -> Dataset:
    return dcmread(BytesIO(report_bytes(sample)))


@pytest.mark.parametrize("sample", SAMPLES)
def test_equal_inputs_give_equal_bytes(sample: Sample) -> None:
    """Two builds agree byte for byte, whatever order the sources come in: a retry sends what was sent."""
    turned = replace(context(sample), images=context(sample).images[::-1])

    assert report_bytes(sample) == to_bytes(build(findings(sample), turned))


@pytest.mark.parametrize("sop_class_uid", SOP_CLASSES)
@pytest.mark.parametrize("sample", SAMPLES)
def test_the_document_is_the_one_that_highdicom_makes(sample: Sample, sop_class_uid: str) -> None:
    """Put together without highdicom's SR classes, the report is what these make of the same tree, byte for byte."""
    made = report(sample, sop_class_uid)
    plain = plain_report(findings(sample), context(sample), made)

    assert to_bytes(dressed(plain, context(sample), made)) == report_bytes(sample, sop_class_uid)


def _other_heights() -> tuple[object, object]:
    vertebra = findings("image").vertebrae[0]
    assert vertebra.measured is not None
    changed = replace(vertebra, measured=replace(vertebra.measured, wedge_angle_deg=-1.69))
    return replace(SMALL, vertebrae=(changed,)), context("image")


def _other_patient() -> tuple[object, object]:
    image = deepcopy(context("image").images[0])
    image.PatientName = "Mueller^Joerg"
    return SMALL, replace(context("image"), images=(image,))


OTHERS = {
    "findings": _other_heights(),
    "patient's name": _other_patient(),
    "software": (replace(SMALL, software="spondyl 1.2.4"), context("image")),
    "configuration": (replace(SMALL, config_digest="decaf"), context("image")),
    "time": (SMALL, replace(context("image"), started_at=STARTED + timedelta(seconds=1))),
    "sources": (SMALL, replace(context("image"), others=(segmentation(),))),
    "UID root": (SMALL, replace(context("image"), uid_root="1.2.3")),
    "settings": (SMALL, replace(context("image"), parameters=("x",))),
    "institution": (SMALL, replace(context("image"), institution_name="X")),
}


@pytest.mark.parametrize("what", OTHERS)
def test_anything_else_is_another_object(what: str) -> None:
    """A PACS silently drops a second object with a known UID, so whatever changes the report changes its UID."""
    made = build(*OTHERS[what])  # type: ignore[arg-type]  # pairs of findings and context

    assert made.SOPInstanceUID != build(SMALL, context("image")).SOPInstanceUID


def test_a_report_is_made_in_each_class_that_a_destination_may_take() -> None:
    """Comprehensive 3D, Comprehensive and Enhanced SR (PS3.4 B.5) are three objects of one series, each with a UID."""
    made = [report("image", sop_class_uid) for sop_class_uid in SOP_CLASSES]

    assert ["88.34", "88.33", "88.22"] == [one.SOPClassUID[-5:] for one in made]
    assert [one.file_meta.MediaStorageSOPClassUID for one in made] == [one.SOPClassUID for one in made]
    assert len({one.SOPInstanceUID for one in made}) == len(made)
    assert len({one.SeriesInstanceUID for one in made}) == 1


def test_a_class_that_is_no_report_is_refused() -> None:
    """Basic Text SR (88.11) cannot hold a number, so nothing is made of it."""
    with pytest.raises(
        ValueError, match=r"expected one of the SOP classes .* found 1\.2\.840\.10008\.5\.1\.4\.1\.1\.88\.11"
    ):
        build(SMALL, context("image"), "1.2.840.10008.5.1.4.1.1.88.11")


def test_the_report_is_preliminary_and_unverified() -> None:
    """A machine's report is complete, but neither final nor verified (PS3.3 C.17.2), and its series says so."""
    made = _read("patient")

    assert (made.CompletionFlag, made.PreliminaryFlag, made.VerificationFlag) == (
        "COMPLETE",
        "PRELIMINARY",
        "UNVERIFIED",
    )
    assert made.SeriesDescription.endswith("(unverified)")
    assert made.Modality == "SR"


def test_the_report_lies_in_its_study() -> None:
    """Patient, study and accession are those of the source, in UTF-8; the series is new, with the site's number."""
    made = _read("patient")

    assert str(made.PatientName) == "Müller^Jörg"
    assert (made.SpecificCharacterSet, made.PatientID, made.IssuerOfPatientID) == ("ISO_IR 192", "P-4711", "HOSPITAL")
    assert (made.StudyInstanceUID, made.StudyID, made.AccessionNumber) == (STUDY, "S1", "A77")
    assert made.SeriesInstanceUID not in {f"{STUDY}.2", f"{STUDY}.3"}
    assert made.SeriesNumber == 9001


def test_the_evidence_is_what_the_findings_rest_on() -> None:
    """Images and segmentation are the current evidence (PS3.3 C.17.2), and nothing else."""
    found = {
        (series.SeriesInstanceUID, item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID)
        for study in _read("patient").CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }

    assert {(f"{STUDY}.2", CT, f"{STUDY}.2.{n}") for n in (1, 2, 3)} | {(f"{STUDY}.3", SEG, f"{STUDY}.3.1")} == found


def test_times_are_the_start_of_the_analysis() -> None:
    """Content and instance creation date are the given moment, never the clock's, shown on the source's clock."""
    shifted = deepcopy(context("image").images[0])
    shifted.TimezoneOffsetFromUTC = "-0600"
    made = build(SMALL, replace(context("image"), images=(shifted,)))

    assert (str(report("image").ContentDate), str(report("image").ContentTime)) == ("20260304", "050607")
    assert (str(made.ContentDate), str(made.ContentTime)) == ("20260303", "230607")
    assert (str(made.InstanceCreationDate), str(made.InstanceCreationTime)) == ("20260303", "230607")
    assert made.TimezoneOffsetFromUTC == "-0600"


def test_the_maker_is_named_everywhere() -> None:
    """Equipment, observer, contributing algorithm (IHE AIR), private scheme and file meta say who made the report."""
    made = _read("image")
    (algorithm,) = made.ContributingEquipmentSequence
    scheme, _ = made.CodingSchemeIdentificationSequence

    assert identity.is_own(made.Manufacturer, made.ManufacturerModelName)
    assert made.SoftwareVersions == "spondyl 1.2.3"
    assert named(made, "Device Observer Name")[0].TextValue == "spondyl 1.2.3"
    assert algorithm.PurposeOfReferenceCodeSequence[0].CodeMeaning == "Processing Algorithm"
    assert (algorithm.Manufacturer, algorithm.SoftwareVersions) == ("Spondyl", "spondyl 1.2.3")
    assert scheme.CodingSchemeDesignator == "99SPONDYL"
    assert made.file_meta.ImplementationClassUID == identity.IMPLEMENTATION_CLASS_UID
    assert made.file_meta.ImplementationVersionName == "SPONDYL_1.2.3"


@pytest.mark.parametrize(
    ("manufacturer", "model", "expected"),
    [("Spondyl", "Spondyl", True), ("Spondyl ", "Spondyl", True), ("Spondyl", "Viewer", False), (None, None, False)],
)
def test_own_reports_are_recognised(manufacturer: str | None, model: str | None, expected: bool) -> None:
    """Manufacturer and model together make an object ours; a viewer that saves a changed copy names itself."""
    assert expected is identity.is_own(manufacturer, model)


def test_names_fit_the_file_meta() -> None:
    """The implementation class UID is valid, and the version name has at most 16 characters (PS3.10 7.1)."""
    assert re.fullmatch(r"2\.25\.[1-9][0-9]{0,38}", identity.IMPLEMENTATION_CLASS_UID)
    assert identity.version_name("spondyl 10.20.30rc1.dev4+local") == "SPONDYL_10.20.30"


def test_the_image_library_lists_the_images_once() -> None:
    """OHIF needs an Image Library: modality and frame of reference at the group, then each image (TID 1600 to 1602)."""
    (group,) = named(named(report("patient"), "Image Library")[0], "Image Library Group")

    assert named(group, "Modality")[0].ConceptCodeSequence[0].CodeValue == "CT"
    assert named(group, "Frame of Reference UID")[0].UID == FRAME_OF_REFERENCE
    assert [f"{STUDY}.2.{n}" for n in (1, 2, 3)] == [
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in named(group, "Source")
    ]


def test_images_of_an_unknown_modality_are_listed_without_one() -> None:
    """A modality outside the table is not guessed, and a radiograph has no frame of reference."""
    odd = header("1.2.840.10008.5.1.4.1.1.7", 1, "OT")
    made = build(SMALL, replace(context("image"), images=(odd,)))
    (group,) = named(named(made, "Image Library")[0], "Image Library Group")

    assert [item.ValueType for item in group.ContentSequence] == ["IMAGE"]


def test_a_study_of_a_segmentation_alone_has_an_empty_library() -> None:
    """Without images the report rests on the segmentation; OHIF looks into the library all the same."""
    made = build(findings("patient"), replace(context("patient"), images=()))

    assert "ContentSequence" not in named(made, "Image Library")[0]
    assert made.PatientID == "P-4711"
    assert len(groups(made)) == 3


def test_sources_with_stripped_headers_are_reported() -> None:
    """An anonymised source with nothing but UIDs gives a report with empty patient attributes."""
    bare = Dataset()
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(bare, keyword, ct_slice(1)[keyword].value)
    made = build(findings("patient"), replace(context("patient"), images=(bare,)))

    assert not made.PatientName
    assert not made.StudyDate
    assert len(groups(made)) == 3


def test_sources_of_any_sop_class_are_reported() -> None:
    """A private SOP class, or a newer one than highdicom knows, is evidence like any other."""
    private = deepcopy(context("image").images[0])
    private.SOPClassUID = "1.3.12.2.1107.5.9.1"
    made = build(SMALL, replace(context("image"), images=(private,)))
    evidence = made.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]

    assert ["1.3.12.2.1107.5.9.1"] == [item.ReferencedSOPClassUID for item in evidence.ReferencedSOPSequence]
    assert (STUDY, "P-4711") == (made.StudyInstanceUID, made.PatientID)


def test_a_corrected_report_names_what_it_replaces() -> None:
    """Each predecessor is referred to in the same study (PS3.3 C.17.2); the revision is the instance number."""
    earlier = tuple(
        Predecessor(sop_class_uid=COMPREHENSIVE, sop_instance_uid=uid, series_instance_uid="1.2.6")
        for uid in ("1.2.7", "1.2.5")
    )
    made = build(SMALL, replace(context("image"), predecessors=earlier, revision=2))
    (study,) = made.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence

    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == (STUDY, "1.2.6")
    assert ["1.2.7", "1.2.5"] == [item.ReferencedSOPInstanceUID for item in series.ReferencedSOPSequence]
    assert made.InstanceNumber == 2
    assert made.SeriesInstanceUID == report("image").SeriesInstanceUID


def test_a_root_is_used_for_every_uid_of_ours() -> None:
    """Report, series, device and tracking UIDs lie under the site's root."""
    made = build(findings("image"), replace(context("image"), uid_root="1.2.826.0.1.99", institution_name="Klinik"))
    ours = [made.SOPInstanceUID, made.SeriesInstanceUID, named(made, "Device Observer UID")[0].UID]
    ours += [named(group, "Tracking Unique Identifier")[0].UID for group in groups(made)]

    assert all(uid.startswith("1.2.826.0.1.99.") for uid in ours)
    assert made.InstitutionName == "Klinik"


def test_neither_numbers_nor_a_reason_is_no_report() -> None:
    """What has no numbers has a reason: findings without both are a mistake of the caller."""
    with pytest.raises(ValueError, match="expected a reason, or measured vertebrae, each level once, found none"):
        build(replace(findings("image"), vertebrae=(unmeasured("L4"),)), context("image"))


def test_a_level_stands_once() -> None:
    """Two groups of one level would share a tracking UID, and viewers merge them: refused."""
    with pytest.raises(ValueError, match="each level once"):
        build(replace(findings("image"), vertebrae=findings("image").vertebrae[:1] * 2), context("image"))


@pytest.mark.parametrize("study", [None, "1.2.3"])
def test_the_evidence_is_of_the_measured_study(study: str | None) -> None:
    """A report without evidence, or on the objects of another study, is refused."""
    sources = replace(context("image"), images=context("image").images if study else ())
    measured = replace(findings("image"), study_instance_uid=study or STUDY)

    with pytest.raises(ValueError, match="objects of the measured study as evidence"):
        build(measured, sources)


def test_the_within_vertebra_reference_is_stated() -> None:
    """A vertebra that was compared with itself says so, and that crush is not assessable."""
    vertebra = findings("image").vertebrae[0]
    assert vertebra.measured is not None
    own = Reference(
        rule=ReferenceRule.WITHIN_VERTEBRA, levels=(), heights=Triple(anterior=25.0, middle=25.0, posterior=25.0)
    )
    alone = replace(vertebra, measured=replace(vertebra.measured, reference=own))
    (group,) = groups(build(replace(findings("image"), vertebrae=(alone,)), context("image")))

    assert ["Same vertebra; crush not assessable"] == [
        item.ConceptCodeSequence[0].CodeMeaning for item in named(group, "Rule for the expected heights")
    ]
    assert not named(group, "Vertebra used for the expected heights")

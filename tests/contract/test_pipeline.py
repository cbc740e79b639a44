"""One study from files to findings and report."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from plain_settings import REPORT_ALONE
from pydicom.dataset import Dataset
from report_samples import (
    FRAME_OF_REFERENCE,
    STUDY,
    ct_slice,
    groups,
    header,
    named,
    patient_points,
    report_bytes,
    segmentation,
)
from spooled import write

from service.config import Settings
from sr_templates.context import Predecessor
from workers.landmarks.document import LandmarksError
from workers.morphometry.policy import Policy
from workers.pipeline import StudyReason, measure_files, policy_of

#: Three vertebrae 40 mm apart, each Ha = 24, Hm = 21, Hp = 25 mm, 34 mm deep.
MIDDLES = {"T12": 40.0, "L1": 0.0, "L2": -40.0}


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Write three sagittal CT slices."""
    return write(tmp_path / "images", *(ct_slice(number) for number in (1, 2, 3)))


def _document(**changes: Any) -> bytes:
    vertebrae = [{"level": level, "points": patient_points(middle)} for level, middle in MIDDLES.items()]
    document = {
        "schema": "spondyl.landmarks/1",
        "study_instance_uid": STUDY,
        "sop_instance_uid": f"{STUDY}.2.1",
        "space": "patient",
        "source": "manual",
        "vertebrae": vertebrae,
    }
    return json.dumps({**document, **changes}).encode()


def _supply_report(folder: Path, **changes: str) -> None:
    """Write the sample report as another maker's, whose points are a source of landmarks."""
    report = pydicom.dcmread(BytesIO(report_bytes("patient")))
    for keyword, value in {"Manufacturer": "Somebody", **changes}.items():
        setattr(report, keyword, value)
    report.save_as(folder / "sr.dcm")


def _measured(files: Sequence[Path], supplied: bytes | None = None, **options: Any) -> Mapping[str, Any]:
    outcome = measure_files(files, settings=REPORT_ALONE, supplied=supplied, **options)
    return {vertebra.level: vertebra for vertebra in outcome.findings.vertebrae}


def test_supplied_points_become_numbers(images: list[Path]) -> None:
    """Heights, ratio and wedging of the supplied points come out as they can be worked out by hand."""
    l1 = _measured(images, _document())["L1"].measured

    assert (24.0, 21.0, 25.0) == pytest.approx((l1.heights_mm.anterior, l1.heights_mm.middle, l1.heights_mm.posterior))
    assert 24 / 25 == pytest.approx(l1.wedge_ratio)
    assert -4.0 == pytest.approx(l1.wedging_percent)
    assert ("adjacent_2", ("T12", "L2")) == (l1.reference.rule, l1.reference.levels)
    assert 0 == l1.genant_grade


def test_the_same_inputs_give_the_same_bytes(images: list[Path]) -> None:
    """Files in another order give the same report, byte for byte."""
    reports = [
        measure_files(files, settings=REPORT_ALONE, supplied=_document()).report for files in (images, images[::-1])
    ]

    assert reports[0] is not None
    assert reports[0] == reports[1]


def test_the_digest_covers_who_placed_the_points(images: list[Path]) -> None:
    """The same numbers by another maker, or another version of a model, are another report; when and how often is not.

    Else the earlier report would stand for it with late_instances = replace (docs/finders.md).
    """

    def digest(observer: str, **more: Any) -> str:
        document = _document(source="automatic", observer=observer)
        return measure_files(images, settings=REPORT_ALONE, supplied=document, **more).digest

    one = digest("Model 7")
    assert one == digest("Model 7", revision=2, started_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert one != digest("Model 8")


#: The same with a series number of the site's own.
NUMBERED = REPORT_ALONE.report.model_copy(update={"sr_series_number": 9100})


@pytest.mark.parametrize(
    "changed",
    [
        {
            "settings": REPORT_ALONE.model_copy(
                update={"report": REPORT_ALONE.report.model_copy(update={"sr_series_number": 9100})}
            )
        },
        {"supplied": _document(source="reviewed")},
        {"predecessors": [Predecessor(sop_class_uid="1.2.3", sop_instance_uid="1.2.4", series_instance_uid="1.2.5")]},
    ],
    ids=["configuration", "landmarks", "predecessor"],
)
def test_anything_else_gives_a_new_uid(images: list[Path], changed: Any) -> None:
    """Another configuration, other landmarks or another predecessor give another SOP Instance UID."""
    options: dict[str, Any] = {"settings": REPORT_ALONE, "supplied": _document()}
    before = measure_files(images, **options).report
    after = measure_files(images, **{**options, **changed}).report

    assert before is not None
    assert after is not None
    assert before.sop_instance_uid != after.sop_instance_uid


def test_the_report_lies_in_the_study_of_its_images(images: list[Path]) -> None:
    """Study, patient and evidence of the report are those of the images the points lie on."""
    outcome = measure_files(images, settings=REPORT_ALONE, supplied=_document())
    assert outcome.report is not None
    report = pydicom.dcmread(BytesIO(outcome.report.data))

    assert (STUDY, "P-4711") == (report.StudyInstanceUID, report.PatientID)
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert [f"{STUDY}.2.1"] == [item.ReferencedSOPInstanceUID for item in evidence.ReferencedSOPSequence]


def test_a_study_without_landmarks_is_not_analysable(images: list[Path]) -> None:
    """Images alone give the coded reason, no vertebra and no report."""
    outcome = measure_files(images, settings=REPORT_ALONE)

    assert (StudyReason.NO_LANDMARKS, (), None) == (outcome.findings.reason, outcome.findings.vertebrae, outcome.report)


def test_a_study_in_which_nothing_can_be_measured_says_so(images: list[Path]) -> None:
    """Where no vertebra can be measured the study gets a reason, each vertebra its own, and there is no report."""
    flat = {name: (1.0, y, 0.0) for name, (_, y, _) in patient_points(0.0).items()}
    outcome = measure_files(
        images, settings=REPORT_ALONE, supplied=_document(vertebrae=[{"level": "L1", "points": flat}])
    )

    assert (StudyReason.NO_VERTEBRA_MEASURED, None) == (outcome.findings.reason, outcome.report)
    assert ["DEGENERATE"] == [vertebra.reason for vertebra in outcome.findings.vertebrae]


def test_landmarks_of_another_study_are_refused(images: list[Path]) -> None:
    """A document that names another study is refused with both named."""
    with pytest.raises(LandmarksError, match=rf"expected that of the study, {STUDY}, found 1\.2\.3"):
        measure_files(images, settings=REPORT_ALONE, supplied=_document(study_instance_uid="1.2.3"))


@pytest.mark.usefixtures("images")
def test_a_supplied_report_is_a_source_of_landmarks(tmp_path: Path) -> None:
    """The lines of a TID 1500 report are landmarks; the vertebrae keep their levels, one of ours its refused one."""
    _supply_report(tmp_path / "images")

    found = _measured(sorted((tmp_path / "images").iterdir()))

    assert {"T12", "L1", "L6", "L4"} == set(found)
    assert {"supplied_sr"} == {vertebra.landmark_source for vertebra in found.values()}


@pytest.mark.usefixtures("images")
def test_reviewed_points_come_before_all_others(tmp_path: Path) -> None:
    """A reviewed document wins over a supplied report, a manual one does not."""
    _supply_report(tmp_path / "images")
    files = sorted((tmp_path / "images").iterdir())

    assert "reviewed" == _measured(files, _document(source="reviewed"))["L1"].landmark_source
    assert "supplied_sr" == _measured(files, _document(source="manual"))["L1"].landmark_source


def test_a_frame_of_reference_is_kept(images: list[Path]) -> None:
    """Patient points stand in the frame of reference of the image they name."""
    assert FRAME_OF_REFERENCE == _measured(images, _document())["L1"].measured.landmarks.frame_of_reference_uid


@pytest.mark.usefixtures("images")
def test_our_own_answer_is_no_source_of_landmarks(tmp_path: Path) -> None:
    """A report of ours among the files is passed over, until a reader has verified it."""
    _supply_report(tmp_path / "images", Manufacturer="Spondyl")
    assert {} == _measured(sorted((tmp_path / "images").iterdir()))

    _supply_report(tmp_path / "images", Manufacturer="Spondyl", VerificationFlag="VERIFIED")
    assert {"T12", "L1", "L6", "L4"} == set(_measured(sorted((tmp_path / "images").iterdir())))


def test_only_our_own_points_claim_our_protocol(images: list[Path]) -> None:
    """Supplied points are reported as supplied: how they were placed is not ours to say."""
    outcome = measure_files(images, settings=REPORT_ALONE, supplied=_document())

    assert "supplied" == outcome.findings.landmark_protocol


def _report_of(files: Sequence[Path], supplied: bytes) -> Dataset:
    outcome = measure_files(files, settings=REPORT_ALONE, supplied=supplied)
    assert outcome.report is not None
    return pydicom.dcmread(BytesIO(outcome.report.data))


def _evidence(report: Dataset) -> list[str]:
    return [
        item.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    ]


def test_a_secondary_capture_is_no_evidence(tmp_path: Path) -> None:
    """An image without a place in the frame of reference is not what the points lie on."""
    capture = header("1.2.840.10008.5.1.4.1.1.7", 9, "OT")
    capture.Rows = capture.Columns = 10
    files = write(tmp_path / "images", ct_slice(1), capture)

    assert [f"{STUDY}.2.1"] == _evidence(_report_of(files, _document(sop_instance_uid=None)))


def test_a_named_image_gives_the_frame_and_the_points_choose_the_slices(images: list[Path]) -> None:
    """The evidence is the slices that the points lie nearest to, whichever of the series was named."""
    assert [f"{STUDY}.2.1"] == _evidence(_report_of(images, _document(sop_instance_uid=f"{STUDY}.2.3")))


def test_without_a_frame_of_reference_there_is_nothing_to_place_points_in(tmp_path: Path) -> None:
    """Images without one, no images, images of two: the document is refused before any report is built."""
    bare, other = ct_slice(1), ct_slice(2)
    del bare.FrameOfReferenceUID
    other.FrameOfReferenceUID = "1.2.3.4"
    studies = ([bare], [segmentation()], [ct_slice(1), other])
    for number, study in enumerate(studies):
        files = write(tmp_path / str(number), *study)
        for uid in (None, study[0].SOPInstanceUID)[: 2 if number < 2 else 1]:
            with pytest.raises(LandmarksError, match="sop_instance_uid"):
                measure_files(files, settings=REPORT_ALONE, supplied=_document(sop_instance_uid=uid))


@pytest.mark.usefixtures("images")
def test_points_in_a_frame_of_reference_without_an_image_are_not_graded(tmp_path: Path) -> None:
    """A report on another study's frame of reference gives its reason, and the study no report."""
    _supply_report(tmp_path / "images")
    for path in (tmp_path / "images").glob("1.*"):
        image = pydicom.dcmread(path)
        image.FrameOfReferenceUID = "1.2.3.4"
        image.save_as(path)
    found = _measured(sorted((tmp_path / "images").iterdir()))

    assert {"IMAGE_MISSING"} == {found[level].reason for level in ("T12", "L1", "L6")}


def test_coarse_slices_give_no_grade_to_supplied_points(tmp_path: Path) -> None:
    """Points read off axial slices 5 mm apart have heights and no grade."""
    slices = [ct_slice(number) for number in range(1, 31)]
    for number, image in enumerate(slices):
        image.ImageOrientationPatient, image.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-100, -100, 5 * number - 75]
    found = _measured(write(tmp_path / "images", *slices), _document())["L1"]

    assert ("SAMPLING_TOO_COARSE" in found.flags, None) == (True, found.measured.genant_grade)
    assert 24.0 == pytest.approx(found.measured.heights_mm.anterior)


@pytest.mark.usefixtures("images")
def test_what_was_withheld_stays_withheld_when_our_report_is_verified(tmp_path: Path) -> None:
    """A vertebra that was sampled too coarsely has no grade after a reader verified the report either."""
    _supply_report(tmp_path / "images", Manufacturer="Spondyl", VerificationFlag="VERIFIED")
    report = pydicom.dcmread(tmp_path / "images" / "sr.dcm")
    for group in groups(report):
        named(group, "Measurement flag")[0].TextValue = "SAMPLING_TOO_COARSE"
    report.save_as(tmp_path / "images" / "sr.dcm")
    found = _measured(sorted((tmp_path / "images").iterdir()))["L1"]

    assert ("reviewed", None) == (found.landmark_source, found.measured.genant_grade)
    assert "SAMPLING_TOO_COARSE" in found.flags


@pytest.mark.usefixtures("images")
def test_what_is_not_used_is_said(tmp_path: Path) -> None:
    """Unreadable files, and sources that another one went before, are coded words with their number."""
    _supply_report(tmp_path / "images")
    (tmp_path / "images" / "cut.dcm").write_bytes(b"cut")
    files = sorted((tmp_path / "images").iterdir())
    reviewed = measure_files(files, settings=REPORT_ALONE, supplied=_document(source="reviewed"))
    manual = measure_files(files, settings=REPORT_ALONE, supplied=_document())

    assert ("UNREADABLE_FILES: 1", "REPORTS_NOT_USED: 1") == reviewed.findings.notes
    assert ("UNREADABLE_FILES: 1", "DOCUMENT_NOT_USED: 1") == manual.findings.notes


def test_what_only_the_supplier_knows_reaches_findings_and_report(images: list[Path]) -> None:
    """A body of which the document says that it holds cement keeps its heights; a reader of our report reads why."""
    vertebrae = [
        {"level": level, "points": patient_points(middle), **({"flags": ["CEMENT"]} if level == "L1" else {})}
        for level, middle in MIDDLES.items()
    ]
    outcome = measure_files(images, settings=REPORT_ALONE, supplied=_document(vertebrae=vertebrae))
    found = {vertebra.level: vertebra for vertebra in outcome.findings.vertebrae}

    assert "CEMENT" in found["L1"].flags
    assert found["L1"].measured is not None
    assert (None, ("T12", "L2")) == (found["L1"].measured.genant_grade, found["L1"].measured.reference.levels)
    assert ("L1",) == outcome.findings.summary.ungradable
    assert outcome.report is not None
    report = pydicom.dcmread(BytesIO(outcome.report.data))
    (summary,) = named(report, "Qualitative Evaluations")
    (exception,) = named(summary, "Level that could not be evaluated")
    assert exception.TextValue.startswith("L1: measured but not graded: CEMENT")


def test_limits_and_their_sources_stand_in_the_report(images: list[Path]) -> None:
    """The parameters of each group name every limit with its source: the defaults, or those of the department."""
    own = {"kyphosis_limit": {"upper_deg": 30.0, "source": "a department"}}
    defaults, set_otherwise = (
        measure_files(images, settings=settings, supplied=_document()).report
        for settings in (Settings(), Settings.model_validate({"measure": own}))
    )

    assert defaults is not None
    assert set_otherwise is not None
    assert b"segmental kyphosis: upper limit 20 deg; source: project default; no primary source found" in defaults.data
    assert b"segmental kyphosis: upper limit 30 deg; source: a department" in set_otherwise.data


def test_the_default_policy_is_the_configurations() -> None:
    """Borders and limits of the method are those that a node without a configuration has."""
    assert Policy() == policy_of(Settings().measure)


def test_modality_and_posture_of_the_images_are_kept(tmp_path: Path) -> None:
    """Findings say what kind of images the points lie on and how the patient lay, where the images say so."""
    lying = [ct_slice(number) for number in (1, 2, 3)]
    for image in lying:
        image.PatientPosition = "HFS"
    outcome = measure_files(write(tmp_path / "lying", *lying), settings=REPORT_ALONE, supplied=_document())

    assert (("CT",), ("HFS",)) == (outcome.findings.modalities, outcome.findings.patient_positions)
    assert outcome.report is not None
    assert len(MIDDLES) == outcome.report.data.count(b"patient position: HFS")


def test_the_report_says_how_points_came_about(images: list[Path]) -> None:
    """The document's source and observer stand among the algorithm's parameters of each group."""
    document = _document(source="automatic", observer="Reader, One")
    outcome = measure_files(images, settings=REPORT_ALONE, supplied=document)

    assert outcome.report is not None
    assert len(MIDDLES) == outcome.report.data.count(b"landmarks placed: automatic, by Reader, One")


@pytest.mark.parametrize("offset", ["", "+0900"])
def test_the_content_date_is_what_the_objects_clock_showed(tmp_path: Path, offset: str) -> None:
    """With or without an offset from UTC, a report made from files alone has the wall-clock time of the newest."""
    image = ct_slice(1)
    image.InstanceCreationDate, image.InstanceCreationTime = "20260304", "180000"
    if offset:
        image.TimezoneOffsetFromUTC = offset
    report = _report_of(write(tmp_path / "images", image), _document())

    assert ("20260304", "180000") == (report.ContentDate, str(report.ContentTime)[:6])
    assert offset == report.get("TimezoneOffsetFromUTC", "")

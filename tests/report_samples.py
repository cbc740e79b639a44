"""Made-up sources and findings in closed form, and the reports on them, each built once a session.

A vertebra is a body 34 deep with Ha = 24, Hm = 21, Hp = 25 about a horizontal middle line: every number that is
expected of it can be worked out by hand.
"""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Final, Literal

from pydicom.dataset import Dataset

from sr_templates.document import SOP_CLASSES, ReportContext, build_report, to_bytes
from sr_templates.findings import (
    Deformity,
    Kyphosis,
    Landmarks,
    LandmarkSource,
    Measured,
    Pattern,
    Point,
    Reference,
    ReferenceRule,
    Slip,
    Space,
    StudyFindings,
    Summary,
    Triple,
    VertebraFinding,
    WedgingAssessment,
    WedgingDirection,
)

STUDY: Final = "1.2.826.0.1.3680043.10.999.1"
FRAME_OF_REFERENCE: Final = f"{STUDY}.9"
CT: Final = "1.2.840.10008.5.1.4.1.1.2"
DX: Final = "1.2.840.10008.5.1.4.1.1.1.1"
COMPREHENSIVE_3D, COMPREHENSIVE, ENHANCED = SOP_CLASSES
SEG: Final = "1.2.840.10008.5.1.4.1.1.66.4"
STARTED: Final = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HEIGHTS: Final = Triple(anterior=24.0, middle=21.0, posterior=25.0)
EXPECTED: Final = Triple(anterior=30.0, middle=28.0, posterior=25.0)
#: 100 (1 - H / E): 20.0, 25.0, 0.0.
LOSSES: Final = Triple(anterior=20.0, middle=25.0, posterior=0.0)
Sample = Literal["patient", "image", "uncalibrated"]


def header(sop_class: str, number: int, modality: str) -> Dataset:
    """Return the header of one source object with everything a PACS expects."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID = sop_class
    series = f"{STUDY}.{3 if modality == 'SEG' else 2}"
    ds.SOPInstanceUID = f"{series}.{number}"
    ds.StudyInstanceUID = STUDY
    ds.SeriesInstanceUID = series
    ds.Modality = modality
    ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = "Müller^Jörg", "P-4711", "HOSPITAL"
    ds.PatientBirthDate, ds.PatientSex = "19500203", "M"
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20260304", "040000", "S1", "A77"
    ds.ReferringPhysicianName = "Doe^Jane"
    return ds


def ct_slice(number: int) -> Dataset:
    """Return a sagittal CT slice: columns go posterior, rows go inferior, 3 mm apart, 1 mm pixels."""
    ds = header(CT, number, "CT")
    ds.FrameOfReferenceUID = FRAME_OF_REFERENCE
    ds.Rows, ds.Columns, ds.PixelSpacing = 256, 200, [1.0, 1.0]
    ds.ImageOrientationPatient = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]
    ds.ImagePositionPatient = [3.0 * number, -100.0, 128.0]
    return ds


def dx_lateral() -> Dataset:
    """Return a lateral radiograph: columns go posterior, rows go to the feet, 0.2 mm on the detector."""
    ds = header(DX, 1, "DX")
    ds.Rows, ds.Columns, ds.ImagerPixelSpacing = 2000, 1000, [0.2, 0.2]
    ds.PatientOrientation = ["P", "F"]
    return ds


def segmentation() -> Dataset:
    """Return the header of a segmentation of the CT."""
    ds = header(SEG, 1, "SEG")
    ds.FrameOfReferenceUID = FRAME_OF_REFERENCE
    return ds


def patient_points(middle: float) -> dict[str, Point]:
    """Return six points, LPS mm: y goes posterior, z superior, about the height `middle`."""
    found: dict[str, Point] = {}
    for column, y, height in (("A", -17.0, 24.0), ("M", 0.0, 21.0), ("P", 17.0, 25.0)):
        found[f"{column}S"] = (1.0, y, middle + height / 2)
        found[f"{column}I"] = (1.0, y, middle - height / 2)
    return found


def image_points(middle: float) -> dict[str, Point]:
    """Return the same body in pixels of 1 mm: columns go posterior, rows go inferior."""
    return {name: (500.0 + y, 1000.0 - z) for name, (_, y, z) in patient_points(middle).items()}


def measured(landmarks: Landmarks, *, calibrated: bool = True) -> Measured:
    """Return what follows from the body: grade 2 by the middle loss of 25 %, biconcave, anterior wedging of 4 %."""
    return Measured(
        landmarks=landmarks,
        heights_mm=HEIGHTS if calibrated else None,
        wedge_ratio=24 / 25,
        biconcavity_ratio=21 / 25,
        crush_above=1.0,
        crush_below=1.0,
        wedging_percent=-4.0,
        wedge_angle_deg=-1.68,
        height_loss_percent=LOSSES,
        loss_sd_points=3.0,
        reference=Reference(rule=ReferenceRule.FIT, levels=("T11", "L2", "L3"), heights=EXPECTED),
        genant_grade=2,
        grade_probabilities=(0.05, 0.45, 0.5, 0.0),
        borderline=True,
        deformity=Deformity.BICONCAVE,
        wedging_direction=WedgingDirection.ANTERIOR,
        wedging_assessment=WedgingAssessment.NO_LIMIT_FOR_LEVEL,
    )


def vertebra(level: str, middle: float, sample: Sample) -> VertebraFinding:
    """Return one measured vertebra."""
    if sample == "patient":
        points = Landmarks(
            space=Space.PATIENT,
            points=patient_points(middle),
            sop_instance_uid=f"{STUDY}.3.1",
            frame_of_reference_uid=FRAME_OF_REFERENCE,
        )
        source = LandmarkSource.SEGMENTATION
    else:
        points = Landmarks(space=Space.IMAGE, points=image_points(middle), sop_instance_uid=f"{STUDY}.2.1")
        source = LandmarkSource.SUPPLIED_JSON
    numbers = measured(points, calibrated=sample != "uncalibrated")
    if sample == "patient":
        numbers = replace(numbers, axial_spacing_mm=1.0, spacing_source="patient")
    return VertebraFinding(level=level, landmark_source=source, measured=numbers, flags=("LIMITED_SAMPLING",))


def unmeasured(level: str) -> VertebraFinding:
    """Return a vertebra that could not be measured."""
    return VertebraFinding(
        level=level, landmark_source=LandmarkSource.SEGMENTATION, measured=None, reason="TOUCHES_BORDER"
    )


def _kyphosis(level: str, ends: tuple[str, str], angle_deg: float) -> Kyphosis:
    """Return a segmental kyphosis against a limit of 20 degrees."""
    return Kyphosis(
        level=level,
        above=ends[0],
        below=ends[1],
        angle_deg=angle_deg,
        beyond_limit=angle_deg > 20,
        limit_deg=20.0,
        limit_source="a department",
    )


@cache
def findings(sample: Sample) -> StudyFindings:
    """Return T12, L1 (the lowest, without a crush ratio below) and L6 measured, L4 not."""
    low = vertebra("L1", -32.0, sample)
    assert low.measured is not None
    return StudyFindings(
        study_instance_uid=STUDY,
        software="spondyl 1.2.3",
        config_digest="c0ffee",
        landmark_protocol="spondyl-six-point/1",
        vertebrae=(
            vertebra("T12", 0.0, sample),
            replace(low, measured=replace(low.measured, crush_below=None)),
            vertebra("L6", -192.0, sample),
            unmeasured("L4"),
        ),
        summary=Summary(
            graded=3,
            deformed=3,
            ungradable=("L4",),
            max_grade=2,
            spinal_deformity_index=4,
            sdi_is_lower_bound=True,
            kyphosis=(_kyphosis("L1", ("T12", "L2"), 18.25), _kyphosis("T12", ("T11", "L1"), 24.5)),
            listhesis=(Slip(upper="L4", lower="L5", slip_mm=3.2, slip_percent=9.1, meyerding_grade=1),),
            patterns=(Pattern(word="ADJACENT_MILD_WEDGING", levels=("T12", "L1", "L2")),),
        ),
    )


@cache
def context(sample: Sample) -> ReportContext:
    """Return the sources of a sample: three CT slices and their segmentation, or one radiograph."""
    if sample == "patient":
        return ReportContext(images=tuple(ct_slice(n) for n in (1, 2, 3)), others=(segmentation(),), started_at=STARTED)
    return ReportContext(images=(dx_lateral(),), started_at=STARTED)


def build(found: StudyFindings, sources: ReportContext, sop_class_uid: str = COMPREHENSIVE_3D) -> Dataset:
    """Return a report in the SOP class that says most, where a test does not ask for another."""
    return build_report(found, sources, sop_class_uid)


@cache
def report(sample: Sample, sop_class_uid: str = COMPREHENSIVE_3D) -> Dataset:
    """Return the report on a sample; it is shared, so no test may change it."""
    return build(findings(sample), context(sample), sop_class_uid)


@cache
def report_bytes(sample: Sample, sop_class_uid: str = COMPREHENSIVE_3D) -> bytes:
    """Return the report on a sample as a file."""
    return to_bytes(report(sample, sop_class_uid))


def named(ds: Dataset, meaning: str) -> list[Dataset]:
    """Return the children of a content item whose concept name has this meaning, in document order."""
    return [item for item in ds.ContentSequence if item.ConceptNameCodeSequence[0].CodeMeaning == meaning]


def groups(ds: Dataset) -> list[Dataset]:
    """Return the measurement groups of a report."""
    return named(named(ds, "Imaging Measurements")[0], "Measurement Group")

"""Values of source headers that break their VR (PS3.5 6.2): no object of ours is broken by one, or held back for it."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from pydicom import config, dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from report_samples import Sample, build, context, ct_slice, dx_lateral, findings

from sr_templates import source_uids
from sr_templates.capture import build_capture
from sr_templates.check import problems
from sr_templates.derived import Section, build_sagittal
from sr_templates.document import SOP_CLASSES, to_bytes
from sr_templates.encapsulated import build_pdf
from sr_templates.envelope import Derivation
from sr_templates.findings import VertebraFinding
from sr_templates.presentation_state import build_presentations

#: pydicom warns of the values that these tests break.
pytestmark = pytest.mark.filterwarnings("ignore:.*(Invalid value|value length|Value '|number of char):UserWarning")
FRAME, SERIES, INSTANCE = "1.2.03.4", "1.2.03.5", "3.1.2"
#: One value each that a file may hold and its VR forbids.
ODD: dict[str, object] = {
    "PatientID": "9" * 70,
    "PatientAge": "24",
    "StudyDescription": "x" * 70,
    "FrameOfReferenceUID": FRAME,
    "SeriesInstanceUID": SERIES,
    "SOPInstanceUID": INSTANCE,
    "PatientPosition": "head first and on the back",
    "VOILUTFunction": "linear, as the vendor means it",
    "ScanningSequence": "spin echo by the vendor",
    "SequenceVariant": "of the vendor, none",
    "ScanOptions": "all that the vendor has",
    "EchoTrainLength": "3.5",
    "RescaleSlope": "0.000244200244200244",
    "RescaleIntercept": "-1024.0000000000002",
    "WindowCenter": "400.00000000000006",
    "WindowWidth": "1800.0000000000002",
    "PixelSpacing": ["0.98828125000000012"] * 2,
    "PixelAspectRatio": ["99999999999", "99999999999"],
}


def _odd(image: Dataset, **changes: object) -> Dataset:
    """Return an image with these values as they come from a file."""
    for keyword, value in changes.items():
        image[keyword] = DataElement(keyword, dictionary_VR(keyword), None)
        # The numbers would not let themselves be set: a file may hold them all the same.
        vr = "LO" if dictionary_VR(keyword) in {"DS", "IS"} else dictionary_VR(keyword)
        image[keyword] = DataElement(keyword, vr, value, validation_mode=config.IGNORE)
    image.PhotometricInterpretation = "MONOCHROME2"
    return image


def _all(sample: Sample, image: Dataset) -> Iterator[Dataset]:
    """Give all objects of a study of this one image."""
    found = findings(sample)
    found = replace(found, vertebrae=tuple(map(_moved, found.vertebrae[:1])))
    sources = replace(context(sample), images=(image,), others=())
    derivation = Derivation(description="a page", sources=(image,))
    yield from (build(found, sources, sop_class) for sop_class in SOP_CLASSES)
    yield build_capture(np.zeros((4, 4, 3), np.uint8), found, sources, derivation=derivation)
    yield build_pdf(b"%PDF-1.4", found, sources, derivation=derivation)
    yield from build_presentations(found, sources)
    if sample == "patient":
        section = Section(values=np.zeros((4, 4), np.float32), axes=np.eye(3)[1:], origin=np.zeros(3), pixel_mm=1.0)
        yield build_sagittal(section, found, sources, sources=(image,))


def _moved(vertebra: VertebraFinding) -> VertebraFinding:
    """Return a vertebra that lies in the image of these tests."""
    assert vertebra.measured is not None
    landmarks = vertebra.measured.landmarks
    if landmarks.frame_of_reference_uid:
        landmarks = replace(landmarks, frame_of_reference_uid=FRAME)
    else:
        landmarks = replace(landmarks, sop_instance_uid=INSTANCE)
    return replace(vertebra, measured=replace(vertebra.measured, landmarks=landmarks))


def _read(made: Dataset) -> Dataset:
    return dcmread(BytesIO(to_bytes(made)))


@pytest.mark.parametrize("sample", ["patient", "image"])
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_no_object_is_held_back_for_an_odd_value_of_a_source(sample: Sample, modality: str) -> None:
    """With an odd value wherever one is read, each object is made, and passes our own check."""
    image = _odd(ct_slice(1) if sample == "patient" else dx_lateral(), **ODD)
    image.SliceThickness = 9.0
    if sample == "patient":
        image.Modality = modality
    made = [_read(one) for one in _all(sample, image)]

    assert (7 if sample == "patient" else 6) == len(made)
    assert [[]] * len(made) == [problems(one, known={INSTANCE}) for one in made]


def test_references_and_what_names_the_patient_are_repeated_as_they_are() -> None:
    """A malformed UID is still the image's, and an archive finds the study by the ID: both stay, the age goes."""
    made = [_read(one) for one in _all("patient", _odd(ct_slice(1), **ODD))]
    report = made[0]
    series = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]

    assert ({"9" * 70}, {False}) == ({one.PatientID for one in made}, {"PatientAge" in one for one in made})
    assert (SERIES, INSTANCE) == (series.SeriesInstanceUID, series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    assert FRAME == made[-1].FrameOfReferenceUID
    assert FRAME in str(report)


def test_a_validator_is_shown_well_formed_uids() -> None:
    """In the copy for it the same malformed UID has the same stand-in everywhere; ours are left to be judged."""
    report = _read(next(_all("patient", _odd(ct_slice(1), **ODD))))
    ours = report.SeriesInstanceUID
    report.ContributingEquipmentSequence[0].DeviceUID = "1.02"
    source_uids.mend(report)
    text = str(report)

    assert (ours, "1.02") == (report.SeriesInstanceUID, report.ContributingEquipmentSequence[0].DeviceUID)
    assert not [uid for uid in (FRAME, SERIES, f"UI: {INSTANCE}") if uid in text]
    assert ["ContributingEquipmentSequence[0].DeviceUID: is no UID"] == [
        line for line in problems(report, known=_referenced(report)) if "is no UID" in line
    ]


def _referenced(report: Dataset) -> set[str]:
    study = report.CurrentRequestedProcedureEvidenceSequence[0]
    return {item.ReferencedSOPInstanceUID for item in study.ReferencedSeriesSequence[0].ReferencedSOPSequence}


def test_a_frame_of_reference_that_is_several_is_none() -> None:
    """Two values are no frame of reference: none of them is repeated, and the report is whole."""
    image = _odd(dx_lateral(), FrameOfReferenceUID=["1.2.3", "1.2.4"])
    report = _read(build(findings("image"), replace(context("image"), images=(image,), others=())))

    assert "1.2.4" not in str(report)
    assert [] == problems(report, known={str(image.SOPInstanceUID)})


@pytest.mark.parametrize("uid", ["1.2.03", "3.1", "1", "1.2.", "1..2", "1." + "1" * 63, "1.2\n", "1.٢", ""])
def test_malformed_uids(uid: str) -> None:
    """Leading zeros, a first arc beyond 2, one component, empty ones, too long, other signs (PS3.5 9.1)."""
    assert not source_uids.is_uid(uid)


@pytest.mark.parametrize("uid", ["1.2.3", "0.0", "2.25.0", "1." + "1" * 62])
def test_well_formed_uids(uid: str) -> None:
    """64 characters at most."""
    assert source_uids.is_uid(uid)

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    SegmentationStorage,
    XRayAngiographicImageStorage,
)
from report_samples import report
from servers import Orthanc, StoreScp, run_orthanc, run_storescp, wait_until

from service.config_peers import Destination
from service.sending import send
from sr_templates.identity import MANUFACTURER

ROUTE = (Path(__file__).resolve().parents[2] / "deploy" / "orthanc" / "route.lua").read_text(encoding="utf-8")
SR = "1.2.840.10008.5.1.4.1.1.88.33"
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
#: The study that the objects of a test belong to where nothing else is said, and one that is about a spine.
SPINE = 3
#: Orthanc's stable age in these tests and time for its job, seconds.
QUIET_S = 4.0


@dataclass(frozen=True, kw_only=True)
class Routed:
    """An Orthanc that routes, and what stands where Spondyl does."""

    folder: Path
    orthanc: Orthanc
    spondyl: StoreScp

    def send(
        self,
        number: int,
        sop_class: str,
        modality: str,
        *,
        series: int = 1,
        study: int = 3,
        manufacturer: str = "Other",
        **attributes: object,
    ) -> None:
        """Send Orthanc one object; `attributes` are further ones. A study that is not SPINE says that it is a chest."""
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = UID(sop_class), UID(f"1.2.{study}.{series}.{number}")
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"1.2.{study}", f"1.2.{study}.{series}"
        dataset.Modality, dataset.Manufacturer, dataset.PatientID = modality, manufacturer, "7"
        dataset.BodyPartExamined = "LSPINE" if study == SPINE else "CHEST"
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        self.send_dataset(dataset)

    def send_dataset(self, dataset: Dataset) -> None:
        """Send Orthanc an object that is there already."""
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = self.folder / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        here = Destination(name="orthanc", ae_title="PACS", host="127.0.0.1", port=self.orthanc.port)
        assert [None] == [sent.problem for sent in send(here, [path], calling_ae="MODALITY")]

    def arrived(self) -> dict[str, int]:
        """Return when each object arrived at Spondyl last, by its name there."""
        return {path.name: path.stat().st_mtime_ns for path in self.spondyl.files()}

    def studies(self) -> set[str]:
        """Return the studies that have arrived."""
        return {str(dcmread(path, stop_before_pixels=True).StudyInstanceUID) for path in self.spondyl.files()}

    def wait_for(self, count: int) -> dict[str, int]:
        """Return what has arrived once there are `count` objects and nothing more comes."""
        wait_until(lambda: len(self.spondyl.files()) >= count, f"{count} objects are routed")
        time.sleep(QUIET_S)
        return self.arrived()


@pytest.fixture
def routed(tmp_path: Path) -> Iterator[Routed]:
    """Run an Orthanc with the script, and a peer in Spondyl's place."""
    with run_orthanc(tmp_path / "orthanc", lua=ROUTE) as orthanc, run_storescp(tmp_path / "scp") as spondyl:
        orthanc.add_modality("spondyl", "SPONDYL", spondyl.port)
        yield Routed(folder=tmp_path, orthanc=orthanc, spondyl=spondyl)


def test_what_can_be_measured_is_routed_once(routed: Routed) -> None:
    """CT and foreign reports are routed, angiography and our own reports are not; nothing is sent a second time."""
    routed.send(1, CTImageStorage, "CT")
    routed.send(2, CTImageStorage, "CT")
    routed.send(1, XRayAngiographicImageStorage, "XA", series=2)
    first = routed.wait_for(2)
    assert 2 == len(first)

    routed.send(1, SR, "SR", series=3, manufacturer=MANUFACTURER)
    time.sleep(2 * QUIET_S)
    assert first == routed.arrived(), "our own report stays, and nothing goes out again because of it"

    routed.send(1, SR, "SR", series=4)
    second = routed.wait_for(3)
    assert first.items() <= second.items(), "what went before is not sent again"
    assert 3 == len(second)


def test_a_series_that_grew_is_routed_again(routed: Routed) -> None:
    """An object that comes late to a series brings the series to Spondyl, which decides what it is worth."""
    routed.send(1, CTImageStorage, "CT")
    routed.wait_for(1)
    routed.send(2, CTImageStorage, "CT")

    assert 2 == len(routed.wait_for(2))


def test_a_job_that_failed_leaves_no_mark(routed: Routed) -> None:
    """Where Spondyl was down, the series goes out with the next stable event of its study."""
    routed.orthanc.add_modality("spondyl", "SPONDYL", 1)
    routed.send(1, CTImageStorage, "CT")
    wait_until(
        lambda: any(job["State"] == "Failure" for job in routed.orthanc.call("/jobs?expand")), "the job has failed"
    )
    routed.orthanc.add_modality("spondyl", "SPONDYL", routed.spondyl.port)
    routed.send(1, SR, "SR", series=3, manufacturer=MANUFACTURER)

    assert 1 == len(routed.wait_for(1))


def test_a_chest_radiograph_is_not_routed(routed: Routed) -> None:
    """Only spine studies are routed: what Body Part Examined or a description says decides, in any case and script."""
    said: list[dict[str, Any]] = [
        {"BodyPartExamined": "TLSPINE"},
        {"BodyPartExamined": "L SPINE"},
        {"StudyDescription": "LWS in 2 Ebenen"},
        {"SeriesDescription": "Brustwirbels\u00e4ule seitlich", "SpecificCharacterSet": "ISO_IR 192"},
        {"ProtocolName": "RACHIS LOMBAIRE"},
        {"StudyDescription": "Columna dorsal"},
    ]
    for number, texts in enumerate(said, 10):
        routed.send(1, DigitalXRayImageStorageForPresentation, "DX", study=number, **texts)
    routed.send(1, DigitalXRayImageStorageForPresentation, "DX", study=20, StudyDescription="Thorax p.a.")
    routed.send(1, CTImageStorage, "CT", study=21, ProtocolName="CTA thoracic aorta")
    routed.wait_for(len(said))

    assert {f"1.2.{number}" for number, _ in enumerate(said, 10)} == routed.studies()


def _segment(number: int, label: str) -> Dataset:
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = number, label
    return segment


def _foreign_report(study: int, *, points: bool) -> Dataset:
    """Return a report of another producer on a study that is described as a chest."""
    made = copy.deepcopy(report("image"))
    made.Manufacturer, made.StudyInstanceUID, made.PatientID = "Other", f"1.2.{study}", "7"
    made.SOPInstanceUID, made.SeriesInstanceUID = UID(f"1.2.{study}.2.1"), UID(f"1.2.{study}.2")
    for keyword in ("SeriesDescription", "StudyDescription"):
        made.pop(keyword, None)
    if not points:
        made.ContentSequence = [_finding("The thoracic spine is unremarkable.")]
    return made


def _finding(text: str) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType, item.TextValue = "CONTAINS", "TEXT", text
    return item


def test_masks_and_landmarks_of_vertebrae_make_a_spine_study(routed: Routed) -> None:
    """A CT of a chest is routed with its mask of vertebrae or its points, not with one of lungs or a plain report."""
    for study, label in ((10, "vertebrae_T12"), (20, "Lung")):
        routed.send(1, CTImageStorage, "CT", study=study)
        mask = [_segment(1, "Heart"), _segment(2, label)]
        routed.send(1, SegmentationStorage, "SEG", study=study, series=2, SegmentSequence=mask)
    for study, points in ((11, True), (21, False)):
        routed.send(1, CTImageStorage, "CT", study=study)
        routed.send_dataset(_foreign_report(study, points=points))
    routed.wait_for(4)

    assert {"1.2.10", "1.2.11"} == routed.studies()


def test_what_a_reader_changed_comes_back_to_us(routed: Routed) -> None:
    """Our name on it or not: a report that is verified or names a person, a presentation state with its creator."""
    observer = Dataset()
    observer.RelationshipType, observer.ValueType, observer.PersonName = "HAS OBS CONTEXT", "PNAME", "Doe^Jane"
    concept = Dataset()
    concept.CodeValue, concept.CodingSchemeDesignator, concept.CodeMeaning = "121008", "DCM", "Person Observer Name"
    observer.ConceptNameCodeSequence = [concept]
    ours: list[tuple[str, str, dict[str, Any]]] = [
        (SR, "SR", {"VerificationFlag": "UNVERIFIED"}),
        (GSPS, "PR", {"ContentCreatorName": ""}),
        (SR, "SR", {"VerificationFlag": "VERIFIED"}),
        (SR, "SR", {"VerificationFlag": "UNVERIFIED", "ContentSequence": [observer]}),
        (GSPS, "PR", {"ContentCreatorName": "Doe^Jane"}),
    ]
    for series, (sop_class, modality, more) in enumerate(ours, 2):
        routed.send(1, sop_class, modality, series=series, manufacturer=MANUFACTURER, **more)
    routed.send(1, CTImageStorage, "CT")

    routed.wait_for(4)
    series_of = {str(dcmread(path, stop_before_pixels=True).SeriesInstanceUID) for path in routed.spondyl.files()}
    assert {"1.2.3.1", "1.2.3.4", "1.2.3.5", "1.2.3.6"} == series_of


def test_our_own_report_makes_no_spine_study(routed: Routed) -> None:
    """A report of ours is no evidence: what Spondyl made must not bring a study to Spondyl."""
    routed.send(1, CTImageStorage, "CT", study=20)
    own = _foreign_report(20, points=True)
    own.Manufacturer = MANUFACTURER
    routed.send_dataset(own)
    routed.send(1, CTImageStorage, "CT")
    routed.wait_for(1)

    assert {"1.2.3"} == routed.studies()

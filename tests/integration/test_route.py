import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, XRayAngiographicImageStorage
from servers import Orthanc, StoreScp, run_orthanc, run_storescp, wait_until

from service.config import Destination
from service.sending import send
from sr_templates.identity import MANUFACTURER

ROUTE = (Path(__file__).resolve().parents[2] / "deploy" / "orthanc" / "route.lua").read_text(encoding="utf-8")
SR = "1.2.840.10008.5.1.4.1.1.88.33"
#: Orthanc's stable age in these tests and time for its job, seconds.
QUIET_S = 4.0


@dataclass(frozen=True, kw_only=True)
class Routed:
    """An Orthanc that routes, and what stands where Spondyl does."""

    folder: Path
    orthanc: Orthanc
    spondyl: StoreScp

    def send(self, number: int, sop_class: str, modality: str, *, series: int = 1, manufacturer: str = "Other") -> None:
        """Send Orthanc one object of the study."""
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = UID(sop_class), UID(f"1.2.3.{series}.{number}")
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", f"1.2.3.{series}"
        dataset.Modality, dataset.Manufacturer, dataset.PatientID = modality, manufacturer, "7"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = self.folder / f"{series}-{number}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        here = Destination(name="orthanc", ae_title="PACS", host="127.0.0.1", port=self.orthanc.port)
        assert [None] == [sent.problem for sent in send(here, [path], calling_ae="MODALITY")]

    def arrived(self) -> dict[str, int]:
        """Return when each object arrived at Spondyl last, by its name there."""
        return {path.name: path.stat().st_mtime_ns for path in self.spondyl.files()}

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

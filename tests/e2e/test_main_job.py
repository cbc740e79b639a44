"""The main job on a real study: C-STORE in, structured report in a real Orthanc."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest
from nodes import findings_of, reports_in, serving, storescu, wait_for_report, write_config
from pydicom.dataset import FileDataset
from servers import pixelmed, program, run_orthanc

QUIET_S = 2.0
LEVELS = ("T10", "T11", "T12", "L1", "L2", "L3")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What came of the real study."""

    study_instance_uid: str
    report: Path
    processor_s: float
    findings: dict[str, dict[str, Any]]
    reports: int

    @property
    def dataset(self) -> FileDataset:
        """The report, read from Orthanc."""
        return pydicom.dcmread(self.report)


@pytest.fixture(scope="module")
def job(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """Send the real study by storescu to `spondyl serve` with Orthanc as destination."""
    base = tmp_path_factory.mktemp("main")
    study = test_data / "verse012"
    uid = str(pydicom.dcmread(study / "SEG" / "seg.dcm", stop_before_pixels=True).StudyInstanceUID)
    with run_orthanc(base / "orthanc") as orthanc:
        node = write_config(base / "node", {"pacs": ("PACS", orthanc.port)}, quiet_s=QUIET_S)
        with serving(node):
            before = node.processor_s()
            sent = storescu([study / "CT", study / "SEG"], node.port)
            assert sent.returncode == 0, sent.stderr
            wait_for_report(orthanc, uid)
            node.wait_for("reported")
            processor_s = node.processor_s() - before
            status, findings = node.get(f"/api/v1/studies/{uid}/findings")
            assert status == 200, findings
            reports = reports_in(orthanc, uid)
            (base / "sr.dcm").write_bytes(reports[0])
            yield Job(
                study_instance_uid=uid,
                report=base / "sr.dcm",
                processor_s=processor_s,
                findings=findings_of(findings),
                reports=len(reports),
            )


def test_the_report_is_back_in_time(job: Job) -> None:
    """One report lies in Orthanc, under the same study; the whole node needed less than 15 s of one core for it.

    So it is back within the quiet period and 15 s where a core is free, which a machine that runs other tests has not:
    the time itself is what benchmarks/turnaround.py prints.
    """
    assert (1, job.study_instance_uid) == (job.reports, job.dataset.StudyInstanceUID)
    assert job.processor_s <= 15


def test_every_vertebra_is_in_it(job: Job) -> None:
    """Each vertebra of the study has a finding."""
    assert set(LEVELS) == set(job.findings)


@pytest.mark.parametrize(
    ("level", "allowed"), [("L1", {2, 3}), ("T10", {0, 1}), ("T12", {0, 1}), ("L2", {0, 1}), ("T11", {0, 1, 2})]
)
def test_the_grades_agree_with_the_readers(job: Job, level: str, allowed: set[int]) -> None:
    """The crushed L1 is moderate or severe, its whole neighbours are not, and T11's osteophyte makes nothing severe."""
    assert job.findings[level]["genant_grade"] in allowed, job.findings[level]


def test_every_vertebra_states_reference_and_certainty(job: Job) -> None:
    """Each measured vertebra names its reference rule and how sure its grade is."""
    for vertebra in job.findings.values():
        assert vertebra["reference"]["rule"] in {"fit", "adjacent_2", "adjacent_1", "within_vertebra"}
        assert sum(vertebra["grade_probabilities"]) == pytest.approx(1)
        assert isinstance(vertebra["borderline"], bool)


def test_it_claims_no_more_than_a_machine_may(job: Job) -> None:
    """The report is complete, unverified and preliminary, of this patient, and never says fracture."""
    report = job.dataset

    assert ("COMPLETE", "UNVERIFIED", "PRELIMINARY") == (
        report.CompletionFlag,
        report.VerificationFlag,
        report.PreliminaryFlag,
    )
    assert ("VerSe^sub-verse012", "sub-verse012") == (str(report.PatientName), report.PatientID)
    assert not re.search("fracture|osteoporo", str(report), re.IGNORECASE)


def test_dciodvfy_finds_no_error(job: Job) -> None:
    """Dciodvfy names no error."""
    checked = subprocess.run([program("dciodvfy"), str(job.report)], capture_output=True, text=True, check=False)

    assert [] == re.findall("^Error.*", checked.stdout + checked.stderr, re.MULTILINE)


def test_pixelmed_finds_no_error(job: Job) -> None:
    """PixelMed's validator, which knows the templates, names no error."""
    said = pixelmed([job.report])[job.report]

    assert "Root Template Validation Complete" in said
    assert [] == [line for line in said if line.startswith("Error")]


def test_dcmtk_reads_it(job: Job) -> None:
    """Dsrdump prints the tree."""
    dumped = subprocess.run([program("dsrdump"), str(job.report)], capture_output=True, text=True, check=False)

    assert dumped.returncode == 0, dumped.stderr
    assert "Imaging Measurement Report" in dumped.stdout


def test_dcmqi_reads_it(job: Job, tmp_path: Path) -> None:
    """Dcmqi's reader, which 3D Slicer uses, finds a measurement group for each measured vertebra."""
    out = tmp_path / "measurements.json"
    command = [program("tid1500reader"), "--inputDICOM", str(job.report), "--outputMetadata", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    groups = json.loads(out.read_text(encoding="utf-8"))["Measurements"]

    assert sum(v["status"] == "measured" for v in job.findings.values()) == len(groups)

"""Patient data stays in the objects: planted values appear in no log line, metric, page, alert or command."""

from pathlib import Path

import pydicom
import pytest
from nodes import reports_in, serving, storescu, wait_for_report, write_config
from servers import Orthanc
from small_study import make_small_studies

from service.spool import study_key

NAME, IDENTIFIER, ACCESSION = "Plantedname", "PLANTED-ID-77", "PLANTED-ACC-9"
PAGES = ("/", "/studies", "/failures", "/destinations", "/sources", "/configuration", "/metrics", "/readyz")
API = ("studies", "events", "overview", "openapi.json")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Give a phantom study of the planted patient, with one object that makes libraries complain of its values."""
    [study] = make_small_studies(tmp_path / "study", 1, name=f"{NAME}^Planted").values()
    files = sorted(study.iterdir())
    for path in files:
        each = pydicom.dcmread(path)
        each.PatientID, each.AccessionNumber = IDENTIFIER, ACCESSION
        each.save_as(path)
    first = files[0]
    odd = pydicom.dcmread(first)
    odd.add_new(0x00100030, "LO", f"{NAME} not a date")
    odd["PatientBirthDate"].VR = "DA"
    odd.save_as(first)
    return study


def test_planted_patient_data_appears_nowhere(orthanc: Orthanc, tmp_path: Path, study: Path) -> None:
    """After a study was received, measured, delivered and asked for, its patient is in no log, metric, page or alert.

    Nobody has an account: whoever asks at this machine is a viewer, who has no right to see a patient.
    """
    first = next(path for path in study.rglob("*") if path.is_file())
    uid = str(pydicom.dcmread(first, stop_before_pixels=True).StudyInstanceUID)
    node = write_config(tmp_path / "node", {"pacs": (orthanc.ae_title, orthanc.port)})

    with serving(node):
        assert storescu([study], node.port).returncode == 0
        wait_for_report(orthanc, uid)
        node.wait_for("reported")
        key = study_key(uid)
        here = [f"/studies/{key}{part}" for part in ("", "/findings.json", "/findings.csv")]
        asked = [*PAGES, *here, *(f"/api/v1/{name}" for name in API), f"/api/v1/studies/{uid}"]
        answers = [node.get(path)[1] for path in asked]
        refused = [node.get(f"/studies/{key}/{part}")[0] for part in ("reports/1", "pictures/1.png")]
        words = (("studies",), ("studies", uid), ("studies", "--json"), ("alert", "list"), ("doctor",))
        shown = node.commands(*words)

    shown.check_returncode()
    said = "\n".join([node.log, *answers, str(shown)]).casefold()
    assert NAME.casefold() not in said
    assert IDENTIFIER.casefold() not in said
    assert ACCESSION.casefold() not in said
    assert [403, 403] == refused
    assert NAME.encode() in reports_in(orthanc, uid)[0], "the report itself names its patient"

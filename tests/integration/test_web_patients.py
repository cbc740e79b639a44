"""What shows a patient: picture, report and search are an operator's, each look is written down, nothing leaks."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from comparison_samples import PRIOR, T12
from ledgers import deliver, measure, new_report, settle, study_of
from PIL import Image
from pydantic import SecretStr
from report_samples import context, findings, report_bytes
from sqlalchemy import update
from web_client import Client, app_of

from service.config import Settings, Storage
from service.ledger.engine import writing
from service.ledger.people import Role
from service.ledger.tables import revisions, studies
from service.passwords import digest
from service.wiring import Node, open_node
from sr_templates.capture import build_capture
from sr_templates.comparison import Comparison
from sr_templates.document import to_bytes
from sr_templates.envelope import Derivation
from sr_templates.findings import StudyFindings
from sr_templates.findings_json import to_json

NOW = 100_000.0
OPERATOR = {"Authorization": "Bearer spo_anna", "Accept": "text/html"}
VIEWER = {"Authorization": "Bearer spo_vera", "Accept": "text/html"}
#: Of the samples' header.
PATIENT = ("Müller", "Jörg", "P-4711", "1950", "A77")
PAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


@pytest.fixture
def node(sqlite_url: str, tmp_path: Path) -> Iterator[Node]:
    """Open a node with an operator, a viewer, and one reported study whose objects lie in its spool."""
    storage = Storage(root=tmp_path / "state", ledger=SecretStr(sqlite_url), min_free_gb=0)
    with open_node(Settings(storage=storage), clock=lambda: NOW) as opened:
        opened.ledger.people.put("anna", Role.OPERATOR, now=1.0, token=digest("spo_anna"))
        opened.ledger.people.put("vera", Role.VIEWER, now=1.0, token=digest("spo_vera"))
        made = [new_report("2.25.1"), new_report("2.25.2", kind="summary")]
        for job in measure(opened.ledger, objects=made):
            deliver(opened.ledger, job)
        key = study_of(opened.ledger).key
        picture = build_capture(
            PAGE, findings("patient"), context("patient"), derivation=Derivation(description="a test")
        )
        opened.spool.write_report(key, "2.25.1.dcm", report_bytes("patient"))
        opened.spool.write_report(key, "2.25.2.dcm", to_bytes(picture))
        with writing(opened.ledger.engine) as connection:
            connection.execute(update(studies).values(patient_id="P-4711", accession_number="A77"))
            text = json.dumps(to_json(_compared()))
            connection.execute(update(revisions).values(findings=text))
        yield opened


def _compared() -> StudyFindings:
    return replace(findings("patient"), comparison=Comparison(prior=PRIOR, levels=(T12,)))


@pytest.fixture
def client(node: Node) -> Client:
    """Give a client."""
    return Client(app_of(node))


def _paths(node: Node) -> dict[str, str]:
    detail = node.ledger.admin.study("1.2.3")
    numbers = {row.kind: row.id for row in detail.reports}
    here = f"/studies/{detail.study.key}"
    return {
        "study": here,
        "picture": f"{here}/pictures/{numbers['summary']}.png",
        "report": f"{here}/reports/{numbers['sr']}",
    }


def _trail(node: Node) -> list[tuple[str, str, str]]:
    return [(each.actor, each.action, each.detail) for each in node.ledger.audit.latest()]


def test_the_picture_is_the_page_that_was_sent(node: Node, client: Client) -> None:
    """An operator gets the Secondary Capture's pixels as PNG, found on the study's page; the trail has who looked."""
    paths = _paths(node)
    answer = client.get(paths["picture"], headers=OPERATOR)
    shown = np.asarray(Image.open(io.BytesIO(answer.content)))

    assert (200, "image/png", "no-store") == (
        answer.status_code,
        answer.headers["content-type"],
        answer.headers["cache-control"],
    )
    assert PAGE.tolist() == shown.tolist()
    assert f'src="{paths["picture"]}"' in client.get(paths["study"], headers=OPERATOR).text
    assert [("anna", "see_picture", study_of(node.ledger).key)] == _trail(node)


def test_the_report_can_be_read(node: Node, client: Client) -> None:
    """The tree has the report's own concepts, values and units, and its head the patient; the trail has who looked."""
    answer = client.get(_paths(node)["report"], headers=OPERATOR)

    assert 200 == answer.status_code, answer.text
    for words in ("Imaging Measurements", "Measurement Group", "24.0 mm", "T12", *PATIENT[:3]):
        assert words in answer.text
    assert [("anna", "see_report", study_of(node.ledger).key)] == _trail(node)


def test_a_viewer_sees_no_patient(node: Node, client: Client) -> None:
    """Picture, report and search are refused with 403; the study's page and the API say nothing of the patient."""
    paths = _paths(node)
    refused = [client.get(paths[name], headers=VIEWER).status_code for name in ("picture", "report")]
    refused.append(client.post("/studies/search", {"patient": "P-4711"}, headers=VIEWER).status_code)
    refused.append(client.post("/api/v1/studies/search", json={"patient": "P-4711"}, headers=VIEWER).status_code)
    every = [paths["study"], "/", "/studies", "/failures", "/destinations", "/sources", "/configuration"]
    every += [f"/api/v1{paths['study']}", "/api/v1/studies", "/api/v1/events"]
    every += [f"{paths['study']}/findings.json", f"{paths['study']}/findings.csv"]
    every += [f"/api/v1{paths['study']}/findings", f"/api/v1{paths['study']}/findings.csv"]
    said = "".join(client.get(path, headers=VIEWER).text for path in every)

    assert [403] * 4 == refused
    assert [] == [word for word in (*PATIENT, PRIOR.study_date, "pictures/") if word in said]
    assert [] == _trail(node)


@pytest.mark.parametrize("said", ["P-4711", "A77"])
def test_a_patient_is_found_by_what_is_posted(node: Node, client: Client, said: str) -> None:
    """By the whole Patient ID or accession number, page and API; neither trail nor page repeats what was asked."""
    settle(node.ledger, "1.9", now=NOW)
    page = client.post("/studies/search", {"patient": said}, headers=OPERATOR)
    found = client.post("/api/v1/studies/search", json={"patient": said}, headers=OPERATOR).json()

    assert (200, True, False) == (page.status_code, ">1.2.3</a>" in page.text, ">1.9</a>" in page.text)
    assert ["1.2.3"] == [each["study_instance_uid"] for each in found["studies"]]
    assert said not in page.text
    assert [("anna", "search_patient", "1 studies")] * 2 == _trail(node)


def test_a_part_of_an_identifier_finds_nothing(client: Client) -> None:
    """Nobody leafs through patients: a part, a wildcard or another case is nobody's, an empty word is refused."""
    pages = [
        client.post("/studies/search", {"patient": said}, headers=OPERATOR) for said in ("P-47", "P%", "p-4711", "")
    ]

    assert [200, 200, 200, 422] == [page.status_code for page in pages]
    assert all("No study that was measured" in page.text for page in pages[:3])


def test_what_is_not_there_is_said(node: Node, client: Client) -> None:
    """404 for an object of another kind or study, and where the files were removed for their age."""
    paths = _paths(node)
    number = paths["report"].rpartition("/")[2]
    node.spool.report(study_of(node.ledger).key, "2.25.1.dcm").unlink()
    asked = (f"{paths['study']}/pictures/{number}.png", f"{paths['study']}/reports/999", paths["report"])
    answers = [client.get(path, headers=OPERATOR) for path in asked]

    assert [404, 404, 404] == [answer.status_code for answer in answers]
    assert "removed for its age" in answers[2].text
    assert [] == _trail(node)


def test_a_change_is_shown_and_saved(node: Node, client: Client) -> None:
    """The page and the CSV say by how much a height changed since the prior, the least that counts, and whether."""
    paths = _paths(node)
    page = client.get(paths["study"], headers=VIEWER).text
    lines = client.get(f"{paths['study']}/findings.csv", headers=OPERATOR).text.splitlines()
    (line,) = [dict(zip(lines[0].split(","), each.split(","), strict=True)) for each in lines if each.startswith("T12")]

    assert "-6.0 (least 2.2) *" in page
    assert ("-6.0", "2.2", "true", "20.0", "", "20240506") == (
        line["height_anterior_change_mm"],
        line["height_anterior_least_significant_mm"],
        line["height_anterior_change_significant"],
        line["height_loss_anterior_change_points"],
        line["height_middle_change_mm"],
        line["prior_study_date"],
    )

"""`spondyl retract`, its button and the API: one order, three ways to give it, and what is written down."""

import json
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
import structlog
from ledgers import claim, deliver, measure, new_report, study_of
from pydantic import SecretStr
from servers import free_port
from typer.testing import CliRunner
from web_client import Client, app_of

from service.config import Settings, Storage
from service.config_peers import Destination
from service.ledger.people import Role
from service.passwords import digest
from service.states import JobState, StudyState
from service.study_identity import StudyIdentity
from service.wiring import Node, open_node
from workers.cli import app

NOW = 100_000.0
UID = "1.2.3"
ANNA = {"Authorization": "Bearer spo_anna", "Accept": "text/html"}
EVE = {"Authorization": "Bearer spo_eve"}


@pytest.fixture
def node(sqlite_url: str, tmp_path: Path) -> Iterator[Node]:
    """Open a node with a destination, an operator and a viewer; its broker does not run, its spool is empty."""
    settings = Settings(
        storage=Storage(root=tmp_path / "state", ledger=SecretStr(sqlite_url), min_free_gb=0),
        destinations=(Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=free_port(), timeout_s=2),),
    )
    with open_node(settings, clock=lambda: NOW) as opened:
        opened.ledger.people.put("anna", Role.OPERATOR, now=1.0, token=digest("spo_anna"))
        opened.ledger.people.put("eve", Role.VIEWER, now=1.0, token=digest("spo_eve"))
        yield opened


def test_the_button_takes_back_what_arrived(node: Node) -> None:
    """It stands where something arrived; a viewer may not press it, words that are none of ours are refused."""
    client = Client(app_of(node))
    [job] = measure(node.ledger)
    path = f"/studies/{study_of(node.ledger).key}"
    assert "Take back" not in client.get(path, headers=ANNA).text
    deliver(node.ledger, job)
    identity = StudyIdentity(patient_id="P-1", patient_birth_date="19500203", study_date="20260304")
    node.ledger.priors.identify(study_of(node.ledger).id, identity, own_report=None)
    assert "Take back" in client.get(path, headers=ANNA).text
    assert 403 == client.post(f"{path}/retract", {"title": "quality"}, headers=EVE).status_code
    assert 422 == client.post(f"{path}/retract", {"title": "fracture"}, headers=ANNA).status_code

    answer = client.post(f"{path}/retract", {"title": "patient-safety", "why": "wrong side"}, headers=ANNA)
    assert (303, f"{path}?done=retract") == (answer.status_code, answer.headers["location"])

    study = study_of(node.ledger)
    assert (StudyState.IGNORED, "retracted (patient-safety): wrong side") == (study.state, study.reason)
    assert ("retracted", "anna") in [(each.event, each.actor) for each in node.ledger.admin.study(UID).events]
    assert ("retract", study.key) in [(each.action, each.detail) for each in node.ledger.audit.latest(limit=5)]
    page = client.get(path, headers=ANNA, params={"done": "retract"}).text
    assert "every destination that has it is told" in page
    # The files of the study are gone: the note says of the patient what the ledger keeps.
    [row] = node.ledger.retractions.notes(study.id)
    note = pydicom.dcmread(node.spool.report(study.key, row.file_name))
    assert ("P-1", "", "19500203", "20260304") == (
        note.PatientID,
        str(note.PatientName),
        note.PatientBirthDate,
        note.StudyDate,
    )


def test_what_may_have_arrived_is_shown_and_taken_back_by_a_note_of_its_own(node: Node) -> None:
    """A PACS may refuse a note that names what it has not got: of what it has, another tells it."""
    client = Client(app_of(node))
    report, overlay = measure(node.ledger, objects=[new_report(), new_report("2.25.2", kind="gsps")])
    held = claim(node.ledger, report)
    assert node.ledger.jobs.postpone(held, until=NOW, why="pacs gave no answer", perhaps=held.choices, now=NOW)
    path = f"/studies/{study_of(node.ledger).key}"
    page = client.get(path, headers=ANNA).text
    assert ("may have been stored: pacs gave no answer" in page, "Take back" in page) == (True, True)
    deliver(node.ledger, overlay)

    answer = client.post(f"/api/v1/studies/{UID}/retract", headers=ANNA, json={"title": "quality"})
    told = [(each["destination"], each["objects"]) for each in answer.json()["told"]]
    assert [("pacs", 1), ("pacs", 1)] == told
    study = study_of(node.ledger)
    notes = [
        pydicom.dcmread(node.spool.report(study.key, row.file_name)) for row in node.ledger.retractions.notes(study.id)
    ]
    named = [str(note.CurrentRequestedProcedureEvidenceSequence[0]) for note in notes]
    assert [(False, True), (True, False)] == [("2.25.1\n" in each, "2.25.2\n" in each) for each in named]


def test_the_api_and_the_command_say_who_is_told_and_do_it_once(node: Node) -> None:
    """Asked again nobody is told twice; what was never sent cannot be taken back: exit code 1, status 409."""
    client = Client(app_of(node))
    config = node.settings.storage.root / "spondyl.toml"
    ledger = node.settings.storage.ledger.get_secret_value()
    pacs = '[[destinations]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = 104\n'
    config.write_text(f'[storage]\nroot = "."\nledger = "{ledger}"\nmin_free_gb = 0.0\n{pacs}', encoding="utf-8")

    def spondyl(*arguments: str) -> tuple[int, str]:
        answer = CliRunner().invoke(app, ["retract", UID, *arguments, "--config", str(config)])
        structlog.reset_defaults()
        return answer.exit_code, answer.stdout

    [job] = measure(node.ledger)
    assert 409 == client.post(f"/api/v1/studies/{UID}/retract", headers=ANNA, json={}).status_code
    assert spondyl()[0] == 1
    deliver(node.ledger, job)

    code, printed = spondyl("--why", "numbers of another level", "--json")
    found = json.loads(printed)
    assert (0, UID, True) == (code, found["study_instance_uid"], found["new"])
    [told] = found["told"]
    assert ("pacs", 1) == (told["destination"], told["objects"])

    again = client.post(f"/api/v1/studies/{UID}/retract", headers=ANNA, json={"title": "quality"})
    assert (202, [], False) == (again.status_code, again.json()["told"], again.json()["new"])
    assert "taken back already" in spondyl()[1]
    notes = [each for each in node.ledger.admin.study(UID).deliveries if each.kind == "rejection"]
    assert [(JobState.WAITING, told["note"])] == [(each.state, each.sop_instance_uid) for each in notes]
    assert spondyl("--why", "two\nlines")[0] == 2

"""A test report: the whole way to one destination, marked for what it is."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from ledgers import claim
from pydantic import SecretStr
from web_client import Client, app_of

from service import trial
from service.config import Settings, Storage
from service.config_peers import Destination
from service.errors import Misconfigured
from service.ledger.people import Role
from service.operations import Actor
from service.passwords import digest
from service.rules import Rulebook
from service.states import StudyState
from service.wiring import Node, open_node
from workers.document_format import FORMAT
from workers.measuring import measure_job

ANNA = Actor(name="anna", address="127.0.0.1")
NOW = 1_800_000_000.0
PACS = [Destination(name=name, ae_title="PACS", host="127.0.0.1", port=104) for name in ("pacs", "archive")]


@pytest.fixture
def node(sqlite_url: str, tmp_path: Path) -> Iterator[Node]:
    """Open a node with two destinations; its broker does not run."""
    storage = Storage(root=tmp_path / "state", ledger=SecretStr(sqlite_url), min_free_gb=0)
    with open_node(Settings(storage=storage, destinations=tuple(PACS)), clock=lambda: NOW) as opened:
        opened.ledger.people.put("anna", Role.OPERATOR, now=1.0, token=digest("spo_anna"))
        opened.ledger.people.put("vera", Role.VIEWER, now=1.0, token=digest("spo_vera"))
        yield opened


def _measured(node: Node, key: str) -> None:
    """Settle and measure a study as node and worker do."""
    study = node.ledger.admin.study(key).study
    job = node.ledger.arrivals.settle(study.id, fingerprint=node.spool.fingerprint(key), now=NOW)
    assert job is not None
    measure_job(node, claim(node.ledger, job, now=NOW + 1))


def test_it_is_measured_and_goes_to_one_destination(node: Node) -> None:
    """Through the gate, as reports alone, to the destination that is tested and to no other."""
    key = trial.begin(node, "archive", by=ANNA).key
    _measured(node, key)
    detail = node.ledger.admin.study(key)

    assert StudyState.DELIVERING is detail.study.state, detail.study.reason
    assert {("archive", "sr")} == {(each.destination, each.kind) for each in detail.deliveries}
    assert {("sr", None)} == {(each.kind, each.finding) for each in detail.reports}
    assert [("anna", "test_report", "archive")] == [
        (each.actor, each.action, each.detail) for each in node.ledger.audit.latest()
    ]


def test_it_says_what_it_is(node: Node) -> None:
    """Patient and series are called SPONDYL TEST in every report; L1, 20, 23 and 25 mm high, is measured so."""
    key = trial.begin(node, "pacs", by=ANNA).key
    _measured(node, key)
    for row in node.ledger.admin.study(key).reports:
        report = pydicom.dcmread(BytesIO(node.spool.report(key, row.file_name).read_bytes()))

        assert ("SPONDYL^TEST", "SPONDYL-TEST", "SPONDYL TEST") == (
            str(report.PatientName),
            report.PatientID,
            report.SeriesDescription,
        )
    assert '"anterior": 20.0, "middle": 23.0, "posterior": 25.0' in (node.ledger.admin.findings(key) or "")


def test_its_points_are_a_document_as_any(node: Node) -> None:
    """What is handed in without a check would pass the check."""
    detail = node.ledger.admin.study(trial.begin(node, "pacs", by=ANNA).key)
    study = detail.study
    document = node.spool.document(study.key, node.spool.newest_document(study.key) or "").read_bytes()

    FORMAT.check(
        document,
        study_instance_uid=study.study_instance_uid,
        image_of=lambda uid: node.spool.instance(study.key, uid),
        complete=True,
    )


def test_no_rule_of_the_site_is_about_it(node: Node) -> None:
    """A rule that ignores whatever comes leaves a test report alone: it asks about the way, not about studies."""
    everything = {"name": "rest", "action": "ignore"}
    rules = Rulebook(Settings.model_validate({"rules": [everything]}))
    study = trial.begin(node, "pacs", by=ANNA)

    assert (True, False) == tuple(
        rules.decide(source, node.spool.files(study.key)).take for source in (study.source, "ct")
    )


def test_two_tests_are_two_studies(node: Node) -> None:
    """A PACS that has the one does not take the other for it, and none is the earlier study of the other."""
    first, second = (trial.begin(node, "pacs", by=ANNA).key for _ in range(2))
    for key in (first, second):
        _measured(node, key)

    assert first != second
    assert '"comparison": null' in (node.ledger.admin.findings(second) or "")


def test_a_destination_that_is_not_there_is_said(node: Node) -> None:
    """Before anything is written, and for a study whose destination was removed meanwhile."""
    with pytest.raises(Misconfigured, match="nowhere"):
        trial.begin(node, "nowhere", by=ANNA)
    with pytest.raises(Misconfigured, match="gone"):
        trial.node_for(node, "test:gone")

    assert [] == node.ledger.admin.studies()


def test_other_studies_have_every_destination(node: Node) -> None:
    """The settings of a study from a source are those of the site."""
    assert node is trial.node_for(node, "pacs")


def test_page_and_api_begin_one(node: Node) -> None:
    """An operator's press leads to the study; a viewer's is refused, and begins nothing."""
    client = Client(app_of(node))
    for role, statuses in (("vera", (403, 403)), ("anna", (303, 202))):
        headers = {"Authorization": f"Bearer spo_{role}"}
        page = client.post("/destinations/pacs/test", headers=headers)
        api = client.post("/api/v1/destinations/pacs/test", headers=headers, json={})

        assert statuses == (page.status_code, api.status_code)
        assert len(node.ledger.admin.studies()) == (2 if role == "anna" else 0)
    assert page.headers["location"] == f"/studies/{page.headers['location'].split('/')[2].split('?')[0]}?done=test"

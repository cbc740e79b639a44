"""A destination that is reached by DICOMweb: configured, asked, examined, shown and stated like any other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from ledgers import empty_sqlite, sqlite_url
from proving import report_bytes
from pydantic import SecretStr
from pydicom.uid import generate_uid
from typer.testing import CliRunner, Result
from web_archive import WebArchive, web_archive
from web_client import Client, app_of

from service.checks.check import Verdict
from service.checks.peers import destinations
from service.config import Settings, load
from service.errors import Misconfigured
from service.ledger.people import Role
from service.passwords import digest
from service.wiring import open_node
from workers.cli import app
from workers.conformance.document import statement, worksheet, worksheet_json

__all__ = ["empty_sqlite", "sqlite_url"]

SECRET = "planted-secret-0123456789"


@pytest.fixture
def archive() -> Iterator[WebArchive]:
    """Run an archive."""
    with web_archive() as found:
        yield found


@pytest.fixture
def config(archive: WebArchive, tmp_path: Path) -> Path:
    """Write a configuration with the archive as its destination, with a token."""
    (tmp_path / "token").write_text(SECRET, encoding="utf-8")
    (tmp_path / "token").chmod(0o600)
    file = tmp_path / "own.toml"
    file.write_text(
        f"[storage]\nroot = 'state'\n[[destinations]]\nname = 'cloud'\nprotocol = 'dicomweb'\n"
        f"dicomweb_url = '{archive.url}'\nsecret_file = 'token'\ntimeout_s = 3\n",
        encoding="utf-8",
    )
    return file


def run(config: Path, *words: str) -> Result:
    """Run a command."""
    answer = CliRunner().invoke(app, [*words, "--config", str(config)])
    structlog.reset_defaults()
    return answer


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("protocol = 'dicomweb'", 'destinations[0]: protocol = "dicomweb" needs dicomweb_url'),
        ("protocol = 'dicomweb'\ndicomweb_url = 'http://a'\nport = 104", "take port out"),
        ("protocol = 'dicomweb'\ndicomweb_url = 'http://a'\nproof = 'query'", 'proven by "qido" or "status"'),
        ("protocol = 'dicomweb'\ndicomweb_url = 'http://a'\nstorage_commitment = true", 'found proof = "commitment"'),
        ("protocol = 'web'", "must be 'dimse' or 'dicomweb'"),
        ("ae_title = 'A'", "host, port is required, or protocol"),
        ("protocol = 'dicomweb'\ndicomweb_url = 'http://u:planted@a'", "no user name, no query"),
        ("protocol = 'dicomweb'\ndicomweb_url = 'http://[a'", "destinations[0].dicomweb_url"),
        ("protocol = 'dicomweb'\ndicomweb_url = 'http://a:99999'", "destinations[0].dicomweb_url"),
        ("protocol = 'dicomweb'\ndicomweb_url = 'ftp://a'", "a URL of http or https"),
        ("protocol = 'dicomweb'\ndicomweb_url = 'http://a'\nuser = 'u'", "user needs secret_file"),
        ("ae_title = 'A'\nhost = 'h'\nport = 1\nsecret_file = 't'", "which is missing"),
    ],
)
def test_what_does_not_go_together_is_said(tmp_path: Path, keys: str, words: str) -> None:
    """The key, what was expected and what was found; a password in a URL is not shown."""
    file = tmp_path / "own.toml"
    file.write_text(f"[[destinations]]\nname = 'cloud'\n{keys}\n", encoding="utf-8")
    with pytest.raises(Misconfigured) as told:
        load(file, {})
    assert words in str(told.value)


def test_nothing_said_is_proof_by_qido_and_what_is_shown_can_be_read_again(config: Path, tmp_path: Path) -> None:
    """`config show` prints a configuration of the same destination, and no secret."""
    assert "qido" == load(config, {}).destination("cloud").proven_by
    shown = run(config, "config", "show").stdout
    again = tmp_path / "again.toml"
    again.write_text(shown, encoding="utf-8")
    assert load(config, {}).destinations == load(again, {}).destinations
    assert SECRET not in shown


def test_it_is_asked_and_sent_to_by_command(config: Path, archive: WebArchive, tmp_path: Path) -> None:
    """`spondyl echo` searches, `spondyl send` stores; 4 where it is down, or the file of the secret is missing."""
    (tmp_path / "report.dcm").write_bytes(report_bytes())
    echoed = run(config, "echo", "cloud")
    assert (0, True) == (echoed.exit_code, echoed.stdout.startswith(f"cloud ({archive.url}): "))
    assert "/dicom-web/studies?limit=1" == archive.paths[-1]
    sent = run(config, "send", str(tmp_path / "report.dcm"), "--to", "cloud")
    assert (0, "cloud: 1 of 1 stored\n") == (sent.exit_code, sent.stdout)
    assert [report_bytes()] == archive.bodies
    archive.search_status = 503
    assert 4 == run(config, "echo", "cloud").exit_code
    (tmp_path / "token").unlink()
    missing = run(config, "echo", "cloud")
    assert 4 == missing.exit_code
    assert SECRET not in f"{echoed.output}{sent.output}{missing.output}"


def test_doctor_examines_it(config: Path, archive: WebArchive) -> None:
    """It answers, and answers QIDO-RS; what refuses us is bad; a secret in the clear is worth a word."""
    settings = load(config, {})
    assert [Verdict.OK, Verdict.OK] == [each.verdict for each in destinations(settings)]
    archive.search_status = 401
    [bad] = destinations(settings)
    assert (Verdict.FAILED, True) == (bad.verdict, "secret_file" in bad.found)
    assert f"see that {archive.url} runs and knows who we are" == bad.remedy


def test_a_secret_that_others_can_read_is_said(config: Path, archive: WebArchive, tmp_path: Path) -> None:
    """It works, and somebody should know."""
    (tmp_path / "token").chmod(0o640)
    first, _ = destinations(load(config, {}))
    assert (Verdict.NOTE, "chmod 600 token") == (first.verdict, first.remedy)
    assert archive.headers


def test_a_secret_in_the_clear_is_said(config: Path, archive: WebArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over plain HTTP to another machine the token can be read on the way."""
    monkeypatch.setattr("service.checks.peers.is_loopback", lambda _: False)
    first, _ = destinations(load(config, {}))
    assert Verdict.NOTE == first.verdict
    assert "password or token cross the network in the clear" in first.found
    assert archive.headers


def test_the_page_shows_and_asks_it(archive: WebArchive, sqlite_url: str, tmp_path: Path) -> None:
    """Its address and who we are there, never the secret; the button says what it answered."""
    (tmp_path / "password").write_text(SECRET, encoding="utf-8")
    where = {"name": "cloud", "protocol": "dicomweb", "dicomweb_url": archive.url, "user": "spine"}
    document: dict[str, Any] = {
        "storage": {"root": tmp_path / "state", "ledger": SecretStr(sqlite_url), "min_free_gb": 0},
        "destinations": [where | {"secret_file": tmp_path / "password"}],
    }
    with open_node(Settings.model_validate(document)) as node:
        node.ledger.people.put("anna", Role.OPERATOR, now=1.0, token=digest("t" * 20))
        client, who = Client(app_of(node)), {"Authorization": f"Bearer {'t' * 20}"}
        page = client.get("/destinations", headers=who).text
        assert all(each in page for each in (f"{archive.url}, user spine", "QIDO-RS", "Ask it"))
        pressed = client.post("/destinations/cloud/echo", headers=who).text
        assert "answered in" in pressed
        archive.search_status = 404
        assert "HTTP status 404" in client.post("/destinations/cloud/echo", headers=who).text
        echoed = client.post("/api/v1/destinations/cloud/echo", headers=who)
        assert 502 == echoed.status_code
        shown = client.get("/configuration", headers=who).text
        assert SECRET not in f"{page}{pressed}{shown}"


def test_the_statement_and_the_worksheet_name_it(config: Path, archive: WebArchive) -> None:
    """A URL in the place of AE title, host and port, and no presentation context."""
    settings = load(config, {})
    assert f"| cloud | DICOMweb | {archive.url} |" in statement(settings)
    assert f"| DICOMweb, service root | {archive.url} |" in worksheet(settings)
    [destination] = worksheet_json(settings)["destinations"]
    assert ("dicomweb", archive.url, []) == tuple(
        destination[key] for key in ("protocol", "dicomweb_url", "sop_classes")
    )
    assert json.dumps(destination)


def test_what_the_statement_says_of_our_own_service_is_so(sqlite_url: str, tmp_path: Path) -> None:
    """Its address is served: storing is there, searching and retrieving are not."""
    storage = {"root": tmp_path / "state", "ledger": SecretStr(sqlite_url), "min_free_gb": 0}
    with open_node(Settings.model_validate({"storage": storage})) as node:
        text, client = statement(node.settings), Client(app_of(node))
        study = str(generate_uid())
        for path in ("/dicom-web/studies", f"/dicom-web/studies/{study}"):
            assert f"`POST {path.replace(study, '{study}')}`" in text
            assert 405 == client.get(path).status_code
            assert 415 == client.post(path).status_code
        assert "| Studies Search Transaction (QIDO-RS) | yes | no |" in text

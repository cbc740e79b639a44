"""Rules tried on files and studies: by the command, by a program, on the page; nothing is kept and no value shown."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ledgers import study_of
from pydantic import SecretStr
from report_samples import STUDY, ct_slice
from spooled import KEY, file_of, store_slice
from typer.testing import CliRunner
from web_client import Client, app_of

from service.config import Settings, load
from service.ledger.people import Role
from service.passwords import digest
from service.shapes.answers import adapter
from service.web.upload import LARGEST
from service.wiring import Node, open_node
from workers.cli import app

CONFIGURATION = """
[[sources]]
name = "ct"
ae_titles = ["CT1"]
networks = ["10.1.0.0/16"]

[[sources]]
name = "trial"
ae_titles = ["TRIAL"]
process = false
sop_classes = ["MRImageStorage"]

[[destinations]]
name = "pacs"
ae_title = "PACS"
host = "localhost"
port = 104

[[rules]]
name = "spines"
match = { StudyDescription = "*spine*", PatientName = "Planted*" }
priority = "high"

[[rules]]
name = "rest"
sources = ["ct"]
action = "ignore"
"""
SPINE = {"StudyDescription": "CT Spine", "PatientName": "Planted^Name"}
OPERATOR = {"Authorization": "Bearer spo_anna"}
VIEWER = {"Authorization": "Bearer spo_otto"}
DICOM = {"Content-Type": "application/dicom"}


def spine(**changes: str) -> bytes:
    """Return a file."""
    ds = ct_slice(1)
    for keyword, value in {**SPINE, **changes}.items():
        setattr(ds, keyword, value)
    return file_of(ds)


# ---- the command


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a file in a folder with a configuration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spondyl.toml").write_text(CONFIGURATION, encoding="utf-8")
    (tmp_path / "one.dcm").write_bytes(spine())
    return tmp_path / "one.dcm"


def run(*words: object, code: int = 0) -> str:
    """Return what `spondyl rules` prints; of wrong usage what it says of that."""
    shown = CliRunner().invoke(app, ["rules", *map(str, words)])
    assert code == shown.exit_code, shown.output
    return shown.output if code == 2 else shown.stdout


@pytest.mark.usefixtures("file")
def test_the_rules_are_listed_in_their_order() -> None:
    """And what holds for each source where none matches; for programs as they were understood."""
    shown = run()
    document = json.loads(run("--json"))
    adapter("rules").validate_json(json.dumps(document), strict=True)

    assert -1 < shown.index("spines") < shown.index("rest") < shown.index("processing_off")
    assert ["spines", "rest"] == [rule["name"] for rule in document["rules"]]
    assert {"StudyDescription": ["*spine*"], "PatientName": ["Planted*"]} == document["rules"][0]["match"]


@pytest.mark.parametrize(
    ("words", "code", "outcome", "rule"),
    [
        (("--source", "ct"), 0, "measured", "spines"),
        (("--calling-ae", "CT1", "--address", "10.1.2.3"), 0, "measured", "spines"),
        (("--calling-ae", "CT1", "--address", "192.0.2.1"), 1, "rejected", "spines"),
        (("--calling-ae", "NOBODY", "--address", "10.1.2.3"), 1, "rejected", "spines"),
        (("--source", "trial"), 0, "measured", "spines"),
    ],
)
def test_a_file_is_tried_as_somebody_sends_it(
    file: Path, words: tuple[str, ...], code: int, outcome: str, rule: str
) -> None:
    """Whether the sender is let in, which rule decides, what follows; the exit code says it, too."""
    found = json.loads(run("try", file, *words, "--json", code=code))
    adapter("rules-tried").validate_json(json.dumps(found), strict=True)

    assert (outcome, rule) == (found["outcome"], found["rule"])
    assert "decides" == found["rules"][0]["outcome"]


def test_what_keeps_a_rule_from_matching_is_named_and_no_value_shown(file: Path) -> None:
    """The attribute by its keyword; the patient's name stands in no output."""
    file.write_bytes(spine(StudyDescription="CT Head"))
    shown = run("try", file, "--source", "ct", code=1)
    found = json.loads(run("try", file.parent, "--source", "trial", "--json", code=1))

    assert "ignored by rule: rest" in shown
    assert "StudyDescription" in shown
    assert "Planted" not in shown
    assert (["StudyDescription"], "processing_off") == (found["rules"][0]["not_met"], found["rule"])
    assert ["CT Image"] == found["not_offered"]


def test_what_cannot_be_tried_is_said(file: Path) -> None:
    """Two studies at once, an unknown source, half of a caller; a file that is cut off is passed over."""
    other = file.with_name("two.dcm")
    other.write_bytes(spine(StudyInstanceUID="2.25.9"))

    assert "found 2 studies" in run("try", file, other, "--source", "ct", code=2)
    other.write_bytes(spine()[:200])
    assert 1 == json.loads(run("try", file, other, "--source", "ct", "--json"))["objects"]
    assert 1 == CliRunner().invoke(app, ["rules", "try", str(other), "--source", "ct"]).exit_code
    assert "belong together" in run("try", file, "--calling-ae", "CT1", code=2)
    assert 1 == CliRunner().invoke(app, ["rules", "try", str(file), "--source", "us"]).exit_code


# ---- the page and its interface


@pytest.fixture
def node(sqlite_url: str, tmp_path: Path) -> Iterator[Node]:
    """Open a node with a study, an operator and a viewer."""
    (tmp_path / "spondyl.toml").write_text(CONFIGURATION, encoding="utf-8")
    settings = _settings(tmp_path, sqlite_url)
    with open_node(settings, clock=lambda: 1000.0) as opened:
        opened.ledger.people.put("anna", Role.OPERATOR, now=1.0, token=digest("spo_anna"))
        opened.ledger.people.put("otto", Role.VIEWER, now=1.0, token=digest("spo_otto"))
        store_slice(opened.spool, 1, **SPINE)
        opened.ledger.arrivals.note(key=KEY, study_instance_uid=STUDY, source="trial", now=1.0, held_until=0)
        yield opened


def _settings(root: Path, ledger_url: str) -> Settings:
    storage = {"root": root / "state", "ledger": SecretStr(ledger_url), "min_free_gb": 0}
    found = load(root / "spondyl.toml", {})
    return found.model_copy(update={"storage": found.storage.model_copy(update=storage)})


@pytest.fixture
def client(node: Node) -> Client:
    """Give a client."""
    return Client(app_of(node))


def test_a_program_tries_a_file_or_a_study(client: Client, node: Node) -> None:
    """One DICOM file as any source sends it, or a study that is here as its own source did; nothing is kept."""
    sent = client.post_bytes("/api/v1/rules/try?source=ct", spine(StudyDescription="Head"), headers=OPERATOR | DICOM)
    here = client.post("/api/v1/rules/try", json={"study": STUDY}, headers=OPERATOR)

    assert (200, "ignored", "rest") == (sent.status_code, sent.json()["outcome"], sent.json()["rule"])
    assert ("measured", "spines", "trial") == tuple(here.json()[key] for key in ("outcome", "rule", "source"))
    assert 1 == len(list((node.settings.storage.root / "spool").rglob("*.dcm")))
    assert 1 == study_of(node.ledger, STUDY).arrivals
    assert [("try_rules", "anna")] * 2 == [(each.action, each.actor) for each in node.ledger.audit.latest()]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"no DICOM", DICOM, 422),
        (b"", DICOM, 422),
        (b"{}", {"Content-Type": "application/json"}, 422),
        (b'{"study": "2.25.404"}', {"Content-Type": "application/json"}, 404),
        (b"<x/>", {"Content-Type": "text/xml"}, 415),
        (bytes(LARGEST + 1), DICOM, 413),
    ],
    ids=["no DICOM", "empty", "no study", "unknown", "another type", "too large"],
)
def test_what_cannot_be_tried_is_refused(client: Client, body: bytes, headers: dict[str, str], status: int) -> None:
    """With the status of its kind, before more is read than is allowed."""
    answer = client.post_bytes("/api/v1/rules/try?source=ct", body, headers=OPERATOR | headers)

    assert status == answer.status_code


def test_a_viewer_tries_nothing(client: Client) -> None:
    """A file costs memory: the role operator is needed."""
    assert 403 == client.post("/api/v1/rules/try", json={"study": STUDY}, headers=VIEWER).status_code
    assert "Try</button>" not in client.get("/configuration", headers={**VIEWER, "Accept": "text/html"}).text


def form(**fields: bytes) -> dict[str, Any]:
    """Return a form as a browser posts it (RFC 7578)."""
    parts = b"".join(
        b'--xX\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        % (name.encode(), b'; filename="a.dcm"' if name == "file" else b"", value)
        for name, value in fields.items()
    )
    headers = {**OPERATOR, "Accept": "text/html", "Content-Type": "multipart/form-data; boundary=xX"}
    return {"content": parts + b"--xX--\r\n", "headers": headers}


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"file": spine(), "study": b"", "source": b"ct"}, 200, "measured, by rule spines; priority high"),
        ({"file": spine(StudyDescription="Head"), "source": b"trial"}, 200, "not offered to this source"),
        ({"file": b"", "study": KEY.encode(), "source": b""}, 200, "1 object(s) from trial: measured"),
        ({"file": b"no DICOM", "source": b"ct"}, 422, "expected a DICOM file"),
        ({"file": b"", "study": b"", "source": b"ct"}, 422, "expected a file, or the UID or key of a study"),
        ({"study": b"2.25.404"}, 422, "no study is known"),
    ],
    ids=["file", "ignored", "study", "no DICOM", "nothing", "unknown"],
)
def test_the_page_tries_what_a_form_brings(client: Client, fields: dict[str, bytes], status: int, words: str) -> None:
    """The outcome in words and each rule's; what went wrong on the same page; never a value of an attribute."""
    answer = client.post_bytes("/rules/try", **form(**fields))

    assert status == answer.status_code
    assert words in answer.text
    assert "Planted^" not in answer.text


def test_a_form_that_is_none_is_refused(client: Client) -> None:
    """Without a boundary, or cut off."""
    broken = form(file=b"x")["content"][:-8]

    for kind, status in (("multipart/form-data", 415), ("text/plain", 415), ("multipart/form-data; boundary=xX", 400)):
        headers = {**OPERATOR, "Content-Type": kind}
        assert status == client.post_bytes("/rules/try", broken, headers=headers).status_code

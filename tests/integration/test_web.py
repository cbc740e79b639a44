import base64
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from contract_findings import contract_findings
from ledgers import arrive, claim, deliver, migrated, new_report, settle
from servers import free_port, wait_until
from web_client import Client, app_of

from service import logs
from service.config import Settings, Storage, Web
from service.config_peers import Destination
from service.errors import Misconfigured, OutOfSpace, Unavailable
from service.web import health
from service.web.guard import HEADERS
from service.wiring import Node, open_node

TOKEN = "0123456789abcdef-token"
REPOSITORY = Path(__file__).resolve().parents[2]


def _settings(root: Path, **web: object) -> Settings:
    return Settings(
        storage=Storage(root=root, min_free_gb=0),
        destinations=(Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=4242),),
        web=Web.model_validate(web),
    )


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Give an open node over a real SQLite ledger; its broker does not run."""
    settings = _settings(tmp_path / "state")
    migrated(settings.storage.ledger_url)
    with open_node(settings, clock=lambda: 1000.0) as opened:
        yield opened


def _client(node: Node) -> Client:
    return Client(app_of(node))


@pytest.fixture
def client(node: Node) -> Client:
    """Give a client on this machine."""
    return _client(node)


@pytest.fixture
def guarded(node: Node, tmp_path: Path) -> Client:
    """Give a client of a page that asks for a token."""
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="ascii")
    settings = _settings(tmp_path / "state", bind="0.0.0.0", token_file=tmp_path / "token")  # noqa: S104 not bound
    asking = Node(settings=settings, ledger=node.ledger, spool=node.spool, dispatch=node.dispatch, clock=node.clock)
    return Client(app_of(asking), "http://spondyl.example:8080")


def _reported(node: Node, uid: str = "1.2.3") -> str:
    """Take a study through to its disposition; give its key."""
    claimed = claim(node.ledger, settle(node.ledger, uid))
    jobs = node.ledger.jobs.finish_measure(
        claimed,
        findings=json.dumps(contract_findings()),
        reason=None,
        objects=[new_report("2.25.1")],
        wanted={"pacs": ["sr"]},
        now=150.0,
    )
    deliver(node.ledger, jobs[0])
    return claimed.study.key


# ---- probes


def test_alive_needs_nothing_else(client: Client) -> None:
    """/healthz says only that the process answers, so a supervisor does not restart it because a broker is down."""
    answer = client.get("/healthz")

    assert (200, "ok\n") == (answer.status_code, answer.text)


def test_not_ready_says_what_is_missing(client: Client) -> None:
    """/readyz is 503 and names what failed; what answers is named as well."""
    answer = client.get("/readyz")
    checks = answer.json()["checks"]

    assert (503, False) == (answer.status_code, answer.json()["ready"])
    assert ("ok", "ok") == (checks["ledger"], checks["spool"])
    assert "broker does not answer" in checks["broker"]


def test_ready_when_all_answer(valkey: str, tmp_path: Path) -> None:
    """/readyz is 200 where ledger, broker and spool answer."""
    settings = Settings.model_validate(
        {"storage": {"root": tmp_path / "state", "min_free_gb": 0}, "queue": {"broker": valkey}}
    )
    with open_node(settings, migrated=True) as node:
        answer = _client(node).get("/readyz")

    assert (200, {"ready": True, "checks": {"ledger": "ok", "broker": "ok", "spool": "ok"}}) == (
        answer.status_code,
        answer.json(),
    )


def test_a_spool_that_is_gone_is_noticed(node: Node, client: Client) -> None:
    """/readyz writes to the spool, so a lost mount is seen."""
    node.settings.storage.root.rename(node.settings.storage.root.with_name("elsewhere"))

    assert "cannot be written" in client.get("/readyz").json()["checks"]["spool"]


def test_a_full_disk_is_noticed(tmp_path: Path) -> None:
    """Below min_free_gb the spool is not ready: C-STORE would be refused."""
    with pytest.raises(OutOfSpace, match=r"storage\.min_free_gb asks for 1000000000"):
        health.ping_spool(Storage(root=tmp_path, min_free_gb=1e9))


def test_metrics_speak_prometheus(node: Node, client: Client) -> None:
    """/metrics counts the studies by state, in the text format."""
    _reported(node)
    answer = client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'spondyl_studies{state="reported"} 1.0' in answer.text


# ---- pages


def test_an_empty_list_says_what_to_do(client: Client) -> None:
    """Before the first study the page says so, and what to try."""
    answer = client.get("/")

    assert answer.status_code == 200
    assert "No study has arrived yet" in answer.text


def test_the_list_shows_state_reason_and_who_must_act(node: Node, client: Client) -> None:
    """A failed study stands in the list with its reason and with who must act."""
    claimed = claim(node.ledger, settle(node.ledger, "1.2.9"))
    node.ledger.jobs.give_up(claimed, who="developers", why="the worker died 3 times", now=200.0)
    page = client.get("/studies").text

    for said in ("failed", "the worker died 3 times", "developers", "ct1", "1970-01-01 00:02:10", "1.2.9"):
        assert said in page
    assert f'href="/studies/{claimed.study.key}"' in page


def test_the_list_can_be_narrowed_to_one_state(node: Node, client: Client) -> None:
    """?state= keeps the studies of one state; an unknown state is an error, not an empty list."""
    _reported(node, "1.2.3")
    arrive(node.ledger, "1.2.4", now=500.0)

    reported = client.get("/studies", params={"state": "reported"}).text
    assert "1.2.3" in reported
    assert "1.2.4" not in reported
    assert "No study is failed." in client.get("/studies", params={"state": "failed"}).text
    assert client.get("/studies", params={"state": "nonsense"}).status_code == 422


def test_a_study_tells_its_story(node: Node, client: Client) -> None:
    """The page of a study shows its findings with their uncertainty, its objects with their proof, and its story."""
    page = client.get(f"/studies/{_reported(node)}").text

    for said in (
        "14.2 / 13.0 / 22.9",
        "anterior wedge",
        "spinal deformity index 3",
        "0 / 0 / 10 / 90",
        "measuring, try 1: finished",
        "sending sr, try 1 to pacs: finished",
        "0x0000",
        "2.25.1",
        "1970-01-01 00:02:40",
    ):
        assert said in page
    assert re.findall("<h2[^>]*>(.*)</h2>", page) == ["Findings", "Objects sent", "What happened"]


def test_a_study_without_findings_says_so(node: Node, client: Client) -> None:
    """A study that only arrived has no findings, and no table of anything it has not got."""
    page = client.get(f"/studies/{arrive(node.ledger).key}").text

    assert "There are no findings yet." in page
    assert "Objects sent" not in page


def test_what_a_peer_sent_is_text(node: Node, client: Client) -> None:
    """An AE title with markup is shown, not run."""
    node.ledger.arrivals.note(key="0" * 32, study_instance_uid="1.2.5", source="<b>X", now=1.0, held_until=0.0)
    page = client.get("/studies").text

    assert "&lt;b&gt;X" in page
    assert "<b>X" not in page


def test_pages_need_nothing_from_elsewhere(node: Node, client: Client) -> None:
    """No page loads from another host, and none has script or style in it: the policy would stop them."""
    others = ("/", "/studies", "/failures", "/destinations", "/sources", "/configuration", "/login")
    pages = [client.get(path).text for path in (*others, f"/studies/{_reported(node)}")]

    for page in pages:
        assert re.findall(r'(?:src|href|action)="(?![/#])', page) == []
        assert re.findall(r"<script(?! src=)|<style|\bstyle=|\bon[a-z]+=|hx-on", page) == []
    style = client.get("/static/spondyl.css")
    assert (200, True) == (style.status_code, "prefers-color-scheme: dark" in style.text)
    assert "url(" not in style.text


@pytest.mark.parametrize("path", ["/", "/login", "/healthz", "/api/v1/studies", "/static/nothing", "/nothing"])
def test_every_answer_has_the_strict_headers(client: Client, path: str) -> None:
    """Each answer, an error too, keeps browsers strict and nothing in caches."""
    answer = client.get(path)

    assert HEADERS == {name: answer.headers.get(name) for name in HEADERS}


# ---- API


def test_the_api_lists_what_the_page_lists(node: Node, client: Client) -> None:
    """/api/v1/studies gives the list with its schema, newest first."""
    key = _reported(node)
    arrive(node.ledger, "1.2.4", now=500.0)
    found = client.get("/api/v1/studies").json()

    assert ("spondyl.studies/1", ["1.2.4", "1.2.3"]) == (
        found["schema"],
        [study["study_instance_uid"] for study in found["studies"]],
    )
    assert {
        "key": key,
        "study_instance_uid": "1.2.3",
        "state": "reported",
        "reason": None,
        "who_must_act": None,
        "source": "ct1",
        "revision": 1,
        "received_at": "1970-01-01T00:02:10Z",
        "updated_at": "1970-01-01T00:02:40Z",
    } == found["studies"][1]


@pytest.mark.parametrize("by", ["uid", "key"])
def test_a_study_is_found_by_uid_and_by_key(node: Node, client: Client, by: str) -> None:
    """Both names lead to the study and to its findings, which are the document that the ledger holds."""
    key = _reported(node)
    name = key if by == "key" else "1.2.3"
    detail = client.get(f"/api/v1/studies/{name}").json()

    assert ("spondyl.study/1", key, "pacs") == (
        detail["schema"],
        detail["study"]["key"],
        detail["deliveries"][0]["destination"],
    )
    assert contract_findings() == client.get(f"/api/v1/studies/{name}/findings").json() == detail["findings"]


@pytest.mark.parametrize("path", ["/api/v1/studies/9.9", "/api/v1/studies/9.9/findings"])
def test_an_unknown_study_is_not_found(client: Client, path: str) -> None:
    """404, as JSON, with what is wrong and who must act."""
    answer = client.get(path)

    assert (404, {"error", "who_must_act"}) == (answer.status_code, set(answer.json()))


def test_a_study_without_findings_has_none_to_give(node: Node, client: Client) -> None:
    """Findings that are not there are 404, never an empty document."""
    arrive(node.ledger)

    assert client.get("/api/v1/studies/1.2.3/findings").status_code == 404


def test_the_api_describes_itself(client: Client) -> None:
    """OpenAPI names every route for programs, and no page."""
    described = client.get("/api/v1/openapi.json").json()

    assert {"/api/v1/studies", "/api/v1/studies/{uid}", "/api/v1/studies/{uid}/findings"} <= set(described["paths"])
    assert "/" not in described["paths"]
    assert {"Studies", "Detail"} <= set(described["components"]["schemas"])


# ---- guards


def _basic(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "path", ["/", "/studies", "/readyz", "/metrics", "/api/v1/studies", "/api/v1/overview", "/api/v1/openapi.json"]
)
@pytest.mark.parametrize(
    "said",
    [
        None,
        "Bearer wrong",
        "Bearer",
        TOKEN,
        f"Bearer {TOKEN}x",
        "Bearer \xe9",
        f"Digest {TOKEN}",
        f"Basic {TOKEN}",
        f"Basic {_basic('admin:wrong')}",
        f"Basic {_basic('admin:')}",
        f"Basic {_basic(TOKEN)}",
        f"Basic {_basic(f'{TOKEN}:admin')}",
        "Basic \xe9",
        "Basic",
    ],
)
def test_without_the_token_nothing_is_told(guarded: Client, path: str, said: str | None) -> None:
    """Every route but /healthz and the login asks a program for the token (RFC 7617 2)."""
    headers = {} if said is None else {"Authorization": said.encode("latin-1")}
    answer = guarded.get(path, headers=headers)

    assert (401, 'Basic realm="spondyl"') == (answer.status_code, answer.headers["www-authenticate"])


@pytest.mark.parametrize(
    "said",
    [
        f"Bearer {TOKEN}",
        f"bearer {TOKEN}",
        f"Basic {_basic(f'admin:{TOKEN}')}",
        f"basic {_basic(f':{TOKEN}')}",
        f"Basic {_basic(f'Müller:{TOKEN}')}",
    ],
)
def test_with_the_token_all_is_told(guarded: Client, said: str) -> None:
    """The token opens page and API, for a program as Bearer, in a browser as password of any user; /healthz is open."""
    headers = {"Authorization": said}

    assert [200, 200, 200] == [
        guarded.get("/", headers=headers).status_code,
        guarded.get("/api/v1/studies", headers=headers).status_code,
        guarded.get("/healthz").status_code,
    ]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example"])
def test_without_a_token_foreign_names_are_refused(client: Client, host: str) -> None:
    """A site that points its own name at this machine gets nothing."""
    assert client.get("/api/v1/studies", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080"])
def test_without_a_token_this_machine_is_answered(client: Client, host: str) -> None:
    """Every usual name of this machine will do."""
    assert client.get("/api/v1/studies", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("text", ["", "short", "tok\xe9n-tok\xe9n-tok\xe9n"])
def test_a_token_that_is_no_secret_is_refused(node: Node, tmp_path: Path, text: str) -> None:
    """An empty, short or non-ASCII token file is a matter of configuration."""
    (tmp_path / "token").write_text(text, encoding="utf-8")
    settings = _settings(tmp_path / "state", token_file=tmp_path / "token")
    guarded = Node(settings=settings, ledger=node.ledger, spool=node.spool, dispatch=node.dispatch, clock=node.clock)

    with pytest.raises(Misconfigured, match=r"web\.token_file"):
        app_of(guarded)


# ---- faults


def test_a_bug_shows_no_value(
    node: Node, client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page that fails says so and no more; the log has the kind of the fault and never its text."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("Doe^Jane")

    monkeypatch.setattr(type(node.ledger.lists), "page", fail)
    structlog.configure(
        processors=[logs.only_allowed, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    try:
        answers = [client.get("/studies"), client.get("/api/v1/studies")]
    finally:
        structlog.reset_defaults()
    said = capsys.readouterr().err

    assert [500, 500] == [answer.status_code for answer in answers]
    assert answers[1].json()["who_must_act"] == "the developers"
    assert "ZeroDivisionError" in said
    assert "Jane" not in said + "".join(answer.text for answer in answers)


def test_a_ledger_that_is_away_is_503(node: Node, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What passes by itself is 503, so a program may try again."""

    def away(*_: object, **__: object) -> None:
        raise Unavailable("the ledger does not answer")

    monkeypatch.setattr(type(node.ledger.lists), "page", away)

    answers = [client.get(path) for path in ("/studies", "/api/v1/studies")]
    assert [503, 503] == [answer.status_code for answer in answers]
    assert answers[1].json()["who_must_act"] == "whoever looks after what does not answer; then try again"


# ---- the role


def _run(config: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "workers", "--config", str(config), "web"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_the_role_serves_until_it_is_told_to_stop(node: Node, tmp_path: Path) -> None:
    """`spondyl web` answers, and ends with 0 at SIGTERM; a second one on its port ends with 3."""
    port = free_port()
    (tmp_path / "own.toml").write_text(f'[storage]\nroot = "state"\n[web]\nport = {port}\n', encoding="utf-8")
    assert node.settings.storage.root == tmp_path / "state"
    with _run(tmp_path / "own.toml", tmp_path) as role:
        try:
            wait_until(lambda: _answers(port), "the page answers")
            with _run(tmp_path / "own.toml", tmp_path) as second:
                said = second.communicate(timeout=60)[1].decode()
        finally:
            role.send_signal(signal.SIGTERM)
            role.communicate(timeout=30)

    assert (3, 0) == (second.returncode, role.returncode)
    assert f"web.port = {port}" in said

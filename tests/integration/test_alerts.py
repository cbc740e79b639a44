"""Alerts from a real ledger to a real mail server and a real web server on this machine."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from email.message import Message as Mail
from pathlib import Path
from typing import Any

import pytest
import structlog
from ledgers import arrive, claim, measure, settle
from pydantic import SecretStr, ValidationError
from servers import free_port
from sinks import MailSink, WebSink, make_certificate
from structlog.testing import capture_logs
from typer.testing import CliRunner
from web_client import Client, app_of

from service import roll_call
from service.alerts import send, watch
from service.alerts.message import Message
from service.alerts.problems import Kind, look
from service.alerts.watch import AGAIN_S, SURE_S, Watch
from service.config import Settings, Storage
from service.config_alerts import Alerts
from service.config_peers import Destination, Tls
from service.errors import Misconfigured, Unavailable
from service.ledger.callers import Caller
from service.ledger.people import Role
from service.ledger.switches import Paused
from service.listening import steward_of
from service.metrics import Metrics
from service.passwords import digest
from service.wiring import Node, open_node
from workers.cli import app

NOW = 1_000_000.0
TEST = Message(node="SPONDYL at here", at=NOW, is_test=True)
#: What a patient is called in this file; nothing of it may be sent.
PLANTED = ("Planted^Name", "PLANTED-ID", "1.2.3")


@pytest.fixture
def mails() -> Iterator[MailSink]:
    """Give a mail server."""
    with MailSink().running() as sink:
        yield sink


@pytest.fixture
def hook() -> Iterator[WebSink]:
    """Give a web server."""
    with WebSink().running() as sink:
        yield sink


def _mail_to(sink: MailSink, **more: Any) -> Alerts:
    return Alerts(
        mail_to=("a@x.example", "b@x.example"),
        mail_from="node@x.example",
        smtp_host="127.0.0.1",
        smtp_port=sink.port,
        **more,
    )


def _settings(folder: Path, url: str, alerts: Alerts, **more: Any) -> Settings:
    storage = Storage(root=folder / "state", ledger=SecretStr(url), min_free_gb=0)
    pacs = Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=free_port())
    return Settings(**{"storage": storage, "destinations": (pacs,), "alerts": alerts} | more)


@pytest.fixture
def node(sqlite_url: str, tmp_path: Path, mails: MailSink, hook: WebSink) -> Iterator[Node]:
    """Open a node in which nothing is wrong: a worker is there, a destination was never called."""
    settings = _settings(tmp_path, sqlite_url, _mail_to(mails, webhook=hook.url))
    with open_node(settings, clock=lambda: NOW) as opened:
        _sign_in(settings, NOW)
        yield opened


def _sign_in(settings: Settings, moment: float) -> None:
    """Have a worker be there at a time."""
    roll_call.sign_in(settings.storage.root, roll_call.Present(name="here:1", processes=2, broker=True))
    for sign in (settings.storage.root / "workers").iterdir():
        os.utime(sign, (moment, moment))


def _at(node: Node, seconds: float) -> Node:
    """Return the node with its clock so much later."""
    return replace(node, clock=lambda: NOW + seconds)


def _kinds(node: Node, *, later_s: float = 0.0) -> list[str]:
    return [problem.key for problem in look(_at(node, later_s)).problems]


def _fail(node: Node, uid: str = "1.2.3") -> None:
    """Have a study fail at its destination."""
    arrive(node.ledger, uid)
    delivery, *_ = measure(node.ledger, uid)
    node.ledger.jobs.give_up(
        claim(node.ledger, delivery), who="PACS", why="pacs answered status 0x0124 Planted^Name", now=NOW
    )


def _text(mail: Mail) -> str:
    content = mail.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()


def test_nothing_is_wrong_with_a_node_that_is_well(node: Node) -> None:
    """No problem is found where there is none."""
    assert [] == _kinds(node)


def test_a_failed_study_is_found_by_its_cause(node: Node) -> None:
    """The cause is a word of ours, with what to do; what the reason says beyond it is not repeated."""
    _fail(node)
    (problem,) = look(node).problems

    assert (Kind.FAILED, "refused", 1) == (problem.kind, problem.name, problem.number)
    assert "destination's log" in problem.do
    assert not any(word in str(problem) for word in PLANTED)


@pytest.mark.parametrize(("failures", "expected"), [(4, []), (5, ["destination_down:pacs"])])
def test_a_destination_that_is_down(node: Node, failures: int, expected: list[str]) -> None:
    """It is one from destination_failures tries in a row without an answer on."""
    for _ in range(failures):
        node.ledger.jobs.destination_failed("pacs", until=NOW + 60, why="no answer", now=NOW)

    assert expected == _kinds(node)


def test_a_disk_that_is_full(node: Node, tmp_path: Path) -> None:
    """Less room than min_free_gb, at which objects are refused, is told."""
    full = node.settings.storage.model_copy(update={"min_free_gb": shutil.disk_usage(tmp_path).free / 1e9 + 1})
    short = replace(node, settings=node.settings.model_copy(update={"storage": full}))

    assert ["disk"] == _kinds(short)


def test_no_worker(node: Node) -> None:
    """A worker that has not signed in for too long is not there."""
    assert ["no_worker"] == _kinds(node, later_s=roll_call.GONE_S + 1)


def test_a_queue_that_does_not_move(node: Node) -> None:
    """A study that waits for longer than queue_age_min is told, unless processing is paused by an operator."""
    arrive(node.ledger)
    settle(node.ledger, now=NOW - 16 * 60)

    assert ["queue_age"] == _kinds(node)
    node.ledger.switches.pause(Paused.PROCESSING, actor="anna", address="", why="upgrade", now=NOW)
    assert [] == _kinds(node)


def test_a_certificate_that_expires(node: Node, tmp_path: Path) -> None:
    """It is told certificate_days before, and after; one that cannot be read is told too."""
    file, key = make_certificate(tmp_path, days=20)
    tls = Tls(cert_file=file, key_file=key, ca_file=file)
    secured = node.settings.model_copy(update={"node": node.settings.node.model_copy(update={"tls": tls})})

    made_at = file.stat().st_mtime

    def found(days: float) -> list[str]:
        moment = made_at + days * 86_400
        _sign_in(node.settings, moment)
        return [problem.says for problem in look(replace(node, settings=secured, clock=lambda: moment)).problems]

    assert ["certificate (node) expires in 19 days", "certificate (node, CA) expires in 19 days"] == found(1.0)
    assert ["certificate (node) expired 5 days ago", "certificate (node, CA) expired 5 days ago"] == found(25.0)
    assert [] == found(-20.0)
    file.unlink()
    assert ["TLS files (node) cannot be used: the old ones stay in force until the node is started again"] == found(0)


def test_rejected_senders(node: Node) -> None:
    """Callers that were turned away in a day are counted; who they were stands on the page alone."""
    one = Caller(
        calling_ae="PLANTED-ID", address="10.0.0.9", cause="address", called_ae="S", number=3, first_at=NOW, last_at=NOW
    )
    node.ledger.callers.note([one, replace(one, address="10.0.0.8")])
    (problem,) = look(node).problems

    assert (Kind.REJECTED, 2) == (problem.kind, problem.number)
    assert "PLANTED" not in str(problem)
    _sign_in(node.settings, NOW + 86_401)
    assert [] == _kinds(node, later_s=86_401)


def test_a_ledger_that_does_not_answer(node: Node) -> None:
    """That is a problem of its own; what stands in the ledger is unknown meanwhile, not gone."""
    _fail(node)
    node.ledger.close()
    Path(str(node.ledger.engine.url.database)).unlink()
    Path(str(node.ledger.engine.url.database)).mkdir()
    found = look(node)

    assert ["ledger_down"] == [problem.key for problem in found.problems]
    assert {Kind.FAILED, Kind.DESTINATION, Kind.QUEUE, Kind.REJECTED, Kind.NOT_RETRACTED} == found.unknown


def test_a_problem_reaches_mail_and_webhook_once(node: Node, mails: MailSink, hook: WebSink) -> None:
    """A failed study is told to every address and to the webhook, once; nothing of the patient is in it."""
    _fail(node)
    for seconds in (0.0, SURE_S, SURE_S + 30, 3600.0):
        later = _at(node, seconds)
        _sign_in(node.settings, later.clock())
        # A new one each time: what was told is kept on disk.
        Watch(later).run(later.clock())

    assert (1, ["a@x.example", "b@x.example"]) == (len(mails.mails), mails.recipients)
    assert (1, ["/hook/T0-SECRET"]) == (len(hook.posts), hook.paths)
    assert "1 study has failed: refused" in _text(mails.mails[0])
    assert ("auto-generated", "1 problem") == (mails.mails[0]["Auto-Submitted"], mails.mails[0]["Subject"][-9:])
    assert [("studies_failed", "refused", 1)] == [
        (each["kind"], each["name"], each["number"]) for each in hook.posts[0]["problems"]
    ]
    assert not any(word in f"{mails.mails[0]}{hook.posts[0]}" for word in PLANTED)


def test_a_message_that_did_not_go_is_sent_later(node: Node, mails: MailSink, hook: WebSink) -> None:
    """One way that fails holds up no other, the failure is logged without the secret, and the message comes later."""
    _fail(node)
    hook.status = 503
    watching = Watch(_at(node, 25.0))
    with capture_logs() as logs:
        for seconds in (0.0, SURE_S, SURE_S + AGAIN_S - 1, SURE_S + AGAIN_S):
            if seconds > SURE_S:
                hook.status = 204
            watching.run(NOW + seconds)

    said = [entry for entry in logs if entry["action"] == "alert_not_sent"]
    assert [("webhook", "webhook at 127.0.0.1 answered 503")] == [(each["kind"], each["why"]) for each in said]
    assert (1, 2) == (len(mails.mails), len(hook.posts))


def test_a_message_that_did_not_go_does_not_wait_for_the_clock(node: Node, hook: WebSink) -> None:
    """What could not be sent is tried again after AGAIN_S, also where the clock went back by a day meanwhile."""
    _fail(node)
    hook.status = 503
    watching = Watch(node)
    for seconds in (0.0, SURE_S):
        watching.run(NOW + seconds)
    hook.status = 204
    for seconds in (0.0, SURE_S, AGAIN_S):
        watching.run(NOW - 86_400.0 + seconds)

    assert 2 == len(hook.posts)


def test_a_second_steward_tells_nothing_twice(node: Node, hook: WebSink) -> None:
    """While one looks, another leaves it to that."""
    _fail(node)
    with watch._locked(node.settings.storage.root / "alerts"):  # noqa: SLF001 - what another process would hold
        for seconds in (0.0, SURE_S):
            Watch(node).run(NOW + seconds)

    assert [] == hook.posts


def test_the_steward_alerts_where_somebody_is_to_be_told(node: Node) -> None:
    """The node's steward has the duty where a way is configured, and has not where none is."""

    def duties(settings: Settings) -> list[str]:
        return [each.name for each in steward_of(replace(node, settings=settings), Metrics(settings))._threads]  # noqa: SLF001 - its loops

    assert "spondyl-alert" in duties(node.settings)
    assert "spondyl-alert" not in duties(node.settings.model_copy(update={"alerts": Alerts()}))


def test_mail_goes_over_tls_with_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With starttls the password is said to a server whose certificate is good, over TLS alone."""
    certificate = make_certificate(tmp_path)
    secret = tmp_path / "password"
    secret.write_text("hunter2\n", encoding="utf-8")
    with MailSink(certificate=certificate).running() as sink:
        secured = _mail_to(sink, smtp_security="starttls", smtp_user="node", smtp_password_file=secret)
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            send.mail(TEST, secured)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        send.mail(TEST, secured)
        secret.unlink()
        with pytest.raises(Misconfigured, match="smtp_password_file"):
            send.mail(TEST, secured)

    assert ([("node", "hunter2", True)], 1) == (sink.logins, len(sink.mails))


def test_a_mail_server_that_refuses_or_is_away_is_said(mails: MailSink) -> None:
    """Who refuses is named with the code alone: what a server says may quote anything."""
    mails.recipient_answer = "550 Planted^Name unknown"
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:\d+: SMTPRecipientsRefused$"):
        send.mail(TEST, _mail_to(mails))
    mails.port = free_port()
    with pytest.raises(Unavailable, match="Connection refused"):
        send.mail(TEST, _mail_to(mails))


@pytest.mark.parametrize(("status", "said"), [(404, "answered 404"), (302, "answered 302")])
def test_a_webhook_that_is_not_there_is_said(hook: WebSink, status: int, said: str) -> None:
    """An error is one, and so is a redirection: nothing is posted elsewhere; the path is not said."""
    hook.status, hook.location = status, f"http://127.0.0.1:{hook.port}/other"
    with pytest.raises(Unavailable, match=said) as error:
        send.post(TEST, hook.url)

    assert "SECRET" not in str(error.value)
    assert ["/hook/T0-SECRET"] == hook.paths


def test_a_webhook_that_is_away_is_said() -> None:
    """Nobody listens: the host is named, the path is not."""
    with pytest.raises(Unavailable, match=r"webhook at 127\.0\.0\.1: Connection refused") as error:
        send.post(TEST, f"http://127.0.0.1:{free_port()}/T0-SECRET")

    assert "SECRET" not in str(error.value)


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ({"mail_to": ["a@x"]}, "mail_from is required"),
        ({"mail_to": ["nobody"]}, "a mail address"),
        ({"mail_to": ["a@x\r\nBcc: b@y"]}, "a mail address"),
        ({"webhook": "ftp://x/y"}, "https://"),
        ({"smtp_user": "u"}, "smtp_password_file is required"),
        ({"smtp_user": "u", "smtp_password_file": "p"}, "starttls"),
    ],
)
def test_alerts_that_could_not_go_are_no_configuration(alerts: dict[str, Any], said: str) -> None:
    """What is missing or wrong is said at the start, not at the first alert."""
    with pytest.raises(ValidationError, match=said):
        Alerts.model_validate(alerts)


def _run(folder: Path, url: str, alerts: str, *arguments: str) -> Any:
    file = folder / "own.toml"
    file.write_text(
        f'[storage]\nroot = "state"\nmin_free_gb = 0\nledger = "{url}"\n[alerts]\n{alerts}\n', encoding="utf-8"
    )
    try:
        return CliRunner().invoke(app, ["--config", str(file), "alert", *arguments])
    finally:
        structlog.reset_defaults()


def test_the_command_sends_a_test(sqlite_url: str, tmp_path: Path, mails: MailSink, hook: WebSink) -> None:
    """Both ways get a message that says that it is a test; one that fails gives 5, all 4, none configured 3."""
    mail = f'mail_to = ["a@x.example"]\nmail_from = "n@x.example"\nsmtp_host = "127.0.0.1"\nsmtp_port = {mails.port}\n'
    both = _run(tmp_path, sqlite_url, f'{mail}webhook = "{hook.url}"', "test")
    hook.status = 500
    one = _run(tmp_path, sqlite_url, f'{mail}webhook = "{hook.url}"', "test")
    only = _run(tmp_path, sqlite_url, f'{mail}webhook = "{hook.url}"', "test", "--only", "webhook")
    none = _run(tmp_path, sqlite_url, "", "test")

    assert [0, 5, 4, 3] == [each.exit_code for each in (both, one, only, none)]
    assert "mail: sent\nwebhook: sent\n" == both.stdout
    assert "SECRET" not in one.stderr
    assert (2, True) == (len(mails.mails), hook.posts[0]["test"])
    assert "This is a test" in _text(mails.mails[0])


def test_the_command_lists_what_is_wrong(sqlite_url: str, tmp_path: Path) -> None:
    """A node without a worker has a problem, with what to do: exit code 1."""
    listed = _run(tmp_path, sqlite_url, "", "list")
    as_json = _run(tmp_path, sqlite_url, "", "list", "--json")

    assert (1, 1) == (listed.exit_code, as_json.exit_code)
    assert "spondyl work" in listed.stdout
    assert '"kind": "no_worker"' in as_json.stdout


def test_the_page_has_a_button(node: Node, mails: MailSink, hook: WebSink) -> None:
    """An operator sends a test from the page and reads what became of it; a viewer cannot; it is written down."""
    for name, role in (("anna", Role.OPERATOR), ("eve", Role.VIEWER)):
        node.ledger.people.put(name, role, now=1.0, token=digest(f"spo_{name}"))
    hook.status = 500
    client = Client(app_of(node))

    def posted(name: str) -> Any:
        headers = {"Authorization": f"Bearer spo_{name}", "Accept": "text/html"}
        return client.post("/alerts/test", headers=headers)

    page, refused = posted("anna"), posted("eve")

    assert (200, 403) == (page.status_code, refused.status_code)
    assert (1, 1) == (len(mails.mails), len(hook.posts))
    assert "mail: <strong>sent</strong>" in page.text
    assert "not sent: webhook at 127.0.0.1 answered 500" in page.text
    assert "T0-SECRET" not in page.text
    assert ("anna", "test_alerts") == (
        node.ledger.audit.latest(limit=1)[0].actor,
        node.ledger.audit.latest(limit=1)[0].action,
    )

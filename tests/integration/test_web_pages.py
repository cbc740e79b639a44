"""The pages and their buttons, and the same over the API: what is shown, what is done, what is written down."""

import json
import os
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from contract_findings import contract_findings
from ledgers import arrive, claim, deliver, measure, new_report, settle, study_of
from pydantic import SecretStr
from servers import free_port
from sinks import make_certificate
from web_client import Client, app_of

from service import operations, roll_call
from service.config import Settings, Storage
from service.config_peers import Destination, Source, Tls
from service.errors import Unavailable
from service.ledger.callers import Caller
from service.ledger.lists import Wanted
from service.ledger.people import Person, Role
from service.ledger.switches import Paused
from service.operations import Actor
from service.overview import Check, Light, overview, turnaround
from service.passwords import digest
from service.states import NotAllowed, StudyState
from service.web.sources import line
from service.wiring import Node, open_node

ANNA = Actor(name="anna", address="127.0.0.1")
AUTH = {"Authorization": "Bearer spo_anna", "Accept": "text/html"}
NOW = 100_000.0


@pytest.fixture
def node(sqlite_url: str, tmp_path: Path) -> Iterator[Node]:
    """Open a node with a source, a destination that is down, and an operator; its broker does not run."""
    settings = Settings(
        storage=Storage(root=tmp_path / "state", ledger=SecretStr(sqlite_url), min_free_gb=0),
        sources=(Source(name="ct1", ae_titles=("CT1",)),),
        destinations=(Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=free_port(), timeout_s=2),),
    )
    with open_node(settings, clock=lambda: NOW) as opened:
        opened.ledger.people.put("anna", Role.OPERATOR, now=1.0, token=digest("spo_anna"))
        yield opened


@pytest.fixture
def client(node: Node) -> Client:
    """Give a client."""
    return Client(app_of(node))


def _page(client: Client, path: str, **params: str) -> str:
    answer = client.get(path, params=params or None, headers=AUTH)
    assert 200 == answer.status_code, answer.text
    return answer.text


def _failed(node: Node, uid: str, why: str = "the worker died 3 times", *, now: float = NOW - 100) -> str:
    held = claim(node.ledger, settle(node.ledger, uid, now=now), now=now + 1)
    node.ledger.jobs.give_up(held, who="developers", why=why, now=now + 2)
    return held.study.key


def _actors(node: Node, key: str) -> list[tuple[str, str]]:
    return [(each.event, each.actor) for each in node.ledger.admin.study(key).events]


# ---- the list


def test_the_list_goes_on_page_by_page(node: Node, client: Client) -> None:
    """Fifty a page; each study is on one page, and the last page leads no further."""
    for number in range(120):
        arrive(node.ledger, f"1.{number}", now=1000.0 + number)
    seen: list[str] = []
    after = ""
    for _ in range(3):
        page = _page(client, "/studies", **({"after": after} if after else {}))
        seen += [uid for uid in (f"1.{number}" for number in range(120)) if f">{uid}</a>" in page]
        after = page.partition("after=")[2].partition('"')[0]

    assert "" == after
    assert sorted(f"1.{number}" for number in range(120)) == sorted(seen)


def test_the_list_is_filtered_by_day_source_and_reason(node: Node, client: Client) -> None:
    """Days are whole days, UTC, the last one included; what was asked for stays in the form."""
    _failed(node, "1.1", "first", now=datetime(2026, 3, 4, 23, 59, tzinfo=UTC).timestamp())
    _failed(node, "1.2", "second", now=datetime(2026, 3, 5, 0, 1, tzinfo=UTC).timestamp())
    by_day = _page(client, "/studies", since="2026-03-04", until="2026-03-04")
    by_reason = _page(client, "/studies", reason="second", source="ct1")

    assert (True, False) == (">1.1</a>" in by_day, ">1.2</a>" in by_day)
    assert (False, True) == (">1.1</a>" in by_reason, ">1.2</a>" in by_reason)
    assert 'value="2026-03-04"' in by_day
    assert "No study is like that." in _page(client, "/studies", source="other")


@pytest.mark.parametrize("asked", [{"since": "yesterday"}, {"until": "9999-12-31"}, {"after": "1"}, {"after": "x_y"}])
def test_a_filter_that_is_not_understood_says_so(client: Client, asked: dict[str, str]) -> None:
    """422 with the name of the field and what was expected."""
    answer = client.get("/studies", params=asked, headers=AUTH)

    assert (422, True) == (answer.status_code, f"{next(iter(asked))}: expected" in answer.text)


# ---- one study


def test_the_buttons_are_those_that_work(node: Node, client: Client) -> None:
    """A study has the buttons of what can happen to it now, and no other."""
    receiving = arrive(node.ledger, "1.1").key
    deliver(node.ledger, measure(node.ledger, "1.2")[0])
    pages = {
        "receiving": _page(client, f"/studies/{receiving}"),
        "reported": _page(client, f"/studies/{study_of(node.ledger, '1.2').key}"),
        "failed": _page(client, f"/studies/{_failed(node, '1.3')}"),
    }
    buttons = ("Settle now", "Send again", ">Retry<", "Measure again", "Ignore this study")

    assert {
        "receiving": [True, False, False, False, True],
        "reported": [False, True, False, True, True],
        "failed": [False, False, True, True, True],
    } == {state: [button in page for button in buttons] for state, page in pages.items()}


def test_a_button_acts_as_who_pressed_it(node: Node, client: Client) -> None:
    """Settle, retry, measure and ignore: each leads back to the study, whose events name the person; the trail too."""
    receiving = arrive(node.ledger, "1.1").key
    failed = _failed(node, "1.2")
    answers = [
        client.post(f"/studies/{receiving}/settle", headers=AUTH),
        client.post(f"/studies/{failed}/retry", headers=AUTH),
        client.post(f"/studies/{receiving}/ignore", {"why": "sent twice"}, headers=AUTH),
        client.post(f"/studies/{receiving}/measure", headers=AUTH),
    ]

    assert [303] * 4 == [answer.status_code for answer in answers]
    assert f"/studies/{receiving}?done=settle" == answers[0].headers["location"]
    assert [("settle_asked", "anna"), ("ignored", "anna"), ("retried", "anna")] == _actors(node, receiving)[1:]
    assert ("retried", "anna") == _actors(node, failed)[-1]
    trail = [(each.action, each.detail) for each in reversed(node.ledger.audit.latest())]
    assert [("settle", receiving), ("retry", failed), ("ignore", receiving), ("measure_again", receiving)] == trail


def test_what_is_not_possible_says_why(node: Node, client: Client) -> None:
    """409, as a page a person can read, and nothing is changed."""
    key = arrive(node.ledger).key
    answer = client.post(f"/studies/{key}/retry", headers=AUTH)

    assert (409, True) == (answer.status_code, "cannot be retried" in answer.text)
    assert "<h1>Not possible now</h1>" in answer.text
    assert [("received", "node")] == _actors(node, key)


@pytest.mark.parametrize("why", ["", "   ", "x" * 201, "two\nlines"])
def test_a_reason_is_asked_for(node: Node, client: Client, why: str) -> None:
    """Ignoring needs a reason on one line, of 200 characters at most."""
    key = arrive(node.ledger).key

    assert 422 == client.post(f"/studies/{key}/ignore", {"why": why}, headers=AUTH).status_code
    assert StudyState.RECEIVING is node.ledger.admin.study(key).study.state


def test_findings_can_be_saved(node: Node, client: Client) -> None:
    """As JSON, which is what the ledger holds, and as CSV; the file is named by the key."""
    held = claim(node.ledger, settle(node.ledger))
    found = {"findings": json.dumps(contract_findings()), "reason": None, "objects": [new_report()]}
    node.ledger.jobs.finish_measure(held, wanted={}, now=150.0, **found)  # type: ignore[arg-type]
    key = held.study.key
    as_json = client.get(f"/studies/{key}/findings.json", headers=AUTH)
    as_csv = client.get(f"/studies/{key}/findings.csv", headers=AUTH)

    assert contract_findings() == as_json.json()
    assert as_csv.text.startswith("level,status,reason")
    assert f'attachment; filename="{key}.csv"' == as_csv.headers["content-disposition"]
    assert as_csv.text == client.get(f"/api/v1/studies/{key}/findings.csv", headers=AUTH).text


def test_a_study_on_its_way_is_looked_at_again(node: Node, client: Client) -> None:
    """The page of a study that moves asks for itself again; that of one at its end does not."""
    assert 'hx-trigger="every' in _page(client, f"/studies/{arrive(node.ledger, '1.1').key}")
    assert 'hx-trigger="every' not in _page(client, f"/studies/{_failed(node, '1.2')}")


# ---- failures


def test_failures_are_grouped_and_say_what_to_do(node: Node, client: Client) -> None:
    """One line a cause, with its number, who must act and what to do."""
    for number in range(3):
        _failed(node, f"1.{number}")
    _failed(node, "1.9", "pacs: AE title not recognised")
    page = _page(client, "/failures")

    assert 1 == page.count("<strong>the worker died 3 times</strong>")
    assert ">3</a>" in page
    assert "developers" in page
    assert "Have this node&#39;s AE title registered" in page


def test_all_of_a_cause_are_retried(node: Node, client: Client) -> None:
    """Those with the cause, and no other; then all that are left. Each study's event names who pressed."""
    keys = [_failed(node, f"1.{number}") for number in range(3)]
    other = _failed(node, "1.9", "other")
    form = {"state": "failed", "reason": "the worker died 3 times"}
    first = client.post("/failures/retry", form, headers=AUTH)
    states = [node.ledger.admin.study(key).study.state for key in (*keys, other)]
    client.post("/failures/retry", {"state": "failed"}, headers=AUTH)

    assert "/failures?done=retry&n=3" == first.headers["location"]
    assert [StudyState.QUEUED] * 3 + [StudyState.FAILED] == states
    assert StudyState.QUEUED is node.ledger.admin.study(other).study.state
    assert ("retried", "anna") == _actors(node, keys[0])[-1]


def test_what_cannot_be_retried_stops_nothing(node: Node, client: Client) -> None:
    """A study whose files are gone is passed over and counted, the page says so; the others are retried."""
    gone = _failed(node, "1.1")
    _failed(node, "1.2")
    study_id = node.ledger.admin.study(gone).study.id
    assert node.ledger.admin.forget_files(study_id, remove=lambda: True, now=NOW)
    many = operations.retry_all(node, Wanted(state=StudyState.FAILED), by=ANNA)
    pressed = client.post("/failures/retry", {"state": "failed"}, headers=AUTH).headers["location"]

    assert (1, 1, 0) == (many.asked, many.refused, many.left)
    assert "1 cannot be: have the files sent again" in _page(client, pressed)


def test_a_press_ends_in_time(node: Node) -> None:
    """Where there are more than can be done in some seconds, the rest is counted."""
    for number in range(5):
        _failed(node, f"1.{number}")
    ticks = iter(range(0, 100, 2))
    many = operations.retry_all(node, Wanted(state=StudyState.FAILED), by=ANNA, timer=lambda: float(next(ticks)))

    assert 5 == many.asked + many.left
    assert 0 < many.asked < 5


def test_many_are_retried_only_where_they_ended(node: Node) -> None:
    """Nobody sends every report again by mistake."""
    with pytest.raises(NotAllowed):
        operations.retry_all(node, Wanted(state=StudyState.REPORTED), by=ANNA)


# ---- overview


def _checks(node: Node) -> dict[str, tuple[Light, str]]:
    return {check.name: (check.light, check.do) for check in overview(node).checks}


def test_no_light_can_be_red_without_a_word_on_what_to_do() -> None:
    """A check that is not well and says nothing to do cannot be made, nor one that is well and does."""
    for light, do in ((Light.BAD, ""), (Light.WARN, ""), (Light.OK, "Do something.")):
        with pytest.raises(ValueError, match="what to do"):
            Check(name="Disk", light=light, says="full", do=do)


def test_every_red_light_says_what_to_do(node: Node) -> None:
    """No listener, no worker, no broker, a destination that is down, failed studies: each is red, with an advice."""
    _failed(node, "1.1")
    node.ledger.jobs.destination_failed("pacs", until=NOW + 60, why="does not answer", now=NOW)
    checks = _checks(node)

    for name in ("Listener", "Workers", "Broker", "Destination pacs", "Failures"):
        assert Light.BAD is checks[name][0], name
        assert checks[name][1], name
    assert {Light.OK} == {light for name, (light, _) in checks.items() if name in {"Ledger", "Disk", "Callers"}}
    assert Light.BAD is overview(node).worst


def test_what_is_overdue_has_a_light(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note that did not arrive, and objects that are not proven after a day; neither is there while all is well."""
    before = set(_checks(node))
    monkeypatch.setattr(type(node.ledger.retractions), "untold", lambda _: 1)
    monkeypatch.setattr(type(node.ledger.watch), "unproven", lambda _: {"pacs": (2, NOW - 90_000), "b": (1, NOW - 9)})
    after = _checks(node)

    assert {"Taken back", "Proof of pacs"} == set(after) - before
    assert (Light.BAD, Light.WARN) == (after["Taken back"][0], after["Proof of pacs"][0])


@pytest.mark.parametrize("known", [True, False])
def test_without_its_ledger_the_first_page_says_so(
    node: Node, client: Client, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """503 with a red ledger, what to do, and what else can be seen; also for whom nobody can recognise meanwhile."""

    def away(*_: object, **__: object) -> None:
        raise Unavailable("the ledger does not answer: connection to 10.0.0.5 failed")

    monkeypatch.setattr(type(node.ledger.watch if known else node.ledger.people), "running" if known else "any", away)
    monkeypatch.setattr(type(node.ledger.people), "with_token", (lambda *_: _anna()) if known else away)
    answer = client.get("/", headers=AUTH)

    assert 503 == answer.status_code
    for words in ("Somebody must act", "Ledger</strong> does not answer", "<strong>Disk</strong>", "its disk is"):
        assert words in answer.text, words
    assert "10.0.0.5" not in answer.text
    assert "does not answer" in client.get("/", headers={**AUTH, "Accept": "*/*"}).text


def _anna() -> Person:
    return Person(name="anna", role=Role.OPERATOR, password=None, token=None, created_at=1.0)


def test_tls_has_lights(node: Node, tmp_path: Path) -> None:
    """A certificate that is good, one that ends soon, one that has; files that cannot be used are red, and say so."""
    file, key = make_certificate(tmp_path, days=20)
    tls = Tls(cert_file=file, key_file=key, ca_file=file)
    secured = node.settings.model_copy(update={"node": node.settings.node.model_copy(update={"tls": tls})})
    made_at = file.stat().st_mtime

    def lights(days: float) -> dict[str, Light]:
        moment = made_at + days * 86_400
        checks = _checks(replace(node, settings=secured, clock=lambda: moment))
        return {name: light for name, (light, _) in checks.items() if "ertificate" in name or "TLS" in name}

    names = ("Certificate of node", "Certificate of node, CA")
    assert lights(-20) == dict.fromkeys(names, Light.OK)
    assert lights(1) == dict.fromkeys(names, Light.WARN)
    assert lights(25) == dict.fromkeys(names, Light.BAD)
    key.write_text("no key", encoding="ascii")
    assert lights(-20) == dict.fromkeys(names, Light.OK) | {"TLS files of node": Light.BAD}


def test_who_gives_a_sign_of_life_is_there(node: Node) -> None:
    """A listener that saves its counts and a worker that signs in turn their lights green."""
    root = node.settings.storage.root
    (root / "metrics").mkdir()
    (root / "metrics" / "host-1.prom").write_text("", encoding="utf-8")
    os.utime(root / "metrics" / "host-1.prom", (NOW - 1, NOW - 1))
    roll_call.sign_in(root, roll_call.Present(name="host:1", processes=2, broker=True))
    checks = _checks(node)

    assert (Light.OK, Light.OK) == (checks["Listener"][0], checks["Workers"][0])


def test_a_day_is_shown_by_source(node: Node, client: Client) -> None:
    """Received, under way, reported, not analysable, ignored, failed, for each source, one that sent nothing too."""
    _failed(node, "1.1")
    arrive(node.ledger, "1.2", now=NOW - 50)
    arrive(node.ledger, "1.3", now=NOW - 90_000)
    (day,) = overview(node).sources

    assert ("ct1", 2, 1, 0, 0, 0, 1) == (
        day.name,
        day.received,
        day.under_way,
        day.reported,
        day.not_analysable,
        day.ignored,
        day.failed,
    )
    assert "Somebody must act" in _page(client, "/")


@pytest.mark.parametrize(
    ("seconds", "p50", "p95"),
    [([], None, None), ([7.0], 7.0, 7.0), ([float(n) for n in range(1, 101)], 50.0, 95.0), ([1.0, 2.0], 1.0, 2.0)],
)
def test_turnaround_is_median_and_95th_percentile(seconds: list[float], p50: float | None, p95: float | None) -> None:
    """By nearest rank: the value that so many of a hundred do not exceed."""
    found = turnaround(seconds)

    assert (len(seconds), p50, p95) == (found.studies, found.p50_s, found.p95_s)


def test_a_pause_is_seen_and_ended(node: Node, client: Client) -> None:
    """Paused with a reason it is a light on the first page, with who and why; resumed it is gone."""
    client.post("/pause/processing", {"why": "update of the PACS"}, headers=AUTH)
    paused = _page(client, "/")
    kept = node.ledger.switches.paused()
    client.post("/resume/processing", headers=AUTH)

    assert {Paused.PROCESSING} == set(kept)
    assert "update of the PACS" in paused
    assert "Resume processing" in paused
    assert {} == node.ledger.switches.paused()
    assert 422 == client.post("/pause/everything", {"why": "x"}, headers=AUTH).status_code


# ---- destinations, sources, configuration


def test_an_echo_says_what_the_destination_said(client: Client, node: Node) -> None:
    """A destination that is down is shown as such, in words; the press is written down."""
    page = client.post("/destinations/pacs/echo", headers=AUTH)
    unknown = client.post("/destinations/other/echo", headers=AUTH)

    assert (200, True) == (page.status_code, "✗" in page.text)
    assert (422, True) == (unknown.status_code, "no destination is called" in unknown.text)
    assert [("echo", "pacs")] == [(each.action, each.detail) for each in node.ledger.audit.latest()]


def _caller(title: str = "CT_ROOM 3", cause: str = "calling_ae_title", address: str = "10.0.0.3") -> Caller:
    return Caller(
        calling_ae=title, address=address, cause=cause, called_ae="X", number=2, first_at=NOW - 9, last_at=NOW - 5
    )


def test_a_rejected_caller_has_its_lines_ready(node: Node, client: Client) -> None:
    """The lines are a valid configuration that would admit it; forgotten, it is gone from the page."""
    node.ledger.callers.note([_caller()])
    page = _page(client, "/sources")
    source = Source.model_validate(tomllib.loads(line(_caller(), {"ct1"}))["sources"][0])
    client.post("/callers/forget", {"calling_ae": "CT_ROOM 3", "address": "10.0.0.3"}, headers=AUTH)

    assert "no source has this AE title" in page
    assert (("CT_ROOM 3",), ("10.0.0.3/32",)) == (source.ae_titles, source.networks)
    assert "Nobody was rejected." in _page(client, "/sources")


@pytest.mark.parametrize(
    ("title", "address", "taken"),
    [
        ("PACS", "::ffff:10.0.0.3", {"pacs"}),
        ('A"B\\', "fe80::1", set()),
        ("", "10.0.0.3", set()),
        ("  ", "1.2.3.4", set()),
    ],
)
def test_any_caller_gives_lines_that_can_be_read(title: str, address: str, taken: set[str]) -> None:
    """Whatever title was made up, the lines are TOML, and the name is free and allowed."""
    (table,) = tomllib.loads(line(_caller(title, "address", address), taken))["sources"]

    assert table["name"] not in taken
    Source.model_validate(table | {"ae_titles": ["X"]})
    assert table["networks"][0] in {"10.0.0.3/32", "fe80::1/128", "1.2.3.4/32"}


def test_an_account_that_is_no_source_has_its_lines_ready(node: Node, client: Client) -> None:
    """Its source has its name and no AE title; a name that no source can have gives no lines."""
    account = _caller("ct-gateway", "account")
    node.ledger.callers.note([account])
    (table,) = tomllib.loads(line(account, set()))["sources"]

    assert ("ct-gateway", [], ["10.0.0.3/32"]) == (table["name"], table["ae_titles"], table["networks"])
    assert "no source has the name of this account" in _page(client, "/sources")
    assert "" == line(_caller("anna@hospital", "account"), set()) == line(_caller("ct", "account_network"), set())


def test_who_calls_another_title_needs_no_line(node: Node, client: Client) -> None:
    """The title it called and ours stand there: its own configuration is wrong."""
    node.ledger.callers.note([_caller(cause="called_ae_title")])

    assert "it called &#39;X&#39;, we are &#39;SPONDYL&#39;" in _page(client, "/sources")
    assert "" == line(_caller(cause="called_ae_title"), set())


def test_who_was_refused_in_the_handshake_is_listed_without_a_title(node: Node, client: Client) -> None:
    """Its address and what was amiss stand there; no lines would let it in, a certificate would."""
    node.ledger.callers.note([_caller(title="", cause="tls")])
    page = _page(client, "/sources")

    assert ("not said" in page, "its TLS handshake was refused" in page, "10.0.0.3" in page) == (True, True, True)
    assert "" == line(_caller(title="", cause="tls"), set())


def test_the_configuration_shows_no_secret(node: Node, client: Client) -> None:
    """What is in force stands there, without the ledger's password."""
    page = _page(client, "/configuration")

    assert "max_associations = 32" in page
    assert node.settings.storage.ledger.get_secret_value() in page  # a file's URL holds none


# ---- the API


def test_the_api_goes_on_page_by_page(node: Node, client: Client) -> None:
    """`next` leads on until it is null; each study comes once."""
    for number in range(5):
        arrive(node.ledger, f"1.{number}", now=1000.0 + number)
    seen: list[str] = []
    after = ""
    for _ in range(3):
        answer: dict[str, Any] = client.get(
            "/api/v1/studies", params={"limit": "2", "after": after}, headers=AUTH
        ).json()
        seen += [study["study_instance_uid"] for study in answer["studies"]]
        after = answer["next"] or ""

    assert ("", ["1.4", "1.3", "1.2", "1.1", "1.0"]) == (after, seen)


def test_the_api_does_what_the_buttons_do(node: Node, client: Client) -> None:
    """Settle, retry, ignore, many, pause, resume: 202 or 204, with the study as it is now."""
    key, failed = arrive(node.ledger, "1.1").key, _failed(node, "1.2")
    settled = client.post(f"/api/v1/studies/{key}/settle", json={}, headers=AUTH)
    retried = client.post(f"/api/v1/studies/{failed}/retry", json={"measure": True}, headers=AUTH)
    ignored = client.post(f"/api/v1/studies/{key}/ignore", json={"why": "twice"}, headers=AUTH)
    _failed(node, "1.3")
    many = client.post("/api/v1/retry", json={"state": "failed"}, headers=AUTH)
    paused = client.post("/api/v1/pause/intake", json={"why": "update"}, headers=AUTH)

    assert [202, 202, 202, 202, 204] == [each.status_code for each in (settled, retried, ignored, many, paused)]
    assert ("queued", 1) == (retried.json()["study"]["state"], retried.json()["jobs"])
    assert "ignored" == ignored.json()["study"]["state"]
    assert {"asked": 1, "refused": 0, "left": 0} == many.json()
    assert {Paused.INTAKE} == set(node.ledger.switches.paused())
    assert 204 == client.post("/api/v1/resume/intake", json={}, headers=AUTH).status_code


def test_an_echo_that_fails_is_written_down(node: Node, client: Client) -> None:
    """Who asked a destination stands in the trail also where it did not answer a program."""
    assert 503 == client.post("/api/v1/destinations/pacs/echo", json={}, headers=AUTH).status_code
    assert [("echo", "anna", "pacs")] == [(each.action, each.actor, each.detail) for each in node.ledger.audit.latest()]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1/studies/9.9/settle", {}, 404),
        ("/api/v1/studies/1.2.3/retry", {}, 409),
        ("/api/v1/studies/1.2.3/retry", {"measures": True}, 422),
        ("/api/v1/studies/1.2.3/ignore", {"why": ""}, 422),
        ("/api/v1/studies/1.2.3/ignore", {"why": "a\nb"}, 422),
        ("/api/v1/retry", {"state": "reported"}, 409),
        ("/api/v1/pause/all", {"why": "x"}, 422),
        ("/api/v1/destinations/other/echo", {}, 422),
        ("/api/v1/destinations/pacs/echo", {}, 503),
    ],
)
def test_the_api_says_what_is_wrong(node: Node, client: Client, path: str, body: object, status: int) -> None:
    """Each error is a Problem: what, and who must act."""
    arrive(node.ledger)
    answer = client.post(path, json=body, headers=AUTH)

    assert (status, {"error", "who_must_act"}) == (answer.status_code, set(answer.json()))


def test_events_and_overview_are_there_for_programs(node: Node, client: Client) -> None:
    """Events after a number; the overview with lights and advices."""
    key = _failed(node, "1.1")
    events = client.get("/api/v1/events", params={"after": "1"}, headers=AUTH).json()["events"]
    found = client.get("/api/v1/overview", headers=AUTH).json()

    assert [(key, "settled"), (key, "claimed"), (key, "gave_up")] == [(each["study"], each["event"]) for each in events]
    assert {"name", "light", "says", "do", "link"} == set(found["checks"][0])
    assert 1 == found["sources"][0]["failed"]


def test_the_papers_can_be_printed(client: Client) -> None:
    """Worksheet and conformance statement of this configuration are a press away, as text; there are no others."""
    sheet, statement = (client.get(f"/papers/{name}", headers=AUTH) for name in ("worksheet", "conformance"))

    assert [200, 200] == [sheet.status_code, statement.status_code]
    assert ["text/plain; charset=utf-8"] * 2 == [each.headers["content-type"] for each in (sheet, statement)]
    assert ("## Destination pacs" in sheet.text, "| ct1 | CT1 | any |" in statement.text) == (True, True)
    assert ['href="/papers/worksheet"', 'href="/papers/conformance"'] == [
        link
        for link in ('href="/papers/worksheet"', 'href="/papers/conformance"')
        if link in _page(client, "/configuration")
    ]
    assert 404 == client.get("/papers/nothing", headers=AUTH).status_code

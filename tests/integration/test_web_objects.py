"""The page of a study that comes back as several objects: what was sent, what was held back, what compares with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledgers import arrive, claim, deliver, measure, new_report, study_of
from pydantic import SecretStr
from web_client import Client, app_of

from service import operations
from service.config import Settings, Storage
from service.ledger.lists import Wanted
from service.ledger.people import Role
from service.operations import Actor
from service.passwords import digest
from service.states import StudyState
from service.wiring import Node, open_node

ANNA = Actor(name="anna", address="127.0.0.1")
AUTH = {"Authorization": "Bearer spo_anna", "Accept": "text/html"}
NOW = 100_000.0


@pytest.fixture
def node(sqlite_url: str, tmp_path: Path) -> Iterator[Node]:
    """Open a node with an operator; its broker does not run."""
    storage = Storage(root=tmp_path / "state", ledger=SecretStr(sqlite_url), min_free_gb=0)
    with open_node(Settings(storage=storage), clock=lambda: NOW) as opened:
        opened.ledger.people.put("anna", Role.OPERATOR, now=1.0, token=digest("spo_anna"))
        yield opened


@pytest.fixture
def client(node: Node) -> Client:
    """Give a client."""
    return Client(app_of(node))


def _page(client: Client, node: Node, uid: str = "1.2.3") -> str:
    answer = client.get(f"/studies/{study_of(node.ledger, uid).key}", headers=AUTH)
    assert 200 == answer.status_code, answer.text
    return answer.text


def _of(page: str, section: str) -> str:
    """Return a section of the page; empty where it is not there."""
    return page.partition(f'<section aria-labelledby="{section}">')[2].partition("</section>")[0]


def test_every_object_is_told_from_the_others(node: Node, client: Client) -> None:
    """The report by the SOP class that was stored, what goes with it by its own; only what arrived has a proof."""
    made = [new_report("2.25.1"), new_report("2.25.2", choice=1), new_report("2.25.3", kind="gsps")]
    report, overlay = measure(node.ledger, objects=made)
    held = claim(node.ledger, report, now=160.0)
    stored = held.choices[1]
    assert node.ledger.jobs.finish_delivery(held, detail="0x0000", stored=stored, now=160.0)
    assert node.ledger.jobs.decline(claim(node.ledger, overlay, now=170.0), why="not taken", now=170.0)
    sent = _of(_page(client, node), "objects")
    declined, arrived = sent.split("<tr>")[2:]

    for words in (">gsps<", "Grayscale Softcopy Presentation State", ">declined<", ">not taken<"):
        assert words in declined
    for words in (">sr<", "Comprehensive SR", ">done<", ">0x0000<", "2.25.2"):
        assert words in arrived
    assert "0x0000" not in declined


def test_what_was_held_back_is_said(node: Node, client: Client) -> None:
    """An object that the gate let go nowhere stands there with what was found; its event is marked."""
    made = [new_report("2.25.1"), new_report("2.25.3", kind="summary", finding="a UID is malformed")]
    deliver(node.ledger, measure(node.ledger, objects=made)[0])
    page = _page(client, node)

    assert ["summary", "a UID is malformed"] == [
        words for words in ("summary", "a UID is malformed", "2.25.1") if words in _of(page, "held-back")
    ]
    assert '<li class="event bad">' in _of(page, "story")


def test_where_nothing_was_held_back_nothing_is_said_of_it(node: Node, client: Client) -> None:
    """A study whose objects are all valid has no such table."""
    deliver(node.ledger, measure(node.ledger)[0])

    assert "" == _of(_page(client, node), "held-back")


def test_a_report_that_nothing_was_measured_can_be_sent_again(node: Node, client: Client) -> None:
    """Not analysable with a report is sent again; without one the same button measures, and says Retry."""
    deliver(node.ledger, measure(node.ledger, "1.1", reason="NO_LANDMARKS")[0])
    claimed = measure(node.ledger, "1.2", report="2.25.2", reason="NO_LANDMARKS", destinations=())
    buttons = [[word in _page(client, node, uid) for word in ("Send again", ">Retry<")] for uid in ("1.1", "1.2")]

    assert [] == claimed
    assert [[True, False], [False, True]] == buttons


def test_many_that_were_not_analysable_are_measured(node: Node) -> None:
    """Also where a report says so: none of these is sent again."""
    deliver(node.ledger, measure(node.ledger, "1.1", reason="NO_LANDMARKS")[0])
    measure(node.ledger, "1.2", report="2.25.2", reason="NO_LANDMARKS", destinations=())
    many = operations.retry_all(node, Wanted(state=StudyState.NOT_ANALYSABLE), by=ANNA)

    assert (2, 0, 0) == (many.asked, many.refused, many.left)
    assert {StudyState.QUEUED} == {study_of(node.ledger, uid).state for uid in ("1.1", "1.2")}


def test_who_was_compared_with_a_study_that_is_taken_out_is_named(node: Node, client: Client) -> None:
    """The API's answer names them, and the page of the study leads to each; a study that is not out names none."""
    arrive(node.ledger, "1.1")
    job = measure(node.ledger, "1.2")[0]
    node.ledger.priors.pin(study_of(node.ledger, "1.2").id, 1, '{"rests_on": ["1.1"]}')
    deliver(node.ledger, job)
    later, path = study_of(node.ledger, "1.2").key, f"/studies/{study_of(node.ledger, '1.1').key}"
    before = _page(client, node, "1.1")
    answer = client.post(f"/api/v1{path}/ignore", json={"why": "wrong patient"}, headers=AUTH)

    assert (202, ["1.2"], "ignored") == (
        answer.status_code,
        answer.json()["compared"],
        answer.json()["study"]["state"],
    )
    assert [False, True] == [f'href="/studies/{later}"' in page for page in (before, _page(client, node, "1.1"))]

"""The API against its own OpenAPI document: no server error, and every answer is one that it describes."""

import importlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract_findings import contract_findings
from hypothesis import HealthCheck, given, settings
from ledgers import arrive, claim, deliver, measure, settle
from pydantic import SecretStr
from servers import free_port
from sqlalchemy import update
from web_client import Client, app_of

from service.config import Settings, Storage
from service.config_peers import Destination
from service.ledger.engine import writing
from service.ledger.people import Role
from service.ledger.tables import revisions
from service.passwords import digest
from service.wiring import Node, open_node

EXAMPLES = int(os.environ.get("SPONDYL_TEST_API_EXAMPLES", "6"))
AUTH = {"Authorization": "Bearer spo_anna"}
NOW = 100_000.0


@pytest.fixture(scope="module")
def schemathesis() -> Any:
    """Give the library, absent at a desk that has not installed it anew; no other test waits until it is imported."""
    return importlib.import_module("schemathesis") if os.environ.get("CI") else pytest.importorskip("schemathesis")


@pytest.fixture(scope="module")
def api(schemathesis: Any, empty_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give the API of a node with a study in several states, a destination that is down, and no broker."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "ledger.sqlite").write_bytes(empty_sqlite.read_bytes())
    node_settings = Settings(
        storage=Storage(root=folder, ledger=SecretStr(f"sqlite:///{folder / 'ledger.sqlite'}"), min_free_gb=0),
        destinations=(Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=free_port(), timeout_s=1),),
    )
    with open_node(node_settings, clock=lambda: NOW) as node:
        node.ledger.people.put("anna", Role.OPERATOR, now=1.0, token=digest("spo_anna"))
        deliver(node.ledger, measure(node.ledger, "1.2.3")[0])
        arrive(node.ledger, "1.2.4")
        node.ledger.jobs.give_up(claim(node.ledger, settle(node.ledger, "1.2.5")), who="x", why="broken", now=150.0)
        with writing(node.ledger.engine) as connection:
            connection.execute(update(revisions).values(findings=json.dumps(contract_findings())))
        yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", app_of(node), headers=AUTH)


@pytest.fixture
def ledger_node(ledger_url: str, tmp_path: Path) -> Iterator[Node]:
    """Give a node with an operator over each kind of ledger."""
    stored = Storage(root=tmp_path / "state", ledger=SecretStr(ledger_url), min_free_gb=0)
    with open_node(Settings(storage=stored), clock=lambda: NOW) as node:
        node.ledger.people.put("anna", Role.OPERATOR, now=1.0, token=digest("spo_anna"))
        yield node


def test_every_answer_is_one_that_is_described(schemathesis: Any, api: Any) -> None:
    """No server error but those that the document describes; status, content type and body of each are as it says."""
    checks = schemathesis.checks
    checks.load_all_checks()
    # A destination that is down is 502 or 503, and described: `not_a_server_error` would call it one.
    wanted = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
    wrong: list[str] = []
    for found in api.include(path_regex="^/api/").get_all_operations():
        operation = found.ok()
        try:
            _asked(operation, [checks.CHECKS.get_one(name) for name in wanted])
        except Exception as error:  # noqa: BLE001 every operation is asked, then all that is wrong is said at once
            wrong.append(f"{operation.label}: {_told(error)}")

    assert [] == wrong


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/login", {"form": {"name": "a\0", "password": "x"}}),
        ("/callers/forget", {"form": {"calling_ae": "A\0", "address": "1.2.3.4"}}),
        ("/studies/search", {"form": {"patient": "a\0b"}}),
        ("/api/v1/studies/search", {"json": {"patient": "a\0b"}}),
        ("/api/v1/studies/search", {"json": {"patient": "\ud800"}}),
        ("/api/v1/retry", {"json": {"state": "failed", "reason": "a\0"}}),
        ("/api/v1/rules/try", {"json": {"study": "a\0"}}),
        ("/api/v1/studies", {"params": {"source": "a\0"}}),
        ("/api/v1/studies", {"params": {"after": "1_99999999999"}}),
        ("/api/v1/studies", {"params": {"since": "1e999"}}),
        ("/api/v1/studies/%00", {}),
        ("/api/v1/events", {"params": {"after": "9" * 30}}),
        ("/studies", {"params": {"reason": "a\0"}}),
        ("/studies", {"params": {"after": f"1_{'9' * 30}"}}),
        ("/studies", {"params": {"after": "nan_1"}}),
        ("/studies", {"params": {"after": "1e999_1"}}),
        ("/failures", {"params": {"n": "9" * 5000}}),
    ],
)
def test_no_ledger_fails_at_what_it_cannot_hold(ledger_node: Node, path: str, sent: dict[str, Any]) -> None:
    """A NUL, half a character, a number without end: never a server error, over SQLite and over PostgreSQL."""
    client, headers = Client(app_of(ledger_node)), AUTH if path != "/login" else {}
    if "form" in sent or "json" in sent:
        answer = client.post(path, sent.get("form"), json=sent.get("json"), headers=headers)
    else:
        answer = client.get(path, params=sent.get("params"), headers=headers)

    assert answer.status_code in {200, 202, 303, 401, 404, 422}, answer.text


def _told(error: BaseException) -> str:
    """Return an error with all that it is a group of."""
    return " ".join([str(error), *(_told(each) for each in getattr(error, "exceptions", ()))])


def _asked(operation: Any, wanted: list[Any]) -> None:
    """Ask one operation as many things as there are examples, some of them wrong on purpose."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=EXAMPLES < 50,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        assert 500 != case.call_and_validate(headers=AUTH, checks=wanted).status_code

    ask()

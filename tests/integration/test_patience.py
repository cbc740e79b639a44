"""PostgreSQL that is slow, or takes what it is sent and never answers: nobody waits longer than a few seconds."""

import time

import pytest
from sqlalchemy import text

from service.errors import Unavailable
from service.ledger import patience
from service.ledger.engine import STATEMENT_S, open_engine, reading


def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> None:
    """It takes the statement and says nothing: Unavailable after the time limit, and the next question goes through."""
    monkeypatch.setattr(patience, "ANSWER_S", 0.5)
    engine = open_engine(postgres_url)
    start = time.monotonic()
    with pytest.raises(Unavailable, match="nothing came from the server for"), reading(engine) as connection:
        connection.execute(text("SELECT pg_sleep(3)"))
    assert time.monotonic() - start < 2
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()


def test_a_slow_statement_is_cancelled_by_the_server(postgres_url: str) -> None:
    """The server itself keeps a limit that is shorter than the patience of whoever waits; a migration has none."""
    limits = []
    for migrating in (False, True):
        engine = open_engine(postgres_url, migrating=migrating)
        with reading(engine) as connection:
            limits.append([connection.scalar(text(f"SHOW {name}_timeout")) for name in ("statement", "lock")])
        engine.dispose()
    assert limits == [["3s", "3s"], ["0", "10s"]]
    assert STATEMENT_S < patience.ANSWER_S

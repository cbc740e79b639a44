"""When the ledger is still: nothing is under way, and nobody has written since that was found."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ledgers import arrive, claim, deliver, finish, migrated, settle, study_of
from sqlalchemy import event

from service.ledger import Ledger

#: What another process does to the ledger: an administrator wants a study settled now.
_SETTLE_NOW = """
import sys
from service.ledger import Ledger
ledger = Ledger.open(sys.argv[1])
ledger.admin.settle_now(sys.argv[2], now=200.0, actor="admin")
ledger.close()
"""


def questions(ledger: Ledger) -> list[str]:
    """Return a list that each statement is added to which the ledger is asked from now on."""
    statements: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(ledger.engine, "before_cursor_execute", hear)
    return statements


def reported(ledger: Ledger) -> None:
    """Take a study to its end."""
    for job in finish(ledger, claim(ledger, settle(ledger))):
        deliver(ledger, job)


@pytest.fixture
def other(ledger_url: str) -> Iterator[Ledger]:
    """Give another's way to the same ledger."""
    with closing(Ledger.open(ledger_url)) as opened:
        yield opened


def test_a_study_on_its_way_is_something_to_do(ledger: Ledger) -> None:
    """From its first object until the last destination has its report."""
    still = ledger.stillness.holds
    found = [still()]
    arrive(ledger)
    found.append(still())
    job = settle(ledger)
    found.append(still())
    claimed = claim(ledger, job)
    found.append(still())
    (delivery,) = finish(ledger, claimed)
    found.append(still())
    deliver(ledger, delivery)
    found.append(still())

    assert found == [True, False, False, False, False, True]


def test_what_waits_for_its_time_is_something_to_do(ledger: Ledger) -> None:
    """A delivery that is tried again tomorrow: nobody will have written when it is due."""
    (delivery,) = finish(ledger, claim(ledger, settle(ledger)))
    ledger.jobs.postpone(claim(ledger, delivery, now=160.0), until=86400.0, why="away", now=160.0)

    assert [False, False] == [ledger.stillness.holds() for _ in range(2)]


def test_a_study_whose_archive_is_asked_is_something_to_do(ledger: Ledger) -> None:
    """Though nothing else is under way."""
    reported(ledger)
    ledger.completions.is_done(study_of(ledger).id, fingerprint="f", wanted=["study"], now=170.0)

    assert not ledger.stillness.holds()


@pytest.mark.parametrize("writer", ["itself", "another"])
def test_who_writes_ends_it(ledger: Ledger, other: Ledger, writer: str) -> None:
    """Through this connection or through another: the next look sees it."""
    reported(ledger)
    assert ledger.stillness.holds()
    arrive(ledger if writer == "itself" else other, "1.2.4")

    assert not ledger.stillness.holds()


def test_another_process_ends_it(ledger: Ledger, ledger_url: str) -> None:
    """An administrator's command."""
    reported(ledger)
    assert ledger.stillness.holds()
    command = [sys.executable, "-c", _SETTLE_NOW, ledger_url, study_of(ledger).key]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])

    assert not ledger.stillness.holds()


def test_what_is_written_while_it_is_asked_is_seen(ledger: Ledger, other: Ledger) -> None:
    """Between the answer and its use: the next look is no later for it."""
    reported(ledger)

    def arrives(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "EXISTS" in statement and not other.arrivals.unsettled():
            arrive(other, "1.2.4")

    event.listen(ledger.engine, "after_cursor_execute", arrives)
    try:
        ledger.stillness.holds()
    finally:
        event.remove(ledger.engine, "after_cursor_execute", arrives)  # other tests have this engine

    assert not ledger.stillness.holds()


def test_a_sqlite_ledger_that_nobody_writes_to_is_not_asked_again(sqlite_url: str) -> None:
    """One question, and none in the thousand looks that follow."""
    with closing(Ledger.open(sqlite_url)) as ledger:
        reported(ledger)
        asked = questions(ledger)
        assert ledger.stillness.holds()
        assert asked
        asked.clear()

        assert all(ledger.stillness.holds() for _ in range(1000))
        assert asked == []


def test_a_look_after_closing_is_a_first_look(sqlite_url: str) -> None:
    """Versions of two connections do not compare, so the ledger is asked."""
    with closing(Ledger.open(sqlite_url)) as ledger:
        assert ledger.stillness.holds()
        ledger.stillness.close()
        asked = questions(ledger)

        assert ledger.stillness.holds()
        assert asked


def test_where_no_version_can_be_had_the_ledger_is_asked(tmp_path: Path) -> None:
    """Its file is out of reach for a new connection, not for the one that is open: each look is a question."""
    file = tmp_path / "own.sqlite"
    with closing(Ledger.open(migrated(f"sqlite:///{file}"))) as ledger:
        arrive(ledger)
        file.rename(tmp_path / "elsewhere.sqlite")
        asked = questions(ledger)
        found = [ledger.stillness.holds() for _ in range(2)]

        assert [False, False] == found
        assert len([statement for statement in asked if "EXISTS" in statement]) == 2

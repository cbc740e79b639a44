"""Which ledger a URL means."""

import sys
from pathlib import Path

import pytest
from ledgers import arrive, migrated
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from service.errors import Misconfigured, Unavailable
from service.ledger import Ledger, migrate
from service.ledger.engine import open_engine, reading, sqlite_file, writing


@pytest.mark.parametrize("url", ["postgresql://u@h/d", "postgresql+psycopg://u@h/d", "postgresql+psycopg2://u@h/d"])
def test_postgresql_is_spoken_with_psycopg(url: str) -> None:
    """Whatever driver a URL names, PostgreSQL goes through psycopg 3, the one that is installed and tested."""
    engine = open_engine(url)

    assert ("postgresql+psycopg", None) == (engine.url.drivername, sqlite_file(engine))


def test_sqlite_is_one_file() -> None:
    """The path after three slashes, absolute after four."""
    assert Path("/var/lib/spondyl/ledger.sqlite") == sqlite_file(
        open_engine("sqlite:////var/lib/spondyl/ledger.sqlite")
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "not an SQLAlchemy URL"),
        ("ledger.sqlite", "not an SQLAlchemy URL"),
        ("nonsense://host/x", "not supported"),
        ("mysql+pymysql://host/x", "not supported"),
        ("sqlite://", "is a file"),
        ("sqlite:///:memory:", "is a file"),
    ],
)
def test_a_url_that_cannot_be_a_ledger_is_refused(url: str, said: str) -> None:
    """The setting is named and the reason given."""
    with pytest.raises(Misconfigured, match=rf"^storage\.ledger.*{said}"):
        open_engine(url)


def test_the_password_is_not_shown() -> None:
    """A refused URL is not repeated: it may hold a password."""
    with pytest.raises(Misconfigured) as caught:
        open_engine("mysql://u:secret@h/d")

    assert "secret" not in str(caught.value)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg a PostgreSQL URL says which extra to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(Misconfigured, match=r"spondyl\[postgres\]"):
        open_engine("postgresql://u@h/d")


@pytest.mark.parametrize(("kept", "said"), [(4096, "malformed"), (0, "not a database")])
def test_a_damaged_file_does_not_answer_and_says_what_to_do(tmp_path: Path, kept: int, said: str) -> None:
    """Bytes of a bad disk behind the first page, or in it: no bug of ours, and somebody must restore the ledger."""
    url = migrated(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    ledger = Ledger.open(url)
    arrive(ledger)
    ledger.close()
    file = tmp_path / "ledger.sqlite"
    content = file.read_bytes()
    file.write_bytes(content[:kept] + bytes([0x55]) * (len(content) - kept))

    with pytest.raises(Unavailable, match=rf"^the ledger is damaged: .*{said}.*restore it.*operating\.md, section 9"):
        arrive(Ledger.open(url))
    with pytest.raises(Unavailable, match="restore it"):
        migrate(url)


def test_what_breaks_a_constraint_is_a_bug(tmp_path: Path) -> None:
    """It is no damage: neither is it tried again, nor does anybody restore anything."""
    engine = open_engine(f"sqlite:///{tmp_path / 'x.sqlite'}")
    with writing(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE t (x UNIQUE)")
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (1), (1)")
    engine.dispose()


def test_all_connections_in_use_is_a_passing_failure(tmp_path: Path) -> None:
    """A pool that gives no connection in time means that the ledger does not answer."""
    engine = open_engine(f"sqlite:///{tmp_path / 'x.sqlite'}")

    with pytest.raises(Unavailable, match="all connections are in use"), reading(engine):
        raise PoolTimeoutError
    engine.dispose()

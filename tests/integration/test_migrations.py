"""Migrations, on an empty SQLite file and on an empty PostgreSQL database."""

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import downgrade, upgrade
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect

from service.errors import Misconfigured, Unavailable
from service.ledger import Ledger, migrate, schema
from service.ledger.engine import open_engine, reading, writing
from service.ledger.tables import metadata

REPOSITORY = Path(__file__).resolve().parents[2]
NEWEST = "0007"
MIGRATE = "import sys; from service.ledger import migrate; print(*migrate(sys.argv[1]))"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a ledger that does not exist yet; of SQLite not even the folder does."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new folder' / 'ledger.sqlite'}"
    return str(request.getfixturevalue("postgres_url"))


def test_a_migration_is_named_by_its_revision() -> None:
    """What a role reads from the names of the files is what Alembic reads in them."""
    scripts = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert (tuple(reversed(revisions)), NEWEST) == (schema._revisions(), schema.newest())  # noqa: SLF001 - see above


def test_an_empty_database_is_migrated_once(url: str) -> None:
    """From nothing to the newest schema; the second time there is nothing to do."""
    assert (None, NEWEST) == migrate(url)
    assert (NEWEST, NEWEST) == migrate(url)


def test_the_migrations_make_what_the_code_expects(url: str) -> None:
    """Tables, columns, types, indices and constraints are those of `tables`, no more and no fewer."""
    migrate(url)
    engine = open_engine(url)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        differences = compare_metadata(context, metadata)
        found = {table: inspect(connection).get_unique_constraints(table) for table in metadata.tables}
    engine.dispose()

    assert [] == differences
    assert {"uq_studies_key", "uq_studies_study_instance_uid"} == {str(each["name"]) for each in found["studies"]}
    assert ["uq_deliveries_report_id_destination"] == [each["name"] for each in found["deliveries"]]


def test_many_processes_may_migrate_at_once(url: str) -> None:
    """Every role migrates when it starts: one of them does it, nobody fails."""
    command = [sys.executable, "-c", MIGRATE, url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) for _ in range(4)]
    said = sorted(process.communicate(timeout=120)[0].strip() for process in processes)

    assert [0] * 4 == [process.returncode for process in processes]
    assert [f"{NEWEST} {NEWEST}"] * 3 + [f"None {NEWEST}"] == said
    Ledger.open(url).close()


def test_a_migration_can_be_taken_back(url: str) -> None:
    """Down to nothing and up again: what is left is what an empty database becomes."""
    migrate(url)
    engine = open_engine(url)
    with writing(engine) as connection:
        downgrade(schema.configuration(connection), "base")
        left = inspect(connection).get_table_names()
        upgrade(schema.configuration(connection), "head")
        again = set(inspect(connection).get_table_names())
    engine.dispose()

    assert ["alembic_version"] == left
    assert {"alembic_version", *metadata.tables} == again


def test_a_ledger_that_was_never_migrated_is_refused(url: str) -> None:
    """Opening says what to do, and makes nothing by itself."""
    with pytest.raises(Misconfigured, match="run `spondyl migrate`"):
        Ledger.open(url)
    if url.startswith("sqlite"):
        assert not Path(url.removeprefix("sqlite:///")).exists()


def test_a_ledger_of_another_version_is_refused(url: str) -> None:
    """A schema that this version does not know is neither written to nor migrated: both revisions are named."""
    migrate(url)
    engine = open_engine(url)
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()

    newer = f"schema 9999, newer than this version of Spondyl, which knows {NEWEST}"
    for use in (Ledger.open, migrate):
        with pytest.raises(Misconfigured, match=newer):
            use(url)


def test_a_ledger_of_a_state_between_releases_is_refused(url: str) -> None:
    """Its revision is ours, its columns are not: nothing is written to it, and the words name what differs."""
    migrate(url)
    engine = open_engine(url)
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP TABLE outputs")
        connection.exec_driver_sql("ALTER TABLE reports DROP COLUMN kind")
        connection.exec_driver_sql("ALTER TABLE reports ADD COLUMN title TEXT")
    engine.dispose()

    differs = (
        "unreleased state of Spondyl: it lacks outputs.job_id, outputs.report_id, reports.kind and has reports.title"
    )
    for use in (Ledger.open, migrate):
        with pytest.raises(Misconfigured, match=differs):
            use(url)


def test_a_ledger_is_private(tmp_path: Path) -> None:
    """Nobody but this user reads it: every folder that is made for it is 0700, its file and its journals 0600."""
    url = f"sqlite:///{tmp_path / 'made' / 'too' / 'ledger.sqlite'}"
    before = os.umask(0o022)
    try:
        migrate(url)
        with closing(Ledger.open(url)) as ledger, writing(ledger.engine):
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "made").rglob("*")}
    finally:
        os.umask(before)

    assert 0o700 == stat.S_IMODE((tmp_path / "made").stat().st_mode)
    journals = dict.fromkeys(("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"), 0o600)
    assert {"too": 0o700} | journals == modes


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file stands where the folder should be: the setting is named, with the reason."""
    (tmp_path / "file").touch()

    with pytest.raises(Misconfigured, match=r"^storage\.ledger: .*file"):
        migrate(f"sqlite:///{tmp_path / 'file' / 'ledger.sqlite'}")


def test_sqlite_commits_are_durable_and_readers_do_not_wait(tmp_path: Path) -> None:
    """WAL with synchronous=FULL, foreign keys checked: as every connection of ours finds it."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    migrate(url)
    ledger = Ledger.open(url)
    with reading(ledger.engine) as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    ledger.close()

    assert {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000} == found


def test_a_writer_takes_the_lock_when_it_begins(tmp_path: Path) -> None:
    """What a writing transaction reads before it writes still holds then: nobody else can have written."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    migrate(url)
    ledger = Ledger.open(url)
    other = sqlite3.connect(tmp_path / "ledger.sqlite", timeout=0, isolation_level=None)
    with writing(ledger.engine), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    with reading(ledger.engine):
        other.execute("BEGIN IMMEDIATE")
        other.rollback()
    other.close()
    ledger.close()


def test_a_server_that_is_not_there_is_unavailable() -> None:
    """A ledger that does not answer is a passing failure, said without the password."""
    with pytest.raises(Unavailable, match="does not answer") as caught:
        Ledger.open("postgresql://spondyl:secret@127.0.0.1:1/spondyl")
    assert "secret" not in str(caught.value)


@pytest.mark.server
def test_a_server_that_goes_away_is_unavailable_and_comes_back(postgres_url: str) -> None:
    """A connection that was cut is replaced by itself: the next question is answered."""
    migrate(postgres_url)
    ledger, other = Ledger.open(postgres_url), open_engine(postgres_url)
    with pytest.raises(Unavailable, match="the ledger does not answer"):
        _cut_while_used(ledger, other)

    ledger.ping()
    ledger.close()
    other.dispose()


def _cut_while_used(ledger: Ledger, other: Engine) -> None:
    with reading(ledger.engine) as connection:
        mine = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with reading(other) as second:
            second.exec_driver_sql(f"SELECT pg_terminate_backend({mine})")
        connection.exec_driver_sql("SELECT 1")

"""The schema and its migrations, which travel inside the package: no alembic.ini, no folder beside the code."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, inspect, text

from service.errors import Misconfigured
from service.ledger.engine import open_engine, reading, sqlite_file, writing
from service.ledger.page_tables import people
from service.private import make_file, make_folder

if TYPE_CHECKING:
    from alembic.config import Config

_SCRIPTS: Final = Path(__file__).parent / "migrations"
#: Any number of our own; it names the lock under which one process at a time migrates PostgreSQL.
_LOCK: Final = 0x5370_6F6E_6479_6C
_ADVICE: Final = "run `spondyl migrate`"


def migrate(url: str) -> tuple[str | None, str]:
    """Bring the ledger to the newest schema; return (revision before, revision now).

    Makes a SQLite file and its folder for this user alone. Any number of processes may call this at once: the whole
    migration is one transaction under a lock, and who comes second finds nothing to do. Misconfigured where a newer
    version of Spondyl made the ledger, or a state of it that was never released.
    """
    # Every role asks which schema there is, and only this brings it up to date: Alembic and what it imports take some
    # 10 MB and a tenth of a second.
    from alembic import command  # noqa: PLC0415 - as said

    engine = open_engine(url, migrating=True)
    file = sqlite_file(engine)
    if file is not None:
        _make(file)
    with _disposed(engine), writing(engine) as connection:
        if file is None:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        before = _known(_current(connection))
        command.upgrade(configuration(connection), "head")
        _require_tables(connection)
        return before, newest()


def require_current(engine: Engine) -> None:
    """Raise Misconfigured where the schema is not the one this software was written for."""
    file = sqlite_file(engine)
    if file is not None and not file.is_file():
        raise Misconfigured(f"there is no ledger yet: {_ADVICE}")
    with reading(engine) as connection:
        found = _known(_current(connection))
        if found == newest():
            _require_tables(connection)
    if found != newest():
        raise Misconfigured(f"the ledger has schema {found or 'none'}, this version needs {newest()}: {_ADVICE}")


def newest() -> str:
    """Return the revision of the schema that this software was written for."""
    return _revisions()[-1]


@functools.cache
def _revisions() -> tuple[str, ...]:
    """Return the revisions that this software has migrations for, the oldest first: each file is named by its own."""
    return tuple(sorted(path.name.partition("_")[0] for path in (_SCRIPTS / "versions").glob("[0-9]*.py")))


def _make(file: Path) -> None:
    """Make a ledger's file where it is missing; SQLite gives its journals the mode of the file."""
    try:
        make_folder(file.parent)
        make_file(file)
    except OSError as error:
        raise Misconfigured(f"storage.ledger: {error.strerror}: {file}") from error


@contextmanager
def _disposed(engine: Engine) -> Iterator[None]:
    try:
        yield
    finally:
        engine.dispose()


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _known(revision: str | None) -> str | None:
    """Return a ledger's revision; Misconfigured where this software has no migration of that name."""
    if revision is not None and revision not in _revisions():
        raise Misconfigured(
            f"the ledger has schema {revision}, newer than this version of Spondyl, which knows {newest()}: "
            "run the version that made it, or a later one"
        )
    return revision


def _require_tables(connection: Connection) -> None:
    """Raise Misconfigured where a ledger of this revision has other columns: its migration was edited since.

    Released migrations never are; between releases they may be, and no migration leads from one state to the next.
    """
    inspector, metadata = inspect(connection), people.metadata  # of every module that has tables
    found = {
        f"{table}.{column['name']}"
        for (_, table), its in inspector.get_multi_columns(filter_names=list(metadata.tables)).items()
        for column in its
    }
    expected = {f"{table.name}.{column.name}" for table in metadata.sorted_tables for column in table.columns}
    if found != expected:
        raise Misconfigured(
            f"the ledger was made by an unreleased state of Spondyl: it lacks {_named(expected - found)} and has "
            f"{_named(found - expected)} too much. It cannot be migrated: run the state that made it, or move it away "
            "and start with a new one (docs/operating.md, section 9, restored: spool only)"
        )


def _named(columns: set[str]) -> str:
    return ", ".join(sorted(columns)) or "nothing"


def configuration(connection: Connection) -> "Config":
    """Return what Alembic works with: our scripts, and a connection whose transaction is the caller's."""
    from alembic.config import Config  # noqa: PLC0415 - see `migrate`

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config

"""The connection to the ledger: SQLite in one file, or PostgreSQL; two context managers, one translation of errors.

SQLite runs in WAL mode with synchronous=FULL: what was committed is on the disk. A writing transaction takes the
write lock when it begins (BEGIN IMMEDIATE), so what it read before it wrote still holds. On PostgreSQL (READ COMMITTED)
a writing transaction locks the study it changes first, see `moves.locked`.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError, DataError, InterfaceError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from service.errors import Misconfigured, NotHeld, Unavailable

#: How long a transaction waits for another's lock; ours take milliseconds. SQLite has one lock for all of it.
_LOCK_WAIT_S: Final = 10
#: On PostgreSQL nobody waits longer, seconds: a sender waits for the response to its C-STORE meanwhile. Statements take
#: milliseconds; the server cancels one that does not, and `patience` gives up a server that does not do so either.
STATEMENT_S: Final = 3
_CONNECT_S: Final = 2
_WRITES: Final = "spondyl_writes"
_SQLITE: Final = {"timeout": _LOCK_WAIT_S, "isolation_level": None}
#: libpq notices a server that is gone instead of waiting for ever: one that is idle, and one that is being sent to.
_POSTGRES: Final = {
    "connect_timeout": _CONNECT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": STATEMENT_S * 1000,
    "application_name": "spondyl",
}
_MIGRATING: Final = _POSTGRES | {"options": f"-c lock_timeout={_LOCK_WAIT_S}s"}
_AT_ONCE: Final = _POSTGRES | {"options": f"-c lock_timeout={STATEMENT_S}s -c statement_timeout={STATEMENT_S}s"}


def open_engine(url: str, *, migrating: bool = False) -> Engine:
    """Return an engine for `url`; nothing is connected yet. Misconfigured where the URL cannot be used.

    A statement may take its time with `migrating` only.
    """
    address = _address(url)
    postgres = address.get_backend_name() == "postgresql"
    try:
        engine = create_engine(
            address,
            connect_args=(_MIGRATING if migrating else _AT_ONCE) if postgres else _SQLITE,
            pool_pre_ping=postgres,
            pool_timeout=_LOCK_WAIT_S,
            # An error is logged with the statement, never with what a study is called.
            hide_parameters=True,
        )
    except ModuleNotFoundError as error:
        raise Misconfigured("storage.ledger: PostgreSQL needs the extra: pip install 'spondyl[postgres]'") from error
    if not postgres:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif not migrating:
        event.listen(engine, "do_connect", _connect_patiently)
    return engine


def sqlite_file(engine: Engine) -> Path | None:
    """Return the file of a SQLite ledger, None for PostgreSQL."""
    return Path(str(engine.url.database)) if engine.dialect.name == "sqlite" else None


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Run a transaction that only reads. Raises Unavailable where it does not answer or is damaged, NotHeld."""
    with _failures_named(), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Run a transaction that writes: all of it is durable afterwards, or none. Raises as `reading` does."""
    with _failures_named(), engine.execution_options(**{_WRITES: True}).begin() as connection:
        yield connection


def inserting(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT into `table` that can say what a conflict means; both databases spell it alike."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


@contextmanager
def _failures_named() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        said = str(error.orig).strip().partition("\n")[0]
        raise Unavailable(f"the ledger does not answer: {said}") from error
    except DataError as error:
        # PostgreSQL alone: a NUL, or a number beyond its column. What it says may quote the value.
        raise NotHeld from error
    except DatabaseError as error:
        if type(error.orig) is not sqlite3.DatabaseError:
            raise
        raise Unavailable(
            f"the ledger is damaged: {error.orig}; stop the node and restore it (docs/operating.md, section 9)"
        ) from error
    except PoolTimeoutError as error:
        raise Unavailable("the ledger does not answer: all connections are in use") from error


def _address(url: str) -> URL:
    try:
        address = make_url(url)
        backend = address.get_backend_name()
    except (ArgumentError, NoSuchModuleError) as error:
        raise Misconfigured("storage.ledger is not an SQLAlchemy URL") from error
    if backend == "postgresql":
        return address.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise Misconfigured(f"storage.ledger: {backend!r} is not supported; sqlite and postgresql are")
    if address.database in {None, "", ":memory:"}:
        raise Misconfigured("storage.ledger: a SQLite ledger is a file, several processes share it")
    return address


def _connect_patiently(_dialect: object, _record: object, args: list[Any], options: dict[str, Any]) -> object:
    from service.ledger.patience import Patient  # noqa: PLC0415 - psycopg is an extra

    return Patient.connect(*args, **options)


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Begin by hand: the driver itself would begin at the first write, too late to keep what was read before."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

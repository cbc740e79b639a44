"""Ledgers for tests: every test of the contract runs over SQLite and over a real PostgreSQL."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from service.ledger import Claim, JobRow, Ledger, NewReport, StudyRow, migrate
from service.ledger.engine import writing
from service.ledger.tables import metadata
from service.spool import study_key

#: Long enough for every test that is not about leases.
LEASE_S = 15.0
_numbers = itertools.count(1)


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "empty.sqlite"
        migrate(f"sqlite:///{file}")
        return file.read_bytes()


def migrated(url: str) -> str:
    """Make an empty ledger, SQLite by copying one: what Alembic does takes longer than most tests. Return its URL."""
    file = Path(url.removeprefix("sqlite:///"))
    if str(file) == url:
        migrate(url)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(_empty())
    return url


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one migrated SQLite ledger; tests copy it."""
    file = tmp_path_factory.mktemp("ledger") / "empty.sqlite"
    migrated(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: str) -> str:
    """Make one migrated PostgreSQL ledger; tests empty it."""
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE contract")
    url = f"{postgres_server}/contract"
    migrate(url)
    return url


@cache
def _opened(url: str) -> Ledger:
    """Open a ledger once: SQLAlchemy makes its statements anew for each engine, half of what a short test takes."""
    return Ledger.open(url)


@pytest.fixture
def sqlite_url(empty_sqlite: Path) -> str:
    """Give the URL of an empty SQLite ledger: the same for each test, and a new file."""
    file = empty_sqlite.with_name("ledger.sqlite")
    if file.is_dir():  # a test that takes a ledger away leaves this in its place
        file.rmdir()
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    shutil.copy(empty_sqlite, file)
    return f"sqlite:///{file}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """Give the URL of an empty ledger: once SQLite, once PostgreSQL."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    url = str(request.getfixturevalue("shared_postgres"))
    ledger = _opened(url)
    with writing(ledger.engine) as connection:
        connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY"))
    ledger.close()
    return url


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """Give an empty ledger; what is closed is its connections."""
    opened = _opened(ledger_url)
    yield opened
    opened.close()


def arrive(ledger: Ledger, uid: str = "1.2.3", *, now: float = 100.0, held_until: float = 0.0) -> StudyRow:
    """Note one object of a study."""
    return ledger.arrivals.note(
        key=study_key(uid), study_instance_uid=uid, source="ct1", now=now, held_until=held_until
    )


def settle(ledger: Ledger, uid: str = "1.2.3", *, now: float = 130.0, fingerprint: str = "") -> JobRow:
    """Note one object of a study and settle it; what it holds is new unless `fingerprint` says otherwise."""
    study = arrive(ledger, uid, now=now)
    job = ledger.arrivals.settle(study.id, fingerprint=fingerprint or f"f{next(_numbers)}", now=now)
    assert job is not None
    return job


def claim(ledger: Ledger, job: JobRow, *, now: float = 140.0, worker: str = "w1", lease_s: float = LEASE_S) -> Claim:
    """Claim a job that can be claimed."""
    claimed = ledger.jobs.claim(job.id, worker=worker, now=now, lease_s=lease_s)
    assert claimed is not None
    return claimed


def new_report(uid: str = "2.25.1", *, kind: str = "sr", choice: int = 0, finding: str | None = None) -> NewReport:
    """Return an object to be entered."""
    classes = {"sr": ("88.34", "88.33", "88.22")[choice], "gsps": "11.1", "summary": "7", "sagittal": "2"}
    return NewReport(
        kind=kind,
        choice=choice,
        sop_instance_uid=uid,
        sop_class_uid=f"1.2.840.10008.5.1.4.1.1.{classes[kind]}",
        series_instance_uid=f"{uid}.1",
        file_name=f"{uid}.dcm",
        findings_digest="0" * 64,
        predecessor_uid=None,
        finding=finding,
    )


def measure(
    ledger: Ledger,
    uid: str = "1.2.3",
    *,
    report: str = "2.25.1",
    objects: Sequence[NewReport] = (),
    reason: str | None = None,
    destinations: tuple[str, ...] = ("pacs",),
    now: float = 150.0,
) -> list[JobRow]:
    """Take a study from its first object to its deliveries."""
    claimed = claim(ledger, settle(ledger, uid, now=now - 20), now=now - 10)
    return finish(ledger, claimed, report=report, objects=objects, reason=reason, destinations=destinations, now=now)


def finish(
    ledger: Ledger,
    claimed: Claim,
    *,
    report: str = "2.25.1",
    objects: Sequence[NewReport] = (),
    reason: str | None = None,
    destinations: tuple[str, ...] = ("pacs",),
    now: float = 150.0,
) -> list[JobRow]:
    """End a measure job with a report, or with these objects; every destination wants every kind."""
    return ledger.jobs.finish_measure(
        claimed,
        findings="{}",
        reason=reason,
        objects=objects or [new_report(report)],
        wanted=dict.fromkeys(destinations, ("sr", "gsps", "summary", "sagittal")),
        now=now,
    )


def deliver(ledger: Ledger, job: JobRow, *, now: float = 160.0) -> None:
    """Claim a delivery and finish it."""
    assert ledger.jobs.finish_delivery(claim(ledger, job, now=now), detail="0x0000", now=now)


def study_of(ledger: Ledger, uid: str = "1.2.3") -> StudyRow:
    """Return a study that is known."""
    found = ledger.arrivals.by_key(study_key(uid))
    assert found is not None
    return found


def event_names(ledger: Ledger, uid: str = "1.2.3") -> list[str]:
    """Return the names of what happened to a study, in order."""
    return [event.event for event in ledger.admin.study(uid).events]

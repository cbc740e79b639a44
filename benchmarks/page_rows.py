"""The rows of a large ledger, as the node would have left them: for `pages.py`, over SQLite and PostgreSQL alike."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from contract_findings import contract_findings

#: A busy department: so the ledger holds a hundred days.
STUDIES_A_DAY = 2000
STATES = ("reported",) * 88 + ("not_analysable",) * 6 + ("ignored",) * 3 + ("failed",) * 3
REASONS = {
    "not_analysable": ("NO_LANDMARKS", "NO_VERTEBRA_MEASURED"),
    "ignored": ("own_report", "sent twice"),
    "failed": ("the worker died 3 times", "pacs: AE title not recognised", "pacs: answered status 0xA900"),
}
SOURCES = ("pacs", "er-router", "mercure", "ct-3", "research")
#: Tables whose numbers the database gives itself afterwards.
_NUMBERED = ("studies", "reports", "jobs", "deliveries", "events")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of one table."""

    table: str
    columns: str
    rows: Iterable[Sequence[Any]]


def write(url: str, studies: int, events: int) -> None:
    """Write the rows in one transaction: through the ledger it would take a day."""
    if url.startswith("sqlite:///"):
        _write_sqlite(Path(url.removeprefix("sqlite:///")), studies, events)
    else:
        _write_postgres(url, studies, events)


def _write_sqlite(file: Path, studies: int, events: int) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-200000")
        for each in every(studies, events):
            marks = ",".join("?" * len(each.columns.split(",")))
            connection.executemany(f"INSERT INTO {each.table} ({each.columns}) VALUES ({marks})", each.rows)  # noqa: S608 our own words


def _write_postgres(url: str, studies: int, events: int) -> None:
    with psycopg.connect(url) as connection:
        for each in every(studies, events):
            with connection.cursor().copy(f"COPY {each.table} ({each.columns}) FROM STDIN") as copy:
                for row in each.rows:
                    copy.write_row(row)
        for table in _NUMBERED:
            connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")  # noqa: S608
    with psycopg.connect(url, autocommit=True) as connection:
        # What autovacuum does within minutes of such a load.
        connection.execute("VACUUM ANALYZE")


def key_of(number: int) -> str:
    """Return the key of a study."""
    return f"{number:032x}"


def every(studies: int, events: int) -> Iterator[Rows]:
    """Yield the rows of all tables, those first that others refer to."""
    now = time.time()
    a_study = max(1, events // studies)
    text = json.dumps(contract_findings())
    moments = [now - (studies - number) * 86_400 / STUDIES_A_DAY for number in range(1, studies + 1)]
    found = [(number, at, state_of(number) == "reported") for number, at in enumerate(moments, 1)]
    sent = [(number, at) for number, at, is_sent in found if is_sent]
    yield Rows(
        table="studies",
        columns="id, key, study_instance_uid, state, reason, who, source, patient_id, accession_number, revision,"
        " fingerprint, first_received_at, last_received_at, held_until, settled_at, arrivals, updated_at",
        rows=(_study(number, at) for number, at, _ in found),
    )
    yield Rows(
        table="revisions",
        columns="study_id, number, fingerprint, started_at, measured_at, findings",
        rows=((n, 1, "f", at + 30, at + 35, text if n % 20 == 0 else "{}") for n, at, _ in found),
    )
    yield Rows(
        table="reports",
        columns="id, study_id, revision, kind, choice, sop_instance_uid, sop_class_uid, series_instance_uid,"
        " file_name, findings_digest, created_at",
        rows=(
            (n, n, 1, "sr", 0, f"2.25.{n}", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.1", "r.dcm", "0", at + 35)
            for n, at in sent
        ),
    )
    yield from _work(found, sent)
    yield Rows(
        table="events",
        columns="study_id, at, event, detail, actor",
        rows=((n, at + extra, "received", "from pacs", "node") for n, at, _ in found for extra in range(a_study)),
    )


def _work(found: Sequence[tuple[int, float, bool]], sent: Sequence[tuple[int, float]]) -> Iterator[Rows]:
    jobs = "id, kind, study_id, revision, destination, report_id, state, attempts, losses, faults, not_before, worker,"
    jobs += " created_at, updated_at"
    done = ("done", 1, 0, 0, 0, "host:1")
    yield Rows(
        table="jobs",
        columns=jobs,
        rows=((2 * n, "spondyl.measure", n, 1, None, None, *done, at, at) for n, at, _ in found),
    )
    yield Rows(
        table="jobs",
        columns=jobs,
        rows=((2 * n + 1, "spondyl.deliver", n, 1, "pacs", n, *done, at, at) for n, at in sent),
    )
    yield Rows(
        table="attempts",
        columns="job_id, number, worker, started_at, ended_at, outcome",
        rows=(
            (2 * n + extra, 1, "host:1", at + 31, at + 35, "finished")
            for n, at, is_sent in found
            for extra in range(1 + is_sent)
        ),
    )
    yield Rows(
        table="deliveries",
        columns="report_id, destination, delivered_at, detail",
        rows=((n, "pacs", at + 38 + n % 9, "0x0000") for n, at in sent),
    )


def state_of(number: int) -> str:
    """Return the state of a study."""
    return STATES[number * 7919 % len(STATES)]


def _study(number: int, at: float) -> tuple[object, ...]:
    state = state_of(number)
    reasons = REASONS.get(state, (None,))
    who = "developers" if state == "failed" else None
    names = key_of(number), f"1.2.826.0.1.{number}", state, reasons[number % len(reasons)], who
    # Two studies a patient.
    patient = SOURCES[number % len(SOURCES)], f"P-{number // 2}", f"A-{number}"
    return number, *names, *patient, 1, "f", at, at, 0.0, at + 30, 300, at + 40

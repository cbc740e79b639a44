"""Each page of the admin page over a large ledger: 200,000 studies, 5,000,000 events, SQLite, a real server.

    python benchmarks/pages.py [STUDIES] [EVENTS]

The ledger is written row by row as the node would have left it, at once; then `spondyl web` serves it, and each page is
asked for RUNS times, one after the other. Goal: a median below 200 ms; the memory of the server does not grow.
"""

import contextlib
import http.client
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]

from contract_findings import contract_findings
from servers import free_port

from service.ledger import Ledger, migrate
from service.ledger.people import Role
from service.passwords import digest

RUNS = 15
GOAL_MS = 200.0
TOKEN = "spo_benchmark"  # noqa: S105 a ledger of this minute
#: A busy department: so the ledger holds a hundred days.
STUDIES_A_DAY = 2000
STATES = ("reported",) * 88 + ("not_analysable",) * 6 + ("ignored",) * 3 + ("failed",) * 3
REASONS = {
    "not_analysable": ("NO_LANDMARKS", "NO_VERTEBRA_MEASURED"),
    "ignored": ("own_report", "sent twice"),
    "failed": ("the worker died 3 times", "pacs: AE title not recognised", "pacs: answered status 0xA900"),
}
SOURCES = ("pacs", "er-router", "mercure", "ct-3", "research")


def fill(file: Path, studies: int, events: int) -> None:
    """Write the rows, as SQL and in one transaction: through the ledger it would take a day."""
    now = time.time()
    a_study = max(1, events // studies)
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-200000")
        put = connection.executemany
        rows = [_study(number, now - (studies - number) * 86_400 / STUDIES_A_DAY) for number in range(1, studies + 1)]
        put(
            "INSERT INTO studies (id, key, study_instance_uid, state, reason, who, source, revision, fingerprint,"
            " first_received_at, last_received_at, held_until, settled_at, unsettled_since, arrivals, updated_at)"
            " VALUES (?,?,?,?,?,?,?,1,'f',?,?,0,?,NULL,?,?)",
            ((*row[:7], row[7], row[7], row[7] + 30, 300, row[7] + 40) for row in rows),
        )
        text = json.dumps(contract_findings())
        every = [(row[0], row[7], row[3] == "reported") for row in rows]
        put(
            "INSERT INTO revisions (study_id, number, fingerprint, started_at, measured_at, findings)"
            " VALUES (?,1,'f',?,?,?)",
            ((number, at + 30, at + 35, text if number % 20 == 0 else "{}") for number, at, _ in every),
        )
        put(
            "INSERT INTO reports (id, study_id, revision, kind, choice, sop_instance_uid, sop_class_uid,"
            " series_instance_uid, file_name, findings_digest, created_at)"
            " VALUES (?,?,1,'sr',0,?,'1.2.840.10008.5.1.4.1.1.88.34','2.25.1','r.dcm','0',?)",
            ((number, number, f"2.25.{number}", at + 35) for number, at, sent in every if sent),
        )
        jobs = (
            "INSERT INTO jobs (id, kind, study_id, revision, destination, report_id, state, attempts, losses, faults,"
        )
        jobs += " not_before, worker, created_at, updated_at) VALUES (?,?,?,1,?,?,'done',1,0,0,0,'host:1',?,?)"
        put(jobs, ((2 * number, "spondyl.measure", number, None, None, at, at) for number, at, _ in every))
        put(jobs, ((2 * n + 1, "spondyl.deliver", n, "pacs", n, at, at) for n, at, sent in every if sent))
        put(
            "INSERT INTO attempts VALUES (?,1,'host:1',?,?,'finished',NULL)",
            ((2 * number + extra, at + 31, at + 35) for number, at, sent in every for extra in range(1 + sent)),
        )
        put(
            "INSERT INTO deliveries (report_id, destination, delivered_at, detail) VALUES (?,'pacs',?,'0x0000')",
            ((number, at + 38 + number % 9) for number, at, sent in every if sent),
        )
        put(
            "INSERT INTO events (study_id, at, event, detail, actor) VALUES (?,?,'received','from pacs','node')",
            ((number, at + extra) for number, at, _ in every for extra in range(a_study)),
        )


def _study(number: int, at: float) -> tuple[int, str, str, str, str | None, str | None, str, float]:
    state = STATES[number * 7919 % len(STATES)]
    reasons = REASONS.get(state, (None,))
    who = "developers" if state == "failed" else None
    key, uid, source = f"{number:032x}", f"1.2.826.0.1.{number}", SOURCES[number % len(SOURCES)]
    return number, key, uid, state, reasons[number % len(reasons)], who, source, at


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[int, psutil.Process]]:
    """Run `spondyl web` over the ledger in `folder`; give its port and process."""
    port = free_port()
    destination = '[[destinations]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = 9\n'
    text = f'[storage]\nroot = "."\n[web]\nport = {port}\n{destination}'
    (folder / "spondyl.toml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "workers", "--config", str(folder / "spondyl.toml"), "web"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(OSError):
                ask(port, "/healthz")
                break
            time.sleep(0.1)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def ask(port: int, path: str) -> tuple[float, str]:
    """Return how long a page took, milliseconds, and its text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        start = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}", "Accept": "text/html"})
        answer = connection.getresponse()
        text = answer.read().decode()
        took = 1000 * (time.perf_counter() - start)
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status}\n{text}")
    return took, text


def paths(port: int, studies: int) -> dict[str, str]:
    """Return the pages that are asked for, by name."""
    page = "/studies"
    for _ in range(20):
        following = ask(port, page)[1].partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
        page = following.replace("&amp;", "&") or page
    return {
        "overview": "/",
        "studies": "/studies",
        "studies, page 21": page,
        "studies, failed": "/studies?state=failed",
        "studies, source and state": "/studies?source=research&state=failed",
        "studies, reason": "/studies?state=failed&reason=the+worker+died+3+times",
        "studies, reason alone": "/studies?reason=own_report",
        "studies, one day of one source": "/studies?source=ct-3&since=2020-01-01&until=2099-01-01",
        "studies, nothing found": "/studies?source=nobody",
        "studies, by UID": f"/studies?name=1.2.826.0.1.{studies // 2}",
        "a study": f"/studies/{studies // 20 * 20:032x}",
        "failures": "/failures",
        "destinations": "/destinations",
        "sources": "/sources",
        "configuration": "/configuration",
        "API: 200 studies": "/api/v1/studies",
        "API: 500 events": "/api/v1/events?after=4000000",
        "metrics": "/metrics",
    }


def _cpu_ms(process: psutil.Process) -> float:
    """Return the processor's time that a process has used; what others do on the machine is not in it."""
    times = process.cpu_times()
    return 1000 * (times.user + times.system)


def main() -> None:
    """Print a row a page, and the server's memory."""
    studies, events = (int(text.replace(",", "")) for text in (sys.argv[1:3] or ("200,000", "5,000,000")))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'ledger.sqlite'}"
        migrate(url)
        start = time.perf_counter()
        fill(folder / "ledger.sqlite", studies, events)
        size = (folder / "ledger.sqlite").stat().st_size / 1e9
        print(f"{studies} studies, {events} events: {size:.2f} GB, written in {time.perf_counter() - start:.0f} s")
        with contextlib.closing(Ledger.open(url)) as ledger:
            ledger.people.put("benchmark", Role.OPERATOR, now=1.0, token=digest(TOKEN))
        with served(folder) as (port, process):
            pages = paths(port, studies)
            before = process.memory_info().rss / 2**20
            slow = []
            print("| page | median ms | slowest ms | CPU of the server ms |\n|---|---|---|---|")
            for title, path in pages.items():
                ask(port, path)
                worked = _cpu_ms(process)
                took = [ask(port, path)[0] for _ in range(RUNS)]
                worked = (_cpu_ms(process) - worked) / RUNS
                slow += [title] if statistics.median(took) > GOAL_MS else []
                print(f"| {title} | {statistics.median(took):.0f} | {max(took):.0f} | {worked:.0f} |", flush=True)
            for _ in range(10):
                for path in pages.values():
                    ask(port, path)
            print(f"memory of the server: {before:.0f} MiB, then {process.memory_info().rss / 2**20:.0f} MiB")
        print(f"above {GOAL_MS:.0f} ms: {', '.join(slow) or 'none'}")


if __name__ == "__main__":
    main()

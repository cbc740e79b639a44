"""Each page of the admin page over a large ledger: 200,000 studies, 5,000,000 events, a real server.

    python benchmarks/pages.py [STUDIES] [EVENTS] [postgres]

The ledger, SQLite or a PostgreSQL of its own, is written as the node would have left it, at once; then `spondyl web`
serves it, and each page is asked for RUNS times, one after the other. Goal: a median below 200 ms; the memory of the
server does not grow.
"""

import contextlib
import http.client
import os
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

from page_rows import key_of, state_of, write
from report_samples import report_bytes
from servers import free_port, new_database, run_postgres

from service.ledger import Ledger, migrate
from service.ledger.people import Role
from service.passwords import digest
from service.spool import Spool

RUNS = 15
GOAL_MS = 200.0
TOKEN = "spo_benchmark"  # noqa: S105 a ledger of this minute


@contextlib.contextmanager
def served(folder: Path, url: str) -> Iterator[tuple[int, psutil.Process]]:
    """Run `spondyl web` over the ledger in `folder`; give its port and process."""
    port = free_port()
    destination = '[[destinations]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = 9\n'
    text = f'[storage]\nroot = "."\nledger = "{url}"\n[web]\nport = {port}\n{destination}'
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


def ask(port: int, path: str, form: str | None = None) -> tuple[float, str]:
    """Return how long a page took, milliseconds, and its text; a form is posted."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/html"}
    headers |= {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        start = time.perf_counter()
        connection.request("GET" if form is None else "POST", path, body=form, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        took = 1000 * (time.perf_counter() - start)
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status}\n{text}")
    return took, text


def reported(studies: int) -> int:
    """Return the number of a study whose report lies in the spool."""
    return next(number for number in range(studies // 2, studies) if state_of(number) == "reported")


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
        "studies, by patient": "/studies/search patient=P-4711",
        "a study": f"/studies/{key_of(studies // 20 * 20)}",
        "a report": f"/studies/{key_of(reported(studies))}/reports/{reported(studies)}",
        "failures": "/failures",
        "destinations": "/destinations",
        "sources": "/sources",
        "configuration": "/configuration",
        "API: 200 studies": "/api/v1/studies",
        "API: 500 events": "/api/v1/events?after=4000000",
        "metrics": "/metrics",
    }


def _request(said: str) -> tuple[str, str | None]:
    """Return path and form."""
    path, _, form = said.partition(" ")
    return path, form or None


def _cpu_ms(process: psutil.Process) -> float:
    """Return the processor's time that a process has used; what others do on the machine is not in it."""
    times = process.cpu_times()
    return 1000 * (times.user + times.system)


@contextlib.contextmanager
def ledger_url(folder: Path, kind: str) -> Iterator[str]:
    """Give the URL of an empty ledger."""
    if kind != "postgres":
        yield f"sqlite:///{folder / 'ledger.sqlite'}"
        return
    with run_postgres(folder, durable=True) as server:
        yield new_database(server)


def main() -> None:
    """Print a row a page, and the server's memory."""
    counts = [word.replace(",", "") for word in sys.argv[1:] if word != "postgres"]
    studies, events = (int(word) for word in (counts or ("200000", "5000000")))
    kind = "postgres" if "postgres" in sys.argv else "sqlite"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("node", "server"):
            (folder / part).mkdir()
        with ledger_url(folder / "node" if kind == "sqlite" else folder / "server", kind) as url:
            migrate(url)
            start = time.perf_counter()
            write(url, studies, events)
            print(f"{kind}: {studies} studies, {events} events, written in {time.perf_counter() - start:.0f} s")
            with contextlib.closing(Ledger.open(url)) as ledger:
                ledger.people.put("benchmark", Role.OPERATOR, now=1.0, token=digest(TOKEN))
            spool = Spool(folder / "node")
            spool.prepare()
            spool.write_report(key_of(reported(studies)), "r.dcm", report_bytes("patient"))
            with served(folder / "node", url) as (port, process):
                measure(port, process, studies)


def measure(port: int, process: psutil.Process, studies: int) -> None:
    """Ask for every page, and print what it took."""
    pages = {title: _request(said) for title, said in paths(port, studies).items()}
    before = process.memory_info().rss / 2**20
    slow = []
    print("| page | median ms | slowest ms | CPU of the server ms |\n|---|---|---|---|")
    for title, (path, form) in pages.items():
        ask(port, path, form)
        worked = _cpu_ms(process)
        took = [ask(port, path, form)[0] for _ in range(RUNS)]
        worked = (_cpu_ms(process) - worked) / RUNS
        slow += [title] if statistics.median(took) > GOAL_MS else []
        print(f"| {title} | {statistics.median(took):.0f} | {max(took):.0f} | {worked:.0f} |", flush=True)
    for _ in range(10):
        for path, form in pages.values():
            ask(port, path, form)
    print(f"memory of the server: {before:.0f} MiB, then {process.memory_info().rss / 2**20:.0f} MiB")
    print(f"above {GOAL_MS:.0f} ms: {', '.join(slow) or 'none'}")


if __name__ == "__main__":
    main()

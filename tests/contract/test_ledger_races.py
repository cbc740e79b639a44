"""The contract of the ledger: several threads and several processes at once."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest
from ledgers import arrive, claim, finish, measure, settle, study_of

from service.ledger import Ledger
from service.states import StudyState

THREADS = 8
T = TypeVar("T")
#: Says that it is ready, waits for a line, then claims every job of its arguments and prints what it got.
CLAIMER = """
import sys
from service.ledger import Ledger
url, name, *jobs = sys.argv[1:]
ledger = Ledger.open(url)
print("ready", flush=True)
sys.stdin.readline()
for job in jobs:
    if ledger.jobs.claim(int(job), worker=name, now=140.0, lease_s=15.0):
        print(job)
ledger.close()
"""


@pytest.fixture
def others(ledger_url: str, ledger: Ledger) -> Iterator[list[Ledger]]:
    """Open the same ledger once a thread, as separate processes would."""
    assert ledger.engine.url.database
    with ExitStack() as stack:
        opened = [Ledger.open(ledger_url) for _ in range(THREADS)]
        for each in opened:
            stack.callback(each.close)
        yield opened


def at_once(others: list[Ledger], act: Callable[[int, Ledger], T]) -> list[T]:
    """Let every thread act at the same moment; return what each of them got."""
    gate = threading.Barrier(len(others))

    def run(number: int) -> T:
        gate.wait()
        return act(number, others[number])

    with ThreadPoolExecutor(len(others)) as pool:
        return list(pool.map(run, range(len(others))))


def _claims(others: list[Ledger], jobs: list[int], *, now: float) -> int:
    """Let every thread claim its job at the same moment; return how many got theirs."""
    got = at_once(others, lambda i, other: other.jobs.claim(jobs[i], worker=f"w{i}", now=now, lease_s=15.0))
    return sum(each is not None for each in got)


def test_of_many_threads_one_gets_the_job(ledger: Ledger, others: list[Ledger]) -> None:
    """A job that eight ask for at once is claimed by exactly one, in one attempt."""
    for n in range(5):
        got = _claims(others, [settle(ledger, f"1.{n}").id] * THREADS, now=140.0)

        assert 1 == got
        assert 1 == ledger.admin.study(f"1.{n}").jobs[0].attempts


def test_of_many_processes_one_gets_the_job(ledger_url: str, ledger: Ledger) -> None:
    """Three processes race for twelve jobs: each job is claimed once."""
    jobs = [settle(ledger, f"1.{n}").id for n in range(12)]
    command = [sys.executable, "-c", CLAIMER, ledger_url]
    racers = [
        subprocess.Popen(
            [*command, f"w{n}", *map(str, jobs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )
        for n in range(3)
    ]
    assert ["ready\n"] * 3 == [racer.stdout.readline() for racer in racers if racer.stdout]
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("\n")
        racer.stdin.flush()
    claimed = [int(line) for racer in racers for line in racer.communicate(timeout=60)[0].split()]

    assert [0, 0, 0] == [racer.returncode for racer in racers]
    assert jobs == sorted(claimed)


def test_an_object_of_a_new_study_on_many_associations_enters_it_once(ledger: Ledger, others: list[Ledger]) -> None:
    """Eight associations bring the first objects of a study: one study, one event, eight arrivals."""
    at_once(others, lambda i, other: arrive(other, now=100.0 + i))

    row = study_of(ledger)
    assert (8, 107.0) == (row.arrivals, row.last_received_at)
    assert 1 == len(ledger.admin.study("1.2.3").events)


def test_of_many_settlers_one_makes_the_revision(ledger: Ledger, others: list[Ledger]) -> None:
    """Eight settle passes find the same study complete: one revision, one job."""
    study = arrive(ledger)
    jobs = at_once(others, lambda _, other: other.arrivals.settle(study.id, fingerprint="f", now=130.0))

    assert 1 == sum(job is not None for job in jobs)
    assert 1 == study_of(ledger).revision


def test_of_many_endings_of_a_claim_one_counts(ledger: Ledger, others: list[Ledger]) -> None:
    """A claim that is finished eight times makes one report and its deliveries once."""
    held = claim(ledger, settle(ledger))
    made = at_once(others, lambda _, other: len(finish(other, held)))

    assert {1: 1, 0: 7} == Counter(made)


def test_deliveries_that_end_together_complete_the_study(ledger: Ledger, others: list[Ledger]) -> None:
    """Each of the last deliveries sees the others: the study is reported once, and not left delivering."""
    names = tuple(f"pacs{n}" for n in range(THREADS))
    held = [claim(ledger, job, worker=f"w{job.id}") for job in measure(ledger, destinations=names)]
    assert all(at_once(others, lambda i, other: other.jobs.finish_delivery(held[i], detail="0x0000", now=160.0)))

    assert StudyState.REPORTED is study_of(ledger).state
    assert 1 == [event.event for event in ledger.admin.study("1.2.3").events].count("delivered")


def test_one_probe_among_many_claims(ledger: Ledger, others: list[Ledger]) -> None:
    """Eight deliveries to a half-open destination are asked for at once: one passes."""
    jobs = [measure(ledger, f"1.{n}", report=f"2.25.{n}")[0].id for n in range(THREADS)]
    ledger.jobs.destination_failed("pacs", until=200.0, why="no answer", now=160.0)

    assert 1 == _claims(others, jobs, now=200.0)


def test_failures_that_come_together_are_all_counted(ledger: Ledger, others: list[Ledger]) -> None:
    """Eight deliveries fail at once, on a destination that had never failed."""
    at_once(others, lambda _, o: o.jobs.destination_failed("pacs", until=200.0, why="no answer", now=160.0))

    assert (8, 200.0) == ledger.jobs.destination("pacs")


def test_a_lease_is_released_once(ledger: Ledger, others: list[Ledger]) -> None:
    """Eight reconcilers find the same dead worker: one death is counted."""
    claim(ledger, settle(ledger), now=140.0)
    released = at_once(others, lambda _, other: len(other.jobs.release_lost(now=200.0, max_attempts=2)))

    assert {1: 1, 0: 7} == Counter(released)
    assert StudyState.QUEUED is study_of(ledger).state


def test_everything_at_once_ends_in_dispositions(ledger: Ledger, others: list[Ledger]) -> None:
    """Eight workers, a settler and a reconciler over twenty studies: each is reported, no lock is held for ever."""
    for n in range(20):
        settle(ledger, f"1.{n}", fingerprint=f"f{n}")

    def work(number: int, other: Ledger) -> None:
        for _ in range(200):
            for job in other.jobs.due(now=200.0, requeue_s=0.0):
                _do(other, job.id, number)
            other.jobs.release_lost(now=200.0, max_attempts=3)
            if other.admin.counts()[StudyState.REPORTED] == 20:
                return

    at_once(others, work)
    assert 20 == ledger.admin.counts()[StudyState.REPORTED]
    assert [1] * 20 == [len(ledger.admin.study(f"1.{n}").reports) for n in range(20)]


def _do(ledger: Ledger, job_id: int, number: int) -> None:
    held = ledger.jobs.claim(job_id, worker=f"w{number}", now=200.0, lease_s=15.0)
    if held is None:
        return
    if held.job.destination is not None:
        ledger.jobs.finish_delivery(held, detail="0x0000", now=200.0)
        return
    made = finish(ledger, held, report=f"2.25.{held.study.id}", destinations=("pacs", "archive"), now=200.0)
    ledger.jobs.enqueued([job.id for job in made], now=200.0)

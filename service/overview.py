"""How the node is, in one look: what is wrong first, each with what to do; then the numbers.

Read from the ledger, the broker, the disk and the signs of life of the other roles, all at the moment of the question.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from service import roll_call
from service.certificates import certificates, unusable
from service.errors import SpondylError
from service.ledger.lists import Wanted
from service.ledger.switches import Pause, Paused
from service.ledger.watch import DestinationState, RunningJob
from service.messages import JobKind
from service.metrics_page import SUFFIX
from service.room import room
from service.states import StudyState
from service.wiring import Node

DAY_S: Final = 86_400.0
#: A listener says so every 2 s (`listening.SAVE_EVERY_S`); a machine under load may miss some.
_LISTENER_GONE_S: Final = 20.0
#: A study waits for a worker no longer than this where there are enough, seconds.
_LONG_QUEUE_S: Final = 900.0
#: A destination proves what it stored well within a day; the alert rule SpondylNotProven waits as long.
_LONG_UNPROVEN_S: Final = DAY_S


class Light(StrEnum):
    """How something is."""

    OK = "ok"
    #: Somebody should know.
    WARN = "warn"
    #: Somebody must act.
    BAD = "bad"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at; `do` is empty where there is nothing to do."""

    name: str
    light: Light
    says: str
    do: str = ""
    #: The page that tells more.
    link: str = ""

    def __post_init__(self) -> None:
        if (self.light is Light.OK) == bool(self.do):
            raise ValueError(f"{self.name}: what is not well says what to do, and nothing else does")


@dataclass(frozen=True, kw_only=True)
class SourceDay:
    """What a source sent in a day, by what became of it."""

    name: str
    received: int
    reported: int
    not_analysable: int
    ignored: int
    failed: int
    #: Received and not at its end yet.
    under_way: int


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A queue: how many wait, and since when the oldest does."""

    name: str
    number: int
    oldest_at: float | None


@dataclass(frozen=True, kw_only=True)
class Turnaround:
    """Seconds from the last object of a study to the report at its last destination; None where there was none."""

    studies: int
    p50_s: float | None
    p95_s: float | None


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A worker that is there, or that holds a job."""

    name: str
    processes: int
    jobs: tuple[RunningJob, ...]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """How the node is."""

    at: float
    checks: tuple[Check, ...]
    sources: tuple[SourceDay, ...]
    waiting: tuple[Waiting, ...]
    turnaround: Turnaround
    workers: tuple[Worker, ...]
    destinations: tuple[DestinationState, ...]
    pauses: tuple[Pause, ...]

    @property
    def worst(self) -> Light:
        """The light of the whole."""
        lights = {check.light for check in self.checks}
        return next((light for light in (Light.BAD, Light.WARN) if light in lights), Light.OK)


def overview(node: Node) -> Overview:
    """Look at everything; Unavailable where the ledger does not answer."""
    now = node.clock()
    waiting = tuple(_waiting(node))
    workers = tuple(_workers(node))
    destinations = tuple(node.ledger.watch.destination(each.name) for each in node.settings.destinations)
    pauses = node.ledger.switches.paused()
    checks = [
        *_pause_checks(pauses),
        _listener_check(node),
        _worker_check(workers, waiting, paused=Paused.PROCESSING in pauses, now=now),
        _broker_check(node),
        Check(name="Ledger", light=Light.OK, says="answers"),
        disk_check(node),
        *_tls_checks(node, now=now),
        *_destination_checks(destinations, now=now),
        *_proof_checks(node, now=now),
        _failure_check(node),
        *_note_checks(node),
        _caller_check(node, now=now),
    ]
    return Overview(
        at=now,
        checks=tuple(checks),
        sources=tuple(_sources(node, now=now)),
        waiting=waiting,
        turnaround=turnaround(node.ledger.watch.turnarounds(since=now - DAY_S)),
        workers=workers,
        destinations=destinations,
        pauses=tuple(pauses.values()),
    )


def without_ledger(node: Node) -> tuple[Check, ...]:
    """Look at what can be seen while the ledger does not answer; no word here tells a stranger of the site."""
    do = "See that its database runs and its disk is there; `spondyl doctor` says more."
    ledger = "does not answer: nothing is settled, measured or sent; what is sent by C-STORE is kept"
    broker = _broker_check(node)
    return (
        Check(name="Ledger", light=Light.BAD, says=ledger, do=do),
        broker if broker.light is Light.OK else replace(broker, says="does not answer"),
        disk_check(node),
        _listener_check(node),
    )


def turnaround(seconds: list[float]) -> Turnaround:
    """Return the median and the 95th percentile of sorted seconds (nearest rank)."""

    def at(share: float) -> float | None:
        return seconds[max(0, -(-len(seconds) * int(share * 100) // 100) - 1)] if seconds else None

    return Turnaround(studies=len(seconds), p50_s=at(0.50), p95_s=at(0.95))


def _sources(node: Node, *, now: float) -> Iterator[SourceDay]:
    day = node.ledger.watch.by_source(since=now - DAY_S)
    for name in sorted({*day, *(source.name for source in node.settings.sources)}):
        by_state = day.get(name, {})
        ended = (StudyState.REPORTED, StudyState.NOT_ANALYSABLE, StudyState.IGNORED, StudyState.FAILED)
        reported, not_analysable, ignored, failed = (by_state.get(state, 0) for state in ended)
        received = sum(by_state.values())
        yield SourceDay(
            name=name,
            received=received,
            reported=reported,
            not_analysable=not_analysable,
            ignored=ignored,
            failed=failed,
            under_way=received - reported - not_analysable - ignored - failed,
        )


def _waiting(node: Node) -> Iterator[Waiting]:
    number, oldest = node.ledger.watch.unsettled_since()
    yield Waiting(name="arriving", number=number, oldest_at=oldest)
    names = {JobKind.MEASURE: "to be measured", JobKind.DELIVER: "to be sent"}
    for kind, (number, oldest) in node.ledger.admin.waiting().items():
        yield Waiting(name=names[kind], number=number, oldest_at=oldest)
    unproven = node.ledger.watch.unproven().values()
    number = sum(number for number, _ in unproven)
    yield Waiting(name="to be proven", number=number, oldest_at=min((at for _, at in unproven), default=None))


def _workers(node: Node) -> Iterable[Worker]:
    """Return the workers; a job's worker is a process of one of them on the same machine, or stands for itself."""
    running = node.ledger.watch.running()
    there = roll_call.present(node.settings.storage.root)
    found = []
    for each in there:
        machine = each.name.rpartition(":")[0]
        # Of several workers on one machine the first one shows the jobs: the ledger names processes of their pools.
        mine = tuple(job for job in running if job.worker.rpartition(":")[0] == machine)
        running = [job for job in running if job not in mine]
        found.append(Worker(name=each.name, processes=each.processes, jobs=mine))
    return found + [Worker(name=job.worker, processes=1, jobs=(job,)) for job in running]


def _pause_checks(pauses: dict[Paused, Pause]) -> Iterator[Check]:
    effects = {
        Paused.INTAKE: "senders are rejected for now, objects on open associations answered 0xA700; they keep them and "
        "try again",
        Paused.PROCESSING: "nothing is measured or sent; what runs is finished",
    }
    for name, pause in pauses.items():
        says = f"paused by {pause.actor}: {effects[name]}"
        yield Check(name=name.capitalize(), light=Light.WARN, says=says, do="Resume it below when you are done.")


def _listener_check(node: Node) -> Check:
    folder = node.settings.storage.root / "metrics"
    times = [path.stat().st_mtime for path in folder.glob(f"*{SUFFIX}")]
    here = [moment for moment in times if node.clock() - moment <= _LISTENER_GONE_S]
    if here:
        return Check(name="Listener", light=Light.OK, says=f"{len(here)} receiving")
    says = "no listener has given a sign of life: nothing can be received"
    return Check(name="Listener", light=Light.BAD, says=says, do="Start `spondyl serve` or `spondyl listen`.")


def _worker_check(workers: tuple[Worker, ...], waiting: tuple[Waiting, ...], *, paused: bool, now: float) -> Check:
    if not workers:
        says = "none is there: studies wait, and nothing is sent"
        return Check(name="Workers", light=Light.BAD, says=says, do="Start `spondyl serve` or `spondyl work`.")
    to_measure = next((each for each in waiting if each.name == "to be measured"), None)
    busy = sum(len(worker.jobs) for worker in workers)
    says = f"{len(workers)} there, {busy} job{'' if busy == 1 else 's'} running"
    if not paused and to_measure and to_measure.oldest_at and now - to_measure.oldest_at > _LONG_QUEUE_S:
        do = "Studies wait for longer than 15 minutes: raise [queue] concurrency, or start another worker."
        return Check(name="Workers", light=Light.WARN, says=says, do=do)
    return Check(name="Workers", light=Light.OK, says=says)


def _broker_check(node: Node) -> Check:
    try:
        node.dispatch.ping()
    except SpondylError as error:
        do = "Start it (`spondyl serve` brings its own); nothing is lost, jobs wait in the ledger. `spondyl doctor`."
        return Check(name="Broker", light=Light.BAD, says=str(error), do=do)
    return Check(name="Broker", light=Light.OK, says="answers")


def disk_check(node: Node) -> Check:
    """Look at the room that the spool has."""
    least = node.settings.storage.min_free_gb
    try:
        free, full, nearly = room(node.settings.storage.root, least_gb=least)
    except OSError as error:
        says = f"the spool cannot be read: {error.strerror}"
        return Check(name="Disk", light=Light.BAD, says=says, do="Mount it again; then `spondyl doctor`.")
    says = f"{free:.1f} GB free, {100 * full:.0f} % used"
    if free < least:
        do = f"Objects are refused below {least:g} GB: make room, or lower [storage] retention_days."
        return Check(name="Disk", light=Light.BAD, says=says, do=do)
    if nearly:
        return Check(name="Disk", light=Light.WARN, says=says, do="Make room, or lower [storage] retention_days.")
    return Check(name="Disk", light=Light.OK, says=says)


def _tls_checks(node: Node, *, now: float) -> Iterator[Check]:
    """Say which TLS files cannot be used, and which certificates end; nothing where there is no TLS."""
    for owner in unusable(node.settings):
        says = "cannot be used; a node that runs goes on with the old ones"
        do = "`spondyl doctor` says what is wrong. Mend them before the node is started again."
        yield Check(name=f"TLS files of {owner}", light=Light.BAD, says=says, do=do)
    for each in certificates(node.settings):
        days = (each.expires_at - now) / DAY_S
        if days >= node.settings.alerts.certificate_days:
            yield Check(name=f"Certificate of {each.owner}", light=Light.OK, says=f"good for {days:.0f} days")
            continue
        says = f"expires in {days:.0f} days" if days > 0 else "has expired"
        do = "Put a new one in the place of the old: it is taken without a restart."
        yield Check(name=f"Certificate of {each.owner}", light=Light.WARN if days > 0 else Light.BAD, says=says, do=do)


def _destination_checks(found: tuple[DestinationState, ...], *, now: float) -> Iterator[Check]:
    if not found:
        says = "none is configured: reports stay in the spool"
        yield Check(name="Destinations", light=Light.WARN, says=says, do="Add [[destinations]] to the configuration.")
    for each in found:
        if not each.failures:
            continue
        retry = f"; next try in {max(0, round(each.not_before - now))} s" if each.not_before > now else ""
        yield Check(
            name=f"Destination {each.name}",
            light=Light.BAD,
            says=f"{each.error or 'does not answer'} ({each.failures} in a row, {each.waiting} waiting{retry})",
            do="Ask the PACS team; press C-ECHO to try. What waits is sent by itself.",
            link="/destinations",
        )
    if found and not any(each.failures for each in found):
        words = "1 takes reports" if len(found) == 1 else f"{len(found)} take reports"
        yield Check(name="Destinations", light=Light.OK, says=words, link="/destinations")


def _failure_check(node: Node) -> Check:
    failed = node.ledger.lists.count(Wanted(state=StudyState.FAILED))
    if not failed:
        return Check(name="Failures", light=Light.OK, says="none")
    says = f"{failed} {'study has' if failed == 1 else 'studies have'} failed"
    do = "Open the failures: each names who must act, and can be tried again."
    return Check(name="Failures", light=Light.BAD, says=says, do=do, link="/failures")


def _proof_checks(node: Node, *, now: float) -> Iterator[Check]:
    """Say which destinations have not proven for long that they have what they stored, as the alert rules do."""
    for name, (number, oldest) in node.ledger.watch.unproven().items():
        if now - oldest > _LONG_UNPROVEN_S:
            yield Check(
                name=f"Proof of {name}",
                light=Light.WARN,
                says=f"{number} {'object is' if number == 1 else 'objects are'} not proven, the oldest for over a day",
                do="Ask the PACS team whether it answers storage commitment or queries; `spondyl doctor` tries.",
                link="/destinations",
            )


def _note_checks(node: Node) -> Iterator[Check]:
    """Say where reports stand that were taken back."""
    if number := node.ledger.retractions.untold():
        notes = "1 rejection note has" if number == 1 else f"{number} rejection notes have"
        yield Check(
            name="Taken back",
            light=Light.BAD,
            says=f"{notes} not reached a destination: reports that were taken back stand there",
            do="Open the studies that are ignored as retracted; taking one back again sends its note again.",
            link="/studies?state=ignored",
        )


def _caller_check(node: Node, *, now: float) -> Check:
    number = node.ledger.callers.since(now - DAY_S)
    if not number:
        return Check(name="Callers", light=Light.OK, says="none was rejected in 24 h", link="/sources")
    says = f"{number} rejected in 24 h"
    do = "See who it was; a line for the configuration is ready there."
    return Check(name="Callers", light=Light.WARN, says=says, do=do, link="/sources")

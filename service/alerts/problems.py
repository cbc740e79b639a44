"""What is wrong with the node now, of which somebody must be told. No word here is a peer's, or a study's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from service import causes, roll_call
from service.advice import advice
from service.certificates import certificates, unusable
from service.errors import Unavailable
from service.ledger.switches import Paused
from service.messages import JobKind
from service.overview import Light, disk_check
from service.states import StudyState
from service.wiring import Node

_DAY_S: Final = 86_400.0
_MINUTE_S: Final = 60.0


class Kind(StrEnum):
    """What can be wrong."""

    FAILED = "studies_failed"
    DESTINATION = "destination_down"
    DISK = "disk"
    NO_WORKER = "no_worker"
    QUEUE = "queue_age"
    CERTIFICATE = "certificate"
    REJECTED = "rejected_senders"
    NOT_RETRACTED = "not_retracted"
    LEDGER = "ledger_down"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong; `number` is how much of it, where more of it is news."""

    kind: Kind
    #: Which destination, cause or certificate; "" where there is one only.
    name: str = ""
    says: str
    do: str
    number: int = 0

    @property
    def key(self) -> str:
        """Names it as long as it lasts."""
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was found, and what could not be looked at: that is neither there nor gone."""

    problems: tuple[Problem, ...]
    unknown: frozenset[Kind] = field(default_factory=frozenset)


def look(node: Node) -> Look:
    """Look at everything; where the ledger does not answer, at what can be seen without."""
    here = [*_disk(node), *_workers(node), *_certificates(node)]
    try:
        node.ledger.ping()
        found = [problem for find in _OF_LEDGER.values() for problem in find(node)]
    except Unavailable:
        down = Problem(
            kind=Kind.LEDGER,
            says="the ledger does not answer: nothing is settled, measured or sent",
            do="See that its database runs and its disk is there; `spondyl doctor` says more.",
        )
        return Look(problems=(*here, down), unknown=frozenset(_OF_LEDGER))
    return Look(problems=(*here, *found))


def _disk(node: Node) -> Iterator[Problem]:
    check = disk_check(node)
    if check.light is not Light.OK:
        yield Problem(kind=Kind.DISK, says=f"disk of the spool: {check.says}", do=check.do)


def _workers(node: Node) -> Iterator[Problem]:
    if not roll_call.present(node.settings.storage.root, now=node.clock()):
        yield Problem(
            kind=Kind.NO_WORKER,
            says="no worker is there: studies wait, and nothing is sent",
            do="Start `spondyl serve` or `spondyl work`; its log says why it ended.",
        )


def _certificates(node: Node) -> Iterator[Problem]:
    do = "Have a new one made and put it in the place of the old: the node takes it by itself."
    for each in certificates(node.settings):
        days = (each.expires_at - node.clock()) / _DAY_S
        if days < node.settings.alerts.certificate_days:
            when = f"expires in {days:.0f} days" if days > 0 else f"expired {-days:.0f} days ago"
            yield Problem(kind=Kind.CERTIFICATE, name=each.owner, says=f"certificate ({each.owner}) {when}", do=do)
    for owner in unusable(node.settings):
        says = f"TLS files ({owner}) cannot be used: the old ones stay in force until the node is started again"
        do = "See what `spondyl doctor` says of TLS, and mend the files before that."
        yield Problem(kind=Kind.CERTIFICATE, name=f"{owner}, unusable", says=says, do=do)


def _failed(node: Node) -> Iterator[Problem]:
    found = node.ledger.lists.causes([StudyState.FAILED])
    for word, number in causes.by_cause(found).items():
        if number:
            reason = next(each.reason for each in found if causes.cause(each.reason) == word)
            studies = "1 study has" if number == 1 else f"{number} studies have"
            yield Problem(
                kind=Kind.FAILED,
                name=word,
                says=f"{studies} failed: {word}",
                do=advice(StudyState.FAILED, reason),
                number=number,
            )


def _destinations(node: Node) -> Iterator[Problem]:
    for destination in node.settings.destinations:
        state = node.ledger.watch.destination(destination.name)
        if state.failures >= node.settings.alerts.destination_failures:
            yield Problem(
                kind=Kind.DESTINATION,
                name=destination.name,
                says=f"destination {destination.name} does not answer: {state.failures} tries in a row",
                do=f"Ask the PACS team; `spondyl echo {destination.name}` tries. What waits is sent by itself.",
            )


def _queue(node: Node) -> Iterator[Problem]:
    _, oldest = node.ledger.admin.waiting()[JobKind.MEASURE]
    most_min = node.settings.alerts.queue_age_min
    if oldest is None or Paused.PROCESSING in node.ledger.switches.paused():
        return
    if node.clock() - oldest > most_min * _MINUTE_S:
        yield Problem(
            kind=Kind.QUEUE,
            says=f"a study has waited for a worker for longer than {most_min:g} minutes",
            do="Raise [queue] concurrency or start another worker; `spondyl doctor` says whether the broker answers.",
        )


def _rejected(node: Node) -> Iterator[Problem]:
    number = node.ledger.callers.since(node.clock() - _DAY_S)
    if number:
        callers = "1 caller was" if number == 1 else f"{number} callers were"
        yield Problem(
            kind=Kind.REJECTED,
            says=f"{callers} rejected in 24 hours",
            do="See the page Sources: who it was and why, and, where a setting can, the lines that would let it in.",
            number=number,
        )


def _not_retracted(node: Node) -> Iterator[Problem]:
    number = node.ledger.retractions.untold()
    if number:
        notes = "1 rejection note has" if number == 1 else f"{number} rejection notes have"
        yield Problem(
            kind=Kind.NOT_RETRACTED,
            says=f"{notes} not reached a destination: reports that were taken back stand there",
            do="See the studies that are ignored as retracted; `spondyl retract UID` sends a note again.",
            number=number,
        )


_OF_LEDGER: Final[dict[Kind, Callable[[Node], Iterator[Problem]]]] = {
    Kind.FAILED: _failed,
    Kind.DESTINATION: _destinations,
    Kind.QUEUE: _queue,
    Kind.REJECTED: _rejected,
    Kind.NOT_RETRACTED: _not_retracted,
}

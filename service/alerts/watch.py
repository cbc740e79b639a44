"""Who is told what, and when: each problem once while it lasts, all that is to be said in one message.

What was told stands in a file under `storage.root`, for several stewards and after a restart, and not in the ledger:
that it does not answer is one of the problems.
"""

import fcntl
import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from service.alerts.message import Message
from service.alerts.problems import Look, Problem, look
from service.alerts.send import Way, ways
from service.config import Settings
from service.config_alerts import Alerts
from service.errors import SpondylError
from service.logs import log
from service.private import make_folder
from service.wiring import Node

#: How often it is looked, seconds.
LOOK_EVERY_S: Final = 30.0
#: A problem is told once it has lasted so long, seconds: a worker that starts, or a network that hiccups, is none.
SURE_S: Final = 60.0
#: What could not be sent is tried again after so long, seconds: a mail server that is away is not asked all night.
AGAIN_S: Final = 300.0
_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3600.0


@dataclass(frozen=True)
class Told:
    """When a problem was told, and how much of it there was."""

    at: float
    number: int


@dataclass
class Memory:
    """What was seen, and what was told by each way."""

    #: Since when each problem is there, by key.
    seen: dict[str, float] = field(default_factory=dict)
    #: By way, then by key.
    told: dict[str, dict[str, Told]] = field(default_factory=dict)
    #: When the last message went, by way.
    sent: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> "Memory":
        """Return what was written; an empty one where it is no such text."""
        try:
            kept = json.loads(text)
            told = {way: {key: Told(**each) for key, each in keys.items()} for way, keys in kept["told"].items()}
            return cls(seen=dict(kept["seen"]), told=told, sent=dict(kept["sent"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        told = {way: {key: vars(each) for key, each in keys.items()} for way, keys in self.told.items()}
        return {"seen": self.seen, "told": told, "sent": self.sent}

    def notice(self, found: Look, now: float) -> None:
        """Note since when each problem is there; what is dated later than now was so by a clock that went back."""
        self.seen = {key: min(at, now) for key, at in self.seen.items()}
        self.sent = {way: min(at, now) for way, at in self.sent.items()}
        self.told = {
            way: {key: Told(at=min(each.at, now), number=each.number) for key, each in keys.items()}
            for way, keys in self.told.items()
        }
        keys = {problem.key for problem in found.problems}
        stays = {key: since for key, since in self.seen.items() if key in keys or _is_unknown(key, found)}
        self.seen = dict.fromkeys(keys, now) | stays

    def message(self, way: str, found: Look, alerts: Alerts, *, node: str, now: float) -> Message | None:
        """Return what is to be told by `way` now; None where there is nothing, or it is too early."""
        told = self.told.setdefault(way, {})
        for problem in found.problems:
            if (known := told.get(problem.key)) and problem.number < known.number:
                told[problem.key] = Told(at=known.at, number=problem.number)
        due = tuple(each for each in found.problems if self._is_due(each, told.get(each.key), alerts, now))
        keys = {problem.key for problem in found.problems}
        gone = tuple(sorted(key for key in told if key not in keys and not _is_unknown(key, found)))
        early = now - self.sent.get(way, float("-inf")) < alerts.every_min * _MINUTE_S
        return None if early or not (due or gone) else Message(node=node, at=now, problems=due, gone=gone)

    def tell(self, way: str, message: Message) -> None:
        """Note that a message went."""
        told = self.told.setdefault(way, {})
        for problem in message.problems:
            told[problem.key] = Told(at=message.at, number=problem.number)
        for key in message.gone:
            told.pop(key, None)
        self.sent[way] = message.at

    def _is_due(self, problem: Problem, known: Told | None, alerts: Alerts, now: float) -> bool:
        if known is None:
            return now - self.seen[problem.key] >= SURE_S
        return problem.number > known.number or now - known.at >= alerts.repeat_h * _HOUR_S


class Watch:
    """Looks, and tells."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._alerts = node.settings.alerts
        self._ways = ways(self._alerts)
        #: By way: before then it is not tried again.
        self._not_before: dict[str, float] = {}

    def run(self, now: float) -> None:
        """Look once and tell what is new; where another steward just does, leave it to that. Raises OSError."""
        with _locked(self._node.settings.storage.root / "alerts") as file:
            if file is None:
                return
            memory = Memory.read(file.read_text(encoding="utf-8", errors="replace") if file.exists() else "")
            found = look(self._node)
            memory.notice(found, now)
            self._not_before = {way: min(at, now + AGAIN_S) for way, at in self._not_before.items()}
            for way, send in self._ways.items():
                message = memory.message(way, found, self._alerts, node=name_of(self._node.settings), now=now)
                if message is None or now < self._not_before.get(way, now):
                    continue
                if hand_over(way, send, message):
                    memory.tell(way, message)
                else:
                    self._not_before[way] = now + AGAIN_S
            fresh = file.with_suffix(".new")
            fresh.write_text(json.dumps(memory.as_json()), encoding="utf-8")
            fresh.replace(file)


def name_of(settings: Settings) -> str:
    """Return how a node is called in a message: AE title and machine."""
    return f"{settings.node.ae_title} at {platform.node()}"


def hand_over(way: str, send: Way, message: Message) -> bool:
    """Send a message; tell whether it went."""
    try:
        send(message)
    except SpondylError as error:
        log.warning("alert not sent", action="alert_not_sent", kind=way, why=str(error))
        return False
    log.info("alert sent", action="alert_sent", kind=way, count=len(message.problems))
    return True


def _is_unknown(key: str, found: Look) -> bool:
    return key.partition(":")[0] in found.unknown


@contextmanager
def _locked(folder: Path) -> Iterator[Path | None]:
    """Hold the file of what was told; None where another process holds it."""
    make_folder(folder)
    with (folder / "lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield folder / "told.json"

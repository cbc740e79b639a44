"""A listener in the test's own process, and what stands behind it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from service.config import Settings
from service.door import Door
from service.hearing import Hearing
from service.receive import Listener
from service.spool import Spool


@dataclass
class Counting:
    """Counts by remembering, whatever is counted."""

    said: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return lambda *values: self.said.append((name, values))

    def of(self, name: str) -> list[str]:
        """Return what was counted under a name."""
        return [values[0] for counted, values in self.said if counted == name]


@dataclass(frozen=True, kw_only=True)
class QuietEar:
    """A listener without a ledger."""

    listener: Listener
    counted: Counting
    root: Path
    spool: Spool

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.listener.port

    def stored(self) -> list[Path]:
        """Return the objects in the spool."""
        return sorted((self.root / "spool").rglob("*.dcm"))

    def left_over(self) -> list[Path]:
        """Return unfinished files."""
        return list((self.root / "incoming").iterdir())

    def threads(self) -> int:
        """Return how many connections have a thread."""
        return sum("AcceptorThread" in thread.name for thread in threading.enumerate())


@contextmanager
def quiet_ear(root: Path, *, min_free_bytes: int = 0, door: Door | None = None, **node: object) -> Iterator[QuietEar]:
    """Run a listener; `node` is a section of the configuration."""
    spool = Spool(root, min_free_bytes=min_free_bytes)
    spool.prepare()
    counted = Counting()
    ledger = SimpleNamespace(
        arrivals=SimpleNamespace(note=lambda **_: None, hold=lambda *_, **__: None, release=lambda *_, **__: None),
        admin=SimpleNamespace(is_own_report=lambda _: False),
    )
    # One destination may report on storage commitment; nobody has asked it.
    reporter = {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 1, "proof": "commitment"}
    document = {"node": {"port": 0, "idle_timeout_s": 20.0} | node, "destinations": [reporter]}
    settings = Settings.model_validate(document)
    proofs = SimpleNamespace(of_transaction=lambda _: None, is_settled=lambda _: False)
    hearing = Hearing(SimpleNamespace(settings=settings, ledger=SimpleNamespace(proofs=proofs)))  # type: ignore[arg-type]
    listener = Listener(settings=settings, spool=spool, ledger=ledger, metrics=counted, hearing=hearing, door=door)
    listener.start()
    try:
        yield QuietEar(listener=listener, counted=counted, root=root, spool=spool)
    finally:
        listener.stop()

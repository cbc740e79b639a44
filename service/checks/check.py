"""One thing that was examined."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from service.config import Settings
from service.errors import PeerRefused, SpondylError, Unavailable


class Verdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    #: Works, and somebody should know of it.
    NOTE = "note"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was examined, what was found, what to do; `peer` where another program or machine must answer."""

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""
    peer: bool = False

    @property
    def failed(self) -> bool:
        """Whether something must be done."""
        return self.verdict is Verdict.FAILED

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self) | {"verdict": self.verdict.value}


def good(name: str, found: str, *, peer: bool = False) -> Check:
    """Return a check that came out well."""
    return Check(name=name, verdict=Verdict.OK, found=found, peer=peer)


def noted(name: str, found: str, remedy: str = "", *, peer: bool = False) -> Check:
    """Return a check that came out well, with a remark."""
    return Check(name=name, verdict=Verdict.NOTE, found=found, remedy=remedy, peer=peer)


def bad(name: str, found: str, remedy: str, *, peer: bool = False) -> Check:
    """Return a check that failed."""
    return Check(name=name, verdict=Verdict.FAILED, found=found, remedy=remedy, peer=peer)


def tried(name: str, work: Callable[[Settings], Iterator[Check]], settings: Settings, remedy: str) -> Iterator[Check]:
    """Give the checks of `work`; an expected error ends it as one that failed."""
    try:
        yield from work(settings)
    except SpondylError as error:
        yield bad(name, str(error), remedy, peer=isinstance(error, Unavailable | PeerRefused))

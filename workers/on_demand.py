"""What the role `web` needs of the workers now and then, imported once somebody asks: highdicom, all that we write.

It would be a sixth of the time on the processor that the role takes to start, and of its memory.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from service.config import Settings
from service.ledger import NewReport, ReportRow, StudyRow
from service.retraction import Wish
from service.wiring import Node


def statement(settings: Settings) -> str:
    """Return the conformance statement."""
    from workers.conformance import document  # noqa: PLC0415 - on demand

    return document.statement(settings)


def worksheet(settings: Settings) -> str:
    """Return the AE worksheet."""
    from workers.conformance import document  # noqa: PLC0415 - on demand

    return document.worksheet(settings)


def make_note(
    node: Node, study: StudyRow, rejected: Sequence[ReportRow], wish: Wish, *, at: datetime, number: int
) -> NewReport:
    """Keep a rejection note; see `service.retraction.NoteMaker`."""
    from workers import rejecting  # noqa: PLC0415 - on demand

    return rejecting.make_note(node, study, rejected, wish, at=at, number=number)


#: What the page has to print, by the name in its address.
PAPERS: Final[Mapping[str, Callable[[Settings], str]]] = {"conformance": statement, "worksheet": worksheet}

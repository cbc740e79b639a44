"""Data on stdout, progress on stderr; rich is only imported where something is drawn."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from service.tables import Table

T = TypeVar("T")
_NO_EDGE: Final = 10_000


def write_json(value: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout."""
    write(json.dumps(value, indent=2, ensure_ascii=False))


def write(line: str) -> None:
    """Print one line of data on stdout."""
    sys.stdout.write(f"{line}\n")


def note(line: str) -> None:
    """Say something about the work on stderr."""
    sys.stderr.write(f"{line}\n")


def write_table(shown: "Table") -> None:
    """Print a table on stdout, as wide as its cells where nobody looks at a terminal. NO_COLOR is respected by rich."""
    import rich.table
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.text import Text

    drawn = rich.table.Table(box=SIMPLE_HEAD, title=shown.title or None, title_justify="left", pad_edge=False)
    for column in shown.columns:
        drawn.add_column(column, overflow="fold")
    for row in shown.rows:
        drawn.add_row(*[Text(cell) for cell in row])
    # A table is as wide as its cells; only a terminal has an edge to fold them at.
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else _NO_EDGE).print(drawn)


def write_findings(document: Mapping[str, Any], *, title: str = "") -> None:
    """Print a study's findings (`spondyl.findings/1`) and the study at a glance; nothing where there is no vertebra."""
    from service import findings_table

    if document["vertebrae"]:
        write_table(findings_table.table(document, title=title))
        write(findings_table.summary(document))


@contextmanager
def _spinning(what: str) -> Iterator[None]:
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def working(what: str, *, quiet: bool = False) -> AbstractContextManager[None]:
    """Show on stderr that something is under way; nothing is shown where nobody looks or `quiet`."""
    return nullcontext() if quiet or not sys.stderr.isatty() else _spinning(what)


def progress(work: Iterable[T], *, total: int | None, what: str, quiet: bool = False) -> list[T]:
    """Do `work` to its end, with a bar on stderr where somebody looks; return what came of it."""
    if quiet or not sys.stderr.isatty():
        return list(work)
    from rich.console import Console
    from rich.progress import track

    return list(track(work, description=what, total=total, console=Console(stderr=True), transient=True))

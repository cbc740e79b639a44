"""What an administrator is shown, as tables: the command line and the page print the same ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # the rows live beside the database code, which a table does not need
    from service import summaries

_STUDY_COLUMNS: Final = {
    "state": "State",
    "reason": "Reason",
    "who_must_act": "Who must act",
    "source": "Source",
    "received_at": "Received",
    "revision": "Revision",
    "key": "Key",
    "study_instance_uid": "Study Instance UID",
}
_PARTS: Final[Mapping[str, Mapping[str, str]]] = {
    "jobs": {
        "kind": "Job",
        "revision": "Revision",
        "destination": "Destination",
        "state": "State",
        "attempts": "Attempts",
        "not_before": "Not before",
        "worker": "Worker",
        "error": "Last error",
    },
    "reports": {
        "revision": "Revision",
        "kind": "Object",
        "sop_class": "SOP class",
        "finding": "Held back",
        "created_at": "Made",
        "sop_instance_uid": "SOP Instance UID",
        "predecessor_uid": "Predecessor",
        "file_name": "File",
    },
    "deliveries": {
        "destination": "Destination",
        "kind": "Object",
        "sop_class": "SOP class",
        "state": "State",
        "attempts": "Attempts",
        "delivered_at": "Delivered",
        "error": "Last error",
    },
    "events": {"at": "When", "event": "Event", "actor": "Who", "detail": "Detail"},
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells are texts; every row is as long as `columns`."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def _cell(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def _table(title: str, columns: Mapping[str, str], records: Sequence[object]) -> Table:
    rows = [tuple(_cell(getattr(record, name)) for name in columns) for record in records]
    return Table(title=title, columns=tuple(columns.values()), rows=rows)


def studies(records: "Sequence[summaries.Study]", *, title: str = "") -> Table:
    """Return the list of studies."""
    return _table(title, _STUDY_COLUMNS, records)


def parts(detail: "summaries.Detail") -> list[Table]:
    """Return one table for each of a study's jobs, reports, deliveries and events."""
    return [_table(name.capitalize(), columns, getattr(detail, name)) for name, columns in _PARTS.items()]

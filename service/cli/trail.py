"""`spondyl audit`: what was done, by whom and from where."""

from typing import Annotated, Final

import typer

from service.cli.options import AsJson, ConfigPath, options_of
from service.cli.output import note, write_json, write_table

_MOST: Final = 100_000
Before = Annotated[
    int | None, typer.Option("--before", metavar="NUMBER", min=1, help="Older than this entry: `next` of the last.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=_MOST, help="So many entries at most.")]


def audit(
    ctx: typer.Context, before: Before = None, limit: Limit = 1000, as_json: AsJson = False, config: ConfigPath = None
) -> None:
    """List what was done, by whom and from where, the newest first; who looked at a patient, too."""
    from contextlib import closing
    from dataclasses import asdict

    from service.ledger import Ledger
    from service.summaries import utc
    from service.tables import Table

    with closing(Ledger.open(options_of(ctx).settings(config).storage.ledger_url)) as ledger:
        found = ledger.audit.latest(limit=limit + 1, before=before)
    more, found = len(found) > limit, found[:limit]
    rows = [asdict(each) | {"at": utc(each.at)} for each in found]
    if as_json:
        write_json({"schema": "spondyl.audit/1", "entries": rows, "next": found[-1].id if more else None})
    elif rows:
        cells = [tuple(str(value) for value in row.values()) for row in rows]
        write_table(Table(title="", columns=("Number", "When", "Who", "From", "What", "Detail"), rows=cells))
        if more:
            note(f"there are more: --before {found[-1].id}")
    else:
        note("nothing was done")

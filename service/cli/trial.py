"""`spondyl send-test`: does a report arrive at a destination, and is it proven."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.exits import ExitCode
from service.cli.options import AsJson, ConfigPath, options_of
from service.cli.output import note, write_json, write_table
from service.cli.peers import Destination

if TYPE_CHECKING:
    from service.ledger import StudyDetail
    from service.wiring import Node

_STEP_S: Final = 0.25


def send_test(
    ctx: typer.Context,
    name: Destination,
    wait_s: Annotated[float, typer.Option("--wait", min=0, help="Follow it for so many seconds.")] = 120.0,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Send a report of a patient that never was to a destination, through the running node; say what became of it.

    It is measured, goes through the gate, is delivered and proven as any report, to this destination alone. Patient and
    series are called SPONDYL TEST; it stays in the PACS until somebody deletes it there. Exit code 4 where it did not
    arrive, or was not proven in time.
    """
    from service import summaries, tables, trial
    from service.ledger.moves import ADMIN
    from service.operations import Actor
    from service.states import StudyState
    from service.wiring import open_node

    with open_node(options_of(ctx).settings(config)) as node:
        study = trial.begin(node, name, by=Actor(name=ADMIN, address=""))
        note(f"study {study.key}")
        detail = _followed(node, study.key, wait_s)
        shown = summaries.detail(detail, node.ledger.admin.findings(study.key))
    if as_json:
        write_json(asdict(shown))
    else:
        write_table(tables.studies([shown.study]))
        write_table(next(table for table in tables.parts(shown) if table.title == "Deliveries"))
    if detail.study.state is not StudyState.REPORTED:
        note(f"not reported after {wait_s:g} s: `spondyl studies {study.key}` says how it goes on")
        raise typer.Exit(ExitCode.PEER)


def _followed(node: "Node", key: str, wait_s: float) -> "StudyDetail":
    """Return the study once it has its disposition, or the time is over."""
    from service.states import FINAL

    end = time.monotonic() + wait_s
    detail = node.ledger.admin.study(key)
    while detail.study.state not in FINAL and time.monotonic() < end:
        time.sleep(_STEP_S)
        detail = node.ledger.admin.study(key)
    return detail

"""What an administrator does with studies: list, settle, retry, ignore."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.exits import ExitCode
from service.cli.options import AsJson, ConfigPath, StudyName, options_of
from service.cli.output import note, write, write_findings, write_json, write_table
from service.states import StudyState

if TYPE_CHECKING:
    from service.config import Settings
    from service.ledger.rows import StudyDetail, StudyRow

_SETTLED_LATER: Final = "settled at the next pass of the running node"


class Ended(StrEnum):
    """States in which many studies can be retried at once."""

    FAILED = StudyState.FAILED.value
    NOT_ANALYSABLE = StudyState.NOT_ANALYSABLE.value


def studies(
    ctx: typer.Context,
    uid: Annotated[str | None, typer.Argument(metavar="[UID]", help="One study: its UID or key.")] = None,
    state: Annotated[StudyState | None, typer.Option(help="Only studies in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest first.")] = 50,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """List the studies, newest first, with their states and reasons; or tell all that is known of one.

    Of one: its state, the findings with the reason of each vertebra that was not measured, jobs, reports, deliveries
    with their errors, and everything that happened to it.
    """
    from service.ledger import Ledger

    with closing(Ledger.open(options_of(ctx).settings(config).storage.ledger_url)) as ledger:
        if uid is None:
            _show_list(ledger.admin.studies(state=state, limit=limit), as_json=as_json)
        else:
            _show_one(ledger.admin.study(uid), ledger.admin.findings(uid), as_json=as_json)


def _show_list(rows: "Sequence[StudyRow]", *, as_json: bool) -> None:
    from service import summaries, tables

    found = summaries.studies(rows)
    if as_json:
        write_json(asdict(found))
    elif rows:
        write_table(tables.studies(found.studies))
    else:
        note("no studies")


def _show_one(detail: "StudyDetail", findings: str | None, *, as_json: bool) -> None:
    from service import summaries, tables

    found = summaries.detail(detail, findings)
    if as_json:
        write_json(asdict(found))
        return
    write_table(tables.studies([found.study], title="Study"))
    if found.findings:
        write_findings(found.findings, title="Findings")
    for table in tables.parts(found):
        if table.rows:
            write_table(table)


def settle(ctx: typer.Context, uid: StudyName, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Take a study as complete now, without waiting for its quiet period."""
    from service.ledger import Ledger

    with closing(Ledger.open(options_of(ctx).settings(config).storage.ledger_url)) as ledger:
        key = ledger.admin.study(uid).study.key
        ledger.admin.settle_now(uid, now=time.time())
    if as_json:
        _write_done("settle", key)
    else:
        write(_SETTLED_LATER)


def retry(
    ctx: typer.Context,
    uid: Annotated[str, typer.Argument(metavar="UID", help="Study Instance UID, or the study's key.")] = "",
    measure: Annotated[bool, typer.Option("--measure", help="Measure again in any case.")] = False,
    state: Annotated[Ended | None, typer.Option(help="In the place of UID: all studies in this state.")] = None,
    reason: Annotated[str, typer.Option(help="With --state: only those with this whole reason.")] = "",
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Do the last step again: send a report that exists to its destinations, or measure where there is none.

    A study that is reported, or failed in delivery, is sent again; while it is being delivered, what waits for a
    destination goes at once. One that failed in measuring, was held back by the gate, could not be analysed or was
    ignored is measured again; with --measure one that was sent is, too.
    With --state many: exit code 5 where some of them are left, then say it again.
    """
    if bool(uid) == (state is not None) or (state is None and reason) or (state is not None and measure):
        raise typer.BadParameter("expected UID, with or without --measure; or --state, with or without --reason")
    settings = options_of(ctx).settings(config)
    if state is not None:
        _retry_many(settings, StudyState(state), reason or None, as_json=as_json)
        return
    from service.ledger import Ledger

    with closing(Ledger.open(settings.storage.ledger_url)) as ledger:
        jobs = ledger.admin.retry(uid, now=time.time(), measure=measure)
        key = ledger.admin.study(uid).study.key
    if as_json:
        _write_done("retry", key, jobs=len(jobs))
    else:
        write(
            f"{len(jobs)} job(s) wait for the running node" if jobs else "settled at the next pass of the running node"
        )


def _retry_many(settings: "Settings", state: StudyState, reason: str | None, *, as_json: bool) -> None:
    from service.ledger.lists import Wanted
    from service.operations import Actor, retry_all
    from service.wiring import open_node

    with open_node(settings) as node:
        many = retry_all(node, Wanted(state=state, reason=reason), by=Actor(name="admin", address=""))
    if as_json:
        write_json({"schema": "spondyl.retried/1"} | asdict(many))
    else:
        write(f"{many.asked} studies are tried again; {many.refused} cannot be as they are now, {many.left} are left")
    if many.left:
        raise typer.Exit(ExitCode.PARTLY)


def ignore(
    ctx: typer.Context,
    uid: StudyName,
    why: Annotated[str, typer.Option(help="The reason; it is kept with the study. No patient data, please.")],
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Take a study out: its waiting work is cancelled, nothing more is sent, nothing is compared with it any more.

    Reports that were already sent stay where they are; those that compare with it are named.
    """
    from service.ledger import Ledger

    with closing(Ledger.open(options_of(ctx).settings(config).storage.ledger_url)) as ledger:
        compared = ledger.admin.ignore(uid, why=why, now=time.time())
        key = ledger.admin.study(uid).study.key
    if as_json:
        _write_done("ignore", key, compared=compared)
        return
    write("ignored")
    for each in compared:
        write(f"compared with it: {each}: `spondyl retry {each} --measure`")


def _write_done(done: str, key: str, *, jobs: int = 0, compared: Sequence[str] = ()) -> None:
    write_json({"schema": "spondyl.done/1", "done": done, "study": key, "jobs": jobs, "compared": list(compared)})

"""`spondyl alert`: what would be told now, and does it arrive."""

import time
from typing import Annotated

import typer

from service.cli.exits import ExitCode, outcome
from service.cli.options import AsJson, ConfigPath, options_of
from service.cli.output import note, write, write_json, write_table

alert_app = typer.Typer(no_args_is_help=True, help="Alerts by webhook and mail: what is wrong now, and a test.")

Only = Annotated[str, typer.Option("--only", metavar="WAY", help="mail or webhook; else both, as configured.")]


@alert_app.command("list")
def list_problems(ctx: typer.Context, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """List what somebody would be told of now. Exit code 1 where there is something."""
    from dataclasses import asdict

    from service.alerts.problems import look
    from service.tables import Table
    from service.wiring import open_node

    with open_node(options_of(ctx).settings(config)) as node:
        found = look(node).problems
    if as_json:
        problems = [asdict(each) | {"kind": each.kind.value} for each in found]
        write_json({"schema": "spondyl.problems/1", "problems": problems})
    elif found:
        rows = [(each.kind.value, each.name or "-", each.says, each.do) for each in found]
        write_table(Table(title="", columns=("Problem", "Of", "Found", "To do"), rows=rows))
    else:
        note("nothing is wrong")
    raise typer.Exit(ExitCode.FAILED if found else ExitCode.OK)


@alert_app.command("test")
def send_test(ctx: typer.Context, only: Only = "", config: ConfigPath = None) -> None:
    """Send a test message by every way that is configured.

    Exit code 3 where none is, 4 where no message went, 5 where one of two did.
    """
    from service.alerts.message import Message
    from service.alerts.send import ways
    from service.alerts.watch import name_of
    from service.errors import Misconfigured, SpondylError

    settings = options_of(ctx).settings(config)
    configured = ways(settings.alerts)
    if only and only not in {"mail", "webhook"}:
        raise typer.BadParameter(f"expected mail or webhook, found {only!r}", param_hint="--only")
    wanted = {way: send for way, send in configured.items() if only in {"", way}}
    if not wanted:
        raise Misconfigured(f"[alerts] has no {only or 'webhook and no mail_to'}: set webhook, or mail_to")
    failed = 0
    for way, send in wanted.items():
        try:
            send(Message(node=name_of(settings), at=time.time(), is_test=True))
        except SpondylError as error:
            failed += 1
            note(f"{way}: not sent: {error}")
        else:
            write(f"{way}: sent")
    raise typer.Exit(outcome(succeeded=len(wanted) - failed, failed=failed, failure=ExitCode.PEER))

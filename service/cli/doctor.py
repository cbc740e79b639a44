"""`spondyl doctor`: what works, what does not, what to do."""

from typing import TYPE_CHECKING

import typer

from service.cli.exits import ExitCode
from service.cli.options import AsJson, ConfigPath, options_of
from service.cli.output import progress, write_json, write_table
from service.tables import Table

if TYPE_CHECKING:
    from service.checks.check import Check


def doctor(ctx: typer.Context, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Examine configuration, packages, decoders, spool, ports, certificates, ledger, broker, clocks, every destination.

    Exit code 1 where something of this node failed, 4 where a server or destination does not answer or refuses,
    5 where other destinations do.
    """
    from service.checks.examine import examine

    options = options_of(ctx)
    settings = options.settings(config)
    checks = progress(examine(settings, options.file(config)), total=None, what="examining", quiet=options.quiet)
    if as_json:
        write_json({"schema": "spondyl.doctor/1", "checks": [check.as_json() for check in checks]})
    else:
        rows = [(check.verdict.value, check.name, check.found, check.remedy) for check in checks]
        write_table(Table(title="", columns=("", "What", "Found", "To do"), rows=rows))
    raise typer.Exit(verdict(checks))


def verdict(checks: "list[Check]") -> ExitCode:
    """Return the exit code of the whole examination."""
    failed = [check for check in checks if check.failed]
    if not failed:
        return ExitCode.OK
    if any(not check.peer for check in failed):
        return ExitCode.FAILED
    destinations = {check.failed for check in checks if check.name.startswith("destination ")}
    return ExitCode.PARTLY if destinations == {True, False} else ExitCode.PEER

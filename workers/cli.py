"""The command `spondyl`: the commands of the node and of the workers put together, and what they have in common.

Exit codes: 0 ok, 1 failed, 2 usage, 3 configuration, 4 peer unreachable or refusing, 5 partly failed
"""

from typing import Annotated

import typer
from typer.core import TyperGroup

from service.cli import admin, alert, doctor, flower, peers, roles, rules, schema, setup, trail, trial, user
from service.cli.exits import told
from service.cli.options import ConfigPath, Options
from workers import cli_conformance, cli_demo, cli_measure, cli_retract, cli_roles

_EPILOG = (
    "Exit codes: 0 ok, 1 failed, 2 usage, 3 configuration, 4 a peer or server does not answer or refuses, "
    "5 partly failed. Data goes to stdout, everything else to stderr. NO_COLOR is respected."
)


class Told(TyperGroup):
    """Turns expected errors of every command into words and an exit code, in one place."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # typer's own Context is this one's parent
        """Run the command."""
        with told():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Told,
    no_args_is_help=True,
    epilog=_EPILOG,
    # A traceback with local variables could show a patient's data.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def spondyl(
    ctx: typer.Context,
    config: ConfigPath = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log everything.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log errors only, show no progress.")] = False,
) -> None:
    """Measure how wedged each vertebra is, and return a DICOM Structured Report to the PACS."""
    if verbose and quiet:
        raise typer.BadParameter("--verbose and --quiet exclude each other")
    ctx.obj = Options(config=config, verbose=verbose, quiet=quiet)


_START, _STUDIES, _HELP = "Start", "Studies and peers", "Set up and find faults"
for panel, commands in {
    _START: (cli_demo.demo, cli_roles.serve, roles.listen, cli_roles.work, cli_roles.web),
    _STUDIES: (
        cli_measure.measure,
        admin.studies,
        admin.settle,
        admin.retry,
        admin.ignore,
        cli_retract.retract,
        peers.send,
        peers.echo,
        trial.send_test,
    ),
    _HELP: (
        doctor.doctor,
        trail.audit,
        cli_conformance.conformance,
        setup.migrate,
        flower.flower,
        schema.schema,
        setup.version,
    ),
}.items():
    for command in commands:
        app.command(command.__name__.replace("_", "-"), rich_help_panel=panel)(command)
app.add_typer(setup.config_app, name="config", rich_help_panel=_HELP)
app.add_typer(rules.rules_app, name="rules", rich_help_panel=_HELP)
app.add_typer(user.user_app, name="user", rich_help_panel=_HELP)
app.add_typer(alert.alert_app, name="alert", rich_help_panel=_HELP)


def main() -> None:
    """Run the command line."""
    app()

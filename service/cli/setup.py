"""What an administrator does before the first study: check and show the configuration, migrate, ask for the version."""

import importlib.metadata
import platform
import tomllib
from typing import Final

import typer

from service import __version__
from service.cli.options import AsJson, ConfigPath, options_of
from service.cli.output import write, write_json

#: The libraries whose versions a report of a fault should name.
_LIBRARIES: Final = ("pydicom", "pynetdicom", "highdicom", "celery", "redis", "sqlalchemy", "numpy")

config_app = typer.Typer(no_args_is_help=True, help="Check or show the configuration.")


@config_app.command()
def check(ctx: typer.Context, config: ConfigPath = None) -> None:
    """Say which configuration is read and whether it can be used.

    Exit code 3 where it cannot: the key, the value and what is allowed are named.
    """
    from service.config_text import source

    options = options_of(ctx)
    write(f"configuration: {source(options.file(config))}")
    options.settings(config)
    write("the configuration is valid")


@config_app.command()
def show(ctx: typer.Context, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Print the configuration that is in force: file, environment and defaults together, secrets masked."""
    from service.config_text import shown

    text = shown(options_of(ctx).settings(config))
    write_json(tomllib.loads(text)) if as_json else write(text.rstrip())


def migrate(ctx: typer.Context, config: ConfigPath = None) -> None:
    """Create the ledger's tables or bring them up to date; safe to run at any time, by several at once."""
    from service.ledger import migrate as migrate_ledger

    before, after = migrate_ledger(options_of(ctx).settings(config).storage.ledger_url)
    write(f"the ledger is up to date: {after}" if before == after else f"migrated: {before or 'nothing'} -> {after}")


def version(as_json: AsJson = False) -> None:
    """Print the version; with --json also Python's and the libraries'."""
    if not as_json:
        write(f"spondyl {__version__}")
        return
    libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    write_json({"schema": "spondyl.version/1", "spondyl": __version__, "python": platform.python_version()} | libraries)

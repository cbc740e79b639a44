"""Talk to a configured destination: does it answer, does it take these files."""

from pathlib import Path
from typing import Annotated, Final

import typer

from service.cli.completion import destinations
from service.cli.exits import ExitCode, outcome
from service.cli.options import AsJson, ConfigPath, options_of
from service.cli.output import note, progress, write, write_json

#: No square brackets in a help text: rich takes them for markup.
_NAME: Final = "Name of a destination in the configuration."
Destination = Annotated[str, typer.Argument(metavar="NAME", help=_NAME, autocompletion=destinations)]


def echo(ctx: typer.Context, name: Destination, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Ask a destination for a C-ECHO, or a search by QIDO-RS; print milliseconds. Exit code 4 where none answers."""
    from service import sending

    settings = options_of(ctx).settings(config)
    destination = settings.destination(name)
    seconds = sending.echo(destination, calling_ae=settings.node.ae_title)
    if as_json:
        write_json({"schema": "spondyl.echo/1", "destination": name, "round_trip_ms": round(seconds * 1000, 3)})
    else:
        write(f"{name} ({destination.where}): {seconds * 1000:.1f} ms")


def send(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(exists=True, metavar="PATH...", help="DICOM files or folders.")],
    to: Annotated[str, typer.Option("--to", metavar="NAME", help=_NAME, autocompletion=destinations)],
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Send DICOM files to a destination by C-STORE or STOW-RS, as they are; exit code 5 where it took only some."""
    from service import sending
    from service.cli.files import dicom_files

    options = options_of(ctx)
    settings = options.settings(config)
    destination = settings.destination(to)
    files = dicom_files(paths)
    results = progress(
        sending.send(destination, files, calling_ae=settings.node.ae_title),
        total=len(files),
        what=f"sending to {to}",
        quiet=options.quiet,
    )
    failed = [result for result in results if result.problem is not None]
    for result in failed:
        note(f"{result.path}: {result.problem}")
    stored = len(files) - len(failed)
    if as_json:
        refused = [{"path": str(result.path), "problem": result.problem} for result in failed]
        write_json({"schema": "spondyl.send/1", "destination": to, "stored": stored, "refused": refused})
    else:
        write(f"{to}: {stored} of {len(files)} stored")
    raise typer.Exit(outcome(succeeded=stored, failed=len(failed), failure=ExitCode.PEER))

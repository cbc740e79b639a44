"""`spondyl rules`: what is done with which study, and what would be done with these files."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.exits import ExitCode
from service.cli.options import AsJson, ConfigPath, options_of
from service.cli.output import note, write, write_json, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.attributes import Attributes
    from service.rules import Rulebook

rules_app = typer.Typer(invoke_without_command=True, help="The rules for studies: list them, try them on files.")

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="DICOM files of one study, or folders of them.")]
Name = Annotated[
    str | None, typer.Option("--source", metavar="NAME", help="As if this source of the configuration had sent them.")
]
Title = Annotated[str | None, typer.Option("--calling-ae", metavar="AE", help="As if this AE title had sent them.")]
Address = Annotated[str | None, typer.Option("--address", metavar="IP", help="From where; with --calling-ae.")]


@rules_app.callback()
def list_rules(ctx: typer.Context, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """List the rules in the order in which they are tried, and what holds for each source where none matches."""
    if ctx.invoked_subcommand is not None:
        options = options_of(ctx)
        ctx.obj = replace(options, config=config or options.config)
        return
    from service import rule_tables

    settings = options_of(ctx).settings(config)
    if as_json:
        write_json(rule_tables.document(settings))
        return
    for table in rule_tables.tables(settings):
        write_table(table)


@rules_app.command("try")
def try_files(
    ctx: typer.Context,
    files: Files,
    source: Name = None,
    calling_ae: Title = None,
    address: Address = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Say what would be done with a study of these files, and which rule decides. Nothing is sent or kept.

    Exit code 0 where the study would be measured, 1 where it would be ignored or its sender rejected.
    """
    from dataclasses import asdict

    from service import rule_tables
    from service.rules import Rulebook
    from service.trying import caller_of, try_rules

    if source is not None and calling_ae is not None:
        raise typer.BadParameter("--source and --calling-ae exclude each other")
    if (calling_ae is None) != (address is None):
        raise typer.BadParameter("--calling-ae and --address belong together")
    settings = options_of(ctx).settings(config)
    caller = caller_of(settings, source=source, calling_ae=calling_ae, address=address)
    rulebook = Rulebook(settings)
    tried = try_rules(rulebook, settings, caller, _said(rulebook, files))
    if as_json:
        write_json(asdict(tried))
    else:
        write(rule_tables.sentence(tried))
        if tried.rules:
            write_table(rule_tables.tried(tried))
    raise typer.Exit(ExitCode.OK if tried.outcome == "measured" else ExitCode.FAILED)


def _said(rulebook: "Rulebook", files: "Sequence[Path]") -> "list[Attributes]":
    from service.attributes import STUDY_INSTANCE_UID, attributes_of_file
    from service.cli.files import dicom_files
    from service.errors import Unknown

    found = {file: attributes_of_file(file, {*rulebook.tags, STUDY_INSTANCE_UID}) for file in dicom_files(files)}
    said = {file: each for file, each in found.items() if STUDY_INSTANCE_UID in each}
    for file in sorted(found.keys() - said.keys()):
        note(f"passed over, cannot be read or is of no study: {file}")
    if not said:
        raise Unknown("no file can be read that is of a study")
    studies = {each[STUDY_INSTANCE_UID] for each in said.values()}
    if len(studies) > 1:
        raise typer.BadParameter(f"expected files of one study, found {len(studies)} studies")
    return [*said.values()]

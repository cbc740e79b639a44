"""`spondyl conformance`: what this configuration negotiates and writes, for the other side's administrator."""

from typing import Annotated

import typer

from service.cli.options import AsJson, ConfigPath, options_of
from service.cli.output import write, write_json


def conformance(
    ctx: typer.Context,
    worksheet: Annotated[bool, typer.Option("--worksheet", help="The AE worksheet to fill in with the PACS.")] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Print the DICOM conformance statement of the configuration in force, as Markdown.

    Made from what listener and deliveries are set up with; nothing is called and nobody is asked.
    """
    from workers.conformance import document

    settings = options_of(ctx).settings(config)
    if as_json:
        write_json(document.worksheet_json(settings) if worksheet else document.statement_json(settings))
    else:
        write((document.worksheet(settings) if worksheet else document.statement(settings)).rstrip("\n"))

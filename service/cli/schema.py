"""`spondyl schema`: what the JSON of the other commands looks like, for programs."""

from typing import Annotated

import typer

from service.cli.completion import schemas
from service.cli.output import write, write_json


def schema(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Name of a schema; without, they are listed.", autocompletion=schemas),
    ] = "",
) -> None:
    """Print the JSON Schema of what a command prints with --json: `spondyl schema doctor`.

    Every document names its own in the key `schema`; a number that grows there means that keys were changed or taken
    away, new ones may come without.
    """
    from service.shapes.answers import SHAPES, json_schema

    name = name.removeprefix("spondyl.").removesuffix("/1")
    if not name:
        write("\n".join(f"spondyl.{each}/1" for each in SHAPES))
        return
    if name not in SHAPES:
        raise typer.BadParameter(f"expected one of {', '.join(SHAPES)}, found {name!r}", param_hint="NAME")
    write_json(json_schema(name))

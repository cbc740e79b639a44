"""`spondyl retract`: take back what was reported on a study."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import AsJson, ConfigPath, StudyName, options_of
from service.cli.output import write, write_json
from service.rejection_titles import Title

if TYPE_CHECKING:
    from service.retraction import Retracted

_WHY = "For people; it stands in the note and with the study. No patient data, please."


def retract(
    ctx: typer.Context,
    uid: StudyName,
    reason: Annotated[Title, typer.Option(help="As what the objects are rejected.")] = Title.QUALITY,
    why: Annotated[str, typer.Option(help=_WHY)] = "",
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Take back what was reported: each destination is sent a note that rejects the objects it has (IHE IOCM).

    The study is ignored from then on, and compared with no more; `spondyl retry` makes another report of it. Said again
    it sends the note where it did not arrive, and does nothing else. What a destination does with it is its own.
    """
    from service.operations import Actor
    from service.retraction import Wish
    from service.retraction import retract as take_back
    from service.web.actions import LONGEST_WHY
    from service.wiring import open_node
    from workers.rejecting import make_note

    if len(why) > LONGEST_WHY or not why.isprintable():
        raise typer.BadParameter(f"expected at most {LONGEST_WHY} characters on one line", param_hint="--why")
    with open_node(options_of(ctx).settings(config)) as node:
        by = Actor(name="admin", address="")
        found = take_back(node, uid, Wish(title=reason, why=why.strip()), by=by, make_note=make_note, wake=False)
    if as_json:
        write_json(asdict(found))
    else:
        _write(found)


def _write(found: "Retracted") -> None:
    for each in found.told:
        many = f"rejects {each.objects} object(s)" if each.objects else "again"
        write(f"{each.destination}: the note {each.note} waits for the running node, {many}")
    if not found.told:
        write("taken back already: every destination has its note, or is being sent it")
    for uid in found.compared:
        write(f"compared with it: {uid}: `spondyl retry {uid} --measure`")

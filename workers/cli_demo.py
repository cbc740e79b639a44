"""`spondyl demo`: node, small PACS and study in one go."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.exits import ExitCode
from service.cli.options import options_of
from service.cli.output import note, working, write, write_findings
from service.errors import SpondylError
from service.states import StudyState

if TYPE_CHECKING:
    from workers.demo import Result

#: Where the report lies afterwards, below the working directory.
KEPT: Final = Path("spondyl-demo")
#: What came back, in a reader's words.
_WORDS: Final = {
    "sr": "report",
    "gsps": "overlay",
    "summary": "summary picture",
    "pdf": "page",
    "sagittal": "sagittal reformat",
}
#: The phantom's patient.
_PATIENT: Final = {"patient_name": "Phantom^Demo", "patient_id": "SPONDYL-DEMO"}


def demo(
    ctx: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(exists=True, file_okay=False, metavar="[FOLDER]", help="Your own study; else a phantom."),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(file_okay=False, metavar="DIR", help="Keep everything in DIR, which must be new or empty."),
    ] = None,
    patience: Annotated[float, typer.Option(min=1, help="Seconds to wait for the report.")] = 300.0,
) -> None:
    """Run the main job once: start a node and a small PACS, send a study, print the measurements of its report.

    The report stays in ./spondyl-demo, or with everything else in the folder that --keep names.
    """
    from workers.demo import Stage, run

    options = options_of(ctx)
    options.start_log()
    stage = Stage(folder=_place(keep))
    say = (lambda _: None) if options.quiet else note
    say(f"working in {stage.folder}{'' if keep else ', which is removed when all is well (--keep DIR keeps it)'}")
    try:
        files = _files(folder, stage.folder)
        with working("running the demo", quiet=options.quiet):
            results = run(stage, files, patience_s=patience, tell=say)
    except SpondylError:
        note(f"log: {stage.log}")
        raise
    good = [_show(result, KEPT if keep is None else None) for result in results]
    if not all(good):
        note(f"log: {stage.log}")
        raise typer.Exit(ExitCode.PARTLY if any(good) else ExitCode.FAILED)
    if keep is None:
        shutil.rmtree(stage.folder)


def _place(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="spondyl-demo-"))
    if keep.exists() and any(keep.iterdir()):
        raise typer.BadParameter(f"{keep} is not empty", param_hint="--keep")
    return keep.absolute()


def _files(folder: Path | None, place: Path) -> list[Path]:
    from service.cli.files import dicom_files

    if folder is None:
        from workers.phantom.study import make_study

        folder = place / "study"
        make_study(folder, **_PATIENT, seed=1)
    return dicom_files([folder])


def _show(result: "Result", copies: Path | None) -> bool:
    """Print one study; return whether its report arrived. `copies` is the folder that gets copies of what came back."""
    study = result.detail.study
    write(f"Study {study.study_instance_uid}")
    if result.findings:
        write_findings(json.loads(result.findings))
    if study.state is not StudyState.REPORTED:
        who = f"; who must act: {study.who}" if study.who else ""
        write(f"{study.state.value.replace('_', ' ')}: {study.reason}{who}")
        return False
    for name, path in result.objects.items():
        kept = path
        if copies is not None:
            copies.mkdir(exist_ok=True)
            kept = Path(shutil.copyfile(path, copies / name))
        write(f"{_WORDS.get(name.split('-')[0], 'object')}: {kept}")
    return bool(result.objects)

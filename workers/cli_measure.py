"""`spondyl measure`: one study without network or queue."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.exits import ExitCode
from service.cli.options import AsJson, ConfigPath, options_of
from service.cli.output import note, working, write_findings, write_json
from service.errors import BadLandmarks

if TYPE_CHECKING:
    from sr_templates.findings import StudyFindings
    from workers.reporting import ReportFile

#: The report's name in --out; the other objects are named by their kind in the same way.
REPORT_NAME: Final = "sr.dcm"


def measure(
    ctx: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(exists=True, metavar="PATH...", help="DICOM files or folders of one study.")
    ],
    landmarks: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Points to measure at: a spondyl.landmarks/1 JSON document."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(file_okay=False, help=f"Folder that gets the report, as {REPORT_NAME}, and what goes with it."),
    ] = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Measure one study from its files, without network or queue.

    Landmarks are taken from the first of these that has any: points that a reader reviewed (a reviewed document in
    --landmarks is the newest review), points that the study brings, any others in --landmarks, vertebra masks and
    outlines of the study, the image model of the site (finder.name).
    A report of ours on an earlier study of the same patient may lie among the files: it is compared with.
    Exit code 1 where the study cannot be analysed: the coded reason is printed, and no number.
    """
    from service.cli.files import dicom_files
    from workers.landmarks.document import LandmarksError
    from workers.pipeline import measure_files

    options = options_of(ctx)
    settings = options.settings(config)
    files = dicom_files(paths)
    supplied = landmarks.read_bytes() if landmarks else None
    with working(f"measuring {len(files)} objects", quiet=options.quiet):
        try:
            outcome = measure_files(files, settings=settings, supplied=supplied)
        except LandmarksError as error:
            raise BadLandmarks(f"{landmarks}: {error}") from None
    show(outcome.findings, as_json=as_json)
    if outcome.objects and out is None:
        note("the report was not kept: --out DIR keeps it")
    elif out is not None:
        _write(out, outcome.objects)
    if outcome.findings.reason is not None:
        note(f"not analysable: {outcome.findings.reason}")
        raise typer.Exit(ExitCode.FAILED)


def _write(out: Path, objects: "Sequence[ReportFile]") -> None:
    """Write each object under the name of its kind, numbered where there are several; of alternatives the preferred."""
    chosen = [each for each in objects if each.choice == 0]
    if chosen:
        out.mkdir(parents=True, exist_ok=True)
    for kind in dict.fromkeys(each.kind for each in chosen):
        alike = [each for each in chosen if each.kind == kind]
        for number, each in enumerate(alike, 1):
            path = out / (f"{kind}.dcm" if len(alike) == 1 else f"{kind}-{number}.dcm")
            path.write_bytes(each.data)
            note(f"{'report' if path.name == REPORT_NAME else kind}: {path}")


def show(findings: "StudyFindings", *, as_json: bool) -> None:
    """Print findings on stdout: as JSON, or as a table with the summary below."""
    from sr_templates.findings_json import to_json

    document = to_json(findings)
    if as_json:
        write_json(document)
    else:
        write_findings(document)

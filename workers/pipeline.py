"""One study from files to findings and report: landmarks -> morphometry -> grading -> findings -> report.

No network, no queue, no ledger: a worker and `spondyl measure` call the same function.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from service import __version__
from service.config import Measure, Settings
from service.config_digest import config_digest
from sr_templates import headers
from sr_templates.context import Predecessor, ReportContext
from sr_templates.document import build_report, to_bytes
from sr_templates.findings import LandmarkSource, StudyFindings
from workers.finders.ask import ask_finder
from workers.inputs import Inputs, newest_date, read_inputs
from workers.landmarks.reasons import Note
from workers.morphometry.alignment import KyphosisLimit
from workers.morphometry.findings import measure
from workers.morphometry.policy import Policy
from workers.morphometry.wedging import WedgingLimit
from workers.sources import Found, find_landmarks

#: Landmark protocol of points that we did not place: numbers of two protocols must not be compared.
SUPPLIED_PROTOCOL: Final = "supplied"


class StudyReason(StrEnum):
    """Why a study as a whole is not analysable."""

    #: No object of the study holds landmarks or vertebra masks, and no finder is configured (else: FinderReason).
    NO_LANDMARKS = "NO_LANDMARKS"
    #: There were landmarks or masks, and no vertebra could be measured; each vertebra states its own reason.
    NO_VERTEBRA_MEASURED = "NO_VERTEBRA_MEASURED"


@dataclass(frozen=True, kw_only=True)
class ReportFile:
    """A report as it is written: the file's bytes and what the ledger keeps of it."""

    data: bytes
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    predecessor_uid: str | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a study; a report only where at least one vertebra was measured."""

    findings: StudyFindings
    report: ReportFile | None


def measure_files(
    files: Sequence[Path],
    *,
    settings: Settings,
    started_at: datetime | None = None,
    supplied: bytes | None = None,
    predecessor: Predecessor | None = None,
    revision: int = 1,
) -> Outcome:
    """Measure the one study that `files` are; `supplied` is a landmarks document (spondyl.landmarks/1).

    `started_at` is the report's content date; without it the newest date of the inputs, so that the same files
    always give the same bytes. Raises NotOneStudy, and LandmarksError for a bad document.
    """
    inputs = read_inputs(files)
    found = find_landmarks(inputs, supplied)
    if not found.placed and settings.finder.name:
        found = ask_finder(inputs, found, settings)
    findings = _findings(inputs, found, settings)
    if findings.reason is not None:
        return Outcome(findings=findings, report=None)
    context = ReportContext(
        images=found.images,
        others=found.others,
        started_at=started_at or newest_date(inputs.headers),
        series_number=settings.report.sr_series_number,
        sop_class=settings.report.sop_class,
        uid_root=settings.report.uid_root,
        institution_name=settings.report.institution_name,
        parameters=tuple(_parameters(settings.measure, found)),
        predecessor=predecessor,
        revision=revision,
    )
    return Outcome(findings=findings, report=_report_file(build_report(findings, context), predecessor))


def _findings(inputs: Inputs, found: Found, settings: Settings) -> StudyFindings:
    vertebrae, summary = measure(found.vertebrae, policy_of(settings.measure))
    unreadable = [Note.UNREADABLE_FILES.told(len(inputs.unreadable))] if inputs.unreadable else []
    gave = [found.finder_gave] if found.finder_gave and vertebrae else []
    reason: str | None = None
    if not vertebrae:
        reason = found.finder_gave or StudyReason.NO_LANDMARKS
    elif all(vertebra.measured is None for vertebra in vertebrae):
        reason = StudyReason.NO_VERTEBRA_MEASURED
    return StudyFindings(
        study_instance_uid=inputs.study_instance_uid,
        software=f"spondyl {__version__}",
        config_digest=config_digest(settings),
        landmark_protocol=_protocol(found, settings.measure),
        vertebrae=tuple(vertebrae),
        summary=summary,
        modalities=_each(found.images, "Modality"),
        patient_positions=_each(found.images, "PatientPosition"),
        reason=reason,
        notes=(*unreadable, *found.notes, *gave),
    )


def _each(images: Sequence[Dataset], keyword: str) -> tuple[str, ...]:
    """Return every value that the images have, once, in the order of the alphabet."""
    return tuple(sorted({value for image in images if (value := headers.text(image, keyword).strip())}))


def _protocol(found: Found, measure: Measure) -> str:
    """Return how the points were placed: by our protocol, by that of a model, else only their supplier knows."""
    if found.from_masks or all(vertebra.source is LandmarkSource.SEGMENTATION for vertebra in found.vertebrae):
        return measure.protocol
    by_a_model = all(vertebra.source is LandmarkSource.MODEL for vertebra in found.vertebrae)
    return found.origin if by_a_model else SUPPLIED_PROTOCOL


def policy_of(measure: Measure) -> Policy:
    """Return the grading policy that the configuration asks for."""
    limits = {
        level: WedgingLimit(mean_percent=limit.mean_percent, upper_percent=limit.upper_percent, source=limit.source)
        for level, limit in measure.wedging_limits.items()
    }
    return Policy(
        severe_border_grade=measure.severe_border_grade,
        wedging_limits=limits,
        kyphosis_limit=KyphosisLimit(upper_deg=measure.kyphosis_limit.upper_deg, source=measure.kyphosis_limit.source),
    )


def _parameters(measure: Measure, found: Found) -> Iterator[str]:
    """Yield what a reader of the report must know: how the points came about, and the settings, a line each."""
    if found.origin:
        yield f"landmarks placed: {found.origin}"
    yield f"a loss of exactly 40 % is grade {measure.severe_border_grade}"
    for level, limit in sorted(measure.wedging_limits.items()):
        wedging = f"mean {limit.mean_percent:g} %, upper limit {limit.upper_percent:g} %"
        yield f"{level} posterior wedging: {wedging}; source: {limit.source}"
    kyphosis = measure.kyphosis_limit
    yield f"segmental kyphosis: upper limit {kyphosis.upper_deg:g} deg; source: {kyphosis.source}"
    if positions := _each(found.images, "PatientPosition"):
        yield f"patient position: {', '.join(positions)}"


def _report_file(dataset: Dataset, predecessor: Predecessor | None) -> ReportFile:
    return ReportFile(
        data=to_bytes(dataset),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        sop_class_uid=str(dataset.SOPClassUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        predecessor_uid=None if predecessor is None else predecessor.sop_instance_uid,
    )

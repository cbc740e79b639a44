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
from sr_templates.context import Predecessor, ReportContext
from sr_templates.document import build_report, to_bytes
from sr_templates.findings import LandmarkSource, StudyFindings
from sr_templates.identity import is_own
from workers.inputs import REPORTS, SEGMENTATIONS, Inputs, newest_date, read_inputs
from workers.landmarks.document import LandmarksError, landmarks_of, parse
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.seg import from_segmentation
from workers.landmarks.sr import from_report
from workers.morphometry.findings import measure
from workers.morphometry.policy import Policy
from workers.morphometry.wedging import WedgingLimit
from workers.nearby import images_at, positions

#: Landmark protocol of points that we did not place: numbers of two protocols must not be compared.
SUPPLIED_PROTOCOL: Final = "supplied"


class StudyReason(StrEnum):
    """Why a study as a whole is not analysable."""

    #: No object of the study holds landmarks or vertebra masks.
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


@dataclass(frozen=True, kw_only=True)
class Found:
    """Landmarks with the objects they rest on."""

    vertebrae: tuple[VertebraLandmarks, ...]
    #: Headers of the images that the points lie on or were derived from.
    images: tuple[Dataset, ...] = ()
    #: Headers of the segmentation or report that the points come from.
    others: tuple[Dataset, ...] = ()


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
        parameters=tuple(_parameters(settings.measure)),
        predecessor=predecessor,
        revision=revision,
    )
    return Outcome(findings=findings, report=_report_file(build_report(findings, context), predecessor))


def find_landmarks(inputs: Inputs, supplied: bytes | None = None) -> Found:
    """Return the landmarks of the first source that has any: reviewed, supplied (SR, JSON), masks.

    One source serves the whole study, since heights from two protocols must not be compared with each other.
    """
    found = [*_documents(inputs, supplied), *_reports(inputs)]
    if not any(map(_placed, found)):
        found += _segmentations(inputs)
    return min((one for one in found if one.vertebrae), key=_preference, default=Found(vertebrae=()))


def _placed(found: Found) -> int:
    """Return how many vertebrae have points."""
    return sum(vertebra.landmarks is not None for vertebra in found.vertebrae)


def _preference(found: Found) -> tuple[bool, int, int]:
    """Return the rank: points before reasons, then the order of the sources, then the most vertebrae."""
    order = list(LandmarkSource)
    placed = _placed(found)
    return placed == 0, min(order.index(vertebra.source) for vertebra in found.vertebrae), -placed


def _documents(inputs: Inputs, supplied: bytes | None) -> list[Found]:
    if supplied is None:
        return []
    document = parse(supplied)
    if document.study_instance_uid != inputs.study_instance_uid:
        found = f"{inputs.study_instance_uid}, found {document.study_instance_uid}"
        raise LandmarksError(f"study_instance_uid: expected that of the study, {found}")
    vertebrae = landmarks_of(document, inputs.header)
    image = inputs.header(document.sop_instance_uid) if document.sop_instance_uid else None
    images = images_at(vertebrae, _images(inputs)) if image is None else (image,)
    return [Found(vertebrae=tuple(vertebrae), images=images)]


def _reports(inputs: Inputs) -> list[Found]:
    return [
        _resting_on(inputs, header, from_report(inputs.whole(header), inputs.header))
        for header in inputs.of_classes(REPORTS)
        if not _is_our_answer(header)
    ]


def _is_our_answer(report: Dataset) -> bool:
    """Whether a report is what we said of this study, and nobody has verified it: it is no landmark source."""
    ours = is_own(report.get("Manufacturer"), report.get("ManufacturerModelName"))
    return ours and report.get("VerificationFlag") != "VERIFIED"


def _segmentations(inputs: Inputs) -> list[Found]:
    found = []
    for header in inputs.of_classes(SEGMENTATIONS):
        vertebrae = from_segmentation(inputs.whole(header), image_positions=positions(_imaged(inputs, header)))
        found.append(_resting_on(inputs, header, vertebrae))
    return found


def _resting_on(inputs: Inputs, source: Dataset, vertebrae: Sequence[VertebraLandmarks]) -> Found:
    images = images_at(vertebrae, _imaged(inputs, source, vertebrae))
    return Found(vertebrae=tuple(vertebrae), images=images, others=(source,))


def _imaged(inputs: Inputs, source: Dataset, vertebrae: Sequence[VertebraLandmarks] = ()) -> list[Dataset]:
    """Return the images that `source` is about: those it names, else those in the frame of reference of its points."""
    placed = [vertebra.landmarks for vertebra in vertebrae if vertebra.landmarks is not None]
    points = {landmarks.sop_instance_uid for landmarks in placed}
    frames = {landmarks.frame_of_reference_uid for landmarks in placed} | {source.get("FrameOfReferenceUID")}
    series = {str(item.SeriesInstanceUID) for item in source.get("ReferencedSeriesSequence") or []}
    images = _images(inputs)
    named = [image for image in images if image.get("SeriesInstanceUID") in series or image.SOPInstanceUID in points]
    return named or [image for image in images if image.get("FrameOfReferenceUID") in frames - {None}]


def _images(inputs: Inputs) -> tuple[Dataset, ...]:
    return tuple(h for h in inputs.headers if "Rows" in h and str(h.SOPClassUID) not in SEGMENTATIONS)


def _findings(inputs: Inputs, found: Found, settings: Settings) -> StudyFindings:
    vertebrae, summary = measure(found.vertebrae, policy_of(settings.measure))
    reason = None
    if not vertebrae:
        reason = StudyReason.NO_LANDMARKS
    elif all(vertebra.measured is None for vertebra in vertebrae):
        reason = StudyReason.NO_VERTEBRA_MEASURED
    return StudyFindings(
        study_instance_uid=inputs.study_instance_uid,
        software=f"spondyl {__version__}",
        config_digest=config_digest(settings),
        landmark_protocol=_protocol(found, settings.measure),
        vertebrae=tuple(vertebrae),
        summary=summary,
        reason=reason,
    )


def _protocol(found: Found, measure: Measure) -> str:
    """Return how the points were placed: by our protocol where we placed them, else only their supplier knows."""
    derived = all(vertebra.source is LandmarkSource.SEGMENTATION for vertebra in found.vertebrae)
    return measure.protocol if derived else SUPPLIED_PROTOCOL


def policy_of(measure: Measure) -> Policy:
    """Return the grading policy that the configuration asks for."""
    limits = {
        level: WedgingLimit(mean_percent=limit.mean_percent, upper_percent=limit.upper_percent, source=limit.source)
        for level, limit in measure.wedging_limits.items()
    }
    return Policy(severe_border_grade=measure.severe_border_grade, wedging_limits=limits, protocol=measure.protocol)


def _parameters(measure: Measure) -> Iterator[str]:
    """Yield the settings that a reader of the report must know, a line each."""
    yield f"a loss of exactly 40 % is grade {measure.severe_border_grade}"
    for level, limit in sorted(measure.wedging_limits.items()):
        wedging = f"mean {limit.mean_percent:g} %, upper limit {limit.upper_percent:g} %"
        yield f"{level} posterior wedging: {wedging}; source: {limit.source}"


def _report_file(dataset: Dataset, predecessor: Predecessor | None) -> ReportFile:
    return ReportFile(
        data=to_bytes(dataset),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        sop_class_uid=str(dataset.SOPClassUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        predecessor_uid=None if predecessor is None else predecessor.sop_instance_uid,
    )

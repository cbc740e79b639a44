"""One study from files to findings and report: landmarks -> morphometry -> grading -> findings -> report.

No network, no queue, no ledger: a worker and `spondyl measure` call the same function.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from service import __version__, sop_classes
from service.config import Measure, Settings
from service.config_digest import config_digest
from sr_templates import headers, uids
from sr_templates.context import Predecessor, ReportContext
from sr_templates.counterparts import with_counterparts
from sr_templates.findings import LandmarkSource, StudyFindings
from sr_templates.identity import is_own
from sr_templates.objects import ObjectKind
from workers.amended import with_reported
from workers.finders.ask import ask_finder
from workers.inputs import Inputs, newest_date, read_inputs
from workers.landmarks.reasons import Note
from workers.meanwhile import meanwhile
from workers.morphometry.alignment import KyphosisLimit
from workers.morphometry.comparison import SUPPLIED_PROTOCOL
from workers.morphometry.findings import measure
from workers.morphometry.policy import Policy
from workers.morphometry.wedging import WedgingLimit
from workers.patient import contradictions, identity_of
from workers.pictures.objects import computed_from, other_objects
from workers.prior import Recall, of_files, set_beside, told_by
from workers.reporting import (
    ReportFile,
    file_of,
    reports,
    series_descriptions,
    series_numbers,
    wanted_kinds,
)
from workers.sources import Found, find_landmarks, with_finder

_IMAGES: Final = frozenset(sop_classes.IMAGES)
#: Whether an object may be sent, given the SOP Instance UIDs of what was received.
Fit = Callable[[ReportFile, frozenset[str]], bool]


class StudyReason(StrEnum):
    """Why a study as a whole is not analysable."""

    #: No object of the study holds landmarks or vertebra masks, and no finder is configured (else: FinderReason).
    NO_LANDMARKS = "NO_LANDMARKS"
    #: There were landmarks or masks, and no vertebra could be measured; each vertebra states its own reason.
    NO_VERTEBRA_MEASURED = "NO_VERTEBRA_MEASURED"
    #: Nothing but what we made came: later studies of the patient are compared with it (docs/morphometry 6.1).
    ONLY_OWN_REPORTS = "ONLY_OWN_REPORTS"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a study; objects only where a vertebra was measured, or the reason is to be told."""

    findings: StudyFindings
    #: The structured report in its SOP classes first.
    objects: tuple[ReportFile, ...] = ()
    #: SHA-256, hex, of what the objects say: findings, how they came about, which kinds; not of when they say it.
    digest: str = ""
    #: SOP Instance UIDs of the objects of the study that were read.
    received: frozenset[str] = frozenset()

    @property
    def report(self) -> ReportFile | None:
        """The structured report in its preferred SOP class."""
        return next((each for each in self.objects if each.kind is ObjectKind.SR), None)


def measure_files(
    files: Sequence[Path],
    *,
    settings: Settings,
    started_at: datetime | None = None,
    supplied: bytes | None = None,
    supplied_at: datetime | None = None,
    predecessors: Sequence[Predecessor] = (),
    revision: int = 1,
    recall: Recall = of_files,
    fit: Fit = lambda _file, _received: True,
    sections: Sequence[Path] = (),
    reported: Sequence[str] = (),
) -> Outcome:
    """Measure the one study that `files` are; `supplied` is a landmarks document (spondyl.landmarks/1).

    `supplied_at` is when it was handed in; without it, it is the newest of all reviews.
    `started_at` is the report's content date; without it the newest date of the inputs, so that the same files
    always give the same bytes. `predecessors` are the reports on this study that a destination has,
    `recall` returns the prior, `fit` tells whether an object may be sent; what may not, no other one refers to.
    `sections` are sagittal sections that we made of the study before: places that a reader's points may lie on;
    `reported` are the levels of the report before, none of which a review may lose without a word. Raises NotOneStudy,
    and LandmarksError for a bad document.
    """
    inputs = read_inputs(files, sections=sections)
    found = find_landmarks(inputs, supplied, supplied_at=supplied_at)
    found = with_reported(_asked(found, inputs, settings), reported)
    context = _context(inputs, found, settings, started_at=started_at, revision=revision)
    source = context.evidence[0]
    findings = _beside_prior(_findings(inputs, found, settings), inputs, source, settings, recall)
    received = frozenset(inputs.files)
    if findings.reason and not _is_told(findings.reason, settings, predecessors):
        return Outcome(findings=findings, received=received)
    tracking = {one.level: one.tracking_uid for one in findings.vertebrae if one.tracking_uid}
    context = replace(context, tracking=tracking)
    kinds = wanted_kinds(settings)
    is_cited = partial(_is_cited, settings=settings, received=received, fit=fit)
    draw = partial(other_objects, inputs, found, findings, context, kinds, is_cited=is_cited)
    tell = partial(reports, findings, context, settings, predecessors)
    alternatives, others, derived = _made(tell, draw, is_cited, reads_sections=ObjectKind.SAGITTAL in kinds)
    return Outcome(
        findings=findings,
        objects=(*alternatives, *(file_of(kind, made) for kind, made in others)),
        digest=uids.digest(
            [
                findings,
                context.parameters,
                context.tracking,
                sorted(kinds),
                derived,
                _stated(source),
                [(kind, computed_from(made)) for kind, made in others],
            ]
        ),
        received=received,
    )


def _made(
    tell: Callable[..., Iterator[ReportFile]],
    draw: Callable[[], list[tuple[ObjectKind, Dataset]]],
    is_cited: Callable[[Dataset], bool],
    *,
    reads_sections: bool,
) -> tuple[tuple[ReportFile, ...], list[tuple[ObjectKind, Dataset]], int]:
    """Return the report in its SOP classes, the other objects, and how many sections of ours the report refers to."""
    if reads_sections:
        others = draw()
        derived = [made for kind, made in others if kind is ObjectKind.SAGITTAL and is_cited(made)]
        return tuple(tell(derived=derived)), others, len(derived)
    with meanwhile(lambda: tuple(tell())) as told:
        others = draw()
        return told(), others, 0


def _asked(found: Found, inputs: Inputs, settings: Settings) -> Found:
    """Return what the study holds; where that is nothing, or a review of some of what it placed, with the finder's."""
    if not settings.finder.name or (found.placed and not found.open_reviews):
        return found
    if not found.placed:
        return ask_finder(inputs, found, settings)
    return with_finder(found, ask_finder(inputs, Found(vertebrae=()), settings), inputs)


def _is_told(reason: str, settings: Settings, predecessors: Sequence[Predecessor]) -> bool:
    """Whether a report says why nothing was measured: the site wants it, or numbers that hold no more would stand."""
    wanted = settings.report.not_analysable or bool(predecessors)
    return wanted and reason != StudyReason.ONLY_OWN_REPORTS


def _is_cited(section: Dataset, *, settings: Settings, received: frozenset[str], fit: Fit) -> bool:
    """Whether other objects may refer to a section of ours: who gets them gets it too, and it is fit to be sent."""
    return settings.cites_sections and fit(file_of(ObjectKind.SAGITTAL, section), received)


def _context(
    inputs: Inputs, found: Found, settings: Settings, *, started_at: datetime | None, revision: int
) -> ReportContext:
    """Return what the objects need besides the findings; where nothing was found, they rest on all that was read."""
    images = [header for header in inputs.of_classes(_IMAGES) if not _is_ours(header)]
    nothing = not found.images and not found.others
    return ReportContext(
        images=tuple(images) if nothing else found.images,
        others=inputs.headers if nothing and not images else found.others,
        started_at=started_at or newest_date(inputs.headers),
        series_numbers=series_numbers(settings.report),
        series_descriptions=series_descriptions(settings.report),
        uid_root=settings.report.uid_root,
        institution_name=settings.report.institution_name,
        parameters=tuple(_parameters(settings.measure, found)),
        revision=revision,
    )


def _stated(source: Dataset) -> list[tuple[int, str]]:
    """Return patient and study as the objects repeat them: a correction of the demographics is another report."""
    return [(int(element.tag), str(element.value)) for element in headers.identity(source)]


def _is_ours(header: Dataset) -> bool:
    return is_own(headers.text(header, "Manufacturer"), headers.text(header, "ManufacturerModelName"))


def _findings(inputs: Inputs, found: Found, settings: Settings) -> StudyFindings:
    vertebrae, summary = measure(found.vertebrae, policy_of(settings.measure))
    unreadable = [Note.UNREADABLE_FILES.told(len(inputs.unreadable))] if inputs.unreadable else []
    gave = [found.finder_gave] if found.finder_gave and vertebrae else []
    reason: str | None = None
    if not vertebrae:
        is_ours_only = all(map(_is_ours, inputs.headers))
        reason = StudyReason.ONLY_OWN_REPORTS if is_ours_only else found.finder_gave or StudyReason.NO_LANDMARKS
    elif all(vertebra.measured is None for vertebra in vertebrae):
        reason = StudyReason.NO_VERTEBRA_MEASURED
    findings = StudyFindings(
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
        observers=found.observers,
    )
    return with_counterparts(findings, found.images)


def _beside_prior(
    findings: StudyFindings, inputs: Inputs, source: Dataset, settings: Settings, recall: Recall
) -> StudyFindings:
    """Return the findings with tracking UIDs and comparison, of the patient whom `source` gives to the report.

    Where other objects of the study contradict it, nobody knows whose study it is: it is neither compared nor a prior.
    """
    identity = identity_of(source)
    if differing := contradictions(inputs.headers):
        identity = replace(identity, patient_id="")
        findings = replace(findings, notes=(*findings.notes, Note.PATIENTS_DIFFER.told(differing)))
    prior = recall(identity, findings, told_by(inputs, identity))
    return set_beside(findings, prior, uid_root=settings.report.uid_root)


def _each(images: Sequence[Dataset], keyword: str) -> tuple[str, ...]:
    """Return every value that the images have, once, in the order of the alphabet."""
    return tuple(sorted({value for image in images if (value := headers.text(image, keyword).strip())}))


def _protocol(found: Found, measure: Measure) -> str:
    """Return how the points were placed: by our protocol, by that of a model, else only their supplier knows."""
    if found.from_masks or all(vertebra.source is LandmarkSource.SEGMENTATION for vertebra in found.vertebrae):
        return measure.protocol
    reviewed = {LandmarkSource.REVIEWED, LandmarkSource.MODEL}
    if found.protocol and all(vertebra.source in reviewed for vertebra in found.vertebrae):
        return found.protocol
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

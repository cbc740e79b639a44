"""All that comes back of a study besides the report: presentation states, summary pages, PDF, sagittal sections."""

from collections.abc import Callable, Collection, Iterator, Sequence

from pydicom.dataset import Dataset

from sr_templates import codes, headers
from sr_templates.capture import build_capture
from sr_templates.context import ReportContext
from sr_templates.derived import build_sagittal
from sr_templates.encapsulated import build_pdf
from sr_templates.envelope import Derivation
from sr_templates.findings import StudyFindings
from sr_templates.objects import ObjectKind
from sr_templates.presentation_state import build_presentations
from workers.inputs import Inputs
from workers.pictures import words
from workers.pictures.document import pdf_of
from workers.pictures.flat import sections
from workers.pictures.page import Page, page_of
from workers.pictures.panels import Panel, panels, volumes
from workers.sources import Found

_PAGES = frozenset({ObjectKind.SUMMARY, ObjectKind.PDF})
#: Where an image, and where a document, names what it was computed from (PS3.3 C.7.6.1.1.4, C.24.2).
_SOURCES = ("SourceImageSequence", "SourceInstanceSequence")


def other_objects(
    inputs: Inputs,
    found: Found,
    findings: StudyFindings,
    context: ReportContext,
    wanted: Collection[ObjectKind],
    *,
    is_cited: Callable[[Dataset], bool] = lambda _section: True,
) -> list[tuple[ObjectKind, Dataset]]:
    """Return the wanted objects with their kinds, sagittal sections first; none where no vertebra was measured.

    A kind may give several objects or none. A report that is to refer to the sections in columns and rows takes them
    among the images of its context; `is_cited` tells those that a presentation state may refer to. Images whose pixels
    cannot be read are missing in the pictures, which say so; they never fail a study. Raises ValueError where the
    evidence is missing or of another study.
    """
    if all(vertebra.measured is None for vertebra in findings.vertebrae):
        return []
    made: list[tuple[ObjectKind, Dataset]] = []
    derived: list[Dataset] = []
    if ObjectKind.SAGITTAL in wanted:
        derived = list(_sagittals(inputs, findings, context))
        made += [(ObjectKind.SAGITTAL, one) for one in derived]
    if ObjectKind.PRESENTATION in wanted:
        states = build_presentations(findings, context, derived=[one for one in derived if is_cited(one)])
        made += [(ObjectKind.PRESENTATION, one) for one in states]
    if _PAGES & set(wanted):
        pages = _pages(inputs, found, findings, context)
        if ObjectKind.SUMMARY in wanted:
            made += [(ObjectKind.SUMMARY, one) for one in _captures(pages, findings, context)]
        if ObjectKind.PDF in wanted:
            made.append((ObjectKind.PDF, _document(pages, findings, context)))
    return made


def computed_from(made: Dataset) -> list[str]:
    """Return the SOP Instance UIDs of the images whose pixels went into an object; [] of one without pixels.

    With other sources a picture shows something else, though every number stays as it was.
    """
    named = (item for keyword in _SOURCES for item in headers.items(made, keyword))
    return sorted(headers.text(item, "ReferencedSOPInstanceUID") for item in named)


def _sagittals(inputs: Inputs, findings: StudyFindings, context: ReportContext) -> Iterator[Dataset]:
    number = 0
    for volume in volumes(findings, inputs, context.images):
        # A section is of CT or MR, and without a frame of reference it lies nowhere.
        if volume.stack is None or volume.modality not in {"CT", "MR"} or not volume.frame_of_reference_uid:
            continue
        for section, sampled in sections(volume):
            # Where no slice is, there is nothing to show.
            if sampled.images:
                number += 1
                yield build_sagittal(section, findings, context, sources=sampled.images, number=number)


def _pages(
    inputs: Inputs, found: Found, findings: StudyFindings, context: ReportContext
) -> list[tuple[Panel | None, Page]]:
    """Return a page for each panel; a vertebra that is on none stands on the last page."""
    shown = panels(findings, inputs, context.images)
    every = words.rows(findings)
    drawn = {level for panel in shown for level in panel.points}
    rest = [row for row in every if row.level not in drawn]
    remarks = words.remarks(findings, context, origin=found.origin)
    undrawn = [f"Without a picture: {', '.join(row.level for row in rest)}."] if rest else []
    count = max(1, len(shown))
    pages: list[tuple[Panel | None, Page]] = []
    for number, panel in enumerate(shown or [None], start=1):
        rows = [row for row in every if panel is not None and row.level in panel.points]
        head = f"{findings.software}, revision {context.revision}, page {number} of {count}"
        last = number == count
        page = Page(head=head, rows=[*rows, *(rest if last else [])], remarks=[*(undrawn if last else []), *remarks])
        pages.append((panel, page))
    return pages


def _captures(
    pages: Sequence[tuple[Panel | None, Page]], findings: StudyFindings, context: ReportContext
) -> Iterator[Dataset]:
    for number, (panel, page) in enumerate(pages, start=1):
        derivation = _derivation([panel] if panel else [])
        yield build_capture(page_of(panel, page), findings, context, derivation=derivation, number=number)


def _document(pages: Sequence[tuple[Panel | None, Page]], findings: StudyFindings, context: ReportContext) -> Dataset:
    derivation = _derivation([panel for panel, _ in pages if panel is not None])
    return build_pdf(pdf_of(pages), findings, context, derivation=derivation)


def _derivation(shown: Sequence[Panel]) -> Derivation:
    """Return how pages came about; their one code holds where all pictures are reformats."""
    is_reformat = bool(shown) and all(panel.is_reformat for panel in shown)
    sources = {image.SOPInstanceUID: image for panel in shown for image in panel.images}
    return Derivation(
        description="Measured points, heights and grades drawn on images; unverified, for review",
        sources=tuple(sources.values()),
        code=codes.CURVED_MULTIPLANAR if is_reformat and sources else None,
        is_steep=all(panel.is_steep for panel in shown if panel.images),
    )

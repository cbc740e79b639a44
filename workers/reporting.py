"""From findings to the files that a study comes back as: each kind that a destination wants, in a series of its own.

The structured report is written in every SOP class that the site allows: what a destination takes is known only when
it is called.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydicom.dataset import Dataset

from service.config import Report, Settings
from service.config_peers import Destination
from service.sop_classes import REPORTS
from sr_templates.context import Predecessor, ReportContext
from sr_templates.document import build_reports, to_bytes
from sr_templates.findings import StudyFindings
from sr_templates.objects import ObjectKind

#: What is made where no destination says what it wants.
_DEFAULT: Final = frozenset(map(ObjectKind, Destination.model_fields["send"].default))


@dataclass(frozen=True, kw_only=True)
class ReportFile:
    """An object as it is written: the file's bytes and what the ledger keeps of it."""

    kind: ObjectKind
    #: 0 is the preferred SOP class; 1, 2 say the same in another one, for a destination that does not take the first.
    choice: int = 0
    data: bytes
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    predecessor_uid: str | None = None


def wanted_kinds(settings: Settings) -> frozenset[ObjectKind]:
    """Return the kinds that at least one destination is to get; the default ones where there is no destination."""
    wanted = {ObjectKind(word) for destination in settings.destinations for word in destination.send}
    return frozenset(wanted) or _DEFAULT


def series_numbers(report: Report) -> Mapping[ObjectKind, int]:
    """Return the configured Series Number of each kind."""
    return {kind: getattr(report, f"{kind}_series_number") for kind in ObjectKind}


def series_descriptions(report: Report) -> Mapping[ObjectKind, str]:
    """Return the configured Series Description of each kind."""
    return {kind: getattr(report, f"{kind}_series_description") for kind in ObjectKind}


def reports(
    findings: StudyFindings,
    context: ReportContext,
    settings: Settings,
    predecessors: Sequence[Predecessor],
    *,
    derived: Sequence[Dataset] = (),
) -> Iterator[ReportFile]:
    """Yield the structured report in each SOP class of the configuration, the preferred one first.

    Where there is no destination to take another one, the preferred one is all.
    Each names the earlier reports of its own SOP class where there are any: a destination has only those that it takes.
    Where destinations have different ones it names them all, so that each of them finds its own.
    `derived` are images of ours to draw on what no received slice shows.
    """
    words = settings.report.sop_classes
    earlier = {
        sop_class: tuple(p for p in predecessors if p.sop_class_uid == sop_class) or tuple(predecessors)
        for sop_class in (REPORTS[word] for word in (words if settings.destinations else words[:1]))
    }
    made = build_reports(findings, replace(context, derived=tuple(derived)), earlier)
    for choice, (dataset, replaced) in enumerate(zip(made, earlier.values(), strict=True)):
        yield replace(
            file_of(ObjectKind.SR, dataset),
            choice=choice,
            predecessor_uid=replaced[0].sop_instance_uid if replaced else None,
        )


def file_of(kind: ObjectKind, dataset: Dataset) -> ReportFile:
    """Return an object as a DICOM file (PS3.10)."""
    return ReportFile(
        kind=kind,
        data=to_bytes(dataset),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        sop_class_uid=str(dataset.SOPClassUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
    )

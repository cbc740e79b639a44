"""What is kept of a study, to set later ones beside it (docs/morphometry 6.1). PURE data.

It comes from findings, from the ledger or from a report of ours that was read back, and looks the same from each.
"""

from dataclasses import dataclass
from typing import Self

from sr_templates.comparison import PriorStudy
from sr_templates.findings import LandmarkSource, ReferenceRule, Triple, VertebraFinding

_NOTHING = Triple(anterior=None, middle=None, posterior=None)


@dataclass(frozen=True, kw_only=True)
class KeptVertebra:
    """One vertebra; without numbers where it was not measured."""

    level: str
    is_measured: bool
    tracking_uid: str | None = None
    #: mm; None where there was no spacing, or nothing was measured.
    heights_mm: Triple | None = None
    losses: Triple = _NOTHING
    #: SD of the largest loss, points; None where there was no grade.
    loss_sd_points: float | None = None
    genant_grade: int | None = None
    reference_rule: ReferenceRule | None = None
    #: Whose mm the heights are (docs/morphometry 3.3); None without a spacing.
    spacing_source: str | None = None
    axial_spacing_mm: float | None = None
    flags: tuple[str, ...] = ()
    #: Where its points came from; None where nothing was measured.
    landmark_source: LandmarkSource | None = None

    @classmethod
    def of(cls, finding: VertebraFinding) -> Self:
        """Return what is kept of a finding; what rests on expected heights only with a grade, as a report has it."""
        measured = finding.measured
        if measured is None:
            return cls(level=finding.level, is_measured=False, tracking_uid=finding.tracking_uid, flags=finding.flags)
        is_graded = measured.genant_grade is not None
        return cls(
            level=finding.level,
            is_measured=True,
            tracking_uid=finding.tracking_uid,
            heights_mm=measured.heights_mm,
            losses=measured.height_loss_percent if is_graded else _NOTHING,
            loss_sd_points=measured.loss_sd_points if is_graded else None,
            genant_grade=measured.genant_grade,
            reference_rule=measured.reference.rule if is_graded else None,
            spacing_source=measured.spacing_source,
            axial_spacing_mm=measured.axial_spacing_mm,
            flags=finding.flags,
            landmark_source=finding.landmark_source,
        )


@dataclass(frozen=True, kw_only=True)
class KeptStudy:
    """One study, its vertebrae from cranial to caudal."""

    study: PriorStudy
    #: Study Time (0008,0030) as it stands, "" where there is none.
    study_time: str
    vertebrae: tuple[KeptVertebra, ...]

    @property
    def has_numbers(self) -> bool:
        """Whether any vertebra was measured."""
        return any(vertebra.is_measured for vertebra in self.vertebrae)

    @property
    def is_reviewed(self) -> bool:
        """Whether a reader went over its points: one source serves a whole study."""
        return any(vertebra.landmark_source is LandmarkSource.REVIEWED for vertebra in self.vertebrae)

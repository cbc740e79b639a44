"""From landmarks to findings: admission -> assessment -> uncertainty -> numbers -> patterns -> summary. PURE."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sr_templates.findings import Pattern, Summary, VertebraFinding
from workers.landmarks.points import VertebraLandmarks
from workers.morphometry.admission import Rejected, admit
from workers.morphometry.alignment import kyphoses, slips
from workers.morphometry.assessment import assess
from workers.morphometry.levels import places, sort_key
from workers.morphometry.measured import Case, finding_of, is_gradable
from workers.morphometry.pattern import mild_wedging
from workers.morphometry.policy import Policy
from workers.morphometry.quality import remarks
from workers.morphometry.summary import grade_of, summarise
from workers.morphometry.uncertainty import estimate
from workers.morphometry.vertebra import Vertebra

__all__ = ["Policy", "measure"]


def measure(vertebrae: Sequence[VertebraLandmarks], policy: Policy) -> tuple[tuple[VertebraFinding, ...], Summary]:
    """Return one finding for every vertebra, cranial to caudal, and the summary of the study.

    The order of `vertebrae` does not matter. A vertebra that cannot be measured is a finding with a reason. Raises
    ValueError only for landmarks that break their own contract (image points without their image).
    """
    column = places(given.level for given in vertebrae)
    admitted = admit(sorted(vertebrae, key=lambda given: sort_key(given.level)))
    sound = [one for one in admitted if isinstance(one, Vertebra)]
    numbers = _numbers(sound, column, policy)
    findings = [_without_numbers(one) if isinstance(one, Rejected) else numbers[one.level] for one in admitted]
    patterns = list(mild_wedging(findings, column))
    deformed = frozenset(finding.level for finding in findings if grade_of(finding))
    kyphosis = kyphoses(sound, deformed, column, policy.kyphosis_limit)
    summary = summarise(findings, kyphosis, slips(sound, column), patterns)
    return tuple(_with_words(finding, patterns) for finding in findings), summary


def _numbers(vertebrae: Sequence[Vertebra], column: Mapping[str, int], policy: Policy) -> dict[str, VertebraFinding]:
    """Return findings by level; every level is there once."""
    words = {v.level: tuple(dict.fromkeys((*v.given.flags, *remarks(v)))) for v in vertebrae}
    gradable = frozenset(level for level, said in words.items() if is_gradable(said))
    assessments = assess(vertebrae, gradable, column)
    uncertainties = estimate(vertebrae, assessments)
    beside = {(column[vertebra.level], vertebra.unit): vertebra for vertebra in vertebrae}
    cases = (
        Case(
            vertebra=vertebra,
            words=words[vertebra.level],
            assessment=assessments[vertebra.level],
            uncertainty=uncertainties[vertebra.level],
            above=beside.get((column[vertebra.level] - 1, vertebra.unit)),
            below=beside.get((column[vertebra.level] + 1, vertebra.unit)),
        )
        for vertebra in vertebrae
    )
    return {case.vertebra.level: finding_of(case, policy) for case in cases}


def _with_words(finding: VertebraFinding, patterns: Sequence[Pattern]) -> VertebraFinding:
    """Return the finding with the words of the patterns that it is part of."""
    words = [pattern.word for pattern in patterns if finding.level in pattern.levels]
    return replace(finding, flags=tuple(dict.fromkeys((*finding.flags, *words)))) if words else finding


def _without_numbers(rejected: Rejected) -> VertebraFinding:
    return VertebraFinding(
        level=rejected.given.level,
        landmark_source=rejected.given.source,
        measured=None,
        reason=str(rejected.reason),
        flags=tuple(map(str, rejected.given.flags)),
    )

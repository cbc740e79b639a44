"""Points supplied as a TID 1500 Structured Report: our own after a reader moved points, or any other producer's.

Such a report is read for what it certainly says. A group that names no vertebra or holds no named point is none of
ours and is left alone; one that names a vertebra but cannot be used gives the coded reason.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from pydicom.dataset import Dataset

from sr_templates import codes, headers
from sr_templates.findings import LandmarkSource
from sr_templates.levels import ORDER
from workers.inputs import REPORTS
from workers.landmarks.agreement import with_outlines
from workers.landmarks.claims import Carrier, Claims, Reason, Spot, Study, coded_level, enter, landmarks_of
from workers.landmarks.labels import Naming, Said, naming, said
from workers.landmarks.levels import STANDARD_SCHEMES
from workers.landmarks.observer import observers
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.reasons import Flag as MaskFlag
from workers.landmarks.sr_points import meaning_of, points_of, spots_and_lines
from workers.landmarks.sr_regions import shapes
from workers.morphometry.flags import Effect, Flag

#: Finding Site (SCT, and SNOMED-RT G-C0E3 before it), then Finding: what may name the vertebra in code.
_SITES: Final = ("363698007", "G-C0E3", codes.FINDING.value)
#: Tracking Identifier, then Comment: what may name it in words.
_LABELS: Final = (codes.TRACKING_IDENTIFIER.value, codes.COMMENT.value)
#: Words for what lies between vertebrae, or behind them, and is called by their levels.
_BESIDE: Final = re.compile(r"(?<![a-z])(dis[ck]s?|intervertebral|foram(en|ina|inal)|canal)(?![a-z])", re.IGNORECASE)
_NOT_EVALUABLE: Final = (codes.NOT_EVALUABLE.scheme_designator, codes.NOT_EVALUABLE.value)
_PROJECTION: Final = (codes.PROJECTION.scheme_designator, codes.PROJECTION.value)
#: A coded word, as a report of ours gives it behind the level that has no numbers.
_WORD: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_LINE_POINTS: Final = 2
#: Words of an earlier report of ours that its points alone cannot tell; all others follow from the points anew.
LASTING: Final = frozenset(
    {*MaskFlag, Flag.LIMITED_SAMPLING, *(flag for flag in Flag if flag.effect is Effect.HEIGHTS_ONLY)}
)


def from_report(report: Dataset, study: Study) -> list[VertebraLandmarks]:
    """Return the vertebrae of a report, from cranial to caudal; [] where it holds none."""
    if headers.text(report, "SOPClassUID") not in REPORTS:
        return []
    claims = claims_of(report)
    carrier = Carrier(source=_source(report), sop_instance_uid=headers.text(report, "SOPInstanceUID"))
    vertebrae = with_outlines(landmarks_of(claims, carrier, study), claims, study)
    refused = _refused(report, claims, carrier.source) if is_ours(report) else ()
    return sorted([*vertebrae, *refused], key=lambda one: ORDER[one.level])


def claims_of(report: Dataset) -> Claims:
    """Return what a report says of each level; outlines beside points count in groups of ours only."""
    claims: Claims = {}
    for group in groups(report):
        named, label = named_by(group)
        ours = _is_by_our_method(group)
        if items := [*spots_and_lines(group, label), *shapes(group, named, label)]:
            enter(claims, named, items, flags=_flags(group))
            for level in named.levels if ours else ():
                claims[level].outlines.extend(_outlines(group))
        elif ours:
            # A vertebra that we measured and could not draw, or whose lines were taken out, must not just be gone.
            enter(claims, named, [], reason=Reason.NOT_DRAWN if _is_projected(group) else Reason.INCOMPLETE_POINTS)
    return claims


def _is_projected(group: Dataset) -> bool:
    """Whether a group of ours has the projection of its centre only, since no image shows any of its points."""
    items = headers.items(group, "ContentSequence")
    return any(headers.code(item, "ConceptNameCodeSequence") == _PROJECTION for item in items)


def _outlines(group: Dataset) -> Iterator[tuple[Spot, ...]]:
    """Give the lines around a body: those of the group itself, of more points than a height has."""
    for item in headers.items(group, "ContentSequence"):
        line = tuple(points_of(item))
        if len(line) > _LINE_POINTS and headers.text(item, "GraphicType").strip() == "POLYLINE":
            yield line


def _refused(report: Dataset, claims: Claims, source: LandmarkSource) -> Iterator[VertebraLandmarks]:
    """Give the levels that a report of ours names as without numbers or grade, and has no group of.

    One that was measured has no group where somebody took it out.
    """
    for level, word in dict(not_evaluable(report)).items():
        if level in ORDER and level not in claims:
            reason = word if _WORD.fullmatch(word) else str(Reason.NOT_IN_REVIEW)
            yield VertebraLandmarks(level=level, source=source, landmarks=None, reason=reason)


def not_evaluable(report: Dataset) -> Iterator[tuple[str, str]]:
    """Give the levels that a report of ours names as without numbers, or without a grade, with what it says of each."""
    for container in _values(headers.items(report, "ContentSequence"), (codes.QUALITATIVE_EVALUATIONS.value,)):
        for item in headers.items(container, "ContentSequence"):
            if headers.code(item, "ConceptNameCodeSequence") == _NOT_EVALUABLE:
                level, _, words = headers.text(item, "TextValue").partition(":")
                yield level.strip(), words.strip()


def _flags(group: Dataset) -> list[str]:
    """Return the lasting words among the flags of a group of ours."""
    name = (codes.FLAG.scheme_designator, codes.FLAG.value)
    items = headers.items(group, "ContentSequence")
    words = [headers.text(item, "TextValue") for item in items if headers.code(item, "ConceptNameCodeSequence") == name]
    return [word for word in words if word in LASTING]


def _source(report: Dataset) -> LandmarkSource:
    """Return where the points come from: a report that a reader verified (PS3.3 C.17.2) holds reviewed points.

    So does one of ours in which a person is named, whichever program wrote it: that person went over our points.
    """
    verified = headers.text(report, "VerificationFlag") == "VERIFIED"
    return (
        LandmarkSource.REVIEWED if verified or (is_ours(report) and observers(report)) else LandmarkSource.SUPPLIED_SR
    )


def is_ours(report: Dataset) -> bool:
    """Whether it is a report of ours, under whatever name it was saved: its groups say that they are by our method."""
    return any(map(_is_by_our_method, groups(report)))


def _is_by_our_method(group: Dataset) -> bool:
    items = _values(headers.items(group, "ContentSequence"), (codes.MEASUREMENT_METHOD.value,))
    ours = (codes.SIX_POINT.scheme_designator, codes.SIX_POINT.value)
    return any(headers.code(item, "ConceptCodeSequence") == ours for item in items)


def groups(report: Dataset) -> Iterator[Dataset]:
    """Give every Measurement Group (TID 1501, TID 1410) of the content tree, in document order."""
    waiting = [report]
    while waiting:
        item = waiting.pop()
        if headers.code(item, "ConceptNameCodeSequence")[1] == codes.MEASUREMENT_GROUP.value:
            yield item
        waiting.extend(reversed(headers.items(item, "ContentSequence")))


def named_by(group: Dataset) -> tuple[Naming, Said]:
    """Return which vertebrae the codes and labels of a group name, and which point or height its labels say.

    Labels are the tracking identifier, a comment, and free text in the place of a code, as OHIF writes it
    (CORNERSTONEFREETEXT). Words of a program ("Cornerstone3DTools@^0.1.0:Length") say nothing. A number may have a
    Finding Site of its own (TID 300). A disc names no vertebra, whatever level stands with it.
    """
    items = headers.items(group, "ContentSequence")
    numbers = [item for item in items if headers.text(item, "ValueType") == "NUM"]
    below = [child for number in numbers for child in headers.items(number, "ContentSequence")]
    sites = _values([*items, *below], _SITES)
    sayings = [(headers.code(item, "ConceptCodeSequence"), meaning_of(item, "ConceptCodeSequence")) for item in sites]
    texts = [headers.text(item, "TextValue") for item in _values(items, _LABELS)]
    if any(map(_BESIDE.search, [*texts, *(meaning for _, meaning in sayings)])):
        return naming((), ()), Said()
    labels = [said(text) for text in [*texts, *(words for code, words in sayings if code[0] not in STANDARD_SCHEMES)]]
    coded = (coded_level(*code) for code, _ in sayings)
    points, positions = ({one.point for one in labels} - {""}, {one.position for one in labels} - {""})
    is_clear = len(points | positions) == 1
    part = Said(point="".join(points), position="".join(positions)) if is_clear else Said()
    return naming(coded, (one.level for one in labels)), part


def _values(items: Iterable[Dataset], names: tuple[str, ...]) -> list[Dataset]:
    """Return the items whose concept name is one of `names`, in the order of `names`."""
    known = [(headers.code(item, "ConceptNameCodeSequence")[1], item) for item in items]
    return [item for wanted in names for name, item in known if name == wanted]

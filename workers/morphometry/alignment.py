"""How vertebrae stand to each other: segmental kyphosis and listhesis (docs/morphometry 1.5). PURE."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sr_templates.findings import Kyphosis, Slip
from workers.morphometry.digits import printed, settled
from workers.morphometry.geometry import AI, AS, PI, PS, Array, Body
from workers.morphometry.grading import rounded
from workers.morphometry.vertebra import Vertebra

#: A slip is reported from here on, mm: "subluxation of 3 mm or more" in the lumbar films of 788 women (abstract of
#: "Lumbar Olisthesis and Lower Back Symptoms in Elderly White Women: The Study of Osteoporotic Fractures").
LISTHESIS_MM: Final = 3.0
#: Meyerding: I up to 25 % of the lower endplate, II up to 50, III up to 75, IV up to 100, V beyond (Radiopaedia).
_MEYERDING_STEP, _MEYERDING_MOST = 25.0, 5


@dataclass(frozen=True, kw_only=True)
class KyphosisLimit:
    """Segmental kyphosis above which it is flagged, degrees, and where that comes from."""

    upper_deg: float
    source: str


DEFAULT_KYPHOSIS_LIMIT: Final = KyphosisLimit(upper_deg=20.0, source="project default; no primary source found")


def kyphosis_deg(superior_endplate: Array, inferior_endplate: Array) -> float:
    """Return the angle between two endplates, (2, 2) anterior and posterior point in one plane, u to posterior.

    Superior endplate of the upper, inferior endplate of the lower vertebra; positive for flexion, which is the sign
    of kyphosis and the opposite of the wedge angle's.
    """
    return math.degrees(_slope(superior_endplate) - _slope(inferior_endplate))


def slip(endplate: Array, corner: Array) -> tuple[float, float]:
    """Return how far `corner` lies anterior of the end of `endplate`: length, and percent of the endplate.

    `endplate` is the superior one of the lower vertebra, (2, 2) anterior and posterior point; `corner` is the
    posterior inferior one of the upper vertebra, (2,), in the same plane. Negative for retrolisthesis.
    """
    along = endplate[1] - endplate[0]
    length = math.hypot(*along)
    moved = length - float((corner - endplate[0]) @ along) / length
    return moved, 100 * moved / length


def meyerding(slip_percent: float) -> int:
    """Return the Meyerding grade of a slip in either direction: the quarter that the printed percentage ends in.

    Made for anterolisthesis, and used for retrolisthesis too (Radiopaedia). A slip is at least grade 1.
    """
    quarters = math.ceil(abs(printed(slip_percent)) / _MEYERDING_STEP)
    return min(max(quarters, 1), _MEYERDING_MOST)


def kyphoses(
    vertebrae: Sequence[Vertebra],
    deformed: frozenset[str],
    places: Mapping[str, int],
    limit: KyphosisLimit = DEFAULT_KYPHOSIS_LIMIT,
) -> Iterator[Kyphosis]:
    """Return the kyphosis over every deformity whose two direct neighbours are measured in the same space."""
    for (above, at), (again, below) in pairwise(_adjacent(vertebrae, places)):
        if at is again and at.level in deformed:
            upper, lower = _seen_from(above.body, at.body), _seen_from(below.body, at.body)
            angle = settled(kyphosis_deg(upper[[AS, PS]], lower[[AI, PI]]))
            yield Kyphosis(
                level=at.level,
                above=above.level,
                below=below.level,
                angle_deg=angle,
                beyond_limit=printed(angle) > limit.upper_deg,
                limit_deg=limit.upper_deg,
                limit_source=limit.source,
            )


def slips(vertebrae: Sequence[Vertebra], places: Mapping[str, int]) -> Iterator[Slip]:
    """Return the slips of 3 mm or more of lumbar vertebrae on the next one, where mm are those of the patient."""
    for upper, lower in _adjacent(vertebrae, places):
        if not (upper.in_true_mm and upper.level.startswith("L")):
            continue
        corner = _seen_from(upper.body, lower.body)[PI]
        length, percent = map(settled, slip(lower.body.points[[AS, PS]], corner))
        if rounded(abs(length)) >= LISTHESIS_MM:
            yield Slip(
                upper=upper.level,
                lower=lower.level,
                slip_mm=length,
                slip_percent=percent,
                meyerding_grade=meyerding(percent),
            )


def _adjacent(vertebrae: Sequence[Vertebra], places: Mapping[str, int]) -> Iterator[tuple[Vertebra, Vertebra]]:
    """Yield pairs that follow each other in the column and share a space; `vertebrae` from cranial to caudal."""
    for upper, lower in pairwise(vertebrae):
        if places[lower.level] - places[upper.level] == 1 and upper.space == lower.space:
            yield upper, lower


def _seen_from(body: Body, other: Body) -> Array:
    """Return the points of `body`, (6, 2), in the plane of `other`."""
    return other.frame.to_plane(body.frame.to_space(body.points))


def _slope(endplate: Array) -> float:
    along, up = endplate[1] - endplate[0]
    return math.atan2(up, along)

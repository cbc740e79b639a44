"""The order of the vertebrae: who is next to whom, who is graded, who counts. PURE."""

from collections.abc import Iterable
from typing import Final

from sr_templates.levels import ORDER

#: Levels that few people have; they count as links of the column only where the study names them.
_OPTIONAL: Final = frozenset({"T13", "L6"})
#: The thirteen levels of the Spinal Deformity Index (Kerkeni 2009), which are also Genant's.
SDI_LEVELS: Final = tuple(
    name for name, place in ORDER.items() if ORDER["T4"] <= place <= ORDER["L4"] and name not in _OPTIONAL
)
#: Thoracic and lumbar levels. Genant graded T4 to L4; its borders are used for the other ones too. Cervical bodies and
#: S1 have another shape and keep their heights without a grade.
GRADED_LEVELS: Final = frozenset(name for name in ORDER if name[0] in "TL")
#: T4 to L5: the levels whose size in mm is checked for plausibility (docs/morphometry 3.5).
SIZED_LEVELS: Final = frozenset((*SDI_LEVELS, "L5"))
#: Levels at which posterior wedging is unusual (docs/morphometry 4b); L4 and L5 are wedged posteriorly.
UNUSUAL_POSTERIOR_LEVELS: Final = frozenset(
    name for name in GRADED_LEVELS if name[0] == "T" or name in {"L1", "L2", "L3"}
)


def sort_key(level: str) -> tuple[int, str]:
    """Return what sorts levels from cranial to caudal; words that name no level come last."""
    return ORDER.get(level, len(ORDER)), level


def places(levels: Iterable[str]) -> dict[str, int]:
    """Return the place of every level in the column of the person who has `levels`.

    T13 and L6 are links only where they are named: T12 is next to L1, unless the study has a T13. A level that is
    merely missing from the study keeps its place, so the levels beside it are two steps apart.
    """
    named = set(levels)
    column = (name for name in ORDER if name not in _OPTIONAL or name in named)
    return {name: place for place, name in enumerate(column)}

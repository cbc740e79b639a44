"""The order of the levels down the column, as a check of their labels: nobody is renamed."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Final

from sr_templates.levels import ORDER
from workers.landmarks.mask.column import tangent
from workers.landmarks.volumes import Array
from workers.morphometry.levels import places

#: Levels so far apart are compared; between farther ones a column may bend by a right angle.
_NEAR: Final = 2


def out_of_order(centres: Mapping[str, Array]) -> dict[str, tuple[str, ...]]:
    """Return the levels that stand on the wrong side of another one, with what contradicts them, both ways.

    `centres` are those of the bodies, LPS mm. Levels up to two apart are compared, along the column as both see it.
    Of two that contradict each other neither is believed.
    """
    up = {level: tangent(level, centres) for level in centres}
    place = places(centres)
    wrong = [
        (above, below)
        for above, below in combinations(sorted(centres, key=ORDER.__getitem__), 2)
        if place[below] - place[above] <= _NEAR
        and float((centres[above] - centres[below]) @ (up[above] + up[below])) <= 0
    ]
    words = {level: tuple(standing(level, wrong)) for level in centres}
    return {level: said for level, said in words.items() if said}


def standing(level: str, wrong: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield what contradicts a level, given the pairs (upper by name, lower by name) that stand the other way round."""
    for above, below in wrong:
        if level == above:
            yield f"STANDS_BELOW_{below}"
        elif level == below:
            yield f"STANDS_ABOVE_{above}"

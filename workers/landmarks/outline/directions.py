"""Which way is superior, and which is anterior, at each vertebra of a radiograph: read and checked, never guessed."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from workers.landmarks.outline.reasons import Reason
from workers.landmarks.volumes import Array
from workers.morphometry.levels import places

#: Vertebrae so many levels away say which way the column runs (docs/morphometry 3.2, step 2).
_NEIGHBOURS: Final = 2


def superior_at(level: str, centres: Mapping[str, Array], known: Array | None) -> Array | Reason:
    """Return the direction (2,) to superior at `level`: along the centres of its neighbours, else as the image says.

    Levels that run against the image's own superior are refused, as in a mask (docs/morphometry 3.2).
    """
    run = column_at(level, centres)
    if run is None:
        return Reason.SUPERIOR_UNDECIDABLE if known is None else known
    return Reason.ORIENTATION_CONFLICT if known is not None and run @ known <= 0 else run


def column_at(level: str, centres: Mapping[str, Array]) -> Array | None:
    """Return the direction (2,) from the lowest to the highest centre within two levels; None where no other is."""
    place = places({*centres, level})
    near = sorted((one for one in centres if abs(place[one] - place[level]) <= _NEIGHBOURS), key=place.__getitem__)
    run = centres[near[0]] - centres[near[-1]] if len(near) > 1 else np.zeros(2)
    return run if run.any() else None


def anterior_of(centres: Sequence[Array], marks: Sequence[tuple[Array, bool]], known: Array | None) -> Array | Reason:
    """Return the direction (2,) to anterior on one image: as the image says, else as its marks say.

    A mark is a place and whether it lies anterior (else posterior) of the body nearest to it. Marks that contradict
    the image or each other are refused.
    """
    votes = [] if known is None else [known]
    for point, is_anterior in marks:
        nearest = min(centres, key=lambda centre: float(np.hypot(*(point - centre))))
        away = (point - nearest) if is_anterior else (nearest - point)
        votes.extend([away / np.hypot(*away)] if away.any() else [])
    if any(first @ second <= 0 for first in votes for second in votes):
        return Reason.ORIENTATION_CONFLICT
    return votes[0] if votes else Reason.ANTERIOR_UNDECIDABLE

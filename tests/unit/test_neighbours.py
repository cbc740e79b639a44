from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest

from workers.landmarks.mask.coarse import Coarse
from workers.landmarks.mask.field import Field
from workers.landmarks.mask.frame import Frame
from workers.landmarks.mask.neighbours import merged
from workers.landmarks.mask.six import Found
from workers.landmarks.reasons import Reason
from workers.landmarks.volumes import Volume

Array = npt.NDArray[np.float64]

#: Boxes for bodies: 26 mm high, 34 deep, discs of 9 mm; voxels of 1 mm, a plate behind them for posterior elements.
HEIGHT, DEPTH, PITCH = 26, 34, 35
LEVELS = ("T12", "L1", "L2", "L3", "L4")
SHAPE = (30, 80, PITCH * len(LEVELS) + 20)


def _bottom(level: str) -> int:
    """Return the lowest slice of a body."""
    return 10 + PITCH * (len(LEVELS) - 1 - LEVELS.index(level))


def _labels(heights: Mapping[str, int] | None = None) -> npt.NDArray[np.uint8]:
    """Return the number of the vertebra in each voxel (left, posterior, superior), counted from 1."""
    labels = np.zeros(SHAPE, dtype=np.uint8)
    for number, level in enumerate(LEVELS, start=1):
        bottom = _bottom(level)
        labels[:, 10 : 10 + DEPTH, bottom : bottom + (heights or {}).get(level, HEIGHT)] = number
        labels[12:18, 60:75, bottom - 8 : bottom + 22] = number
    return labels


def _found(bottom: int, top: int) -> Found:
    """Return the six points of a body from slice `bottom` to below `top`."""
    frame = Frame.about(np.array([14.5, 26.5, (bottom + top - 1) / 2]), np.array([1.0, 0, 0]), np.array([0, 0, 1.0]))
    places = [(10.0, top - 0.5), (26.5, top - 0.5), (43.0, top - 0.5)]
    places += [(posterior, bottom - 0.5) for posterior, _ in places]
    return Found(
        frame=frame,
        points=np.array([(14.5, posterior, superior) for posterior, superior in places]),
        height_sd_mm=np.zeros(3),
        axial_spacing_mm=1.0,
        flags=(),
    )


def _seen(labels: npt.NDArray[np.uint8]) -> dict[str, Coarse]:
    field = Field(values=np.zeros((2, 2, 2), dtype=np.float32), affine=np.eye(4), outside=0.0)
    return {
        level: Coarse(
            volume=Volume(mask=labels == number, affine=np.eye(4), low=(1, 1, 1), high=(1, 1, 1)),
            field=field,
            centre=np.zeros(3),
            largest_share=1.0,
        )
        for number, level in enumerate(LEVELS, start=1)
        if (labels == number).any()
    }


def _results(labels: npt.NDArray[np.uint8]) -> dict[str, Found | Reason]:
    """Return the points of the uppermost body of each level, from end to end."""
    results: dict[str, Found | Reason] = {}
    for number, level in enumerate(LEVELS, start=1):
        filled = np.flatnonzero(labels[15, 26] == number)
        if filled.size:
            gaps = np.flatnonzero(np.diff(filled) > 1)
            run = filled[gaps[-1] + 1 :] if gaps.size else filled
            results[level] = _found(int(run[0]), int(run[-1]) + 1)
    return results


def _merged(labels: npt.NDArray[np.uint8], **instead: Reason) -> dict[str, tuple[str, ...]]:
    return merged(_seen(labels), _results(labels) | instead)


@pytest.mark.parametrize(
    "heights", [{}, {"L2": 13}, {"L1": 13, "L3": 12, "L4": 13}, {"T12": 12, "L1": 12, "L3": 12, "L4": 12}]
)
def test_vertebrae_of_their_own_are_not_accused(heights: dict[str, int]) -> None:
    """Neither a crushed one, nor a sound one among crushed ones."""
    assert {} == _merged(_labels(heights))


def test_bodies_without_a_disc_between_are_not_accused() -> None:
    """Bone on bone is no mixed mask while each mask holds one body."""
    labels = _labels()
    disc = slice(_bottom("L3") + HEIGHT, _bottom("L2"))
    labels[:, 10 : 10 + DEPTH, disc] = 4

    assert {} == _merged(labels)


def test_half_a_body_in_the_mask_above_refuses_both() -> None:
    """L2 has a second body below its own; what is left of L3 touches it."""
    labels = _labels()
    upper = labels[:, :, _bottom("L3") + 13 : _bottom("L3") + HEIGHT]
    upper[upper == 4] = 3

    assert {"L2": ("L3",), "L3": ("L2",)} == _merged(labels)


def test_two_bodies_in_one_mask_refuse_it_alone() -> None:
    """L3 is in the mask of L2 as a whole, so there is no L3 to be refused."""
    labels = _labels()
    labels[labels == 4] = 3

    assert {"L2": ()} == _merged(labels)


def test_two_bodies_read_as_one_are_too_tall() -> None:
    """L2, disc and L3 as one body: taller than 1.4 times its neighbours, and than it is deep."""
    labels = _labels()
    labels[:, 10 : 10 + DEPTH, _bottom("L3") + HEIGHT : _bottom("L2")] = 3
    labels[labels == 4] = 3

    assert {"L2": ()} == _merged(labels)


def test_a_mask_without_a_body_is_accused_where_it_is_swollen() -> None:
    """Twice the volume of its neighbours makes the reason that two are in it; as large as they are, it is not."""
    labels = _labels()
    assert {} == _merged(labels, L2=Reason.NO_BODY)
    labels[labels == 4] = 3
    results = {level: result for level, result in _results(labels).items() if level != "L3"}

    assert {"L2": ()} == merged(_seen(labels), results | {"L2": Reason.NO_BODY})
    assert {} == merged(_seen(labels), results | {"L2": Reason.TOUCHES_BORDER})

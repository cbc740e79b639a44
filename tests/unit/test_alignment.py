import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outlines import FILM, Array, film, moved, patient, rotation

from sr_templates.findings import Kyphosis, Slip
from workers.landmarks.points import PixelScale, VertebraLandmarks
from workers.morphometry.alignment import KyphosisLimit, kyphoses, kyphosis_deg, meyerding, slip, slips
from workers.morphometry.levels import places
from workers.morphometry.vertebra import Vertebra, outlines

WEDGE = (18.0, 23.0, 28.0)
WEDGE_DEG = 2 * math.degrees(math.atan(10 / 2 / 34))


def placed(vertebrae: list[VertebraLandmarks]) -> list[Vertebra]:
    """Return placed vertebrae."""
    return outlines(vertebrae)


def kyphoses_of(vertebrae: list[VertebraLandmarks], *deformed: str) -> list[Kyphosis]:
    """Return the kyphoses of a column."""
    return list(kyphoses(placed(vertebrae), frozenset(deformed), places(one.level for one in vertebrae)))


def slips_of(vertebrae: list[VertebraLandmarks]) -> list[Slip]:
    """Return the slips of a column."""
    return list(slips(placed(vertebrae), places(one.level for one in vertebrae)))


def kyphotic(turn: Array | None = None, **more: Any) -> list[VertebraLandmarks]:
    """Return T12, a wedged L1 and L2 in a patient, each endplate parallel to its neighbour, as one piece `turn`ed."""
    whole = np.eye(3) if turn is None else turn
    half = WEDGE_DEG / 2
    return [
        patient("T12", at=tuple(whole @ (0, 0, 40)), turn=whole @ rotation(half, (1, 0, 0)), **more),
        patient("L1", WEDGE, at=(0, 0, 0), turn=whole, **more),
        patient("L2", at=tuple(whole @ (0, 0, -40)), turn=whole @ rotation(-half, (1, 0, 0)), **more),
    ]


def bent(angle: float) -> list[VertebraLandmarks]:
    """Return T12, L1 and L2 of equal heights, the outer ones turned so that the column is bent by `angle`."""
    return [
        patient("T12", at=(0, 0, 40), turn=rotation(angle / 2, (1, 0, 0))),
        patient("L1", at=(0, 0, 0)),
        patient("L2", at=(0, 0, -40), turn=rotation(-angle / 2, (1, 0, 0))),
    ]


def test_a_wedge_makes_its_own_kyphosis() -> None:
    """Between parallel neighbours the kyphosis is the wedge angle with the other sign: positive for flexion."""
    (found,) = kyphoses_of(kyphotic(), "L1")
    assert ("L1", "T12", "L2") == (found.level, found.above, found.below)
    assert WEDGE_DEG == pytest.approx(found.angle_deg)


@settings(max_examples=15, deadline=None)
@given(angle=st.floats(-180, 180), axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda a: math.hypot(*a) > 0.1))
def test_kyphosis_does_not_depend_on_the_frame(angle: float, axis: tuple[float, float, float]) -> None:
    """Turning the whole column changes nothing."""
    (found,) = kyphoses_of(kyphotic(rotation(angle, axis)), "L1")
    assert WEDGE_DEG == pytest.approx(found.angle_deg, abs=1e-6)


def test_kyphosis_needs_both_neighbours_in_one_space() -> None:
    """Over a deformity at the end, beside a gap, or on another image there is no kyphosis."""
    column = kyphotic()
    assert [] == kyphoses_of(column[:2], "L1")
    assert [] == kyphoses_of(column[1:], "L1")
    assert [] == kyphoses_of([column[0], column[1], replace(column[2], level="L3")], "L1")
    image = [
        film(level, at=(150, 100 + 40 * i), sop_instance_uid=str(i)) for i, level in enumerate(("T12", "L1", "L2"))
    ]
    assert [] == kyphoses_of(image, "L1")


@pytest.mark.parametrize(
    ("angle", "beyond"), [(19.9, False), (20.0, False), (20.04, False), (20.06, True), (33.0, True), (-33.0, False)]
)
def test_kyphosis_above_its_limit_is_flagged(angle: float, beyond: bool) -> None:
    """Above 20 degrees, as it is printed, kyphosis is flagged with the limit's source; lordosis never is (1.5)."""
    (found,) = kyphoses_of(bent(angle), "L1")
    assert angle == pytest.approx(found.angle_deg)
    assert (beyond, 20.0) == (found.beyond_limit, found.limit_deg)
    assert "no primary source" in found.limit_source


def test_the_limit_of_kyphosis_is_a_setting() -> None:
    """Limit and source are the department's."""
    limit = KyphosisLimit(upper_deg=30.0, source="a department")
    column = bent(25.0)
    (found,) = kyphoses(placed(column), frozenset({"L1"}), places(one.level for one in column), limit)
    assert (False, 30.0, "a department") == (found.beyond_limit, found.limit_deg, found.limit_source)


def test_kyphosis_belongs_to_deformities() -> None:
    """Where nothing is deformed there is no segmental kyphosis."""
    assert [] == kyphoses_of(kyphotic())


def test_two_pairs_that_do_not_touch() -> None:
    """A gap between two pairs joins nothing over the gap."""
    levels = ("T9", "T10", "L1", "L2")
    assert [] == kyphoses_of([film(level, at=(150, 100 + 40 * i)) for i, level in enumerate(levels)], *levels)


def test_kyphosis_of_parallel_endplates() -> None:
    """Parallel endplates have no angle."""
    endplate = np.array(((0.0, 0.0), (30.0, 5.0)))
    assert kyphosis_deg(endplate, endplate + 7) == pytest.approx(0)


@pytest.mark.parametrize(
    ("percent", "grade"),
    [
        (0, 1),
        (25, 1),
        (25.04, 1),
        (25.06, 2),
        (50, 2),
        (50.1, 3),
        (75, 3),
        (75.1, 4),
        (100, 4),
        (100.1, 5),
        (180, 5),
        (-25, 1),
        (-30, 2),
        (-101, 5),
    ],
)
def test_meyerding(percent: float, grade: int) -> None:
    """Meyerding counts the printed quarters of the endplate, in either direction; beyond the endplate is grade 5."""
    assert grade == meyerding(percent)


def test_slip_of_a_level_endplate() -> None:
    """On a level endplate the slip is the difference along u; negative to posterior."""
    endplate = np.array(((0.0, 0.0), (40.0, 0.0)))
    assert (10, 25) == pytest.approx(slip(endplate, np.array((30.0, 8.0))))
    assert (-4, -10) == pytest.approx(slip(endplate, np.array((44.0, 8.0))))


def slipped(level: str, below: str, forward: float, **more: Any) -> list[VertebraLandmarks]:
    """Return two vertebrae of a patient, the upper `forward` mm anterior of the lower."""
    return [patient(level, at=(0, -forward, 40), **more), patient(below, at=(0, 0, 0), **more)]


@pytest.mark.parametrize(
    ("forward", "reported"), [(2.94, False), (2.96, True), (-2.9, False), (-3.0, True), (12, True)]
)
def test_slips_from_3_mm_on(forward: float, reported: bool) -> None:
    """Listhesis is a slip of 3 mm or more in either direction (Study of Osteoporotic Fractures)."""
    found = slips_of(slipped("L4", "L5", forward))
    assert reported == bool(found)
    assert all(("L4", "L5") == (one.upper, one.lower) for one in found)
    assert [forward, 100 * forward / 34] * reported == pytest.approx(
        [x for s in found for x in (s.slip_mm, s.slip_percent)]
    )


@pytest.mark.parametrize(
    "column",
    [
        slipped("L3", "L5", 10),
        slipped("T12", "L1", 10),
        slipped("C4", "C5", 10),
        [patient("L4", at=(0, -10, 40)), film("L5")],
        [film("L4", at=(140, 100)), film("L5", at=(150, 140), sop_instance_uid="other")],
        [
            replace(one, plane=replace(FILM, scale=None))
            for one in (film("L4", at=(140, 100)), film("L5", at=(150, 140)))
        ],
        [
            replace(one, plane=replace(FILM, scale=PixelScale(row_mm=0.5, column_mm=0.5, kind="detector_plane")))
            for one in (film("L4", at=(140, 100)), film("L5", at=(150, 140)))
        ],
    ],
)
def test_no_listhesis_without_adjacent_lumbar_vertebrae_in_true_mm(column: list[VertebraLandmarks]) -> None:
    """Listhesis is for lumbar neighbours in one space whose mm are those of the patient."""
    assert [] == slips_of(column)


@pytest.mark.parametrize(("forward", "grade"), [(4.0, 1), (-4.0, 1), (10.0, 2), (-10.0, 2)])
def test_a_slip_on_the_sacrum(forward: float, grade: int) -> None:
    """L5 slips on S1 where its points are there, and an L6 comes between; both directions have sign and grade."""
    (found,) = slips_of(slipped("L5", "S1", forward))
    assert ("L5", "S1", grade) == (found.upper, found.lower, found.meyerding_grade)
    assert forward == pytest.approx(found.slip_mm)
    sixth = [patient("L5", at=(0, -forward, 80)), *slipped("L6", "S1", 0)]
    assert [("L5", "L6")] == [(one.upper, one.lower) for one in slips_of(sixth)]


def test_a_slip_runs_along_the_endplate_below() -> None:
    """On a tilted vertebra the slip is measured along its own superior endplate, not along the patient's axis."""
    turn = rotation(25, (1, 0, 0))
    pair = [patient("L4", at=tuple(turn @ (0, -8, 40)), turn=turn), patient("L5", turn=turn)]
    (found,) = slips_of(pair)
    assert (8.0, 100 * 8 / 34) == pytest.approx((found.slip_mm, found.slip_percent))


def test_slip_on_an_image() -> None:
    """On a calibrated film slips are reported as in the patient; four points are enough."""
    pair = [film("L4", at=(140, 100)), film("L5", at=(150, 140))]
    four = [moved(one, {"MS": None, "MI": None}) for one in pair]
    assert [10.0] == pytest.approx([one.slip_mm for one in slips_of(four)])

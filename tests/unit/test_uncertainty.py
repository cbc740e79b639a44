import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from outlines import FILM, Heights, film, outline, patient, stack

from sr_templates.findings import ReferenceRule
from workers.landmarks.points import VertebraLandmarks
from workers.morphometry.assessment import assess
from workers.morphometry.levels import places
from workers.morphometry.reference import Expected
from workers.morphometry.uncertainty import (
    Scatter,
    Uncertainty,
    estimate,
    growth_sd,
    point_sd,
    reader_point_sd,
    reader_sd,
    residual_sd,
    sampling_sd,
    scatter,
)
from workers.morphometry.vertebra import outlines

MEAN = np.full(3, 25.0)
LIKE: dict[str, Heights] = dict.fromkeys(("L1", "L2", "L3"), (28.0, 28.0, 28.0))
#: Two hundred draws know an SD to 1 / sqrt(2 * 200) = 5 %; four times that is far out.
DRAWN = 0.2


def estimated(vertebrae: list[VertebraLandmarks]) -> dict[str, Uncertainty]:
    """Return the uncertainty of vertebrae that are all sound."""
    bodies = outlines(vertebrae)
    levels = frozenset(one.level for one in vertebrae)
    return estimate(bodies, assess(bodies, levels, places(levels)))


def alone() -> Expected:
    """Return what is expected of a vertebra of 25 mm that has nobody to be compared with."""
    return Expected(rule=ReferenceRule.WITHIN_VERTEBRA, levels=(), heights=MEAN)


def drawn(sds: dict[str, float]) -> Scatter:
    """Return the scatter of three bodies of 25 mm with such SDs of their points, the middle one against the others."""
    above, at, below = sds
    between = Expected(
        rule=ReferenceRule.ADJACENT_2, levels=(above, below), heights=MEAN, weights=(0.5, 0.5), residual=np.zeros(3)
    )
    return scatter(
        {above: alone(), at: between, below: alone()},
        np.array([outline((25.0, 25.0, 25.0))] * 3),
        np.array([[sd] * 6 for sd in sds.values()]),
    )


def column(**more: Any) -> list[VertebraLandmarks]:
    """Return three like vertebrae in a patient."""
    return [patient(level, at=(0, 0, -40 * i), **more) for i, level in enumerate(("L1", "L2", "L3"))]


@pytest.mark.parametrize(("loss", "sd"), [(0, 3), (14.9, 3), (15, 3.8), (14.95, 3.8), (30, 3.8), (30.1, 3)])
def test_what_readers_scatter(loss: float, sd: float) -> None:
    """3 points where nothing is known, 3.8 in the decision zone from 15 to 30 % (3.5)."""
    assert sd == reader_sd(loss)


@pytest.mark.parametrize(("spacing", "sd"), [(None, 0), (0.5, 0), (1.5, 0), (2.25, 4.5), (3.0, 6), (3.5, 7)])
def test_what_coarse_sampling_costs(spacing: float | None, sd: float) -> None:
    """Nothing up to 1.5 mm, 6 points at 3 mm (3.4)."""
    assert sd == pytest.approx(sampling_sd(spacing))


@pytest.mark.parametrize(
    ("s", "height_sd", "loss", "angle"),
    [
        (0.25, 0.35, 1.7, 0.8),
        (0.35, 0.49, 2.4, 1.2),
        (0.5, 0.71, 3.5, 1.7),
        (0.7, 0.99, 4.8, 2.4),
        (1.0, 1.41, 6.9, 3.4),
    ],
)
def test_error_budget(s: float, height_sd: float, loss: float, angle: float) -> None:
    """The draws reproduce the closed-form budget of a body 25 mm high and 34 mm deep (2.3)."""
    found = drawn({"L2": s, "L3": s, "L4": s})
    assert [height_sd] * 3 == pytest.approx(found.heights[1].tolist(), rel=DRAWN)
    assert angle == pytest.approx(found.angle_deg[1], rel=DRAWN)
    assert [loss] * 3 == pytest.approx(found.loss[1].tolist(), rel=DRAWN)


@pytest.mark.parametrize(("above", "at", "below"), [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.2, 0.0, 0.7)])
def test_each_reference_brings_its_own_error(above: float, at: float, below: float) -> None:
    """The loss of L3 has the error of its own height, and half of that of each of its references, in squares."""
    found = drawn({"L2": above, "L3": at, "L4": below})
    whole = math.sqrt(2) * math.hypot(at, above / 2, below / 2)
    assert [100 / 25 * whole] * 3 == pytest.approx(found.loss[1].tolist(), rel=DRAWN)


def test_an_extrapolated_fit_brings_the_error_of_a_line() -> None:
    """Read one level beyond three references a line is sqrt(7 / 3) times as uncertain as one of them."""
    line = dict(zip(("T12", "L1", "L2", "L3"), (27.0, 28.0, 29.0, 30.0), strict=True))
    bodies = outlines([patient(level, (h, h, h), at=(0, 0, -40 * i)) for i, (level, h) in enumerate(line.items())])
    assessments = assess(bodies, frozenset(line), places(line))
    sds = np.array([[0.0] * 6] + [[0.5] * 6] * 3)
    points = np.array([body.body.points for body in bodies])
    found = scatter({level: one.expected for level, one in assessments.items()}, points, sds)
    assert [100 / 27 * math.sqrt(2) * 0.5 * math.sqrt(7 / 3)] * 3 == pytest.approx(found.loss[0].tolist(), rel=DRAWN)


def test_four_points_beside_six() -> None:
    """A vertebra without a middle has no scatter of one, and its reference's middle does not disturb its walls."""
    bodies = [outline((25.0, 25.0, 25.0)), outline((25.0, math.nan, 25.0))]
    found = scatter(
        {"L2": alone(), "L3": Expected(rule=ReferenceRule.ADJACENT_1, levels=("L2",), heights=MEAN, weights=(1.0,))},
        np.array(bodies),
        np.full((2, 6), 0.5),
    )
    assert [math.isfinite(sd) for sd in found.loss[1]] == [True, False, True]


def test_reader_points_give_the_reader_loss() -> None:
    """The SD of the points that stands for 3 points of loss gives them back against two neighbours."""
    s = reader_point_sd([25.0, 25.0, 25.0], 3.0)[0]
    assert 3.0 == pytest.approx(100 / 25 * math.hypot(math.sqrt(2) * s, math.sqrt(2) * s / math.sqrt(2)))


def test_sampling_adds_a_rectangle_an_edge() -> None:
    """Landmark and sampling errors add in squares, spacing / sqrt(12) an edge (3.5)."""
    assert [math.hypot(0.3, 1 / math.sqrt(12))] * 6 == pytest.approx(point_sd(np.full(3, 0.3), 1.0).tolist())
    assert [0.3] * 6 == pytest.approx(point_sd(np.full(3, 0.3), None).tolist())


def test_residual_of_the_fit_counts_where_it_is_larger() -> None:
    """References that scatter about the line more than heights do make the expected height less certain."""
    fit = Expected(rule=ReferenceRule.FIT, levels=(), heights=MEAN, weights=(0.25,) * 4, residual=np.array((0, 0, 2.0)))
    assert residual_sd(25.0, 1.0, fit, 0) == 0
    assert 4 * 0.5 * math.sqrt(2**2 - 1) == pytest.approx(residual_sd(25.0, 1.0, fit, 2))


def test_references_that_scatter_widen_the_loss_of_supplied_points() -> None:
    """Hand-placed points have the readers' SD and, beside it, what their references scatter about the line."""
    heights = dict(zip(("T12", "L1", "L2", "L3", "L4"), (28.0, 25.0, 28.0, 25.0, 28.0), strict=True))
    found = estimated(stack({level: (height, height, height) for level, height in heights.items()}))["L2"]
    reader = math.sqrt(2) * 0.03 / math.sqrt(3) * 28
    unexplained = 100 * 28 / 26.5**2 * 0.5 * math.sqrt(4 * 1.5**2 / 2 - reader**2)
    assert math.hypot(3.0, unexplained) == pytest.approx(found.loss_sd_points, rel=0.01)


def test_what_contradicts_the_expected_height_widens() -> None:
    """A vertebra 20 % above what is expected is no surer than that: its expected height is as far off."""
    found = estimated(stack({"L1": (28.0, 28.0, 28.0), "L2": (33.6, 33.6, 33.6), "L3": (28.0, 28.0, 28.0)}))
    assert math.hypot(3.0, 20) == pytest.approx(found["L2"].loss_sd_points)


def test_own_reference_has_its_own_scatter() -> None:
    """Against its own larger wall the loss of a wall is a normal difference cut at 0: both are drawn together."""
    found = scatter({"L3": alone()}, outline((25.0, 25.0, 25.0))[None], np.full((1, 6), 0.5))
    between = math.sqrt(2) * math.sqrt(2) * 0.5
    cut = between * math.sqrt(1 / 2 - 1 / (2 * math.pi))
    assert [100 / 25 * cut] * 2 == pytest.approx(found.loss[0, [0, 2]].tolist(), rel=DRAWN)


@pytest.mark.parametrize("rule", list(ReferenceRule))
def test_one_neighbour_brings_the_growth_of_a_level(rule: ReferenceRule) -> None:
    """One neighbour alone adds 6.63 % in unknown direction, as a rectangle."""
    assert growth_sd(rule) == pytest.approx(6.63 / math.sqrt(3) if rule is ReferenceRule.ADJACENT_1 else 0)


def test_nothing_to_estimate() -> None:
    """Without vertebrae there is nothing, and no error."""
    assert {} == estimate([], {})


def test_hand_placed_points_have_the_readers_sd() -> None:
    """Without a measured spread the loss has the SD of readers, and the angle what such points scatter."""
    found = estimated(stack({"L1": (28.0, 27.0, 28.0), "L2": (21.0, 24.0, 28.0), "L3": (28.0, 27.0, 28.0)}))
    assert (3.0, 3.8) == (found["L1"].loss_sd_points, found["L2"].loss_sd_points)
    assert not found["L2"].is_measured
    closed = math.degrees(2 * 0.038 / math.sqrt(3) * (21 + 24 + 28) / 3 / 34)
    assert closed == pytest.approx(found["L2"].angle_sd_deg, rel=DRAWN)


def test_one_neighbour_alone_widens() -> None:
    """A vertebra with one neighbour has the readers' SD and the unknown growth."""
    found = estimated(stack({"L1": (28.0, 27.0, 28.0), "L2": (28.0, 27.0, 28.0)}))
    assert math.hypot(3.0, 6.63 / math.sqrt(3)) == pytest.approx(found["L1"].loss_sd_points)


def test_measured_spread_replaces_the_readers() -> None:
    """Where the finder measured how heights scatter over planes, the SD follows from that."""
    found = estimated(column(height_sd_mm={"anterior": 2.0, "middle": 2.0, "posterior": 2.0}))["L2"]
    assert found.is_measured
    assert 100 / 28 * 2 * math.sqrt(1.5) == pytest.approx(found.loss_sd_points, rel=DRAWN)


def test_no_spread_is_better_than_the_protocol() -> None:
    """Planes that agree do not make a landmark certain: 2.5 points, and 0.9 degrees, remain (2.2, 3.4)."""
    found = estimated(column(height_sd_mm=dict.fromkeys(("anterior", "posterior"), 0.0)))["L2"]
    assert (2.5, 0.7 * math.sqrt(math.pi / 2)) == pytest.approx((found.loss_sd_points, found.angle_sd_deg))


def test_sampling_widens() -> None:
    """At 3 mm along the axis the loss has an SD of 6 points at least (3.4)."""
    assert 6 == pytest.approx(estimated(column(axial_spacing_mm=3.0))["L2"].loss_sd_points)


@pytest.mark.parametrize(
    ("spacing", "sd"),
    [(None, 7.0), (1.0, 7.0), (2.25, 4.5), (1.5 + 1e-12, 7.0)],
    ids=["unknown", "fine", "2.25", "1.5"],
)
def test_limited_sampling_that_the_input_states_widens(spacing: float | None, sd: float) -> None:
    """Where the input says limited, not how far, it is taken for the coarsest that is graded: 7 points at 3.5 mm."""
    vertebrae = column(flags=("LIMITED_SAMPLING",), axial_spacing_mm=spacing)
    assert sd == pytest.approx(estimated(vertebrae)["L2"].loss_sd_points)
    flat = [replace(one, plane=replace(FILM, scale=None)) for one in stack(LIKE, flags=("LIMITED_SAMPLING",))]
    assert pytest.approx(7.0) == estimated(flat)["L2"].loss_sd_points


def test_binary_noise_is_not_coarse_sampling() -> None:
    """1.5 mm along a tilted axis is 1.5 mm, though its square root comes out one bit above."""
    noisy = math.nextafter(1.5, 2.0)
    assert estimated(column(axial_spacing_mm=1.5)) == estimated(column(axial_spacing_mm=noisy))


def test_millimetres_need_a_scale() -> None:
    """Without spacing neither a spread in mm nor a sampling in mm can be used."""
    flat = replace(FILM, scale=None)
    vertebra = replace(film("L2"), plane=flat, height_sd_mm={"anterior": 50.0}, axial_spacing_mm=1.0)
    assert not estimated([vertebra])["L2"].is_measured
    assert estimated([replace(film("L2"), plane=flat)]) == estimated([vertebra])


def test_draws_belong_to_the_level() -> None:
    """A vertebra has the same uncertainty whatever other vertebrae are estimated with it."""
    heights: Heights = (25.0, 25.0, 25.0)
    points, sd = outline(heights)[None], np.full((1, 6), 0.5)
    lonely = scatter({"L3": alone()}, points, sd)
    together = scatter({"T4": alone(), "L3": alone()}, np.repeat(points, 2, axis=0), np.repeat(sd, 2, axis=0))
    assert lonely.angle_deg[0] == together.angle_deg[1]
    assert together.angle_deg[0] != together.angle_deg[1]

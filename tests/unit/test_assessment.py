import math
from dataclasses import replace

import numpy as np
import pytest
from outlines import FILM, Heights, film, stack

from sr_templates.findings import ReferenceRule
from workers.landmarks.points import PixelScale, VertebraLandmarks
from workers.morphometry.assessment import Assessment, assess, own_loss
from workers.morphometry.levels import places
from workers.morphometry.trend import trend_losses
from workers.morphometry.vertebra import outlines


def assessed(vertebrae: list[VertebraLandmarks], *, gradable: frozenset[str] | None = None) -> dict[str, Assessment]:
    """Return the assessments of vertebrae that are all sound, and gradable unless said."""
    levels = frozenset(one.level for one in vertebrae)
    bodies = outlines(vertebrae)
    return assess(bodies, levels if gradable is None else gradable, places(levels))


def alike(*levels: str, height: float = 28.0) -> dict[str, Heights]:
    """Return like heights for some levels."""
    return dict.fromkeys(levels, (height, height, height))


def test_a_crushed_neighbour_is_left_out() -> None:
    """A vertebra with a grade does not lower what is expected of its neighbours: all is fitted once more."""
    heights = alike("T11", "T12", "L1", "L2", "L3") | {"L1": (18.0, 18.0, 18.0)}
    found = assessed(stack(heights))
    assert ("T11", "L2", "L3") == found["T12"].expected.levels
    assert [0, 0, 0] == pytest.approx(found["T12"].losses.tolist(), abs=1e-9)
    assert [100 * 10 / 28] * 3 == pytest.approx(found["L1"].losses.tolist())


def test_sound_columns_are_fitted_once() -> None:
    """Without a loss everybody within three levels serves."""
    found = assessed(stack(alike("T10", "T11", "T12", "L1", "L2", "L3", "L4")))
    assert ("T10", "T11", "T12", "L2", "L3", "L4") == found["L1"].expected.levels
    assert ("T11", "T12", "L1") == found["T10"].expected.levels


def test_what_cannot_be_graded_is_no_reference() -> None:
    """A vertebra that keeps heights only serves nobody, and is itself compared."""
    found = assessed(stack(alike("T12", "L1", "L2")), gradable=frozenset({"T12", "L2"}))
    assert ReferenceRule.WITHIN_VERTEBRA is found["T12"].expected.rule
    assert ("T12", "L2") == found["L1"].expected.levels


def test_all_fractured_column_falls_back_to_itself() -> None:
    """Where nobody is valid the vertebra's own heights are the reference."""
    found = assessed(stack(dict.fromkeys(("T12", "L1", "L2"), (15.0, 18.0, 28.0))), gradable=frozenset())
    assert {ReferenceRule.WITHIN_VERTEBRA} == {one.expected.rule for one in found.values()}


def test_an_additional_level_is_a_link() -> None:
    """With a T13, T12 and L1 are two steps apart."""
    found = assessed(stack(alike("T12", "T13", "L1")))
    assert ("T12", "L1") == found["T13"].expected.levels
    assert ("T13",) == found["T12"].expected.levels


@pytest.mark.parametrize(
    ("scale", "compared"),
    [
        (PixelScale(row_mm=0.5, column_mm=0.5), True),
        (PixelScale(row_mm=0.5, column_mm=0.5, kind="magnification_corrected"), False),
        (PixelScale(row_mm=0.5, column_mm=0.5, kind="detector_plane"), False),
        (None, False),
    ],
)
def test_heights_compare_across_images_only_where_calibrated(scale: PixelScale | None, compared: bool) -> None:
    """Pixels, mm of the detector and corrected mm compare within one image, mm of the patient everywhere (3.3)."""
    plane = replace(FILM, scale=scale)
    upper, lower = replace(film("L1"), plane=plane), replace(film("L2", sop_instance_uid="other"), plane=plane)
    same = replace(film("L2", at=(150.0, 260.0)), plane=plane)
    assert compared == (assessed([upper, lower])["L1"].expected.rule is ReferenceRule.ADJACENT_1)
    assert assessed([upper, same])["L1"].expected.rule is ReferenceRule.ADJACENT_1


LINE = ("T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")


def column(low: dict[str, tuple[float, float, float]]) -> dict[str, Heights]:
    """Return ten vertebrae, each 1 mm higher than the one above, some lower by percentages of their heights."""
    heights: dict[str, Heights] = {}
    for step, level in enumerate(LINE):
        anterior, middle, posterior = ((22.0 + step) * (1 - share / 100) for share in low.get(level, (0.0, 0.0, 0.0)))
        heights[level] = (anterior, middle, posterior)
    return heights


WEDGED, WHOLE = (30.0, 15.0, 0.0), (30.0, 30.0, 30.0)


@pytest.mark.parametrize("share", [WEDGED, WHOLE, (24.0, 24.0, 12.0), (45.0, 20.0, 0.0)])
@pytest.mark.parametrize(
    "low", [("L1",), ("T12", "L1"), ("T12", "L1", "L2"), ("T11", "T12", "L1", "L2"), ("T9", "T11", "L1", "L3")]
)
def test_deformed_neighbours_do_not_hide_each_other(low: tuple[str, ...], share: tuple[float, float, float]) -> None:
    """On a straight column each deformed vertebra has exactly its own loss, since none is another's reference."""
    found = assessed(stack(column(dict.fromkeys(low, share))))
    for level in low:
        assert found[level].expected.rule is ReferenceRule.FIT
        assert list(share) == pytest.approx(found[level].losses.tolist(), abs=1e-9)
    assert not set(low) & {one for assessment in found.values() for one in assessment.expected.levels}


@pytest.mark.parametrize("share", [WEDGED, WHOLE])
@pytest.mark.parametrize(("low", "next_to"), [(("L3", "L4", "L5"), "L3"), (("T8", "T9", "T10"), "T10")])
def test_a_run_at_the_end_of_the_column(low: tuple[str, ...], next_to: str, share: tuple[float, float, float]) -> None:
    """Of a run at an end the one beside sound vertebrae is measured against them.

    The others have nobody within reach but each other: they are compared with themselves, serve nobody, and the
    trend of the column says by how much that falls short.
    """
    found = assessed(stack(column(dict.fromkeys(low, share))))
    assert list(share) == pytest.approx(found[next_to].losses.tolist(), abs=1e-9)
    for level in set(low) - {next_to}:
        assert found[level].expected.rule is ReferenceRule.WITHIN_VERTEBRA
        assert 30 - found[level].largest[1] == pytest.approx(found[level].doubt, abs=2)
        assert (found[level].doubt > 0) == found[level].is_doubtful
    assert not set(low) & {one for assessment in found.values() for one in assessment.expected.levels}


def test_a_sound_column_is_left_alone() -> None:
    """Without a deformity everybody within three levels is a reference, nobody has a loss, nothing is doubtful."""
    found = assessed(stack(column({})))
    assert ("T10", "T11", "T12", "L2", "L3", "L4") == found["L1"].expected.levels
    assert [0.0] * 30 == pytest.approx([loss for one in found.values() for loss in one.losses.tolist()], abs=1e-9)
    assert not any(one.is_doubtful for one in found.values())


def test_who_comes_out_sound_serves_again() -> None:
    """A vertebra that is low against the trend, but not against its neighbours, is a reference in the end."""
    steep: dict[str, Heights] = {}
    for step, level in enumerate(LINE):
        height = 12 * 1.12**step
        steep[level] = (height, height, height)
    bodies = outlines(stack(steep))
    assert trend_losses(bodies, places(LINE))["T10"] > 20
    assert "T10" in assessed(stack(steep))["T11"].expected.levels


def test_a_vertebra_above_its_references_is_doubtful() -> None:
    """Ten points above what is expected are a contradiction of that size; less is scatter."""
    for height, doubt in ((30.8, 10.0), (30.7, 0.0)):
        one = assessed(stack(alike("L1", "L2", "L3") | {"L2": (28.0, 28.0, height)}))["L2"]
        assert doubt == pytest.approx(one.doubt)
        assert one.is_doubtful == (doubt > 0)


def test_references_that_disagree_are_doubtful() -> None:
    """References that scatter about the fit by 10 % of what is expected contradict it by as much."""
    zigzag = dict(zip(("T12", "L1", "L3", "L4"), (25.0, 30.0, 25.0, 30.0), strict=True))
    heights = {level: (height, height, height) for level, height in zigzag.items()}
    order = ("T12", "L1", "L2", "L3", "L4")
    found = assessed(stack({level: heights.get(level, (27.0, 27.0, 27.0)) for level in order}))["L2"]
    assert 100 * math.sqrt(22.5 / 2) / 27.5 == pytest.approx(found.doubt)
    assert found.is_doubtful
    calm = assessed(stack(dict.fromkeys(order, (27.0, 27.0, 27.0))))["L2"]
    assert not calm.is_doubtful


def test_own_loss_is_against_the_larger_wall() -> None:
    """A vertebra's own loss is 1 - min / max, the maximum being that of the walls."""
    assert 40 == pytest.approx(own_loss(np.array((15.0, 20.0, 25.0))))
    assert 20 == pytest.approx(own_loss(np.array((25.0, 20.0, 25.0))))
    assert 0 == pytest.approx(own_loss(np.array((25.0, 30.0, 25.0))), abs=1e-9)

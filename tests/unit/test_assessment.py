from dataclasses import replace

import pytest
from outlines import FILM, Heights, film, stack

from sr_templates.findings import ReferenceRule
from workers.landmarks.points import PixelScale, VertebraLandmarks
from workers.morphometry.assessment import Assessment, assess
from workers.morphometry.levels import places
from workers.morphometry.vertebra import outline as outlined


def assessed(vertebrae: list[VertebraLandmarks], *, gradable: frozenset[str] | None = None) -> dict[str, Assessment]:
    """Return the assessments of vertebrae that are all sound, and gradable unless said."""
    levels = frozenset(one.level for one in vertebrae)
    bodies = [outlined(one, one.landmarks) for one in vertebrae if one.landmarks is not None]
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
        (PixelScale(row_mm=0.5, column_mm=0.5, kind="magnification_corrected"), True),
        (PixelScale(row_mm=0.5, column_mm=0.5, kind="detector_plane"), False),
        (None, False),
    ],
)
def test_heights_compare_across_images_only_in_true_mm(scale: PixelScale | None, compared: bool) -> None:
    """Pixels and detector mm are comparable within one image, mm of the patient everywhere (3.3)."""
    plane = replace(FILM, scale=scale)
    upper, lower = replace(film("L1"), plane=plane), replace(film("L2", sop_instance_uid="other"), plane=plane)
    same = replace(film("L2", at=(150.0, 260.0)), plane=plane)
    assert compared == (assessed([upper, lower])["L1"].expected.rule is ReferenceRule.ADJACENT_1)
    assert assessed([upper, same])["L1"].expected.rule is ReferenceRule.ADJACENT_1

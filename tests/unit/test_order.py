import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_templates.levels import ORDER
from workers.landmarks.mask.order import out_of_order

LEVELS = ("T11", "T12", "L1", "L2", "L3", "L4", "L5")


def _column(*levels: str, lean_deg: float = 0.0) -> dict[str, np.ndarray]:
    """Return centres 35 mm apart down a line that leans forward by so many degrees."""
    lean = np.radians(lean_deg)
    step = 35 * np.array([0.0, -np.sin(lean), np.cos(lean)])
    return {level: -place * step for place, level in enumerate(levels)}


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(LEVELS), max_size=7), st.floats(-75, 75))
def test_levels_in_order_are_left_alone(levels: set[str], lean_deg: float) -> None:
    """However many there are, with gaps or without, upright or bent."""
    assert {} == out_of_order(_column(*sorted(levels, key=ORDER.__getitem__), lean_deg=lean_deg))


def test_two_exchanged_levels_are_refused_by_name() -> None:
    """Each says what it stands above or below; their neighbours are not touched."""
    found = out_of_order(_column("T12", "L1", "L3", "L2", "L4", "L5"))
    assert {"L2": ("STANDS_BELOW_L3",), "L3": ("STANDS_ABOVE_L2",)} == found


def test_a_level_that_jumped_two_places_contradicts_both() -> None:
    """L2 below L3 and L4: none of the three is believed, since each may be the one that is wrong."""
    assert {
        "L2": ("STANDS_BELOW_L3", "STANDS_BELOW_L4"),
        "L3": ("STANDS_ABOVE_L2",),
        "L4": ("STANDS_ABOVE_L2",),
    } == out_of_order(_column("T12", "L1", "L3", "L4", "L2", "L5"))


@pytest.mark.parametrize("centres", [{}, {"L1": np.zeros(3)}])
def test_one_level_has_no_order(centres: dict[str, np.ndarray]) -> None:
    """Nothing to be compared with is no contradiction."""
    assert {} == out_of_order(centres)


def test_two_masks_in_one_place_are_refused() -> None:
    """L2 and L3 with the same centre cannot both be right."""
    column = _column("T12", "L1", "L2", "L3", "L4")
    column["L3"] = column["L2"].copy()
    assert {"L2", "L3"} <= set(out_of_order(column))
    alone = dict.fromkeys(("L2", "L3"), column["L2"])
    assert {"L2": ("STANDS_BELOW_L3",), "L3": ("STANDS_ABOVE_L2",)} == out_of_order(alone)

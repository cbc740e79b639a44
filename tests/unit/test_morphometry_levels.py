from sr_templates.levels import ORDER
from workers.morphometry.levels import (
    GRADED_LEVELS,
    SDI_LEVELS,
    SIZED_LEVELS,
    UNUSUAL_POSTERIOR_LEVELS,
    places,
    sort_key,
)


def test_deformity_index_has_thirteen_levels() -> None:
    """The Spinal Deformity Index is that of T4 to L4 (Kerkeni 2009)."""
    assert ("T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4") == SDI_LEVELS


def test_sized_levels_are_those_with_published_limits() -> None:
    """Sizes in mm are checked at T4 to L5 (docs/morphometry 3.5)."""
    assert {*SDI_LEVELS, "L5"} == SIZED_LEVELS


def test_thoracic_and_lumbar_levels_are_graded() -> None:
    """Cervical bodies and the sacrum have no height-loss grade."""
    assert {*(f"C{n}" for n in range(1, 8)), "S1"} == set(ORDER) - GRADED_LEVELS


def test_posterior_wedging_is_ordinary_at_the_lowest_levels_only() -> None:
    """L4, L5 and L6 are left out of the levels where posterior wedging is unusual."""
    assert {"L4", "L5", "L6"} == GRADED_LEVELS - UNUSUAL_POSTERIOR_LEVELS


def test_ordinary_column() -> None:
    """Without T13 and L6, T12 is next to L1 and L5 next to S1; a missing level keeps its place."""
    column = places(["T12", "L1", "L3", "L5", "S1"])
    assert (1, 2, 1) == (column["L1"] - column["T12"], column["L3"] - column["L1"], column["S1"] - column["L5"])
    assert {"T13", "L6"}.isdisjoint(column)


def test_column_with_additional_levels() -> None:
    """A study that names T13 and L6 has them between T12 and L1, and between L5 and S1."""
    column = places(["T12", "T13", "L1", "L5", "L6", "S1"])
    assert [1, 1, 1, 1] == [
        column[lower] - column[upper] for upper, lower in (("T12", "T13"), ("T13", "L1"), ("L5", "L6"), ("L6", "S1"))
    ]


def test_sorting_puts_unknown_words_last() -> None:
    """Levels sort from cranial to caudal; a word that names none sorts behind them, by itself."""
    assert ["C7", "T1", "T12", "T13", "L1", "S1", "S2", "thing"] == sorted(
        ["thing", "L1", "S1", "T1", "C7", "S2", "T13", "T12"], key=sort_key
    )

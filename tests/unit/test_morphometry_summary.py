import pytest
from outlines import Heights, film, stack, without

from sr_templates.findings import Kyphosis, Pattern, Slip
from workers.morphometry.findings import Policy, measure
from workers.morphometry.levels import SDI_LEVELS
from workers.morphometry.summary import deformity_index, summarise

WEDGE: Heights = (20.0, 24.0, 28.0)
NORMAL: Heights = (28.0, 28.0, 28.0)


def test_index_without_any_grade() -> None:
    """Where no level of T4 to L4 has a grade there is no sum; zero would read as a result."""
    found = deformity_index({"T4": None, "L5": 3, "T2": 1})
    assert (None, True, 0, 0) == (found.total, found.is_lower_bound, found.evaluable, found.deformed)


def test_index_of_a_whole_spine() -> None:
    """Thirteen grades are the whole sum, and levels beyond do not count."""
    found = deformity_index({**dict.fromkeys(SDI_LEVELS, 1), "L5": 3, "T3": 2, "T13": 3})
    assert (13, False, 13, 13) == (found.total, found.is_lower_bound, found.evaluable, found.deformed)


def test_summary_counts_grades() -> None:
    """Graded, ungradable, largest grade and sum follow from the findings."""
    column = {"T11": NORMAL, "T12": NORMAL, "L1": WEDGE, "L2": NORMAL, "L3": NORMAL}
    vertebrae = [*stack(column), film("L4", at=(150.0, 300.0), flags=("HARDWARE",)), without(film("L5"), ["AS"])]
    _, found = measure(vertebrae, Policy())
    assert (5, 1, ("L4", "L5")) == (found.graded, found.deformed, found.ungradable)
    assert (2, 2, True) == (found.max_grade, found.spinal_deformity_index, found.sdi_is_lower_bound)
    assert ["L1"] == [kyphosis.level for kyphosis in found.kyphosis]


def test_summary_of_nothing() -> None:
    """Without vertebrae there is no grade and no sum."""
    found = summarise([])
    assert (0, (), None, None, True) == (
        found.graded,
        found.ungradable,
        found.max_grade,
        found.spinal_deformity_index,
        found.sdi_is_lower_bound,
    )
    assert ((), ()) == (found.kyphosis, found.listhesis)


@pytest.mark.parametrize("twice", [1, 2])
def test_a_level_is_listed_once(twice: int) -> None:
    """A level that several vertebrae claim is one level that could not be graded."""
    _, found = measure([film("L3") for _ in range(twice)] + [film("L3", depth=3.0)], Policy())
    assert ("L3",) == found.ungradable


def test_alignment_is_handed_on() -> None:
    """Kyphosis, listhesis and patterns are part of the summary as they are."""
    kyphosis = Kyphosis(
        level="L1", above="T12", below="L2", angle_deg=12.0, beyond_limit=False, limit_deg=20.0, limit_source="x"
    )
    pattern = Pattern(word="ADJACENT_MILD_WEDGING", levels=("T8", "T9", "T10"))
    slip = Slip(upper="L4", lower="L5", slip_mm=4.0, slip_percent=11.0, meyerding_grade=1)
    found = summarise([], [kyphosis], [slip], [pattern])
    assert ((kyphosis,), (slip,), (pattern,)) == (found.kyphosis, found.listhesis, found.patterns)

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from sr_templates.levels import ORDER
from workers.landmarks.levels import level_from_verse_number, verse_levels
from workers.landmarks.regions.claims import Claim, claim_of, named, settle, unconfirmed
from workers.landmarks.volumes import Volume

BONE = ("SCT", "272673000")
NONE = ("", "")


def _claims(*labels: str, kind: tuple[str, str] = BONE) -> list[Claim]:
    holder = Dataset()
    return [
        claim_of(holder, number, label, kind=kind, region=NONE, untyped=kind == NONE)
        for number, label in enumerate(labels, start=1)
    ]


def _levels(*labels: str, kind: tuple[str, str] = BONE) -> list[str]:
    return [level for claim in named(_claims(*labels, kind=kind)) for level in claim.naming.levels]


def _mask(height_mm: float) -> Volume:
    affine = np.eye(4)
    affine[2, 3] = height_mm
    return Volume(mask=np.ones((2, 2, 2), dtype=np.bool_), affine=affine, low=(1, 1, 1), high=(1, 1, 1))


def _reasons(labels: list[str], heights_mm: dict[str, float]) -> dict[str, tuple[str | None, tuple[str, ...]]]:
    chosen = settle(named(_claims(*labels))).chosen
    masks = {level: _mask(height) for level, height in heights_mm.items()}
    return {level: (one.reason, one.flags) for level, one in unconfirmed(chosen, masks).items()}


@pytest.mark.parametrize("kind", [BONE, ("SCT", "51282000"), ("SCT", "85756007"), NONE])
def test_plain_numbers_are_read_as_verse_numbers(kind: tuple[str, str]) -> None:
    """20 and 21 are L1 and L2 where the type says bone, vertebra or tissue, or where there is none."""
    assert ["T12", "L1", "L2"] == _levels("19", "20 ", "21", kind=kind)


@pytest.mark.parametrize(
    "labels",
    [
        ("21", "22"),
        ("12", "13", "26"),
        ("20",),
        ("20", "liver"),
        ("20", "20"),
        ("20", "29"),
        ("27", "31"),
        ("1", "2", "3"),
        ("0", "20"),
        ("20.0", "21."),
    ],
    ids=[
        "TotalSpineSeg's T1",
        "TotalSpineSeg's C2",
        "one alone",
        "one number",
        "twice",
        "above 28",
        "others",
        "a running index",
        "zero",
        "no whole numbers",
    ],
)
def test_plain_numbers_that_need_not_be_verse_numbers_name_nothing(labels: tuple[str, ...]) -> None:
    """A number alone, twice, beyond VerSe's, in a row that begins at 1, or all another numbering's is not believed."""
    assert [] == _levels(*labels)


def test_a_number_names_nothing_where_the_type_is_something_else() -> None:
    """The twentieth lesion is no vertebra."""
    assert [] == _levels("20", "21", kind=("SCT", "108369006"))


def test_sacrum_and_coccyx_are_verse_numbers_without_a_level() -> None:
    """26 and 27 do not spoil the others and name no vertebra themselves; 28 is T13."""
    assert ["L1", "L5", "T13"] == _levels("20", "24", "26", "27", "28")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=12))
def test_numbers_are_all_believed_or_none(numbers: list[int]) -> None:
    """What is read is what VerSe says of each number, or nothing at all."""
    read = verse_levels(numbers)
    assert read in ({}, {n: level_from_verse_number(n) for n in numbers if n not in {26, 27}})
    assert not read or (len(numbers) > 1 and set(numbers) <= set(range(2, 29)))


def test_numbers_are_believed_where_they_run_down_the_column() -> None:
    """19 above 20 above 21, by patient z."""
    assert {} == _reasons(["19", "20", "21"], {"T12": 70.0, "L1": 35.0, "L2": 0.0})


def test_numbers_that_run_up_the_column_are_refused_with_both_readings() -> None:
    """TotalSegmentator counts from L5 upwards: its 18 and 19 are L5 and L4, not T11 and T12."""
    assert {
        "T11": ("NUMBER_UNCONFIRMED", ("STANDS_BELOW_T12",)),
        "T12": ("NUMBER_UNCONFIRMED", ("STANDS_ABOVE_T11",)),
    } == _reasons(["18", "19"], {"T11": 0.0, "T12": 35.0})


def test_one_contradiction_refuses_every_number() -> None:
    """What is wrong of two of them may be wrong of all."""
    found = _reasons(["19", "20", "21", "22"], {"T12": 70.0, "L1": 0.0, "L2": 35.0, "L3": -35.0})
    assert {"T12", "L1", "L2", "L3"} == set(found)
    assert ("NUMBER_UNCONFIRMED", ()) == found["T12"]


def test_numbers_without_a_column_are_refused() -> None:
    """Where only one mask can be read, no order bears the numbers out."""
    assert {"L1", "L2"} == set(_reasons(["20", "21"], {"L1": 0.0}))


def test_names_need_no_order() -> None:
    """A code or a name is not refused here, however it stands: that is checked once the bodies are known."""
    chosen = settle(named(_claims("vertebrae_L1", "vertebrae_L2"))).chosen
    assert {} == unconfirmed(chosen, {"L1": _mask(0.0), "L2": _mask(35.0)})


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(2, 25), min_size=2, max_size=9), st.randoms(use_true_random=False))
def test_only_the_order_of_verse_is_believed(some: set[int], random: object) -> None:
    """Of all orders down the column, the numbers are believed in their own, in whatever order they are listed."""
    numbers = sorted({20, *some})
    levels = [level_from_verse_number(n) for n in numbers]
    order = list(levels)
    random.shuffle(order)  # type: ignore[attr-defined] # Hypothesis gives a random.Random
    heights = {str(level): -35.0 * place for place, level in enumerate(order)}
    runs_down = all(ORDER[str(a)] < ORDER[str(b)] for a, b in pairwise(order))

    assert runs_down == (_reasons([str(n) for n in numbers], heights) == {})

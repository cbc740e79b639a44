"""The matcher of rules: what a pattern says, for every value, in bounded time."""

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.matching import BadPattern, Pattern, wildcard

#: Few letters, so that patterns often match.
LETTERS = st.text(alphabet="aB.", max_size=12)
PATTERNS = st.text(alphabet="aB.*?", max_size=12)


@given(pattern=PATTERNS, value=LETTERS)
def test_a_wildcard_says_what_the_same_regular_expression_says(pattern: str, value: str) -> None:
    """`*` is any characters, `?` is one, and everything else is itself: a dot, too."""
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)

    assert wildcard(pattern, value) == bool(re.fullmatch(expression, value, re.DOTALL))


@given(value=st.text(max_size=40))
def test_any_text_matches_itself_between_stars(value: str) -> None:
    """Whatever characters a value has, those that mean something in other patterns too."""
    inner = value.replace("*", "?")

    assert wildcard(f"*{inner}*", value)
    assert wildcard("*", value)
    assert bool(value) == wildcard("?*", value)


def test_a_pattern_made_to_be_slow_takes_bounded_steps() -> None:
    """Thirty stars against a long value that never ends right: at most length times length steps, not billions."""
    pattern, value = "a*" * 30 + "b", "a" * 2000
    steps = 0

    def count(_frame: object, event: str, _argument: object) -> object:
        nonlocal steps
        steps += event == "line"
        return count

    tracing = sys.gettrace()
    sys.settrace(count)  # type: ignore[arg-type]  # typeshed wants its own name for this
    try:
        found = wildcard(pattern, value)
    finally:
        sys.settrace(tracing)

    assert not found
    # Each turn of the loop is some lines.
    assert steps < 10 * len(pattern) * len(value)


@pytest.mark.parametrize(
    ("pattern", "vr", "value", "matches"),
    [
        ("ct", "CS", "CT", True),
        ("*WIRBEL*", "LO", "Lendenwirbelsäule", True),
        ("*SÄULE", "LO", "Lendenwirbelsäule", True),
        ("", "LO", "", True),
        ("", "LO", "x", False),
        ("?*", "LO", "", False),
        ("a..c", "LO", "b", False),  # names have no order
        ("1..3", "UI", "1..3", True),
        ("1..3", "DS", "2.50", True),
        ("1..3", "DS", "3.01", False),
        ("..3", "US", "3", True),
        ("-10..-5", "IS", "-7", True),
        ("2.5", "DS", "+2.500", True),
        ("2.5", "DS", "thick", False),
        ("?*", "DS", "thick", True),
        ("..3", "DS", "", False),
        ("20240101..20241231", "DA", "20241231", True),
        ("2024..2024", "DA", "20241231", True),
        ("2025..", "DA", "20241231", False),
        ("0800..1159", "TM", "115959.9", True),
        ("0800..1159", "TM", "120000", False),
        ("2024*", "DA", "20241231", True),
        ("050Y..", "AS", "049Y", False),
        ("050Y..", "AS", "065Y", True),
        ("..018M", "AS", "001Y", True),
        ("..018M", "AS", "002Y", False),
        ("050Y..", "AS", "old", False),
    ],
)
def test_what_a_pattern_says_hangs_on_what_the_value_is(pattern: str, vr: str, value: str, *, matches: bool) -> None:
    """Case never counts; ranges are of numbers, dates, times and ages; what is no number lies in no range."""
    assert Pattern(pattern, vr).matches(value) == matches


@pytest.mark.parametrize(
    ("pattern", "vr", "words"),
    [
        ("..", "DS", "one end at the least"),
        ("3..1", "DS", "ends before it begins"),
        ("thin", "DS", "a number or a range"),
        ("a..b", "IS", "numbers"),
        ("nan..", "FD", "numbers"),
        ("50..", "AS", "018Y"),
        ("summer..", "DA", "20260131"),
        ("065Y..050Y", "AS", "ends before it begins"),
        ("2025..2024", "DA", "ends before it begins"),
    ],
)
def test_a_pattern_that_can_match_nothing_is_said(pattern: str, vr: str, words: str) -> None:
    """It is a slip of the pen: the words say what is expected."""
    with pytest.raises(BadPattern, match=re.escape(words)):
        Pattern(pattern, vr)


@given(low=st.integers(-999, 999), high=st.integers(-999, 999), value=st.integers(-999, 999))
def test_a_range_holds_both_of_its_ends(low: int, high: int, value: int) -> None:
    """A range is low <= value <= high, for every three numbers of which the range is one."""
    low, high = sorted((low, high))

    assert Pattern(f"{low}..{high}", "IS").matches(str(value)) == (low <= value <= high)
    assert Pattern(f"{low}..", "IS").matches(str(value)) == (low <= value)
    assert Pattern(f"..{high}", "IS").matches(str(value)) == (value <= high)

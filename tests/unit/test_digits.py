import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.morphometry.digits import settled


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (28.0, 28.0),
        (1 / 3, 0.33333333),
        (200 / 3, 66.666667),
        (-1234.56789012, -1234.5679),
        (8.3 + 1e-14, 8.3),
        (3e-15, 0.0),
        (0.000123456789, 0.00012346),
    ],
)
def test_eight_digits(value: float, expected: float) -> None:
    """Eight significant digits and eight decimals at most."""
    assert expected == settled(value)


def test_zero_has_no_sign() -> None:
    """What is nothing is written as 0.0 on every host."""
    assert math.copysign(1, settled(-1e-15)) == 1


@settings(max_examples=50, deadline=None)
@given(value=st.floats(-1e4, 1e4))
def test_a_settled_number_stays(value: float) -> None:
    """Settling twice changes nothing, and once changes less than anything that is printed."""
    once = settled(value)
    assert once == settled(once)
    assert value == pytest.approx(once, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("middle", [14.2, 0.62345678, -38.4, 104.2])
def test_the_last_bits_do_not_show(middle: float) -> None:
    """Neighbouring floating-point numbers, which is what unlike processors give, become the same number."""
    assert {settled(middle)} == {settled(math.nextafter(middle, side)) for side in (-math.inf, math.inf)}

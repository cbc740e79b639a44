"""How many digits of a number are kept, so that unlike processors give the same report. PURE."""

from typing import Final

#: Significant digits, and decimals at most: far finer than any measurement, far coarser than what vector units and
#: mathematical libraries of two hosts differ by (the last one or two of sixteen).
DIGITS: Final = 8


def settled(value: float) -> float:
    """Return `value` with DIGITS significant digits and as many decimals at most; never -0.0."""
    few = float(f"{value:.{DIGITS}g}") if abs(value) >= 1 else round(value, DIGITS)
    return few + 0.0


def printed(value: float) -> float:
    """Return the number that a reader sees: the same rounding as that of a format with one decimal."""
    return round(value, 1)

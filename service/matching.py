"""The matcher of rules: whether a value is what a pattern says. Data in, yes or no out; nothing is ever executed.

A pattern is text with `*` (any characters, also none) and `?` (one character), whatever the case; or a range,
`low..high`, either end of which may be missing, where the values have an order. There are no regular expressions: the
time that a pattern takes is bounded by its length times that of the value.
"""

import math
import re
from dataclasses import dataclass
from typing import Final

#: Value representations of text that is compared as it is written (PS3.5 6.2); long texts are no rule's business.
TEXT: Final = frozenset(["AE", "AS", "CS", "DA", "DT", "LO", "PN", "SH", "ST", "TM", "UI"])
#: Value representations of numbers, in text or binary.
NUMBERS: Final = frozenset(["DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"])
#: Of text those that have an order: dates and times, as far as a bound is written, and ages.
_DATES: Final = frozenset({"DA", "DT", "TM"})
_ORDERED: Final = NUMBERS | _DATES | {"AS"}
#: PS3.5 6.2, VR AS; a month and a year as long as they are on average in the Gregorian calendar.
_AGE: Final = re.compile(r"(\d{1,3})([DWMY])")
_DAYS: Final = {"D": 1.0, "W": 7.0, "M": 365.2425 / 12, "Y": 365.2425}
_RANGE: Final = ".."


class BadPattern(ValueError):
    """A pattern that can match nothing as it is written."""


@dataclass(frozen=True)
class Pattern:
    """One pattern for values of one representation; BadPattern where it is none."""

    text: str
    vr: str

    def __post_init__(self) -> None:
        if self._bounds is not None:
            low, high = self._bounds
            if not low and not high:
                raise BadPattern("a range has one end at the least: low..high, low.. or ..high")
            ends = [_measure(end, self.vr) for end in self._bounds if end]
            if any(end is None for end in ends):
                raise BadPattern(f"the ends of a range must be {_words(self.vr)}")
            if low and high and _beyond(low, high, self.vr):
                raise BadPattern("the range ends before it begins")
        elif self.vr in NUMBERS and self.text and not set(self.text) <= {"*", "?"} and _number(self.text) is None:
            raise BadPattern("must be a number or a range low..high")

    def matches(self, value: str) -> bool:
        """Whether a value, or the empty text of an attribute that is not there, is what this says."""
        if self._bounds is not None:
            low, high = self._bounds
            if not value or _measure(value, self.vr) is None:
                return False
            return not (low and _beyond(low, value, self.vr)) and not (high and _beyond(value, high, self.vr))
        wanted = _number(self.text) if self.vr in NUMBERS else None
        if wanted is not None:
            return _number(value) == wanted
        return wildcard(self.text.casefold(), value.casefold())

    @property
    def _bounds(self) -> tuple[str, str] | None:
        if self.vr not in _ORDERED or _RANGE not in self.text:
            return None
        low, _, high = self.text.partition(_RANGE)
        return low.strip(), high.strip()


def wildcard(pattern: str, value: str) -> bool:
    """Whether `value` is what `pattern` says, `*` for any characters and `?` for one.

    Each star takes as little as will do: where the rest does not fit, the last star takes one more, and no star before
    it ever need be looked at again. So it takes len(pattern) * len(value) steps at most.
    """
    at = in_value = 0
    star, taken = -1, 0
    while in_value < len(value):
        if at < len(pattern) and pattern[at] == "*":
            star, taken = at, in_value
            at += 1
        elif at < len(pattern) and pattern[at] in {"?", value[in_value]}:
            at += 1
            in_value += 1
        elif star >= 0:
            taken += 1
            at, in_value = star + 1, taken
        else:
            return False
    return not pattern[at:].strip("*")


def _beyond(one: str, other: str, vr: str) -> bool:
    """Whether `one` comes after `other`; dates and times are compared as far as both are written."""
    if vr in _DATES:
        length = min(len(one), len(other))
        return one[:length] > other[:length]
    first, second = _measure(one, vr), _measure(other, vr)
    return first is not None and second is not None and first > second


def _measure(text: str, vr: str) -> float | None:
    """Return where a value stands in its order, None where it is none."""
    if vr == "AS":
        age = _AGE.fullmatch(text.strip().upper())
        return int(age[1]) * _DAYS[age[2]] if age else None
    if vr in _DATES:
        return float(text[0]) if text[:1].isdecimal() and text.isascii() else None
    return _number(text)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _words(vr: str) -> str:
    if vr == "AS":
        return "ages as DICOM writes them, 018Y"
    return "dates or times as DICOM writes them, 20260131 or 0830" if vr in _DATES else "numbers"

"""What a label says of points: which vertebra, and which of its six points or three heights. PURE.

Every word must be understood: "L4 AS", "L4 anterior superior corner", "Ha 24.3 mm" say something, "L4 cyst" does not.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sr_templates.findings import POINT_NAMES
from workers.landmarks.device_words import device_word, without_device_words
from workers.landmarks.levels import level_from_label, words_of

_POSITIONS: Final = {
    **dict.fromkeys(("anterior", "ant", "ha"), "anterior"),
    **dict.fromkeys(("middle", "mid", "central", "hm"), "middle"),
    **dict.fromkeys(("posterior", "post", "hp"), "posterior"),
}
_ENDS: Final = {
    **dict.fromkeys(("superior", "sup", "upper"), "S"),
    **dict.fromkeys(("inferior", "inf", "lower"), "I"),
}
#: Words that say no more than that a point or a height is meant.
_NEUTRAL: Final = frozenset({"corner", "height", "landmark", "line", "point"})
#: The measured length that viewers write after or below a label.
_LENGTH: Final = re.compile(
    r"(?:length|distance)?\s*[:=]?\s*[0-9]+(?:[.,][0-9]+)?\s*(?:mm|cm|px|pix|pixels?)\s*$", re.IGNORECASE
)
#: A label is as long as a Long String (PS3.5 6.2) at most; anything longer is prose.
_LONGEST: Final = 64
#: A level and a point in one word, as identifiers of 16 characters have them: L4AS.
_GLUED: Final = re.compile(rf"([A-Za-z]{{1,2}}[0-9]{{1,2}})({'|'.join(POINT_NAMES)})")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one label says; empty where it does not."""

    level: str | None = None
    #: One of POINT_NAMES.
    point: str = ""
    #: "anterior", "middle" or "posterior": one of the three heights.
    position: str = ""
    #: "CEMENT" or "HARDWARE": it names no vertebra then, only what one may hold.
    device: str = ""
    #: Level of the vertebra that is said to hold it.
    holder: str | None = None

    @property
    def is_something(self) -> bool:
        """Whether it says anything."""
        return self != NOTHING

    @property
    def is_level_only(self) -> bool:
        """Whether it names a vertebra and no part of it."""
        return self.level is not None and not self.point and not self.position


NOTHING: Final = Said()


@dataclass(frozen=True, kw_only=True)
class Naming:
    """Which vertebrae the codes and the labels of one thing name, each level once, in the order they were found."""

    codes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def levels(self) -> tuple[str, ...]:
        """All that are named: one where they agree."""
        return tuple(dict.fromkeys((*self.codes, *self.labels)))

    @property
    def is_conflict(self) -> bool:
        """Whether they contradict each other."""
        return len(self.levels) > 1

    @property
    def flags(self) -> tuple[str, ...]:
        """Every reading of a contradiction, as flags."""
        if not self.is_conflict:
            return ()
        readings = [f"CODE_SAYS_{level}" for level in self.codes] + [f"LABEL_SAYS_{level}" for level in self.labels]
        return tuple(dict.fromkeys(readings))


def naming(codes: Iterable[str | None], labels: Iterable[str | None]) -> Naming:
    """Return which vertebrae are named, without what names none."""
    return Naming(codes=tuple(dict.fromkeys(filter(None, codes))), labels=tuple(dict.fromkeys(filter(None, labels))))


def said(text: str) -> Said:
    """Return what a label says; of several lines, what they say together where they do not contradict each other."""
    if len(text) > _LONGEST:
        return NOTHING
    if device := device_word(text):
        return Said(device=device, holder=said(without_device_words(text)).level)
    lines = [line for line in (_LENGTH.sub("", line).strip() for line in text.splitlines()) if line]
    found = [_line(line) for line in lines]
    levels = {one.level for one in found if one.level}
    points = {one.point for one in found if one.point}
    positions = {one.position for one in found if one.position}
    if NOTHING in found or max(len(levels), len(points), len(positions), 0) > 1 or (points and positions):
        return NOTHING
    return Said(level="".join(levels) or None, point="".join(points), position="".join(positions))


def _line(text: str) -> Said:
    words = words_of(_GLUED.sub(r"\1 \2", text))
    names = [word for word in words if word in POINT_NAMES]
    others = [word for word in words if word not in POINT_NAMES]
    positions = {_POSITIONS[word.lower()] for word in others if word.lower() in _POSITIONS}
    ends = {_ENDS[word.lower()] for word in others if word.lower() in _ENDS}
    known = _POSITIONS.keys() | _ENDS.keys() | _NEUTRAL
    rest = " ".join(word for word in others if word.lower() not in known)
    level = level_from_label(rest)
    is_understood = level is not None or not rest
    if not is_understood or len(names) + len(positions) > 1 or len(ends) > 1 or (ends and not positions):
        return NOTHING
    position = "".join(positions)
    if ends:
        return Said(level=level, point=f"{position[0].upper()}{''.join(ends)}")
    return Said(level=level, point="".join(names), position=position)

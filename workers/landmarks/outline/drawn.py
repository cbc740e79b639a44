"""What the carriers hand over: outlines of vertebrae on images, and marks that say which side is anterior."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.reasons import Flag
from workers.landmarks.volumes import Array

#: The step of a line, which has no pixels.
DRAWN: Final = (0.0, 0.0)
#: Positions that a label without a level may name, and whether they are anterior: it then marks a side of the column.
SIDES: Final = {"anterior": True, "posterior": False}


@dataclass(frozen=True, kw_only=True)
class Where:
    """An image of the study, or one frame of it, counted from 1; None where it has but one."""

    sop_instance_uid: str
    frame: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """One outline of one vertebra: closed lines (n, 2) of (column, row), 0, 0 the corner of the first pixel."""

    level: str
    where: Where
    #: SOP Instance UID of the object that holds it.
    holder: str
    #: Around the body's part, then around what is empty in it.
    rings: tuple[Array, ...]
    #: Around parts that do not hang together with it.
    others: tuple[Array, ...] = ()
    flags: tuple[Flag, ...] = ()
    #: Whether it is said to be the body without posterior elements.
    body_only: bool = False
    #: Pixels of the image to one of the mask, (columns, rows); DRAWN of a line.
    step: tuple[float, float] = DRAWN


@dataclass(frozen=True, kw_only=True, eq=False)
class Mark:
    """Something on an image that is said to lie at the anterior, or at the posterior, side of the column."""

    where: Where
    #: (column, row).
    point: Array
    is_anterior: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Device:
    """Cement or hardware: lines around it on an image, or the level that holds it; neither where it may be anywhere."""

    flag: str
    where: Where | None = None
    rings: tuple[Array, ...] = ()
    level: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outlines:
    """All outlines of one source, what is marked beside them, and the levels that it names and that cannot be read."""

    drawn: tuple[Drawn, ...] = ()
    marks: tuple[Mark, ...] = ()
    refused: Mapping[str, VertebraLandmarks] = field(default_factory=dict)

    @property
    def names_any(self) -> bool:
        """Whether it names a vertebra at all."""
        return bool(self.drawn or self.refused)


def together(parts: list[Outlines]) -> Outlines:
    """Return several objects' outlines as one source's; a level that one of them refuses is refused."""
    return Outlines(
        drawn=tuple(one for part in parts for one in part.drawn),
        marks=tuple(mark for part in parts for mark in part.marks),
        refused={level: one for part in parts for level, one in part.refused.items()},
    )

"""What the carriers hand over: outlines of vertebrae on images, and marks that say which side is anterior."""

from dataclasses import dataclass

from workers.landmarks.reasons import Flag
from workers.landmarks.volumes import Array


@dataclass(frozen=True, kw_only=True)
class Where:
    """An image of the study, or one frame of it, counted from 1."""

    sop_instance_uid: str
    frame: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """One outline of one vertebra: closed lines (n, 2) of (column, row), 0, 0 the corner of the first pixel."""

    level: str
    where: Where
    #: Around the body's part, then around what is empty in it.
    rings: tuple[Array, ...]
    #: Around parts that do not hang together with it.
    others: tuple[Array, ...] = ()
    flags: tuple[Flag, ...] = ()
    #: Pixels of the image to one of the mask, (columns, rows); 0, 0 where a line was drawn.
    step: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Mark:
    """Something on an image that is said to lie at the anterior, or at the posterior, side of the column."""

    where: Where
    #: (column, row).
    point: Array
    is_anterior: bool

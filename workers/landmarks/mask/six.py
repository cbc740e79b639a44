"""One vertebra: its frame turned until the endplates lie level, then six points over five sagittal planes."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from workers.landmarks.mask.body import OFFSETS_MM, REACH_MM, section
from workers.landmarks.mask.checks import axial_spacing_mm, cut_off, misshapen, shape_disagrees
from workers.landmarks.mask.coarse import Coarse
from workers.landmarks.mask.field import Field, signed_distance
from workers.landmarks.mask.frame import Frame, angle_deg
from workers.landmarks.mask.plane import AGREE_DEG, of_body
from workers.landmarks.mask.rims import Rims, find_rims
from workers.landmarks.reasons import Flag, Reason
from workers.landmarks.volumes import Array

#: Share of the mask that must hang together (docs/morphometry 3.2, step 0).
_WHOLE: Final = 0.95
#: Turns by the endplates' middle halves, which hold for any lean, then by their chords.
_ROUGH_TURNS, _FINE_TURNS = 2, 4
#: A turn by less than this is none.
_TURNED_RAD: Final = np.radians(0.25)
#: Planes in which the body must be found.
_LEAST_PLANES: Final = 3


@dataclass(frozen=True, kw_only=True)
class Found:
    """Six points (6, 3), LPS mm, in POINT_NAMES' order, with what they rest on."""

    frame: Frame
    points: Array
    height_sd_mm: Array
    axial_spacing_mm: float
    flags: tuple[Flag, ...]


def six_points(coarse: Coarse, frame: Frame, *, uncertain: bool) -> Found | Reason:
    """Return the points of one vertebra, or the reason why there are none.

    `frame` gives the midsagittal plane and about where superior is; `uncertain` says that the plane is in doubt. Where
    it is not, and the body alone has another plane, that one is taken and the doubt is said.
    """
    frame, rims = _placed(coarse, frame)
    if len(rims) >= _LEAST_PLANES and not uncertain:
        rear = frame.to_patient(np.array([0.0, *_middle(rims)[[2, 5]].mean(axis=0)]))
        own = of_body(coarse.field, frame, rear)
        if angle_deg(own.left, frame.left) > AGREE_DEG:
            uncertain = True
            frame, rims = _placed(coarse, own)
    if len(rims) < _LEAST_PLANES:
        return Reason.NO_BODY
    points = _middle(rims)
    if cut_off(coarse.volume, frame, points):
        return Reason.TOUCHES_BORDER
    if misshapen(points):
        return Reason.IMPLAUSIBLE_SHAPE
    heights = np.array([np.linalg.norm(rim.points[:3] - rim.points[3:], axis=1) for rim in rims])
    flags = {
        Flag.FRAGMENTED: coarse.largest_share < _WHOLE,
        Flag.PLANE_UNCERTAIN: uncertain or shape_disagrees(coarse.field, frame, points),
        Flag.POSTERIOR_JOINED: sum(rim.joined for rim in rims) > len(rims) / 2,
    }
    return Found(
        frame=replace(frame, origin=frame.to_patient(np.array([0.0, *points.mean(axis=0)]))),
        points=frame.to_patient(np.column_stack([np.zeros(len(points)), points])),
        height_sd_mm=heights.std(axis=0, ddof=1),
        axial_spacing_mm=axial_spacing_mm(coarse.volume, frame),
        flags=tuple(flag for flag, raised in flags.items() if raised),
    )


def _placed(coarse: Coarse, frame: Frame) -> tuple[Frame, list[Rims]]:
    """Return `frame` turned in its plane until the bisector of the endplates is level, and the rims in its planes.

    Unturned where there are none.
    """
    field = signed_distance(coarse.volume, frame, REACH_MM)
    rims = _rims(field, frame)
    for turns in range(_ROUGH_TURNS + _FINE_TURNS):
        if not rims:
            break
        rough = turns < _ROUGH_TURNS
        turn = float(np.median([rim.lean_rad for rim in rims])) if rough else bisector(_middle(rims))
        if not rough and abs(turn) < _TURNED_RAD:
            break
        frame = frame.tilted(turn)
        rims = _rims(field, frame)
    return frame, rims


def _rims(field: Field, frame: Frame) -> list[Rims]:
    sections = [section(field, frame, offset) for offset in OFFSETS_MM]
    rims = [find_rims(body) for body in sections if body is not None]
    return [rim for rim in rims if rim is not None]


def _middle(rims: list[Rims]) -> Array:
    """Return the mean of the points without the lowest and the highest of each number; of one or two planes, theirs."""
    points = np.sort([rim.points for rim in rims], axis=0)
    return np.asarray((points[1:-1] if len(points) >= _LEAST_PLANES else points).mean(axis=0))


def bisector(points: Array) -> float:
    """Return the angle of the bisector of the two endplate chords of (6, 2) points against the posterior axis, rad."""
    chords = points[[2, 5]] - points[[0, 3]]
    return float(np.arctan2(chords[:, 1], chords[:, 0]).mean())

"""What keeps a vertebra from being measured, and what a reader should know (docs/morphometry 3.5). PURE."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from sr_templates.findings import POINT_NAMES, Landmarks, Space
from workers.landmarks.points import ImagePlane
from workers.morphometry.flags import Flag
from workers.morphometry.geometry import CORNERS, Array
from workers.morphometry.levels import GRADED_LEVELS, SIZED_LEVELS
from workers.morphometry.uncertainty import COARSE_SAMPLING_MM, FULL_SAMPLING_MM, sampling_mm
from workers.morphometry.vertebra import Vertebra

#: Distance of a point from the plane, mm, that is worth a word, and that is too much.
OFF_PLANE_WARN_MM, OFF_PLANE_REJECT_MM = 2.0, 5.0
#: Least depth and height of anything that has a shape, mm.
LEAST_DEPTH_MM, LEAST_HEIGHT_MM = 8.0, 3.0
#: Plausible height and depth, mm, of T4 to L5, and height through depth of any level.
HEIGHT_MM, DEPTH_MM, HEIGHT_THROUGH_DEPTH = (4.0, 45.0), (12.0, 55.0), (0.1, 1.6)
MOST_ANGLE_DEG: Final = 45.0
MOST_LATERAL_TILT_DEG: Final = 20.0
#: No coordinate of an image or a patient is as large; arithmetic stays finite below it.
_LARGEST: Final = 1e6
#: LPS: posterior is +y, superior is +z (PS3.3 C.7.6.2.1.1).
_POSTERIOR, _SUPERIOR = (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)

_MAGNIFICATION: Final = {
    "detector_plane": Flag.DETECTOR_PLANE,
    "magnification_corrected": Flag.MAGNIFICATION_CORRECTED,
}


def misplaced(landmarks: Landmarks, plane: ImagePlane | None) -> Flag | None:
    """Return why these points cannot be placed at all, None where they can."""
    if any(POINT_NAMES[corner] not in landmarks.points for corner in CORNERS):
        return Flag.INCOMPLETE_POINTS
    if not all(abs(value) < _LARGEST for point in landmarks.points.values() for value in point):
        return Flag.NOT_FINITE
    return None if plane is None or landmarks.space is Space.PATIENT else _misfit(landmarks, plane)


def rejection(vertebra: Vertebra) -> Flag | None:
    """Return the first reason why these points are not a vertebra, None where they may be one."""
    return next((flag for flag, found in _REJECTIONS if found(vertebra)), None)


def remarks(vertebra: Vertebra) -> tuple[Flag, ...]:
    """Return what is worth knowing of points that stand, and what forbids a grade."""
    return tuple(flag for flag, found in _REMARKS if found(vertebra)) + _scale_flags(vertebra)


def out_of_order(vertebrae: Sequence[Vertebra]) -> frozenset[str]:
    """Return the levels that do not follow each other down the column; `vertebrae` from cranial to caudal.

    Of two neighbours in one space the lower must lie below the upper, as both see it; where it does not, neither is
    believed.
    """
    pairs = [(a, b) for a, b in pairwise(vertebrae) if a.space == b.space]
    return frozenset(level for a, b in pairs if _rises(a, b) for level in (a.level, b.level))


def _misfit(landmarks: Landmarks, plane: ImagePlane) -> Flag | None:
    inside = all(0 <= x <= plane.columns and 0 <= y <= plane.rows for x, y in landmarks.points.values())
    if not inside:
        return Flag.OUT_OF_IMAGE
    return Flag.ANISOTROPY_UNKNOWN if plane.scale is None and not plane.square_pixels else None


def _rises(upper: Vertebra, lower: Vertebra) -> bool:
    down = lower.body.frame.origin - upper.body.frame.origin
    return float(down @ (upper.body.frame.superior + lower.body.frame.superior)) >= 0


def _degenerate(vertebra: Vertebra) -> bool:
    depth, lowest = vertebra.body.depth, min(vertebra.known)
    up = [v for v in vertebra.body.points[:, 1].tolist() if not math.isnan(v)]
    thickness = max(up) - min(up)
    if min(depth, lowest) <= 0 or thickness <= HEIGHT_THROUGH_DEPTH[0] * depth:
        return True
    return vertebra.in_mm and (depth < LEAST_DEPTH_MM or min(lowest, thickness) < LEAST_HEIGHT_MM)


def _crosses(vertebra: Vertebra) -> bool:
    """Judge whether an endplate runs back, or the superior one does not stay above the inferior one."""
    points = vertebra.body.points.tolist()
    superior, inferior = ([point for point in chain if not math.isnan(point[0])] for chain in (points[:3], points[3:]))
    if any(b[0] <= a[0] for chain in (superior, inferior) for a, b in pairwise(chain)):
        return True
    left, right = max(superior[0][0], inferior[0][0]), min(superior[-1][0], inferior[-1][0])
    if left >= right:
        return True
    if min(v for _, v in superior) > max(v for _, v in inferior):
        return False  # a level line parts them: the common case
    knots = [left, right, *(u for u, _ in superior + inferior if left < u < right)]
    return any(_course(superior, knot) <= _course(inferior, knot) for knot in knots)


def _course(chain: list[list[float]], knot: float) -> float:
    """Return v of a chain of (u, v) points at the `knot`, which lies between its ends."""
    (u, v), (end, last) = next(link for link in pairwise(chain) if knot <= link[1][0])
    return v + (last - v) * (knot - u) / (end - u)


def _anterior_is_posterior(vertebra: Vertebra) -> bool:
    return _against(vertebra.body.frame.posterior, _known_directions(vertebra)["posterior"])


def _superior_is_inferior(vertebra: Vertebra) -> bool:
    return _against(vertebra.body.frame.superior, _known_directions(vertebra)["superior"])


def _known_directions(vertebra: Vertebra) -> Mapping[str, tuple[float, ...] | None]:
    """Return posterior and superior as image or patient know them; None where the image does not say."""
    plane = vertebra.given.plane
    if vertebra.in_patient or plane is None:
        return {"posterior": _POSTERIOR, "superior": _SUPERIOR}
    behind = None if plane.anterior is None else (-plane.anterior[0], -plane.anterior[1])
    return {"posterior": behind, "superior": plane.superior}


def _against(found: Array, known: tuple[float, ...] | None) -> bool:
    return known is not None and sum(a * b for a, b in zip(found.tolist(), known, strict=True)) <= 0


def _implausible_size(vertebra: Vertebra) -> bool:
    depth, known = vertebra.body.depth, vertebra.known
    if not _within(sum(known) / len(known) / depth, HEIGHT_THROUGH_DEPTH):
        return True
    if not vertebra.in_mm or vertebra.level not in SIZED_LEVELS:
        return False
    return not (_within(depth, DEPTH_MM) and all(_within(height, HEIGHT_MM) for height in known))


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _tilts(vertebra: Vertebra) -> bool:
    """Judge tilt in the coronal plane, which only patient points show."""
    if not vertebra.in_patient:
        return False
    left, _, up = vertebra.body.frame.superior
    return math.degrees(math.atan2(abs(left), abs(up))) > MOST_LATERAL_TILT_DEG


def _scale_flags(vertebra: Vertebra) -> tuple[Flag, ...]:
    if not vertebra.in_mm:
        return (Flag.UNCALIBRATED,)
    flag = _MAGNIFICATION.get(vertebra.scale.kind) if vertebra.scale is not None else None
    return () if flag is None else (flag,)


def _spacing(vertebra: Vertebra) -> float:
    return sampling_mm(vertebra) or 0.0


_Check = tuple[Flag, Callable[[Vertebra], bool]]

#: The first that is found is the reason.
_REJECTIONS: Final[tuple[_Check, ...]] = (
    (Flag.OFF_PLANE, lambda v: v.body.off_plane_mm > OFF_PLANE_REJECT_MM),
    (Flag.DEGENERATE, _degenerate),
    (Flag.SELF_INTERSECTION, _crosses),
    (Flag.ORIENTATION_CONFLICT, lambda v: _anterior_is_posterior(v) and _superior_is_inferior(v)),
    (Flag.AP_SWAPPED, _anterior_is_posterior),
    (Flag.SI_SWAPPED, _superior_is_inferior),
    (Flag.IMPLAUSIBLE_SIZE, _implausible_size),
    (Flag.IMPLAUSIBLE_ANGLE, lambda v: abs(v.angle_deg) > MOST_ANGLE_DEG),
)
#: All that are found are said.
_REMARKS: Final[tuple[_Check, ...]] = (
    (Flag.LEVEL_NOT_GRADED, lambda v: v.level not in GRADED_LEVELS),
    (Flag.SAMPLING_TOO_COARSE, lambda v: _spacing(v) > COARSE_SAMPLING_MM),
    (Flag.LIMITED_SAMPLING, lambda v: FULL_SAMPLING_MM < _spacing(v) <= COARSE_SAMPLING_MM),
    (Flag.OFF_PLANE, lambda v: v.body.off_plane_mm > OFF_PLANE_WARN_MM),
    (Flag.ORIENTATION_UNVERIFIED, lambda v: None in _known_directions(v).values()),
    (Flag.LATERAL_TILT, _tilts),
)

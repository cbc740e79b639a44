"""From masks with levels to six points each: docs/morphometry 3.2, steps 0 to 8, as one composition."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from sr_templates.findings import POINT_NAMES, Landmarks, LandmarkSource, Space
from sr_templates.levels import ORDER
from workers.landmarks.mask.body import outline_sign, posterior_sign
from workers.landmarks.mask.checks import cut_through
from workers.landmarks.mask.coarse import Coarse, look
from workers.landmarks.mask.column import tangent, upside_down
from workers.landmarks.mask.frame import Frame
from workers.landmarks.mask.neighbours import merged
from workers.landmarks.mask.order import out_of_order
from workers.landmarks.mask.plane import disagreeing, recentred, symmetric
from workers.landmarks.mask.six import Found, six_points
from workers.landmarks.points import DIRECTION_DECIMALS, MM_DECIMALS, VertebraLandmarks
from workers.landmarks.reasons import Reason
from workers.landmarks.volumes import Array, Volume
from workers.meanwhile import shared

#: Patient +x, LPS: towards the left.
_LEFT: Final = np.array([1.0, 0.0, 0.0])


def find(masks: Mapping[str, Volume]) -> list[VertebraLandmarks]:
    """Return points or a reason for each level of `masks`, from cranial to caudal.

    The masks are whole vertebrae or bodies; points lie in each vertebra's own midsagittal plane, LPS mm. Which object
    and frame of reference they belong to is not known here.
    """
    levels = sorted(masks, key=ORDER.__getitem__)
    looks = dict(zip(levels, shared(lambda level: look(masks[level]), levels), strict=True))
    seen = {level: coarse for level, coarse in looks.items() if isinstance(coarse, Coarse)}
    results: dict[str, Found | Reason] = {
        level: coarse for level, coarse in looks.items() if isinstance(coarse, Reason)
    }
    results |= _measured(seen)
    found = {level: result for level, result in results.items() if isinstance(result, Found)}
    flags = {level: tuple(flag.value for flag in result.flags) for level, result in found.items()}
    for level, others in merged(seen, results).items():
        results[level], flags[level] = Reason.MERGED_NEIGHBOUR, tuple(f"MERGED_WITH_{other}" for other in others)
    for level, words in out_of_order({level: result.frame.origin for level, result in found.items()}).items():
        results[level], flags[level] = Reason.LABEL_ORDER, words
    return [_landmarks(level, results[level], flags.get(level, ())) for level in looks]


def _measured(seen: Mapping[str, Coarse]) -> dict[str, Found | Reason]:
    """Return what is found at each level; levels whose order runs against the patient are refused."""
    whole = {level: coarse.centre for level, coarse in seen.items() if not cut_through(coarse.volume)}
    superior = {level: tangent(level, whole) for level in seen}
    upright = {level: coarse for level, coarse in seen.items() if not upside_down(superior[level])}

    def plane(level: str) -> Frame:
        coarse = upright[level]
        return symmetric(coarse.field, Frame.about(coarse.centre, _LEFT, superior[level]))

    def six(level: str) -> Found | Reason:
        return six_points(upright[level], frames[level], uncertain=level in odd)

    frames = dict(zip(upright, shared(plane, upright), strict=True))
    odd = disagreeing({level: frame.left for level, frame in frames.items() if level in whole})
    for level, normal in odd.items():
        frames[level] = recentred(upright[level].field, Frame.about(frames[level].origin, normal, superior[level]))
    measured = dict(zip(upright, shared(six, upright), strict=True))
    return dict.fromkeys(seen, Reason.ORIENTATION_CONFLICT) | _oriented(upright, measured)


def _oriented(seen: Mapping[str, Coarse], measured: Mapping[str, Found | Reason]) -> dict[str, Found | Reason]:
    """Refuse what does not show, or contradicts, that anterior is where the patient's axes put it.

    The posterior elements decide; without them the outline of the body must agree, or posterior elements elsewhere in
    the same column, since the patient's axes are common to all.
    """
    found = {level: result for level, result in measured.items() if isinstance(result, Found)}
    signs = {level: posterior_sign(seen[level].field, result.frame) for level, result in found.items()}
    elsewhere = int(1 in signs.values())
    checked: dict[str, Found | Reason] = dict(measured)
    for level, result in found.items():
        sign = signs[level] or outline_sign(seen[level].field, result.frame) or elsewhere
        if sign <= 0:
            checked[level] = Reason.ORIENTATION_CONFLICT if sign else Reason.ORIENTATION_UNKNOWN
    return checked


def _landmarks(level: str, result: Found | Reason, flags: tuple[str, ...]) -> VertebraLandmarks:
    source = LandmarkSource.SEGMENTATION
    if isinstance(result, Reason):
        return VertebraLandmarks(level=level, source=source, landmarks=None, reason=result.value, flags=flags)
    points = (_triple(point, MM_DECIMALS) for point in result.points)
    spread = _triple(result.height_sd_mm, MM_DECIMALS)
    return VertebraLandmarks(
        level=level,
        source=source,
        landmarks=Landmarks(space=Space.PATIENT, points=dict(zip(POINT_NAMES, points, strict=True))),
        flags=flags,
        midsagittal_normal=_triple(result.frame.left, DIRECTION_DECIMALS),
        axial_spacing_mm=round(result.axial_spacing_mm, MM_DECIMALS),
        height_sd_mm=dict(zip(("anterior", "middle", "posterior"), spread, strict=True)),
    )


def _triple(vector: Array, decimals: int) -> tuple[float, float, float]:
    """Return three numbers as every CPU gives them; zero has no sign."""
    x, y, z = (round(float(value), decimals) + 0.0 for value in vector)
    return x, y, z

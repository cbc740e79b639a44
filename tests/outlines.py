"""Vertebrae for tests: six points made from three heights and a depth, mm."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sr_templates.findings import POINT_NAMES, Landmarks, LandmarkSource, Space
from workers.landmarks.points import ImagePlane, PixelScale, VertebraLandmarks

Array = npt.NDArray[np.float64]
Heights = tuple[float, float, float]

#: A film seen from the left: anterior on the left, superior at the top, half a millimetre a pixel.
FILM = ImagePlane(
    rows=4000,
    columns=800,
    scale=PixelScale(row_mm=0.5, column_mm=0.5),
    anterior=(-1.0, 0.0),
    superior=(0.0, -1.0),
)
NORMAL: Heights = (28.0, 27.5, 28.0)


def outline(heights: Heights = NORMAL, depth: float = 34.0) -> Array:
    """Return the (6, 2) points, u to posterior and v to superior, of a body that is symmetric about v = 0."""
    half = np.array(heights) / 2
    along = np.array((-depth / 2, 0.0, depth / 2))
    return np.concatenate((np.column_stack((along, half)), np.column_stack((along, -half))))


def named(points: Array) -> dict[str, tuple[float, ...]]:
    """Return an array of points as landmarks carry them."""
    return {name: tuple(map(float, point)) for name, point in zip(POINT_NAMES, points, strict=True)}


def on_image(
    level: str,
    points: Mapping[str, tuple[float, ...]],
    *,
    plane: ImagePlane = FILM,
    sop_instance_uid: str = "1.2.3",
    **more: Any,
) -> VertebraLandmarks:
    """Return a vertebra with (column, row) points on an image."""
    landmarks = Landmarks(space=Space.IMAGE, points=points, sop_instance_uid=sop_instance_uid)
    return VertebraLandmarks(level=level, source=LandmarkSource.SUPPLIED_JSON, landmarks=landmarks, plane=plane, **more)


def film(
    level: str,
    heights: Heights = NORMAL,
    *,
    at: tuple[float, float] = (150.0, 200.0),
    depth: float = 34.0,
    **more: Any,
) -> VertebraLandmarks:
    """Return a vertebra on FILM, its middle `at` (x to posterior, y down), mm."""
    u, v = outline(heights, depth).T
    return on_image(level, named(np.column_stack(((at[0] + u) / 0.5, (at[1] - v) / 0.5))), **more)


def patient(
    level: str,
    heights: Heights = NORMAL,
    *,
    at: Sequence[float] = (0.0, 0.0, 0.0),
    turn: Array | None = None,
    normal: bool = True,
    **more: Any,
) -> VertebraLandmarks:
    """Return a vertebra in the patient (LPS), its middle `at` mm, `turn`ed by a (3, 3) rotation."""
    rotation = np.eye(3) if turn is None else turn
    u, v = outline(heights).T
    points = np.column_stack((np.zeros(6), u, v)) @ rotation.T + np.array(at)
    landmarks = Landmarks(space=Space.PATIENT, points=named(points), frame_of_reference_uid="1.2.4")
    x, y, z = map(float, rotation[:, 0])
    return VertebraLandmarks(
        level=level,
        source=LandmarkSource.SEGMENTATION,
        landmarks=landmarks,
        midsagittal_normal=(x, y, z) if normal else None,
        **more,
    )


def stack(heights: Mapping[str, Heights], **more: Any) -> list[VertebraLandmarks]:
    """Return vertebrae on one film, the next 40 mm below the one before."""
    return [film(level, own, at=(150.0, 100.0 + 40.0 * i), **more) for i, (level, own) in enumerate(heights.items())]


def without(vertebra: VertebraLandmarks, names: Iterable[str]) -> VertebraLandmarks:
    """Return the vertebra without some of its points."""
    gone = frozenset(names)
    return moved(vertebra, dict.fromkeys(gone))


def moved(vertebra: VertebraLandmarks, points: Mapping[str, tuple[float, ...] | None]) -> VertebraLandmarks:
    """Return the vertebra with some points elsewhere, or nowhere."""
    landmarks = vertebra.landmarks
    if landmarks is None:
        raise ValueError(f"{vertebra.level} has no points")
    merged = {name: point for name, point in {**landmarks.points, **points}.items() if point is not None}
    return replace(vertebra, landmarks=replace(landmarks, points=merged))


def rotation(angle_deg: float, axis: Sequence[float]) -> Array:
    """Return the (3, 3) rotation about `axis` (Rodrigues)."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array(((0, -z, y), (z, 0, -x), (-y, x, 0)))
    angle = np.radians(angle_deg)
    turn: Array = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turn

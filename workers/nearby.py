"""Which of a study's slices the measured points lie on or beside: the images that a report refers to."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from sr_templates.findings import Space
from workers.landmarks.points import VertebraLandmarks


def images_at(vertebrae: Sequence[VertebraLandmarks], images: Sequence[Dataset]) -> tuple[Dataset, ...]:
    """Return the images nearest to the points, in the order given.

    An image point lies on the image it names; a patient point lies nearest to the slice whose plane is closest
    (PS3.3 C.7.6.2.1.1). An image without a plane of its own, a multi-frame one, is taken whole. A volume of hundreds of
    slices is so referred to by the few that a reader needs beside the numbers.
    """
    named = {v.landmarks.sop_instance_uid for v in vertebrae if v.landmarks is not None}
    points = _patient_points(vertebrae)
    chosen = {n for n, image in enumerate(images) if image.get("SOPInstanceUID") in named or _plane(image) is None}
    slices = {n: plane for n, image in enumerate(images) if (plane := _plane(image)) is not None}
    if slices and len(points):
        normals, origins = (np.array([plane[part] for plane in slices.values()]) for part in (0, 1))
        distances = np.abs(points @ normals.T - np.sum(normals * origins, axis=1))
        chosen |= {list(slices)[n] for n in np.argmin(distances, axis=1)}
    return tuple(images[number] for number in sorted(chosen))


def positions(images: Sequence[Dataset]) -> list[tuple[float, float, float]]:
    """Return the Image Position (Patient) of every image that states one, LPS mm (PS3.3 C.7.6.2.1.1)."""
    stated = [image.get("ImagePositionPatient") for image in images]
    return [(float(x), float(y), float(z)) for x, y, z in (position for position in stated if position)]


def _patient_points(vertebrae: Sequence[VertebraLandmarks]) -> NDArray[np.float64]:
    """Return all patient points, (n, 3), LPS mm."""
    found = [
        point
        for vertebra in vertebrae
        if vertebra.landmarks is not None and vertebra.landmarks.space is Space.PATIENT
        for point in vertebra.landmarks.points.values()
    ]
    return np.array(found, dtype=float).reshape(-1, 3)


def _plane(image: Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return unit normal and origin of a slice, LPS mm; None where it states none."""
    orientation, position = image.get("ImageOrientationPatient"), image.get("ImagePositionPatient")
    if not orientation or not position:
        return None
    row, column = np.array(orientation, dtype=float).reshape(2, 3)
    normal = np.cross(row, column)
    return normal / np.linalg.norm(normal), np.array(position, dtype=float)

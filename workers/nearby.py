"""Which of a study's slices the measured points lie on or beside: the images that a report refers to."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.findings import Landmarks, Space
from sr_templates.identity import is_own
from sr_templates.slices import frame_of_reference, slices_of
from workers.landmarks.points import VertebraLandmarks


def images_at(vertebrae: Sequence[VertebraLandmarks], images: Sequence[Dataset]) -> tuple[Dataset, ...]:
    """Return the images nearest to the points, in the order given.

    An image point lies on the image it names. A patient point lies nearest to the slice of its frame of reference
    whose plane is closest (PS3.3 C.7.6.2.1.1); where no image of it states a plane, they are taken whole. A volume of
    hundreds of slices is so referred to by the few that a reader needs beside the numbers.
    """
    placed = [vertebra.landmarks for vertebra in vertebrae if vertebra.landmarks is not None]
    chosen = {landmarks.sop_instance_uid for landmarks in placed if landmarks.space is Space.IMAGE}
    patient = [landmarks for landmarks in placed if landmarks.space is Space.PATIENT]
    for frame in {_frame_of(landmarks) for landmarks in patient}:
        inside = [image for image in images if frame_of_reference(image) == frame and not is_computed(image)]
        chosen |= _nearest(_points(one for one in patient if _frame_of(one) == frame), inside)
    return tuple(image for image in images if _uid(image) in chosen)


def is_computed(image: Dataset) -> bool:
    """Whether we computed an image ourselves: a section or a page is no place that points were found on.

    A reader may have placed points on one all the same; then they lie on the image that they name.
    """
    return is_own(headers.text(image, "Manufacturer"), headers.text(image, "ManufacturerModelName"))


def positions(images: Sequence[Dataset]) -> list[tuple[float, float, float]]:
    """Return the Image Position (Patient) of every image that states one, LPS mm (PS3.3 C.7.6.2.1.1)."""
    stated = [headers.numbers(image, "ImagePositionPatient") for image in images]
    return [(found[0], found[1], found[2]) for found in stated if len(found) == 3]  # noqa: PLR2004 - x, y, z


def _frame_of(landmarks: Landmarks) -> str:
    """Return the Frame of Reference UID of patient points, "" where they have none."""
    return landmarks.frame_of_reference_uid or ""


def _nearest(points: NDArray[np.float64], images: Sequence[Dataset]) -> set[str | None]:
    """Return the SOP Instance UIDs of the images whose slices are nearest to (n, 3) points, LPS mm."""
    slices = [one for image in images for one in slices_of(image)]
    if not slices:
        return {_uid(image) for image in images}
    normals, origins = (np.array(parts) for parts in zip(*((one.normal, one.origin) for one in slices), strict=True))
    distances = np.abs(points @ normals.T - np.sum(normals * origins, axis=1))
    return {_uid(slices[number].image) for number in np.argmin(distances, axis=1)}


def _points(landmarks: Iterable[Landmarks]) -> NDArray[np.float64]:
    """Return all points, (n, 3), LPS mm."""
    return np.array([point for one in landmarks for point in one.points.values()], dtype=float).reshape(-1, 3)


def _uid(image: Dataset) -> str:
    return headers.text(image, "SOPInstanceUID")

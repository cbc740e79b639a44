"""Points of sections back in the patient, through the plane of the slice that each was drawn on.

A body that is turned or curved lies on several slices, so our own reports in a class without SCOORD3D draw its heights
on several. Read image by image they would be no body; in the frame of reference that the slices share they are one.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset

from sr_templates.findings import Landmarks, Point, Space
from sr_templates.projection import unprojected
from sr_templates.slices import frame_of_reference, slice_of
from workers.landmarks.image_plane import is_section, number_of_frames
from workers.landmarks.points import MM_DECIMALS, VertebraLandmarks

#: An image point: column and row, its image, and the frame, counted from 1; None where it names none.
Drawn = tuple[Point, Dataset | None, int | None]


def shared_frame(images: Iterable[Dataset | None]) -> str:
    """Return the Frame of Reference UID that all images share; "" where one is missing, or no section, or states none.

    A radiograph may state one too, but says nothing of the third dimension.
    """
    uids = {"" if image is None or not is_section(image) else frame_of_reference(image) for image in images}
    return uids.pop() if len(uids) == 1 else ""


def lifted(drawn: Iterable[Drawn]) -> list[Point] | None:
    """Return the points, LPS mm; None where one of their images does not say where it lies, or which frame is meant."""
    found: list[Point] = []
    for point, image, frame in drawn:
        if image is None or (frame is None and number_of_frames(image) > 1):
            return None
        one = slice_of(image, frame or 1)
        place = None if one is None else unprojected(np.array([point]), one)
        if place is None:
            return None
        found.append(tuple(round(float(value), MM_DECIMALS) for value in place[0]))
    return found


def in_patient(
    vertebra: VertebraLandmarks, image_of: Callable[[str], Dataset | None], *, carrier_uid: str
) -> VertebraLandmarks:
    """Return a vertebra with the points that it has on a section in the patient; as it is where that cannot be told."""
    landmarks = vertebra.landmarks
    if landmarks is None or landmarks.space is Space.PATIENT:
        return vertebra
    image = image_of(landmarks.sop_instance_uid or "")
    frame_of_reference_uid = shared_frame([image])
    points = lifted((point, image, landmarks.frame) for point in landmarks.points.values())
    if not frame_of_reference_uid or points is None:
        return vertebra
    moved = Landmarks(
        space=Space.PATIENT,
        points=dict(zip(landmarks.points, points, strict=True)),
        sop_instance_uid=carrier_uid,
        frame_of_reference_uid=frame_of_reference_uid,
    )
    return replace(vertebra, landmarks=moved, plane=None)

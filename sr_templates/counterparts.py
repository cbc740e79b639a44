"""The same points in the other space: patient points in the images that show them, image points in the patient.

A patient point has a counterpart where the slab of a received slice holds it, an image point where its image says where
it lies; a radiograph says nothing of the third dimension, so its points have none.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.findings import Landmarks, Point, Space, StudyFindings
from sr_templates.projection import Stack, stacks_of, unprojected
from sr_templates.slices import frame_of_reference, slice_of

#: Decimals of a computed pixel and of a computed mm: far finer than any image.
_DECIMALS = 6


def with_counterparts(findings: StudyFindings, images: Iterable[Dataset]) -> StudyFindings:
    """Return the findings with the counterparts of all landmarks in `images`, headers of the images received."""
    named = {headers.text(image, "SOPInstanceUID"): image for image in images}
    stacks = stacks_of(named.values())
    vertebrae = []
    for vertebra in findings.vertebrae:
        measured = vertebra.measured
        if measured is not None:
            landmarks = replace(measured.landmarks, counterparts=tuple(_others(measured.landmarks, named, stacks)))
            measured = replace(measured, landmarks=landmarks)
        vertebrae.append(replace(vertebra, measured=measured))
    return replace(findings, vertebrae=tuple(vertebrae))


def _others(landmarks: Landmarks, named: Mapping[str, Dataset], stacks: Mapping[str, Stack]) -> Iterator[Landmarks]:
    if landmarks.space is Space.PATIENT:
        yield from _in_images(landmarks, stacks.get(landmarks.frame_of_reference_uid or "", Stack()))
    elif (image := named.get(landmarks.sop_instance_uid or "")) is not None:
        yield from _in_patient(landmarks, image)


def _in_images(landmarks: Landmarks, stack: Stack) -> Iterator[Landmarks]:
    """Give the points of each slice that shows some, in the order of the points."""
    shown: dict[tuple[str, int], dict[str, Point]] = {}
    is_multi_frame = {}
    for name, point in landmarks.points.items():
        spot = stack.through(np.array([point], dtype=float))
        if spot is not None:
            uid = headers.text(spot.slice.image, "SOPInstanceUID")
            is_multi_frame[uid] = headers.text(spot.slice.image, "NumberOfFrames").strip() not in {"", "1"}
            shown.setdefault((uid, spot.slice.frame), {})[name] = _rounded(spot.pixels[0])
    for (uid, frame), points in shown.items():
        number = frame if is_multi_frame[uid] else None
        yield Landmarks(space=Space.IMAGE, points=points, sop_instance_uid=uid, frame=number)


def _in_patient(landmarks: Landmarks, image: Dataset) -> Iterator[Landmarks]:
    frame_of_reference_uid = frame_of_reference(image)
    one = slice_of(image, landmarks.frame or 1)
    places = None if one is None else unprojected(np.array(list(landmarks.points.values())), one)
    if frame_of_reference_uid and places is not None:
        points = {name: _rounded(place) for name, place in zip(landmarks.points, places, strict=True)}
        yield Landmarks(space=Space.PATIENT, points=points, frame_of_reference_uid=frame_of_reference_uid)


def _rounded(numbers: Iterable[float]) -> Point:
    return tuple(round(float(number), _DECIMALS) for number in numbers)

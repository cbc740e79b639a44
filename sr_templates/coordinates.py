"""Where a vertebra was measured, as the SOP class of the report can say it.

Points of an image are SCOORD in every class. Points of the patient are SCOORD3D in Comprehensive 3D SR, but for the
outline of a body that a referenced slice shows whole: OHIF draws no SCOORD3D on a stack of slices. The other classes
have no SCOORD3D: there a line is drawn on a referenced slice that shows both its ends, a landmark on one that shows it
(a received slice before a section that we computed), and what none shows is not drawn. OHIF cannot open a report that
has a group without coordinates: so such a group has one point on the nearest image, named as what it is, a projection.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from highdicom.sr import (
    CodedConcept,
    ContentItem,
    CoordinatesForMeasurement,
    CoordinatesForMeasurement3D,
    GraphicTypeValues,
    GraphicTypeValues3D,
    ImageContentItem,
    RelationshipTypeValues,
    SourceImageForRegion,
)
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from sr_templates import codes, headers
from sr_templates.findings import Landmarks, Space
from sr_templates.projection import Spot, Stack, stacks_of
from sr_templates.slices import Array

_CONTAINS: Final = RelationshipTypeValues.CONTAINS
#: Around the body; closed by its first point.
_OUTLINE: Final = ("AS", "MS", "PS", "PI", "MI", "AI")
Coordinates = CoordinatesForMeasurement | CoordinatesForMeasurement3D


@dataclass(frozen=True, kw_only=True)
class Imaging:
    """What coordinates refer to: images by SOP Instance UID, the frame of reference they share, if any.

    `has_3d` says whether the SOP class of the report has SCOORD3D; `derived` names the images that we computed.
    """

    images: Mapping[str, Dataset]
    frame_of_reference_uid: str | None
    has_3d: bool = True
    derived: frozenset[str] = frozenset()

    def image(self, sop_instance_uid: str | None) -> Dataset:
        """Return the image of image points; ValueError where it is not among the images."""
        image = self.images.get(sop_instance_uid or "")
        if image is None:
            raise ValueError("expected the image that the points lie in among the images of the report, found none")
        return image

    def frame_of(self, landmarks: Landmarks) -> str:
        """Return the Frame of Reference UID of patient points; ValueError where nobody states it."""
        uid = landmarks.frame_of_reference_uid or self.frame_of_reference_uid
        if not uid:
            raise ValueError("expected a frame of reference for patient points, found none")
        return uid

    def received(self, landmarks: Landmarks) -> Stack:
        """Return the slices that were received, in the frame of reference of patient points."""
        return self._received.get(self.frame_of(landmarks), Stack())

    def spot(self, landmarks: Landmarks, points: Array) -> Spot | None:
        """Return where a slice shows these points of `landmarks`: one that was received, else one that we computed."""
        computed = self._computed.get(self.frame_of(landmarks), Stack())
        return self.received(landmarks).through(points) or computed.through(points)

    @cached_property
    def _received(self) -> Mapping[str, Stack]:
        return stacks_of(image for uid, image in self.images.items() if uid not in self.derived)

    @cached_property
    def _computed(self) -> Mapping[str, Stack]:
        return stacks_of(image for uid, image in self.images.items() if uid in self.derived)


def line(landmarks: Landmarks, names: Sequence[str], imaging: Imaging) -> Coordinates | None:
    """Return a line through these points, TID 320; None where the report cannot say where it lies.

    Raises ValueError where the points refer to an image or a frame of reference that the report does not have.
    """
    points = _points(landmarks, names)
    if landmarks.space is Space.IMAGE:
        image = imaging.image(landmarks.sop_instance_uid)
        return _on_image(GraphicTypeValues.POLYLINE, points, image, landmarks.frame or 1)
    if imaging.has_3d:
        return CoordinatesForMeasurement3D(GraphicTypeValues3D.POLYLINE, points, imaging.frame_of(landmarks))
    return _on_one_slice(landmarks, names, imaging)


def _on_one_slice(landmarks: Landmarks, names: Sequence[str], imaging: Imaging) -> CoordinatesForMeasurement | None:
    """Return a line through points of the patient on the slice that shows them; None for points of an image, too."""
    spot = _spot(landmarks, names, imaging) if landmarks.space is Space.PATIENT else None
    return None if spot is None else _on_slice(GraphicTypeValues.POLYLINE, spot)


def _spot(landmarks: Landmarks, names: Sequence[str], imaging: Imaging) -> Spot | None:
    """Return where a slice shows these points: the one that shows the whole outline, else the one that shows them.

    So a reader sees the heights on the body, and a program that reads them finds all on one image, if one has them.
    """
    points = _points(landmarks, names)
    whole = imaging.spot(landmarks, _points(landmarks, list(landmarks.points)))
    return imaging.spot(landmarks, points) if whole is None else whole.of(points)


def group_coordinates(landmarks: Landmarks, imaging: Imaging) -> list[ContentItem]:
    """Return what a group says of its place, TID 1501 rows 10b, 10c and 10e.

    The outline of the body; without one each landmark that a slice shows; without any, the projection of their centre;
    and where no image says where it lies, references to the images alone.
    """
    names = [name for name in _OUTLINE if name in landmarks.points]
    closed = (*names, names[0])
    outline = _on_one_slice(landmarks, closed, imaging) or line(landmarks, closed, imaging)
    if outline is not None:
        return [_named(outline, codes.OUTLINE)]
    shown = list(_landmarks(landmarks, imaging))
    return shown or list(_projection(landmarks, imaging.received(landmarks))) or _references(imaging)


def _landmarks(landmarks: Landmarks, imaging: Imaging) -> Iterator[ContentItem]:
    """Give each landmark on the slice of its height, so that it has one place in the report; else on one of its own."""
    for name in landmarks.points:
        point = _points(landmarks, [name])
        ends = [end for end in landmarks.points if end[0] == name[0]]
        height = imaging.spot(landmarks, _points(landmarks, ends))
        spot = imaging.spot(landmarks, point) if height is None else height.of(point)
        if spot is not None:
            yield _named(_on_slice(GraphicTypeValues.POINT, spot), codes.POINTS[name])


def _projection(landmarks: Landmarks, stack: Stack) -> Iterator[ContentItem]:
    spot = stack.nearest(_points(landmarks, list(landmarks.points)).mean(axis=0, keepdims=True))
    if spot is not None:
        yield _named(_on_slice(GraphicTypeValues.POINT, spot), codes.PROJECTION)


def _references(imaging: Imaging) -> list[ContentItem]:
    """Return the images themselves: none says where it lies, so nothing can be drawn on one."""
    return [
        ImageContentItem(
            codes.SOURCE_OF_MEASUREMENT,
            headers.text(image, "SOPClassUID"),
            headers.text(image, "SOPInstanceUID"),
            relationship_type=_CONTAINS,
        )
        for image in imaging.images.values()
    ]


def _points(landmarks: Landmarks, names: Sequence[str]) -> Array:
    return np.array([landmarks.points[name] for name in names], dtype=float)


def _named(item: Coordinates, name: Code) -> ContentItem:
    """Return coordinates of a measurement as coordinates of the group."""
    item.ConceptNameCodeSequence = [CodedConcept.from_code(name)]
    item.RelationshipType = _CONTAINS.value
    return item


def _on_slice(kind: GraphicTypeValues, spot: Spot) -> CoordinatesForMeasurement:
    return _on_image(kind, spot.pixels, spot.slice.image, spot.slice.frame)


def _on_image(kind: GraphicTypeValues, pixels: Array, image: Dataset, frame: int) -> CoordinatesForMeasurement:
    """Return (n, 2) columns and rows of an image, or of its frame, counted from 1."""
    is_multi_frame = headers.text(image, "NumberOfFrames").strip() not in {"", "1"}
    source = SourceImageForRegion(
        headers.text(image, "SOPClassUID"),
        headers.text(image, "SOPInstanceUID"),
        [frame] if is_multi_frame else None,
    )
    return CoordinatesForMeasurement(kind, pixels, source)

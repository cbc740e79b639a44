"""The Graphic Annotation Module of a presentation state (PS3.3 C.10.5) as records: what is drawn, what is written.

Read tolerantly: what is damaged, or of a kind that no point can be taken from, is left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

from pydicom.dataset import Dataset

from sr_templates import headers
from workers.landmarks.labels import Said, said
from workers.landmarks.lines import OUTLINE_VERTICES, ring_size

Position = tuple[float, float]
#: Graphic Types that hold the points themselves; a circle, an ellipse or a spline does not. MULTIPOINT is of SR.
_POINTED: Final = frozenset({"POINT", "MULTIPOINT", "POLYLINE"})
#: Vertices of a closed polygon that are neither the corners or points of a body, nor enough for an outline.
_TOO_FEW: Final = frozenset({5, 7})


@dataclass(frozen=True, kw_only=True)
class ImageReference:
    """One image, or one frame of it, counted from 1 (PS3.3 table 10-3)."""

    sop_class_uid: str
    sop_instance_uid: str
    frame: int | None


@dataclass(frozen=True, kw_only=True)
class Graphic:
    """One graphic object: its points, (column, row), without the one that closes a polygon."""

    kind: str
    points: tuple[Position, ...]
    #: Whether the points are pixels of the image; else they are of the display, or of a tiled image.
    in_pixels: bool
    is_closed: bool
    #: Whether one of its coordinates is no number; the other ones are kept.
    is_damaged: bool
    images: tuple[ImageReference, ...]
    #: What its Tracking ID says.
    said: Said
    tracking_uid: str
    group: str
    #: Place of its item in the Graphic Annotation Sequence.
    item: int

    @property
    def is_outline(self) -> bool:
        """Whether it is a line around something, not single points, be it open, damaged or one of too few vertices."""
        count = len(self.points)
        is_long = count >= OUTLINE_VERTICES or (self.is_closed and count in _TOO_FEW)
        return self.kind == "POLYLINE" and (is_long or self.is_damaged)


@dataclass(frozen=True, kw_only=True)
class Text:
    """One text object, or the label of a graphic group."""

    said: Said
    #: Its anchor point, or two corners of the box it stands in, pixels of the image; () where these are not given.
    places: tuple[Position, ...] = ()
    #: None for the label of a group, which holds on every image.
    images: tuple[ImageReference, ...] | None = None
    tracking_uid: str = ""
    group: str = ""
    item: int | None = None


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """All that a presentation state draws and writes, in its order."""

    graphics: tuple[Graphic, ...]
    texts: tuple[Text, ...]
    #: Levels that the graphic layer of each item is named for.
    layers: tuple[tuple[str, ...], ...]


def annotations_of(state: Dataset) -> Annotations:
    """Return what the Graphic Annotation Sequence holds, and the labels of the Graphic Group Sequence."""
    items = headers.items(state, "GraphicAnnotationSequence")
    descriptions = {
        headers.text(layer, "GraphicLayer"): headers.text(layer, "GraphicLayerDescription")
        for layer in headers.items(state, "GraphicLayerSequence")
    }
    everywhere = [
        image
        for series in headers.items(state, "ReferencedSeriesSequence")
        for image in headers.items(series, "ReferencedImageSequence")
    ]
    graphics: list[Graphic] = []
    texts = [text for group in headers.items(state, "GraphicGroupSequence") for text in _group_labels(group)]
    for number, item in enumerate(items):
        images = _images(headers.items(item, "ReferencedImageSequence") or everywhere)
        found = (_graphic(one, images, number) for one in headers.items(item, "GraphicObjectSequence"))
        graphics.extend(one for one in found if one is not None)
        texts.extend(_text(one, images, number) for one in headers.items(item, "TextObjectSequence"))
    return Annotations(
        graphics=tuple(graphics),
        texts=tuple(texts),
        layers=tuple(_layer_levels(headers.text(item, "GraphicLayer"), descriptions) for item in items),
    )


def _images(references: Iterable[Dataset]) -> tuple[ImageReference, ...]:
    """Return every image that is referred to, or each of the frames that are named of it."""
    return tuple(
        ImageReference(
            sop_class_uid=headers.text(reference, "ReferencedSOPClassUID").strip(),
            sop_instance_uid=headers.text(reference, "ReferencedSOPInstanceUID").strip(),
            frame=frame,
        )
        for reference in references
        for frame in _frames(reference)
    )


def _frames(reference: Dataset) -> list[int | None]:
    numbers = headers.numbers(reference, "ReferencedFrameNumber")
    return [int(number) for number in numbers] if numbers else [None]


def _graphic(item: Dataset, images: tuple[ImageReference, ...], number: int) -> Graphic | None:
    kind = headers.text(item, "GraphicType").strip()
    found = headers.pairs(item, "GraphicData")
    points = [point for point in found if all(map(isfinite, point))]
    is_damaged = len(points) < len(found)
    if kind not in _POINTED or not points or (is_damaged and kind != "POLYLINE"):
        return None
    size = None if is_damaged else ring_size(points)
    return Graphic(
        kind=kind,
        points=tuple(points[:size]),
        in_pixels=_is_pixel(item, "GraphicAnnotationUnits"),
        is_closed=size is not None,
        is_damaged=is_damaged,
        images=images,
        said=said(headers.text(item, "TrackingID")),
        tracking_uid=headers.text(item, "TrackingUID").strip(),
        group=headers.text(item, "GraphicGroupID").strip(),
        item=number,
    )


def _text(item: Dataset, images: tuple[ImageReference, ...], number: int) -> Text:
    anchor = _positions(item, "AnchorPoint") if _is_pixel(item, "AnchorPointAnnotationUnits") else []
    corners = [
        *_positions(item, "BoundingBoxTopLeftHandCorner"),
        *_positions(item, "BoundingBoxBottomRightHandCorner"),
    ]
    box = corners if _is_pixel(item, "BoundingBoxAnnotationUnits") else []
    written = said(headers.text(item, "UnformattedTextValue"))
    return Text(
        said=written if written.is_something else said(headers.text(item, "TrackingID")),
        places=tuple(anchor or box),
        images=images,
        tracking_uid=headers.text(item, "TrackingUID").strip(),
        group=headers.text(item, "GraphicGroupID").strip(),
        item=number,
    )


def _group_labels(group: Dataset) -> Iterator[Text]:
    for keyword in ("GraphicGroupLabel", "GraphicGroupDescription"):
        label = said(headers.text(group, keyword))
        if label.is_something:
            yield Text(said=label, group=headers.text(group, "GraphicGroupID").strip())


def _layer_levels(layer: str, descriptions: Mapping[str, str]) -> tuple[str, ...]:
    found = (said(label).level for label in (layer, descriptions.get(layer, "")))
    return tuple(dict.fromkeys(level for level in found if level))


def _is_pixel(item: Dataset, keyword: str) -> bool:
    return headers.text(item, keyword).strip() == "PIXEL"


def _positions(item: Dataset, keyword: str) -> list[Position]:
    """Return pairs of finite numbers; [] where they are missing, damaged or not in pairs."""
    numbers = headers.numbers(item, keyword)
    return [] if len(numbers) % 2 else list(zip(numbers[::2], numbers[1::2], strict=True))

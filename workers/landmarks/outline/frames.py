"""Which image each frame of a Segmentation was drawn on, and how it lies on it.

The frame names its image (Derivation Image, PS3.3 C.7.6.16.2.6), else the object does (C.7.6.3, C.12.4). Without a
frame of reference its pixels are those of the image; where they are not, spacings must say how one lies on the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset

from sr_templates import headers
from workers.landmarks.outline.drawn import Where
from workers.landmarks.outline.images import Images
from workers.landmarks.outline.reasons import Reason

#: How far the edges of mask and image may lie apart, pixels of the image.
_EDGE: Final = 0.5
#: Spatial Locations Preserved (0028,135A): what was cropped, turned or flipped since is somewhere else.
_MOVED: Final = frozenset({"NO", "REORIENTED_ONLY"})


@dataclass(frozen=True, kw_only=True)
class Lying:
    """The image of a frame, and how many pixels of the image one of the frame is, (columns, rows)."""

    where: Where
    step: tuple[float, float] = (1.0, 1.0)


def lies_on_films(ds: Dataset, images: Images) -> bool:
    """Whether a segmentation, which may be a header, names a radiograph: it then lies on it.

    One with a place in the patient may have been made from sections too. Where it names radiographs alone the place
    stands for nothing: a radiograph has none.
    """
    groups = (*_shared(ds), *headers.items(ds, "PerFrameFunctionalGroupsSequence"))
    # Looked at no further than it takes: there may be thousands.
    named = (_is_film(one, images) for group in (*groups, ds) for one in _references(group))
    is_placed = any(headers.items(group, "PlanePositionSequence") for group in groups)
    return next(named, False) and all(named) if is_placed else any(named)


def shows_a_side(ds: Dataset, images: Images) -> bool:
    """Whether a segmentation on radiographs lies on one that is not known to be other than lateral."""
    groups = (*_shared(ds), *headers.items(ds, "PerFrameFunctionalGroupsSequence"), ds)
    places = {_where(one, images) for group in groups for one in _references(group) if _is_film(one, images)}
    return any(images.plane(where) != Reason.NOT_LATERAL for where in places)


def lying(ds: Dataset, frame: Dataset, images: Images) -> Lying | Reason:
    """Return where one of the Per-Frame Functional Groups lies, or why that is not known."""
    for group in (frame, *_shared(ds), ds):
        named = [one for one in _references(group) if _is_film(one, images)]
        places = {_where(one, images) for one in named}
        if len(places) > 1:
            return Reason.IMAGE_MISSING
        if named:
            moved = any(headers.text(one, "SpatialLocationsPreserved").strip() in _MOVED for one in named)
            return Reason.GRID_MISMATCH if moved else _laid(ds, frame, places.pop(), images)
    return Reason.IMAGE_MISSING


def _shared(ds: Dataset) -> list[Dataset]:
    return headers.items(ds, "SharedFunctionalGroupsSequence")


def _references(group: Dataset) -> Iterator[Dataset]:
    """Give the images that a functional group was derived from, or that the object names."""
    for derivation in headers.items(group, "DerivationImageSequence"):
        yield from headers.items(derivation, "SourceImageSequence")
    yield from headers.items(group, "SourceImageSequence")
    for series in headers.items(group, "ReferencedSeriesSequence"):
        yield from headers.items(series, "ReferencedInstanceSequence")


def _is_film(reference: Dataset, images: Images) -> bool:
    sop_class, instance = (headers.text(reference, f"ReferencedSOP{part}UID").strip() for part in ("Class", "Instance"))
    return images.is_film(sop_class, instance)


def _where(reference: Dataset, images: Images) -> Where:
    frames = headers.numbers(reference, "ReferencedFrameNumber")
    frame = int(frames[0]) if len(frames) == 1 else None
    return images.where(headers.text(reference, "ReferencedSOPInstanceUID").strip(), frame)


def _laid(ds: Dataset, frame: Dataset, where: Where, images: Images) -> Lying | Reason:
    """Return the place of a frame whose grid is its image's, or whose spacing says how it covers the image."""
    plane = images.plane(where)
    if isinstance(plane, Reason):
        # The image itself gives the reason.
        return Lying(where=where)
    rows, columns = int(ds.Rows), int(ds.Columns)
    if (rows, columns) == (plane.rows, plane.columns):
        return Lying(where=where)
    measures = [one for group in (frame, *_shared(ds)) for one in headers.items(group, "PixelMeasuresSequence")]
    for own in [pair for one in measures if len(pair := headers.numbers(one, "PixelSpacing")) == 2]:  # noqa: PLR2004
        for pixel in images.spacings(where):
            down, across = own[0] / pixel[0], own[1] / pixel[1]
            if abs(rows * down - plane.rows) <= _EDGE and abs(columns * across - plane.columns) <= _EDGE:
                return Lying(where=where, step=(across, down))
    return Reason.GRID_MISMATCH

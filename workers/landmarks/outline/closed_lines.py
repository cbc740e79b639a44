"""Outlines that were drawn: closed polylines in reports (TID 1410) and in presentation states (PS3.3 C.10.5).

Four corners and six points are supplied points, read elsewhere; five or seven vertices are neither, and refused.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from pydicom.dataset import Dataset

from sr_templates import headers
from workers.inputs import PRESENTATIONS, REPORTS
from workers.landmarks.annotations import Graphic, Text, annotations_of
from workers.landmarks.claims import SHAPE_SIZES
from workers.landmarks.claims import Reason as CarrierReason
from workers.landmarks.labels import Naming
from workers.landmarks.lines import OUTLINE_VERTICES
from workers.landmarks.outline.drawn import SIDES, Drawn, Mark, Outlines, Where
from workers.landmarks.outline.images import Images
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.pairing import Drawn as Paired
from workers.landmarks.pairing import drawn
from workers.landmarks.points import VertebraLandmarks, without_points
from workers.landmarks.reasons import Reason as MaskReason
from workers.landmarks.sr import groups, named_by
from workers.landmarks.sr_points import points_of
from workers.landmarks.sr_regions import closed_lines, is_finite, unusable_lines

_Said = Drawn | VertebraLandmarks


def outlines_in(carrier: Dataset, images: Images) -> Outlines:
    """Return what a report or a presentation state outlines on radiographs; nothing for any other object."""
    sop_class = headers.text(carrier, "SOPClassUID")
    if sop_class in REPORTS:
        found, marks = [*_in_report(carrier, images)], [*_report_marks(carrier, images)]
    elif sop_class in PRESENTATIONS:
        found, marks = [*_in_state(carrier, images)], [*_state_marks(carrier, images)]
    else:
        return Outlines()
    return Outlines(
        drawn=tuple(one for one in found if isinstance(one, Drawn)),
        marks=tuple(marks),
        refused={one.level: one for one in found if isinstance(one, VertebraLandmarks)},
    )


def _in_report(report: Dataset, images: Images) -> Iterator[_Said]:
    holder = headers.text(report, "SOPInstanceUID")
    for group in groups(report):
        naming, label = named_by(group)
        for line in closed_lines(group, naming, label):
            first = line[0]
            if len(line) not in SHAPE_SIZES and images.is_film(first.sop_class_uid, first.sop_instance_uid):
                where = images.where(first.sop_instance_uid, first.frame)
                yield from _outline(naming, where, holder, [spot.point for spot in line])
        for line in unusable_lines(group, naming, label):
            if images.is_film(line[0].sop_class_uid, line[0].sop_instance_uid):
                reason = Reason.NOT_CLOSED if is_finite(line) else Reason.NOT_FINITE
                yield from (without_points(level, reason) for level in naming.levels)


def _in_state(state: Dataset, images: Images) -> Iterator[_Said]:
    holder = headers.text(state, "SOPInstanceUID")
    for one in drawn(state):
        if one.graphic.is_outline and any(
            images.is_film(i.sop_class_uid, i.sop_instance_uid) for i in one.graphic.images
        ):
            yield from _paired(one, holder, images)
    # A line with such a text is that of the vertebra, or that of what it holds.
    named = {level for one in drawn(state) for level in (*one.naming.levels, *one.doubtful)}
    held = {text.said.holder for text in annotations_of(state).texts if _on_film(text, images)} - named
    yield from (without_points(level, CarrierReason.LABEL_AMBIGUOUS) for level in sorted(filter(None, held)))


def _on_film(text: Text, images: Images) -> bool:
    return any(images.is_film(one.sop_class_uid, one.sop_instance_uid) for one in text.images or ())


def _paired(one: Paired, holder: str, images: Images) -> Iterator[_Said]:
    """Give the outline of one graphic, or what is refused because of it."""
    graphic, levels = one.graphic, one.naming.levels
    yield from (without_points(level, CarrierReason.LABEL_AMBIGUOUS) for level in one.doubtful)
    if not graphic.in_pixels:
        yield from (without_points(level, CarrierReason.DISPLAY_UNITS) for level in levels)
    elif graphic.is_damaged or not graphic.is_closed:
        reason = Reason.NOT_FINITE if graphic.is_damaged else Reason.NOT_CLOSED
        yield from (without_points(level, reason) for level in levels)
    elif len(graphic.images) > 1:
        yield from (without_points(level, Reason.SEVERAL_IMAGES) for level in levels)
    else:
        yield from _outline(one.naming, _where(graphic, images), holder, graphic.points)


def _outline(naming: Naming, where: Where, holder: str, points: Iterable[tuple[float, ...]]) -> Iterator[_Said]:
    if naming.is_conflict:
        yield from (without_points(level, MaskReason.LEVEL_CONFLICT, *naming.flags) for level in naming.levels)
        return
    ring = np.array(list(points), dtype=np.float64)
    for level in naming.levels:
        if len(ring) < OUTLINE_VERTICES:
            yield without_points(level, Reason.TOO_FEW_VERTICES)
        else:
            yield Drawn(level=level, where=where, holder=holder, rings=(ring,))


def _where(graphic: Graphic, images: Images) -> Where:
    image = graphic.images[0]
    return images.where(image.sop_instance_uid, image.frame)


def _report_marks(report: Dataset, images: Images) -> Iterator[Mark]:
    """Give the single points of groups whose label says no more than "anterior" or "posterior"."""
    for group in groups(report):
        naming, label = named_by(group)
        if naming.levels or label.position not in SIDES:
            continue
        for item in headers.items(group, "ContentSequence"):
            spots = points_of(item) if headers.text(item, "ValueType") == "SCOORD" else []
            if len(spots) == 1:
                where = images.where(spots[0].sop_instance_uid, spots[0].frame)
                yield Mark(where=where, point=np.array(spots[0].point), is_anterior=SIDES[label.position])


def _state_marks(state: Dataset, images: Images) -> Iterator[Mark]:
    """Give the texts that say no more than "anterior" or "posterior", where they stand."""
    for text in annotations_of(state).texts:
        is_mark = text.said.level is None and text.said.position in SIDES
        if is_mark and text.places and text.images is not None and len(text.images) == 1:
            image = text.images[0]
            where = images.where(image.sop_instance_uid, image.frame)
            yield Mark(where=where, point=np.mean(text.places, axis=0), is_anterior=SIDES[text.said.position])

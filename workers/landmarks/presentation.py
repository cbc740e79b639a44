"""Points supplied as graphic annotations of a softcopy presentation state (PS3.3 A.33, C.10.5).

Points, height lines and four- or six-point shapes are read where their labels name vertebra and point; graphics in
units of the display, or on several images at once, are refused. A presentation state cannot say that it was reviewed;
but in one of ours that names a person (Content Creator's Name) that person went over our points. It draws what its
series shows: of the other levels that we measured it says nothing.
"""

from typing import Final

from pydicom.dataset import Dataset

from sr_templates import headers, uids
from sr_templates.findings import LandmarkSource, Space
from sr_templates.identity import is_own
from sr_templates.measurements import LINES
from workers.inputs import PRESENTATIONS
from workers.landmarks.agreement import with_outlines
from workers.landmarks.annotations import Graphic, annotations_of
from workers.landmarks.claims import (
    SHAPE_SIZES,
    Carrier,
    Claims,
    Item,
    Line,
    Reason,
    Shape,
    Spot,
    Study,
    enter,
    landmarks_of,
)
from workers.landmarks.labels import naming
from workers.landmarks.observer import creator
from workers.landmarks.pairing import Drawn, drawn
from workers.landmarks.points import VertebraLandmarks

_LINE_POINTS: Final = 2


def from_presentation(state: Dataset, study: Study) -> list[VertebraLandmarks]:
    """Return the vertebrae of a presentation state, from cranial to caudal; [] where it places no point of any.

    Outlines (closed polygons of eight vertices or more) are not points and are left alone.
    """
    if headers.text(state, "SOPClassUID") not in PRESENTATIONS:
        return []
    claims = claims_of(state)
    carrier = Carrier(source=_source(state), sop_instance_uid=headers.text(state, "SOPInstanceUID"))
    return with_outlines(landmarks_of(claims, carrier, study), claims, study)


def is_ours(state: Dataset) -> bool:
    """Whether it is a presentation state of ours, under whatever name it was saved.

    The Tracking UID of each height that we draw follows from that of the vertebra's outline, which nobody hits by
    chance; the maker's names may be a tool's.
    """
    if is_own(headers.text(state, "Manufacturer"), headers.text(state, "ManufacturerModelName")):
        return True
    graphics = [one for one in annotations_of(state).graphics if one.tracking_uid]
    found = {one.tracking_uid for one in graphics}
    roots = {root for uid in found if (root := uids.root_of(uid)) is not None}
    return any(
        uids.height_uid(root, tracking_uid=one.tracking_uid, position=position) in found
        for one in graphics
        if one.said.is_level_only
        for root in roots
        for position in LINES
    )


def claims_of(state: Dataset) -> Claims:
    """Return what a presentation state says of each level; outlines beside points count in one of ours only."""
    claims: Claims = {}
    graphics = drawn(state)
    for one in graphics:
        if not one.graphic.is_outline:
            _claim(claims, one)
    for one in graphics if is_ours(state) else ():
        if len(one.graphic.points) > _LINE_POINTS and one.graphic.in_pixels and len(one.graphic.images) == 1:
            for level in claims.keys() & set(one.naming.levels):
                claims[level].outlines.append(_spots(one.graphic, ""))
    return claims


def _source(state: Dataset) -> LandmarkSource:
    return LandmarkSource.REVIEWED if creator(state) and is_ours(state) else LandmarkSource.SUPPLIED_GSPS


def _claim(claims: Claims, one: Drawn) -> None:
    for level in one.doubtful:
        enter(claims, naming((), [level]), [], reason=Reason.LABEL_AMBIGUOUS)
    if not one.graphic.in_pixels:
        enter(claims, one.naming, [], reason=Reason.DISPLAY_UNITS)
    elif len(one.graphic.images) > 1:
        enter(claims, one.naming, [], reason=Reason.SEVERAL_IMAGES)
    elif one.naming.levels:
        enter(claims, one.naming, [_item(one)])


def _item(one: Drawn) -> Item:
    spots = _spots(one.graphic, one.point)
    if len(spots) in SHAPE_SIZES:
        return Shape(spots=spots)
    return Line(position=one.position, spots=spots) if one.position else spots[0]


def _spots(graphic: Graphic, name: str) -> tuple[Spot, ...]:
    image = next(iter(graphic.images), None)
    return tuple(
        Spot(
            name=name,
            point=point,
            space=Space.IMAGE,
            sop_instance_uid="" if image is None else image.sop_instance_uid,
            sop_class_uid="" if image is None else image.sop_class_uid,
            frame=None if image is None else image.frame,
        )
        for point in graphic.points
    )

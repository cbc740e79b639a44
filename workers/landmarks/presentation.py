"""Points supplied as graphic annotations of a softcopy presentation state (PS3.3 A.33, C.10.5).

Points, height lines and four- or six-point shapes are read where their labels name vertebra and point; graphics in
units of the display, or on several images at once, are refused. A presentation state cannot say that it was reviewed;
but in one of ours that names a person (Content Creator's Name) that person went over our points.
"""

from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.findings import LandmarkSource, Space
from sr_templates.identity import is_own
from workers.inputs import PRESENTATIONS
from workers.landmarks.annotations import Graphic
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


def from_presentation(state: Dataset, study: Study) -> list[VertebraLandmarks]:
    """Return the vertebrae of a presentation state, from cranial to caudal; [] where it places no point of any.

    Outlines (closed polygons of eight vertices or more) are not points and are left alone.
    """
    if headers.text(state, "SOPClassUID") not in PRESENTATIONS:
        return []
    claims: Claims = {}
    for one in drawn(state):
        if not one.graphic.is_outline:
            _claim(claims, one)
    carrier = Carrier(source=_source(state), sop_instance_uid=headers.text(state, "SOPInstanceUID"))
    return landmarks_of(claims, carrier, study)


def _source(state: Dataset) -> LandmarkSource:
    ours = is_own(headers.text(state, "Manufacturer"), headers.text(state, "ManufacturerModelName"))
    return LandmarkSource.REVIEWED if ours and creator(state) else LandmarkSource.SUPPLIED_GSPS


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

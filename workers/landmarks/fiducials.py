"""Points supplied as Spatial Fiducials (PS3.3 A.40, C.21.2): single points, and shapes, in space or in an image.

A fiducial names vertebra and point by its code, identifier and description. The points of a LINE or a PLANE lie
somewhere on it (C.21.2.1.1) and are no ends of anything.
"""

from collections.abc import Sequence
from typing import Final

from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.findings import LandmarkSource, Space
from workers.inputs import FIDUCIALS
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
    coded_level,
    enter,
    landmarks_of,
)
from workers.landmarks.labels import Naming, Said, naming, said
from workers.landmarks.levels import STANDARD_SCHEMES
from workers.landmarks.points import VertebraLandmarks

#: Shape Types whose points are those of the fiducial; "" where a writer left it out.
_PLACED: Final = frozenset({"POINT", "SHAPE", ""})
_LINE_POINTS: Final = 2


def from_fiducials(source: Dataset, study: Study) -> list[list[VertebraLandmarks]]:
    """Return the vertebrae of each fiducial set that places points of any, from cranial to caudal.

    Sets of one object show the same anatomy in different images or frames of reference, so each stands for itself.
    """
    if headers.text(source, "SOPClassUID") not in FIDUCIALS:
        return []
    carrier = Carrier(source=LandmarkSource.SUPPLIED_FIDUCIALS, sop_instance_uid=headers.text(source, "SOPInstanceUID"))
    claims = [_claims(found) for found in headers.items(source, "FiducialSetSequence")]
    return [landmarks_of(one, carrier, study) for one in claims if one]


def _claims(fiducial_set: Dataset) -> Claims:
    claims: Claims = {}
    frame_of_reference_uid = headers.text(fiducial_set, "FrameOfReferenceUID").strip()
    for fiducial in headers.items(fiducial_set, "FiducialSequence"):
        named, part = _named(fiducial)
        spots = _in_space(fiducial, frame_of_reference_uid, part.point) or _in_image(fiducial, part.point)
        in_one = [spot for spot in spots if _image(spot) == _image(spots[0])]
        item = _item(in_one, part)
        if item is None:
            continue
        if headers.text(fiducial, "ShapeType").strip() not in _PLACED:
            enter(claims, named, [], reason=Reason.NO_END_POINTS)
        elif len(in_one) < len(spots):
            enter(claims, named, [], reason=Reason.SEVERAL_IMAGES)
        else:
            enter(claims, named, [item])
    return claims


def _named(fiducial: Dataset) -> tuple[Naming, Said]:
    """Return which vertebra a fiducial names, by code and by label, and which point or height its labels say."""
    code = headers.code(fiducial, "FiducialIdentifierCodeSequence")
    texts = [headers.text(fiducial, "FiducialIdentifier"), headers.text(fiducial, "FiducialDescription")]
    if code[0] not in STANDARD_SCHEMES:
        texts += [
            headers.text(item, "CodeMeaning") for item in headers.items(fiducial, "FiducialIdentifierCodeSequence")[:1]
        ]
    labels = [said(text) for text in texts]
    parts = {(one.point, one.position) for one in labels} - {("", "")}
    point, position = parts.pop() if len(parts) == 1 else ("", "")
    return naming([coded_level(*code)], (one.level for one in labels)), Said(point=point, position=position)


def _item(spots: Sequence[Spot], part: Said) -> Item | None:
    """Return what these points are of a vertebra; None where they are none of its points."""
    if len(spots) == 1 and part.point:
        return spots[0]
    if len(spots) == _LINE_POINTS and part.position:
        return Line(position=part.position, spots=tuple(spots))
    is_whole = len(spots) in SHAPE_SIZES and not part.is_something
    return Shape(spots=tuple(spots)) if is_whole else None


def _image(spot: Spot) -> tuple[str, int | None]:
    return spot.sop_instance_uid, spot.frame


def _in_space(fiducial: Dataset, frame_of_reference_uid: str, name: str) -> list[Spot]:
    """Return the points of Contour Data, LPS mm in the frame of reference of the set; [] where there are none."""
    numbers = headers.numbers(fiducial, "ContourData")
    if not numbers or len(numbers) % 3:
        return []
    return [
        Spot(name=name, point=point, space=Space.PATIENT, frame_of_reference_uid=frame_of_reference_uid)
        for point in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    ]


def _in_image(fiducial: Dataset, name: str) -> list[Spot]:
    """Return the points of the Graphic Coordinates Data Sequence, (column, row) of the image that its item names."""
    found: list[Spot] = []
    for item in headers.items(fiducial, "GraphicCoordinatesDataSequence"):
        numbers = headers.numbers(item, "GraphicData")
        image = next(iter(headers.items(item, "ReferencedImageSequence")), Dataset())
        frames = headers.numbers(image, "ReferencedFrameNumber")
        points = [] if len(numbers) % 2 else list(zip(numbers[::2], numbers[1::2], strict=True))
        found += [
            Spot(
                name=name,
                point=point,
                space=Space.IMAGE,
                sop_instance_uid=headers.text(image, "ReferencedSOPInstanceUID").strip(),
                sop_class_uid=headers.text(image, "ReferencedSOPClassUID").strip(),
                frame=int(frames[0]) if len(frames) == 1 else None,
            )
            for point in points
        ]
    return found

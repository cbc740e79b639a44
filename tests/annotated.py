"""Presentation states and fiducials as producers write them: by highdicom, by hand with what viewers leave out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from highdicom.pr import GraphicAnnotation, GraphicLayer, GraphicObject, GrayscaleSoftcopyPresentationState
from pydicom.dataset import Dataset
from report_samples import STUDY, header

from sr_templates.findings import Point

GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
FIDUCIALS = "1.2.840.10008.5.1.4.1.1.66.2"


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def flat(points: Iterable[Point]) -> list[float]:
    """Return coordinates one after the other."""
    return [value for point in points for value in point]


def graphic(*points: Point, kind: str = "", units: str = "PIXEL", **others: Any) -> Dataset:
    """Return a graphic object: a POINT, or a POLYLINE where there are more."""
    return _item(
        GraphicAnnotationUnits=units,
        GraphicDimensions=2,
        NumberOfGraphicPoints=len(points),
        GraphicData=flat(points),
        GraphicType=kind or ("POINT" if len(points) == 1 else "POLYLINE"),
        GraphicFilled="N",
        **others,
    )


def text(
    value: str, anchor: Point | None = None, box: Sequence[Point] = (), units: str = "PIXEL", **others: Any
) -> Dataset:
    """Return a text object with an anchor point, or with the two corners of a box."""
    item = _item(UnformattedTextValue=value, **others)
    if anchor is not None:
        item.AnchorPoint, item.AnchorPointAnnotationUnits = list(anchor), units
    if box:
        item.BoundingBoxTopLeftHandCorner, item.BoundingBoxBottomRightHandCorner = list(box[0]), list(box[1])
        item.BoundingBoxAnnotationUnits = units
    return item


def reference(image: Dataset, **others: Any) -> Dataset:
    """Return a reference to an image."""
    return _item(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID, **others)


def annotation(
    graphics: Sequence[Dataset] = (), texts: Sequence[Dataset] = (), layer: str = "LAYER1", **others: Any
) -> Dataset:
    """Return an item of the Graphic Annotation Sequence."""
    item = _item(GraphicLayer=layer, **others)
    if graphics:
        item.GraphicObjectSequence = list(graphics)
    if texts:
        item.TextObjectSequence = list(texts)
    return item


def presentation(image: Dataset, *annotations: Dataset, **others: Any) -> Dataset:
    """Return a presentation state of one image, as Weasis writes it: the image stands in the relationship module."""
    state = header(GSPS, 1, "PR")
    state.SeriesInstanceUID, state.SOPInstanceUID = f"{STUDY}.5", f"{STUDY}.5.1"
    state.ContentCreatorName, state.ContentLabel = "Doe^Jane", "LANDMARKS"
    state.ReferencedSeriesSequence = [
        _item(SeriesInstanceUID=image.SeriesInstanceUID, ReferencedImageSequence=[reference(image)])
    ]
    state.GraphicAnnotationSequence = list(annotations)
    for keyword, value in others.items():
        setattr(state, keyword, value)
    return state


def by_highdicom(image: Dataset, vertebrae: Mapping[str, Mapping[str, Point]]) -> Dataset:
    """Return a presentation state written by highdicom: every point has its name as Tracking ID."""
    image.BitsStored, image.SamplesPerPixel = 12, 1
    layer = GraphicLayer("LANDMARKS", 1, "Vertebral landmarks")
    objects = [
        GraphicObject(
            "POINT", np.array([point]), "PIXEL", tracking_id=f"{level} {name}", tracking_uid=f"{STUDY}.7.{row}.{column}"
        )
        for row, (level, points) in enumerate(vertebrae.items())
        for column, (name, point) in enumerate(points.items())
    ]
    return GrayscaleSoftcopyPresentationState(
        referenced_images=[image],
        series_instance_uid=f"{STUDY}.5",
        series_number=5,
        sop_instance_uid=f"{STUDY}.5.1",
        instance_number=1,
        manufacturer="Maker",
        manufacturer_model_name="Model",
        software_versions="1",
        device_serial_number="SN",
        content_label="LANDMARKS",
        content_creator_name="Doe^Jane",
        graphic_annotations=[GraphicAnnotation([image], layer, graphic_objects=objects)],
        graphic_layers=[layer],
    )


def fiducial(identifier: str, *points: Point, shape: str = "", **others: Any) -> Dataset:
    """Return a fiducial with points in space."""
    return _item(
        FiducialIdentifier=identifier,
        ShapeType=shape or ("POINT" if len(points) == 1 else "SHAPE"),
        NumberOfContourPoints=len(points),
        ContourData=[str(value) for value in flat(points)],
        **others,
    )


def flat_fiducial(identifier: str, image: Dataset, *points: Point, **others: Any) -> Dataset:
    """Return a fiducial with points in an image."""
    coordinates = _item(GraphicData=flat(points), ReferencedImageSequence=[reference(image)])
    shape = "POINT" if len(points) == 1 else "SHAPE"
    return _item(FiducialIdentifier=identifier, ShapeType=shape, GraphicCoordinatesDataSequence=[coordinates], **others)


def fiducial_set(*fiducials: Dataset, **others: Any) -> Dataset:
    """Return an item of the Fiducial Set Sequence."""
    return _item(FiducialSequence=list(fiducials), **others)


def fiducials(*sets: Dataset) -> Dataset:
    """Return a Spatial Fiducials object."""
    made = header(FIDUCIALS, 1, "FID")
    made.SeriesInstanceUID, made.SOPInstanceUID = f"{STUDY}.6", f"{STUDY}.6.1"
    made.ContentDate, made.ContentTime = "20260304", "050607"
    made.ContentCreatorName, made.ContentLabel = "Doe^Jane", "LANDMARKS"
    made.FiducialSetSequence = list(sets)
    return made


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return a code."""
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)

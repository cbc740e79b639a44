"""Grayscale Softcopy Presentation State (PS3.3 A.33.1): outline, heights, level and grade over the images measured.

For radiographs, and for slices that show all points of a vertebra within their thickness. Coordinates are those of the
report: PIXEL units, 0, 0 is the corner of the first pixel (PS3.3 C.10.5.1.2, as C.18.6.1.1).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from sr_templates import headers, uids
from sr_templates.context import ReportContext
from sr_templates.envelope import envelope, references
from sr_templates.findings import Landmarks, Measured, Point, Space, StudyFindings, VertebraFinding
from sr_templates.measurements import LINES
from sr_templates.narrative import chance
from sr_templates.objects import ObjectKind
from sr_templates.projection import Stack
from sr_templates.seal import seal
from sr_templates.shown import BONE_WINDOW_HU, rescale, window
from sr_templates.slices import frame_of_reference, slices_of

#: Content Label (0070,0080), and the name of the one graphic layer.
LABEL: Final = "MORPHOMETRY"
_DESCRIPTION: Final = "Vertebral morphometry, unverified, for review"
#: Around the body; closed by its first point.
_OUTLINE: Final = ("AS", "MS", "PS", "PI", "MI", "AI")
#: From the wall of a body to its text, as a share of its depth.
_BESIDE: Final = 0.1
#: Largest Integer String (PS3.5 6.2).
_LARGEST: Final = 2**31 - 1
#: Units of values that nobody names (PS3.3 C.11.1.1.2).
_UNSPECIFIED: Final = "US"
#: Room for a text, as a share of the columns: 20 letters of 8 pixels on an image that is shown 800 pixels wide. A
#: guess, since how large it writes is a viewer's own choice; text that needs more runs off the image all the same.
_TEXT: Final = 0.2
#: Points are written to a thousandth of a pixel: the last bits of a matrix product differ between processors.
_DECIMALS: Final = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shown:
    """A vertebra on an image, or on one of its frames, counted from 1: points are (column, row)."""

    finding: VertebraFinding
    measured: Measured
    image: Dataset
    frame: int
    points: Mapping[str, Point]

    @property
    def frames(self) -> tuple[int, ...]:
        """The frame, where the image has several."""
        several = headers.text(self.image, "NumberOfFrames").strip() not in {"", "1"}
        return (self.frame,) if several else ()


def build_presentations(
    findings: StudyFindings, context: ReportContext, *, derived: Sequence[Dataset] = ()
) -> list[Dataset]:
    """Return a presentation state for each series that shows measured vertebrae, and for each way its values are shown.

    A vertebra that no received image shows is drawn on one of `derived` that does, else not at all. Raises ValueError
    where the evidence is missing or of another study.
    """
    groups: dict[tuple[str, ...], list[_Shown]] = {}
    for shown in _all_shown(findings, context, derived):
        groups.setdefault(_key(shown), []).append(shown)
    return [_state(number, groups[key], findings, context) for number, key in enumerate(sorted(groups), start=1)]


def _all_shown(findings: StudyFindings, context: ReportContext, derived: Sequence[Dataset]) -> Iterator[_Shown]:
    sources = [image for image in context.library.values() if _is_grey(image)]
    for finding in findings.vertebrae:
        measured = finding.measured
        if measured is None:
            continue
        for images in (sources, derived):
            found = _place(measured.landmarks, images)
            if found is not None:
                image, frame, points = found
                written = {name: _rounded(point) for name, point in points.items()}
                yield _Shown(finding=finding, measured=measured, image=image, frame=frame, points=written)
                break


def _rounded(point: Point) -> Point:
    # Zero has one sign.
    return tuple(round(value, _DECIMALS) + 0.0 for value in point)


def _is_grey(image: Dataset) -> bool:
    return headers.text(image, "PhotometricInterpretation").strip() in {"MONOCHROME1", "MONOCHROME2"}


def _place(landmarks: Landmarks, images: Sequence[Dataset]) -> tuple[Dataset, int, Mapping[str, Point]] | None:
    """Return the image and frame that show all points, and the points there; None where none of the images does."""
    if landmarks.space is Space.IMAGE:
        named = (one for one in images if headers.text(one, "SOPInstanceUID") == landmarks.sop_instance_uid)
        image = next(named, None)
        return None if image is None else (image, landmarks.frame or 1, landmarks.points)
    inside = [image for image in images if frame_of_reference(image) == (landmarks.frame_of_reference_uid or "")]
    stack = Stack(slices=[one for image in inside for one in slices_of(image)])
    spot = stack.through(np.array(list(landmarks.points.values()), dtype=float))
    if spot is None:
        return None
    pixels = [(float(column), float(row)) for column, row in spot.pixels]
    return spot.slice.image, spot.slice.frame, dict(zip(landmarks.points, pixels, strict=True))


def _key(shown: _Shown) -> tuple[str, ...]:
    """Return what one presentation state can hold: a series, one rescaling, one polarity (PS3.3 C.11.1, C.11.6)."""
    image = shown.image
    return (
        headers.text(image, "SeriesInstanceUID"),
        str(rescale(image, shown.frame)),
        headers.text(image, "PhotometricInterpretation").strip(),
    )


def _state(number: int, group: Sequence[_Shown], findings: StudyFindings, context: ReportContext) -> Dataset:
    made = envelope(
        ObjectKind.PRESENTATION,
        GrayscaleSoftcopyPresentationStateStorage,
        findings,
        context,
        number=number,
    )
    made.Modality = "PR"
    made.PresentationCreationDate, made.PresentationCreationTime = made.ContentDate, made.ContentTime
    # Not of this object: its date is that of its creation.
    del made.ContentDate, made.ContentTime
    measured = sum(one.measured is not None for one in findings.vertebrae)
    made.ContentLabel = LABEL
    # In a viewer's list this tells one revision from another; 64 characters at most (LO).
    what = f"Morphometry, unverified: {len(group)} of {measured} vertebrae"
    made.ContentDescription = f"{what}, revision {context.revision}"
    # Type 2, a person: nobody has drawn or seen it. Our own reader knows by it that no reader changed it.
    made.ContentCreatorName = ""
    images = {(_uid(each.image), each.frames): each for each in group}
    _add_relationship(made, list(images.values()))
    _add_shading(made, list(images.values()))
    layer = Dataset()
    layer.GraphicLayer, layer.GraphicLayerOrder, layer.GraphicLayerDescription = LABEL, 1, _DESCRIPTION
    made.GraphicLayerSequence = [layer]
    made.GraphicAnnotationSequence = [
        _annotation([each for each in group if (_uid(each.image), each.frames) == key], findings, context)
        for key in images
    ]
    return seal(made, ObjectKind.PRESENTATION, uid_root=context.uid_root)


def _add_relationship(made: Dataset, images: Sequence[_Shown]) -> None:
    """Add the images, whole where any frame of them is meant (C.11.11), and that all of each is displayed (C.10.4)."""
    whole = {_uid(each.image): each.image for each in images}
    series = Dataset()
    series.SeriesInstanceUID = headers.text(images[0].image, "SeriesInstanceUID")
    series.ReferencedImageSequence = references(whole.values())
    made.ReferencedSeriesSequence = [series]
    made.DisplayedAreaSelectionSequence = [_displayed_area(image) for image in whole.values()]


def _displayed_area(image: Dataset) -> Dataset:
    area = Dataset()
    area.ReferencedImageSequence = references([image])
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = list(_size(image))
    area.PresentationSizeMode = "SCALE TO FIT"
    spacing = _spacing(image)
    ratio = headers.numbers(image, "PixelAspectRatio")
    if spacing:
        area.PresentationPixelSpacing = [headers.decimal(value) for value in spacing]
    else:
        is_ratio = ratio and min(ratio) >= 1 and max(ratio) <= _LARGEST
        area.PresentationPixelAspectRatio = [int(value) for value in ratio] if is_ratio else [1, 1]
    return area


def _spacing(image: Dataset) -> list[float]:
    """Return the distance of rows and of columns, mm, as the image or its first frame states it; else []."""
    planes = slices_of(image)
    if planes and planes[0].pixel_mm:
        return [planes[0].pixel_mm[1], planes[0].pixel_mm[0]]
    found = (headers.numbers(image, keyword) for keyword in ("PixelSpacing", "ImagerPixelSpacing"))
    return next((pair for pair in found if len(pair) == 2 and min(pair) > 0), [])  # noqa: PLR2004 - row, column


def _add_shading(made: Dataset, images: Sequence[_Shown]) -> None:
    """Add Modality LUT, Softcopy VOI and Presentation LUT, as the images have them (PS3.3 C.11.1, C.11.8, C.11.6).

    MONOCHROME1 shows low values bright, which a presentation state says by an inverse shape.
    """
    first = images[0]
    values = rescale(first.image, first.frame)
    if values is not None:
        made.RescaleSlope, made.RescaleIntercept = map(headers.decimal, values)
        made.RescaleType = "HU" if headers.text(first.image, "Modality").strip() == "CT" else "US"
    elif luts := headers.items(first.image, "ModalityLUTSequence"):
        made.ModalityLUTSequence = [_lut(luts[0])]
    windows = [item for each in images if (item := _window(each)) is not None]
    if windows:
        made.SoftcopyVOILUTSequence = windows
    is_inverse = headers.text(first.image, "PhotometricInterpretation").strip() == "MONOCHROME1"
    made.PresentationLUTShape = "INVERSE" if is_inverse else "IDENTITY"


def _window(shown: _Shown) -> Dataset | None:
    """Return the first window or VOI LUT of an image; a CT without one gets a window for bone."""
    item = Dataset()
    item.ReferencedImageSequence = references([shown.image], shown.frames)
    stated = window(shown.image, shown.frame)
    if stated is None:
        if headers.text(shown.image, "Modality").strip() != "CT":
            return None
        item.WindowCenter, item.WindowWidth = BONE_WINDOW_HU
    elif luts := headers.items(stated, "VOILUTSequence"):
        item.VOILUTSequence = [_lut(luts[0])]
    else:
        item.WindowCenter = headers.decimal(next(iter(headers.numbers(stated, "WindowCenter")), 0.0))
        item.WindowWidth = headers.decimal(headers.numbers(stated, "WindowWidth")[0])
        if function := headers.fitting(stated, "VOILUTFunction").strip():
            item.VOILUTFunction = function
    return item


def _lut(stated: Dataset) -> Dataset:
    """Return a table as it stands, but for texts that break their VR (PS3.3 C.11.1, C.11.2)."""
    item = Dataset()
    item.update({tag: stated.get_item(tag) for tag in stated.keys()})  # noqa: SIM118 - undecoded, as it was read
    if "LUTExplanation" in item:
        item.LUTExplanation = headers.fitting(stated, "LUTExplanation")
    if "ModalityLUTType" in item:
        item.ModalityLUTType = headers.fitting(stated, "ModalityLUTType") or _UNSPECIFIED
    return item


def _annotation(group: Sequence[_Shown], findings: StudyFindings, context: ReportContext) -> Dataset:
    """Return all that is drawn on one image or frame."""
    item = Dataset()
    item.ReferencedImageSequence = references([group[0].image], group[0].frames)
    item.GraphicLayer = LABEL
    item.TextObjectSequence, item.GraphicObjectSequence = [], []
    for shown in group:
        level = shown.finding.level
        uid = _tracking_uid(shown.finding, findings, context)
        item.TextObjectSequence.append(_text(shown, uid))
        names = [name for name in _OUTLINE if name in shown.points]
        item.GraphicObjectSequence.append(_line(shown, [*names, names[0]], f"{level} vertebra", uid))
        for position, ends in LINES.items():
            if set(ends) <= shown.points.keys():
                own = uids.height_uid(context.uid_root, tracking_uid=uid, position=position)
                item.GraphicObjectSequence.append(_line(shown, ends, f"{level} {position} height", own))
    return item


def _tracking_uid(finding: VertebraFinding, findings: StudyFindings, context: ReportContext) -> str:
    """Return the Tracking UID that the vertebra has in the report."""
    given = context.tracking.get(finding.level) or finding.tracking_uid
    study = findings.study_instance_uid
    return given or uids.tracking_uid(context.uid_root, study_instance_uid=study, level=finding.level)


def _line(shown: _Shown, names: Sequence[str], tracking_id: str, tracking_uid: str) -> Dataset:
    item = Dataset()
    item.GraphicAnnotationUnits, item.GraphicDimensions = "PIXEL", 2
    item.NumberOfGraphicPoints = len(names)
    item.GraphicData = [value for name in names for value in shown.points[name]]
    item.GraphicType, item.GraphicFilled = "POLYLINE", "N"
    item.TrackingID, item.TrackingUID = tracking_id, tracking_uid
    return item


def _text(shown: _Shown, tracking_uid: str) -> Dataset:
    """Return level and grade beside the body."""
    item = Dataset()
    item.AnchorPointAnnotationUnits, item.AnchorPointVisibility = "PIXEL", "N"
    item.AnchorPoint = list(_anchor(shown))
    item.UnformattedTextValue = f"{shown.finding.level} {_grade(shown.measured)}"
    item.TrackingID, item.TrackingUID = f"{shown.finding.level} vertebra", tracking_uid
    return item


def _anchor(shown: _Shown) -> Point:
    """Return where a text starts: on the side where columns increase, since text runs that way, else on the other one.

    An image that a body fills has room on neither side; the text then ends with the image.
    """
    columns, rows = ([point[axis] for point in shown.points.values()] for axis in (0, 1))
    wide, high = _size(shown.image)
    room, beside = _TEXT * wide, _BESIDE * (max(columns) - min(columns))
    behind, before = max(columns) + beside, min(columns) - beside - room
    column = behind if behind + room <= wide or before < 0 else before
    return min(max(column, 0.0), wide - room), min(max((min(rows) + max(rows)) / 2, 0.0), high)


def _size(image: Dataset) -> tuple[int, int]:
    columns, rows = (int(next(iter(headers.numbers(image, keyword)), 1)) for keyword in ("Columns", "Rows"))
    return columns, rows


def _grade(measured: Measured) -> str:
    grade, probabilities = measured.genant_grade, measured.grade_probabilities
    if grade is None:
        return "not graded"
    return f"grade {grade}" if probabilities is None else f"grade {grade} ({chance(probabilities[grade])})"


def _uid(image: Dataset) -> str:
    return headers.text(image, "SOPInstanceUID")

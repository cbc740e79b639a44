"""What a carrier says of each vertebra, and the landmarks that follow: for reports, presentation states and fiducials.

A carrier is read for what it certainly says. What names no vertebra, or places no point, is left alone; what names a
vertebra and cannot be used gives the coded reason.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from pydicom.dataset import Dataset

from sr_templates import codes, headers
from sr_templates.findings import POINT_NAMES, Landmarks, LandmarkSource, Point, Space
from sr_templates.levels import ORDER
from sr_templates.measurements import LINES
from workers.landmarks.corners import Flat, is_box, named_corners
from workers.landmarks.document import CORNERS
from workers.landmarks.image_plane import number_of_frames, plane_of
from workers.landmarks.labels import Naming
from workers.landmarks.levels import level_from_code
from workers.landmarks.lifted import lifted, shared_frame
from workers.landmarks.points import ImagePlane, VertebraLandmarks
from workers.nearby import is_computed

#: Points of a shape that may be a vertebra's four corners, or its six points.
SHAPE_SIZES: Final = (len(CORNERS), len(POINT_NAMES))


class Reason(StrEnum):
    """Why the points that a carrier gives of a vertebra cannot be used."""

    #: Codes and labels name different vertebrae.
    LEVEL_CONFLICT = "LEVEL_CONFLICT"
    #: One point has two places: two readings of the same level.
    LEVEL_DUPLICATED = "LEVEL_DUPLICATED"
    #: Image points and patient points, or two frames of reference, or two images of which one is no placed section.
    MIXED_SPACES = "MIXED_SPACES"
    #: One of the four corner points is missing.
    INCOMPLETE_POINTS = "INCOMPLETE_POINTS"
    #: The image that the points lie in, or any image in their frame of reference, is not in the study.
    IMAGE_MISSING = "IMAGE_MISSING"
    #: Patient points do not say in which frame of reference they lie.
    FRAME_OF_REFERENCE_UNKNOWN = "FRAME_OF_REFERENCE_UNKNOWN"
    #: The image is known not to show anterior or superior.
    NOT_LATERAL = "NOT_LATERAL"
    #: A graphic is not in pixels of the image, but in units of the display or of a tiled image.
    DISPLAY_UNITS = "DISPLAY_UNITS"
    #: Points apply to several images, or to several frames of one, so no one of them holds the points.
    SEVERAL_IMAGES = "SEVERAL_IMAGES"
    #: Several labels could belong to a graphic, or a label to several graphics.
    LABEL_AMBIGUOUS = "LABEL_AMBIGUOUS"
    #: Four or six points without names, and which is which does not follow from where they lie.
    ORDER_UNKNOWN = "ORDER_UNKNOWN"
    #: The four points are a rectangle: a box around something, not placed corners.
    BOX = "BOX"
    #: A fiducial of a shape whose points mark a line or a plane, not its ends.
    NO_END_POINTS = "NO_END_POINTS"
    #: A report of ours could draw nothing of this level, so that no reader can have moved its points.
    NOT_DRAWN = "NOT_DRAWN"
    #: A report of ours that somebody saved does not have this level, which another source of the study has.
    NOT_IN_REVIEW = "NOT_IN_REVIEW"


class Flag(StrEnum):
    """What a reader should know of points that were taken."""

    #: In an object of ours the outline of the body was moved and its heights were not, or the other way round.
    OUTLINE_DIFFERS = "OUTLINE_DIFFERS"


@dataclass(frozen=True, kw_only=True)
class Spot:
    """One point, its name "" where it has none yet, and what it lies in."""

    name: str
    point: Point
    space: Space
    #: Of the image of an image point.
    sop_instance_uid: str = ""
    sop_class_uid: str = ""
    frame: int | None = None
    frame_of_reference_uid: str = ""

    @property
    def spots(self) -> tuple["Spot", ...]:
        """Itself."""
        return (self,)


@dataclass(frozen=True, kw_only=True)
class Line:
    """The two points of one height, in the order they were written; which one is superior is not known yet."""

    position: str
    spots: tuple[Spot, ...]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Four corners or six points of one vertebra, in any order, without names."""

    spots: tuple[Spot, ...]


Item = Spot | Line | Shape


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a carrier says of one level."""

    items: list[Item] = field(default_factory=list)
    #: Words of an earlier report of ours, or the readings of a contradiction.
    flags: list[str] = field(default_factory=list)
    #: Why something that it says of this level gives no points.
    reasons: list[Reason] = field(default_factory=list)
    #: Lines of ours around the body: they place no point beside heights, but must go through these.
    outlines: list[tuple[Spot, ...]] = field(default_factory=list)


Claims = dict[str, Claim]


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """The object that the points come from."""

    source: LandmarkSource
    sop_instance_uid: str


@dataclass(frozen=True, kw_only=True)
class Study:
    """What points can refer to: headers by SOP Instance UID, and the frames of reference of the images."""

    image_of: Callable[[str], Dataset | None]
    frames: Collection[str]


def coded_level(scheme: str, value: str) -> str | None:
    """Return the level of a vertebra's code, a standard one or one of ours; None for any other code."""
    return level_from_code(scheme, value) or codes.level_of(scheme, value)


def enter(
    claims: Claims, naming: Naming, items: Iterable[Item], *, reason: Reason | None = None, flags: Iterable[str] = ()
) -> None:
    """Add what one group, graphic or fiducial says to the claims of the level it names; nothing where it names none.

    Where it names several, all of them are refused.
    """
    for level in naming.levels:
        claim = claims.setdefault(level, Claim())
        if naming.is_conflict:
            claim.reasons.append(Reason.LEVEL_CONFLICT)
            claim.flags.extend(naming.flags)
            continue
        claim.items.extend(items if reason is None else ())
        claim.flags.extend(flags)
        claim.reasons.extend([] if reason is None else [reason])


def landmarks_of(claims: Mapping[str, Claim], carrier: Carrier, study: Study) -> list[VertebraLandmarks]:
    """Return points or a reason for each level that is claimed, from cranial to caudal."""
    is_spread = any(len(_images_of(_counting(claim))) > 1 or _on_ours(claim, study) for claim in claims.values())
    # One body that needs it takes all into the patient: neighbours in another space would not be looked at beside it.
    placed = {level: _in_patient(claim, study) for level, claim in claims.items()} if is_spread else claims
    return [_vertebra(level, placed[level], carrier, study) for level in sorted(placed, key=ORDER.__getitem__)]


def _counting(claim: Claim) -> list[Item]:
    """Return what counts: a named point, not an outline without names that was left behind when it was moved."""
    return [item for item in claim.items if not isinstance(item, Shape)] or claim.items


def _on_ours(claim: Claim, study: Study) -> bool:
    """Whether points lie on a section that we computed: it shows where in the patient they are, and is no image."""
    images = (_image(spot, study.image_of) for item in _counting(claim) for spot in item.spots)
    return any(image is not None and is_computed(image) for image in images)


def _images_of(items: Iterable[Item]) -> set[tuple[str, int | None]]:
    """Return the images and frames that image points lie in."""
    spots = (spot for item in items for spot in item.spots if spot.space is Space.IMAGE)
    return {(spot.sop_instance_uid, spot.frame) for spot in spots}


def _in_patient(claim: Claim, study: Study) -> Claim:
    """Return a claim with its image points in the patient, where they lie on sections of one frame of reference.

    On one image that is known not to show the side they stay, to be refused.
    """
    items = _counting(claim)
    spots = [spot for item in items for spot in item.spots]
    images = [_image(spot, study.image_of) for spot in spots]
    uid = shared_frame(images)
    if not uid or (len(_images_of(items)) == 1 and _is_sideless(images[0], spots[0].frame)):
        return claim
    points = lifted((spot.point, image, spot.frame) for spot, image in zip(spots, images, strict=True))
    if points is None:
        return claim
    left = iter(points)
    return replace(claim, items=[_moved(item, left, uid) for item in items])


def _is_sideless(image: Dataset | None, frame: int | None) -> bool:
    plane = None if image is None else plane_of(image, frame)
    return plane is not None and plane.is_lateral is False


def _moved(item: Item, points: Iterator[Point], frame_of_reference_uid: str) -> Item:
    """Return an item at the next of these patient points."""
    spots = tuple(
        Spot(name=spot.name, point=next(points), space=Space.PATIENT, frame_of_reference_uid=frame_of_reference_uid)
        for spot in item.spots
    )
    return spots[0] if isinstance(item, Spot) else replace(item, spots=spots)


def _vertebra(level: str, claim: Claim, carrier: Carrier, study: Study) -> VertebraLandmarks:
    items = _counting(claim)
    flags = tuple(dict.fromkeys(claim.flags))
    if Reason.LEVEL_CONFLICT in claim.reasons or not items:
        reason = Reason.LEVEL_CONFLICT if Reason.LEVEL_CONFLICT in claim.reasons else claim.reasons[0]
        return VertebraLandmarks(level=level, source=carrier.source, landmarks=None, reason=reason, flags=flags)
    first = items[0].spots[0]
    image = _image(first, study.image_of)
    plane = None if image is None else plane_of(image, first.frame)
    unplaced = _unplaced([spot for item in items for spot in item.spots], image, plane, study)
    points = unplaced or _points(items, plane)
    if isinstance(points, Reason):
        # What else was said of this level and could not be used explains why a point is missing.
        why = claim.reasons[0] if points is Reason.INCOMPLETE_POINTS and claim.reasons else points
        return VertebraLandmarks(level=level, source=carrier.source, landmarks=None, reason=why)
    return VertebraLandmarks(
        level=level,
        source=carrier.source,
        landmarks=Landmarks(
            space=first.space,
            points=points,
            sop_instance_uid=first.sop_instance_uid or carrier.sop_instance_uid,
            frame=first.frame,
            frame_of_reference_uid=first.frame_of_reference_uid or None,
        ),
        flags=flags,
        plane=plane,
    )


def _image(spot: Spot, image_of: Callable[[str], Dataset | None]) -> Dataset | None:
    """Return the image that a point refers to; None where there is none of that UID and SOP class."""
    image = image_of(spot.sop_instance_uid) if spot.space is Space.IMAGE else None
    fits = image is not None and spot.sop_class_uid in {"", headers.text(image, "SOPClassUID")}
    return image if fits else None


def _points(items: Sequence[Item], plane: ImagePlane | None) -> dict[str, Point] | Reason:
    """Return the six points or four corners by name, or why there are none."""
    named: list[Spot] = []
    for item in items:
        found = _named(item, plane)
        if isinstance(found, Reason):
            return found
        named.extend(found)
    points = {spot.name: spot.point for spot in named}
    if any(points[spot.name] != spot.point for spot in named):
        return Reason.LEVEL_DUPLICATED
    if not points.keys() >= CORNERS:
        return Reason.INCOMPLETE_POINTS
    wanted = POINT_NAMES if {"MS", "MI"} <= points.keys() else [name for name in POINT_NAMES if name in CORNERS]
    return {name: points[name] for name in wanted}


def _unplaced(spots: Sequence[Spot], image: Dataset | None, plane: ImagePlane | None, study: Study) -> Reason | None:
    """Return why these points lie in no one image and no one frame of reference of the study."""
    if len({(spot.space, spot.sop_instance_uid, spot.frame, spot.frame_of_reference_uid) for spot in spots}) > 1:
        is_flat = all(spot.space is Space.IMAGE for spot in spots)
        is_missing = is_flat and any(_image(spot, study.image_of) is None for spot in spots)
        return Reason.IMAGE_MISSING if is_missing else Reason.MIXED_SPACES
    if spots[0].space is Space.PATIENT:
        frame_of_reference_uid = spots[0].frame_of_reference_uid
        if not frame_of_reference_uid:
            return Reason.FRAME_OF_REFERENCE_UNKNOWN
        return None if frame_of_reference_uid in study.frames else Reason.IMAGE_MISSING
    if image is None or plane is None:
        return Reason.IMAGE_MISSING
    if spots[0].frame is None and number_of_frames(image) > 1:
        return Reason.SEVERAL_IMAGES
    return Reason.NOT_LATERAL if plane.is_lateral is False else None


def _named(item: Item, plane: ImagePlane | None) -> Sequence[Spot] | Reason:
    """Return the points of an item with their names, or why they have none."""
    if isinstance(item, Spot):
        return (item,)
    return _named_line(item, plane) if isinstance(item, Line) else _named_shape(item, plane)


def _named_line(line: Line, plane: ImagePlane | None) -> Sequence[Spot]:
    """Return the ends of a line by which one is superior; as written where that is not known.

    LPS z is superior (PS3.3 C.7.6.2.1.1).
    """
    axis = (0.0, 0.0, 1.0) if plane is None else plane.superior
    ends = line.spots
    if axis is not None:
        first, second = (sum(a * b for a, b in zip(axis, spot.point, strict=True)) for spot in ends)
        ends = ends[::-1] if first < second else ends
    return [replace(spot, name=name) for spot, name in zip(ends, LINES[line.position], strict=True)]


def _named_shape(shape: Shape, plane: ImagePlane | None) -> Sequence[Spot] | Reason:
    """Return the points of a shape by where they lie, or why that does not tell."""
    flat = _flat(shape, plane)
    if flat is None:
        return Reason.ORDER_UNKNOWN
    if is_box(flat):
        return Reason.BOX
    places = named_corners(flat)
    return [replace(shape.spots[at], name=name) for name, at in places.items()] or Reason.ORDER_UNKNOWN


def _flat(shape: Shape, plane: ImagePlane | None) -> list[Flat] | None:
    """Return the points as (u, v), u to posterior and v to superior, of one scale; None where these are not known.

    In LPS, y is posterior and z superior (PS3.3 C.7.6.2.1.1).
    """
    if plane is None:
        return [(spot.point[1], spot.point[2]) for spot in shape.spots]
    if plane.anterior is None or plane.superior is None or not (plane.scale or plane.square_pixels):
        return None
    width, height = (plane.scale.column_mm, plane.scale.row_mm) if plane.scale else (1.0, 1.0)
    (ax, ay), (sx, sy) = plane.anterior, plane.superior
    placed = [(spot.point[0] * width, spot.point[1] * height) for spot in shape.spots]
    return [(-(x * ax + y * ay), x * sx + y * sy) for x, y in placed]

"""Landmarks from contours in RT Structure Sets: level from code, then name; the contours become masks, then points.

RT Structure Set Storage, PS3.3 A.19, C.8.8.5, C.8.8.6, C.8.8.8. Closed planar contours only: a point, or an open line,
encloses nothing. Volumes of a treatment plan (PTV, CTV, GTV and the like) are no vertebrae, whatever they are named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from pydicom import Dataset

from sr_templates import headers
from sr_templates.findings import Landmarks
from sr_templates.slices import frame_of_reference
from workers.landmarks.points import MM_DECIMALS, VertebraLandmarks
from workers.landmarks.reasons import Flag, Reason
from workers.landmarks.regions.claims import Claim, claim_of, named, settle
from workers.landmarks.regions.contours import Drawn, draw
from workers.landmarks.regions.devices import Filled, device_flag, parts
from workers.landmarks.regions.image_stacks import ImageStack, image_stacks
from workers.landmarks.regions.placing import landmarks_of
from workers.landmarks.volumes import Array
from workers.morphometry.uncertainty import FULL_SAMPLING_MM

_CLOSED: Final = frozenset({"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"})
#: RT ROI Interpreted Types (PS3.3 C.8.8.8.1) of what is treated, not of what is there.
_TREATED: Final = frozenset({"PTV", "CTV", "GTV", "TREATED_VOLUME", "IRRAD_VOLUME", "DOSE_REGION"})
_NO_CODE: Final = ("", "")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Region:
    """A region of interest: what it is called and drawn as."""

    holder: Dataset
    #: ROI Number; None where it has none.
    number: int | None
    name: str
    #: (scheme, value) of the code that identifies it; empty texts where there is none.
    code: tuple[str, str]
    #: (scheme, value) of the anatomic region, likewise.
    anatomy: tuple[str, str]
    #: Frame of Reference UID, "" where none is stated.
    frame: str
    #: Whether it is one of the several that its object states, and nobody says which.
    adrift: bool


def from_structure_sets(
    objects: Sequence[Dataset], *, frame_of_reference_uid: str, images: Sequence[Dataset] = ()
) -> list[VertebraLandmarks]:
    """Return points or a reason for each vertebra that `objects` name in one frame of reference, cranial to caudal.

    `objects` are RT Structure Sets; regions of those that state no frame of reference are taken to lie in this one,
    those that may lie in several are refused. Points are LPS mm. `images` are those that were contoured: their pixels
    give the fineness of the grid, their edges tell a vertebra that is cut off.
    """
    regions = [region for ds in objects for region in _regions(ds) if region.frame in {"", frame_of_reference_uid}]
    adrift = {(id(region.holder), region.number) for region in regions if region.adrift}
    settled = settle([claim for ds in objects for claim in _claims([r for r in regions if r.holder is ds])])
    stacks = image_stacks(images)
    drawn = {
        level: Reason.FRAME_OF_REFERENCE_UNKNOWN
        if (id(claim.holder), claim.number) in adrift
        else _drawn(claim.holder, claim.number, stacks)
        for level, claim in settled.chosen.items()
    }
    volumes = {level: one.volume if isinstance(one, Drawn) else one for level, one in drawn.items()}
    devices = _devices(regions, stacks)
    found = landmarks_of(settled, volumes, devices, frame_of_reference_uid=frame_of_reference_uid)
    return [_remarked(vertebra, drawn.get(vertebra.level)) for vertebra in found]


def named_levels(ds: Dataset) -> dict[str, set[str]]:
    """Return the levels that `ds` names in each frame of reference, "" for the one that is not stated."""
    frames: dict[str, list[_Region]] = {}
    for region in _regions(ds):
        frames.setdefault(region.frame, []).append(region)
    levels = {frame: {one.naming.levels[0] for one in _claims(regions)} for frame, regions in frames.items()}
    return {frame: names for frame, names in levels.items() if names}


def contoured_images(ds: Dataset) -> set[str]:
    """Return the SOP Instance UIDs of the images that the contours of `ds` name (Contour Image Sequence)."""
    return {
        headers.text(image, "ReferencedSOPInstanceUID")
        for roi in headers.items(ds, "ROIContourSequence")
        for contour in headers.items(roi, "ContourSequence")
        for image in headers.items(contour, "ContourImageSequence")
    }


def _regions(ds: Dataset) -> list[_Region]:
    """Return the regions of `ds`, without those that are treated rather than there."""
    observed: dict[int | None, list[Dataset]] = {}
    for item in headers.items(ds, "RTROIObservationsSequence"):
        observed.setdefault(_number(item, "ReferencedROINumber"), []).append(item)
    frames = _frames(ds)
    shared = "".join(frames) if len(frames) == 1 else ""
    found = []
    for item in headers.items(ds, "StructureSetROISequence"):
        number = _number(item, "ROINumber")
        said = observed.get(number, [])
        if any(headers.text(one, "RTROIInterpretedType").strip().upper() in _TREATED for one in said):
            continue
        frame = _frame(item) or shared
        found.append(
            _Region(
                holder=ds,
                number=number,
                name=headers.text(item, "ROIName"),
                code=_first_code(said, "RTROIIdentificationCodeSequence"),
                anatomy=_first_code(said, "AnatomicRegionSequence"),
                frame=frame,
                adrift=not frame and len(frames) > 1,
            )
        )
    return found


def _first_code(items: Sequence[Dataset], keyword: str) -> tuple[str, str]:
    found = (headers.code(item, keyword) for item in items)
    return next((code for code in found if any(code)), _NO_CODE)


def _frames(ds: Dataset) -> set[str]:
    """Return every frame of reference that a structure set states, of itself or of a region."""
    items = headers.items(ds, "ReferencedFrameOfReferenceSequence")
    regions = headers.items(ds, "StructureSetROISequence")
    return {*map(frame_of_reference, [*items, ds]), *map(_frame, regions)} - {""}


def _frame(region: Dataset) -> str:
    return headers.text(region, "ReferencedFrameOfReferenceUID").strip()


def _claims(regions: Sequence[_Region]) -> list[Claim]:
    return named(
        [claim_of(r.holder, r.number, r.name, kind=r.code, region=r.anatomy, untyped=not any(r.code)) for r in regions]
    )


def _drawn(holder: Dataset, number: int | None, stacks: Sequence[ImageStack]) -> Drawn | Reason:
    contours: list[Array] = []
    for roi in headers.items(holder, "ROIContourSequence"):
        if number is None or _number(roi, "ReferencedROINumber") != number:
            continue
        for contour in headers.items(roi, "ContourSequence"):
            if headers.text(contour, "ContourGeometricType").strip().upper() in _CLOSED:
                points = _points(contour)
                if points is None:
                    return Reason.UNREADABLE
                contours.append(points)
    return draw(contours, stacks)


def _points(contour: Dataset) -> Array | None:
    """Return Contour Data as (n, 3) LPS mm; None where it is no list of such points.

    The text is read as it stands: a decimal string a coordinate would take seconds for a spine.
    """
    raw: object = getattr(contour.get_item("ContourData"), "value", None)
    text = raw.decode("ascii", "replace") if isinstance(raw, bytes) else headers.text(contour, "ContourData")
    try:
        numbers = np.array([float(part) for part in text.rstrip("\0 ").split("\\")])
    except ValueError:
        return None
    if numbers.size % 3 or not np.isfinite(numbers).all():
        return None
    return np.asarray(numbers.reshape(-1, 3))


def _devices(regions: Sequence[_Region], stacks: Sequence[ImageStack]) -> Iterator[Filled]:
    """Give the voxels of cement and hardware."""
    for region in regions:
        flag = device_flag(region.code, region.name)
        if flag is None:
            continue
        drawn = _drawn(region.holder, region.number, stacks)
        if isinstance(drawn, Drawn):
            yield from parts(flag, [drawn.volume])
        elif drawn is not Reason.EMPTY:
            yield Filled(flag=flag, centres=None)


def _remarked(vertebra: VertebraLandmarks, drawn: Drawn | Reason | None) -> VertebraLandmarks:
    """Say what is not known of the edge, and which planes were not drawn, and what the sampling then is."""
    if vertebra.landmarks is None or not isinstance(drawn, Drawn):
        return vertebra
    flags = {Flag.EDGE_UNKNOWN: not drawn.edge_known, Flag.PLANES_FILLED: drawn.filled}
    words = tuple(flag.value for flag, raised in flags.items() if raised)
    return replace(vertebra, flags=(*vertebra.flags, *words), axial_spacing_mm=_sampling_mm(vertebra.landmarks, drawn))


def _sampling_mm(landmarks: Landmarks, drawn: Drawn) -> float | None:
    """Return the distance of samples along the vertebral axis; the largest gap between planes counts as their step.

    Where the pixels that were contoured are not known, the planes may show that it is coarse, not that it is fine.
    """
    points = {name: np.array(point) for name, point in landmarks.points.items()}
    axis = points["AS"] + points["PS"] - points["AI"] - points["PI"]
    spacing = drawn.volume.spacing_mm
    share = (drawn.volume.affine[:3, :3] / spacing).T @ axis / np.linalg.norm(axis)
    size = np.array([drawn.gap_mm, *(spacing[1:] if drawn.pixels_known else (0.0, 0.0))])
    sampling = round(float(np.linalg.norm(size * share)), MM_DECIMALS)
    return sampling if drawn.pixels_known or sampling > FULL_SAMPLING_MM else None


def _number(item: Dataset, keyword: str) -> int | None:
    found = next(iter(headers.numbers(item, keyword)), None)
    return None if found is None else int(found)

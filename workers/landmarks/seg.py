"""Landmarks from vertebra masks in DICOM Segmentations: level from code, then label; points from the mask.

One object may hold all vertebrae, or each vertebra an object of its own: they are read as one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from pydicom import Dataset

from sr_templates import headers
from sr_templates.slices import frame_of_reference
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.reasons import Reason
from workers.landmarks.regions.claims import Claim, claim_of, named, settle
from workers.landmarks.regions.devices import Device, Filled, device_flag
from workers.landmarks.regions.placing import landmarks_of
from workers.landmarks.volumes import UNREADABLE, Volume, read_filled, read_segments, read_stack
from workers.morphometry.flags import Flag

Positions = Sequence[tuple[float, float, float]]
Whole = Callable[[Dataset], Dataset]

#: Segmented Property Category Morphologically Abnormal Structure (CID 7150): its label says where a lesion is.
_ABNORMAL: Final = frozenset({("SCT", "49755003"), ("SRT", "M-01000")})


def from_segmentation(ds: Dataset, *, image_positions: Positions = ()) -> list[VertebraLandmarks]:
    """Return what `from_segmentations` does of one object with its pixel data."""
    frame = frame_of_reference(ds)
    return from_segmentations([ds], lambda held: held, frame_of_reference_uid=frame, image_positions=image_positions)


def from_segmentations(
    objects: Sequence[Dataset],
    whole: Whole,
    *,
    frame_of_reference_uid: str,
    image_positions: Positions = (),
) -> list[VertebraLandmarks]:
    """Return points or a reason for each vertebra that `objects` name, from cranial to caudal; [] where they name none.

    `objects` are headers of Segmentations (BINARY, FRACTIONAL) or Label Map Segmentations that share a frame of
    reference, "" where it is not known; `whole` gives one with its pixel data, and only one is held at a time. Points
    are LPS mm. `image_positions`, the Image Position (Patient) of the segmented images, tell a vertebra that is cut
    off from one that merely ends at the last frame that is not empty.
    """
    settled = settle([claim for ds in objects for claim in claims_in(ds)])
    volumes = _volumes(objects, whole, settled.chosen, image_positions)
    devices = _filled(objects, whole)
    return landmarks_of(settled, volumes, devices, frame_of_reference_uid=frame_of_reference_uid)


def names_vertebrae(ds: Dataset) -> bool:
    """Whether a segment of `ds`, which may be a header, names a vertebra."""
    return bool(claims_in(ds))


def marks_devices(ds: Dataset) -> bool:
    """Whether a segment of `ds`, which may be a header, is cement or hardware."""
    return bool(devices_in(ds))


def claims_in(ds: Dataset) -> list[Claim]:
    """Return the segments of `ds`, which may be a header, that name a vertebra."""
    return named([_claim(ds, item) for item in headers.items(ds, "SegmentSequence")])


def _claim(ds: Dataset, item: Dataset) -> Claim:
    abnormal = headers.code(item, "SegmentedPropertyCategoryCodeSequence") in _ABNORMAL
    return claim_of(
        ds,
        _number(item),
        "" if abnormal else headers.text(item, "SegmentLabel"),
        kind=headers.code(item, "SegmentedPropertyTypeCodeSequence"),
        region=headers.code(item, "AnatomicRegionSequence"),
        untyped=False,
    )


def devices_in(ds: Dataset) -> list[Device]:
    """Return the segments of `ds`, which may be a header, that are cement or hardware."""
    found = []
    for item in headers.items(ds, "SegmentSequence"):
        kind = headers.code(item, "SegmentedPropertyTypeCodeSequence")
        flag, number = device_flag(kind, headers.text(item, "SegmentLabel")), _number(item)
        if flag is not None and number is not None:
            found.append(Device(holder=ds, number=number, flag=flag))
    return found


def _number(item: Dataset) -> int | None:
    number = next(iter(headers.numbers(item, "SegmentNumber")), None)
    return None if number is None else int(number)


def _volumes(
    objects: Iterable[Dataset], whole: Whole, chosen: Mapping[str, Claim], image_positions: Positions
) -> dict[str, Volume | Reason]:
    volumes: dict[str, Volume | Reason] = {}
    for ds in objects:
        numbers = {level: one.number for level, one in chosen.items() if one.holder is ds and one.number is not None}
        if numbers:
            volumes |= _read(whole(ds), numbers, image_positions)
    return volumes


def _read(ds: Dataset, numbers: Mapping[str, int], image_positions: Positions) -> dict[str, Volume | Reason]:
    try:
        stack = read_stack(ds, image_positions)
        if isinstance(stack, Reason):
            return dict.fromkeys(numbers, stack)
        volumes = read_segments(ds, stack, numbers.values())
    except UNREADABLE:
        return dict.fromkeys(numbers, Reason.UNREADABLE)
    return {level: volumes[number] for level, number in numbers.items()}


def _filled(objects: Iterable[Dataset], whole: Whole) -> Iterator[Filled]:
    """Give the voxels of cement and hardware, a frame at a time."""
    for ds in objects:
        flags = {device.number: device.flag for device in devices_in(ds)}
        try:
            yield from _frames(whole(ds), flags) if flags else ()
        except UNREADABLE:
            yield from (Filled(flag=flag, centres=None) for flag in flags.values())


def _frames(ds: Dataset, flags: Mapping[int, Flag]) -> Iterator[Filled]:
    stack = read_stack(ds)
    if isinstance(stack, Reason):
        yield from (Filled(flag=flag, centres=None) for flag in flags.values())
        return
    voxel_mm3 = abs(float(np.linalg.det(stack.affine[:3, :3])))
    for number, centres in read_filled(ds, stack, flags):
        yield Filled(flag=flags[number], centres=centres, voxel_mm3=voxel_mm3)

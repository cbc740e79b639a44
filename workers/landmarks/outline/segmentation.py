"""Masks on radiographs out of DICOM Segmentations: frames without a place in the patient (PS3.3 C.8.20)."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from sr_templates import headers
from workers.landmarks.labels import said
from workers.landmarks.outline.drawn import SIDES, Device, Drawn, Mark, Outlines
from workers.landmarks.outline.edges import LEVEL, loops
from workers.landmarks.outline.frames import Lying, lies_on_films, lying
from workers.landmarks.outline.images import Images
from workers.landmarks.outline.mask import parts_of
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.points import VertebraLandmarks, without_points
from workers.landmarks.reasons import Flag
from workers.landmarks.reasons import Reason as MaskReason
from workers.landmarks.regions.claims import Claim, settle
from workers.landmarks.seg import claims_in, devices_in
from workers.landmarks.volumes import LABEL_MAP, UNREADABLE, Array, decoded, segment_number

Whole = Callable[[Dataset], Dataset]
_Found = Drawn | Mark | Device | VertebraLandmarks
#: Masks of one vertebra in one object: two may be the double contour of its endplates.
_PAIR: Final = 2
_NOWHERE: Final = Device(flag=Flag.DEVICE_UNREADABLE)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pick:
    """A segment that is believed to be a mask of a level."""

    level: str
    number: int
    #: Whether it is the body without posterior elements.
    body_only: bool


def outlines_of(objects: Sequence[Dataset], whole: Whole, images: Images) -> Outlines:
    """Return the edges of each vertebra's mask in `objects`, headers of segmentations on radiographs.

    `whole` gives one with its pixel data, and only one is held at a time.
    """
    refusals: dict[str, VertebraLandmarks] = {}
    results: list[_Found] = []
    for ds in objects:
        picks, unsettled = _picked(claims_in(ds))
        refusals |= unsettled
        results += _read(ds, whole, images, {pick.number: pick for pick in picks})
    drawn = tuple(one for one in results if isinstance(one, Drawn))
    refusals |= {one.level: one for one in results if isinstance(one, VertebraLandmarks)}
    outlined = {one.level for one in drawn}
    return Outlines(
        drawn=drawn,
        marks=tuple(one for one in results if isinstance(one, Mark)),
        # An object may list levels that only the other film shows.
        refused={level: one for level, one in refusals.items() if one.reason != Reason.EMPTY or level not in outlined},
    )


def devices_of(objects: Sequence[Dataset], whole: Whole, images: Images) -> list[Device]:
    """Return the cement and hardware in `objects`, headers of segmentations, that lie on radiographs.

    What lies in the patient cannot be placed on a radiograph: there, any vertebra may hold it.
    """
    on_films = [ds for ds in objects if devices_in(ds) and lies_on_films(ds, images)]
    read = [one for ds in on_films for one in _read(ds, whole, images, {}) if isinstance(one, Device)]
    return read if len(on_films) == sum(map(bool, map(devices_in, objects))) else [*read, _NOWHERE]


def _picked(claims: Sequence[Claim]) -> tuple[list[_Pick], dict[str, VertebraLandmarks]]:
    """Return the segments of one object that are measured, and the levels that are refused.

    The body alone goes before the whole vertebra: on a radiograph it need not be parted from anything. Plain numbers
    cannot be borne out here, since the image need not say which end is superior.
    """
    by_level: dict[str, list[Claim]] = {}
    for claim in claims:
        by_level.setdefault("" if claim.naming.is_conflict else claim.naming.levels[0], []).append(claim)
    asked, seconds = by_level.pop("", []), dict[str, Claim]()
    for level, every in by_level.items():
        some = [claim for claim in every if claim.body_only] or every
        is_pair = len(some) == _PAIR and some[0].number != some[1].number
        asked += some[:1] if is_pair else some
        seconds |= {level: some[1]} if is_pair else {}
    settled = settle(asked)
    refusals = dict(settled.refused)
    picks = []
    for level, claim in settled.chosen.items():
        if claim.plain_number is not None:
            refusals[level] = without_points(level, MaskReason.NUMBER_UNCONFIRMED)
            continue
        believed = [claim, *([seconds[level]] if level in seconds else [])]
        picks += [
            _Pick(level=level, number=one.number, body_only=one.body_only) for one in believed if one.number is not None
        ]
    return picks, refusals


def _sides(ds: Dataset) -> dict[int, bool]:
    """Return the segments that mark a side, by number, and whether it is the anterior one."""
    found = {}
    for item in headers.items(ds, "SegmentSequence"):
        label, number = said(headers.text(item, "SegmentLabel")), headers.numbers(item, "SegmentNumber")
        if label.level is None and not label.point and label.position in SIDES and number:
            found[int(number[0])] = SIDES[label.position]
    return found


def _read(ds: Dataset, whole: Whole, images: Images, levels: dict[int, _Pick]) -> list[_Found]:
    """Return the outline or the refusal of each level of one object, its marks and its devices."""
    holder, sides = headers.text(ds, "SOPInstanceUID"), _sides(ds)
    devices = {device.number: device.flag for device in devices_in(ds)}
    found: list[_Found] = []
    seen: set[int] = set()
    try:
        for number, place, share in _shares(whole(ds), {*levels, *sides, *devices}, images):
            seen.add(number)
            if number in levels:
                found.append(_drawn(levels[number], holder, place, share))
            elif isinstance(place, Lying) and number in sides:
                found.append(_mark(place, share, is_anterior=sides[number]))
            elif number in devices:
                found.append(_device(place, share, devices[number]) if isinstance(place, Lying) else _NOWHERE)
    except UNREADABLE:
        unread = [_NOWHERE] if devices else []
        return [*(without_points(pick.level, Reason.UNREADABLE) for pick in levels.values()), *unread]
    nothing = Reason.EMPTY if headers.items(ds, "PerFrameFunctionalGroupsSequence") else Reason.UNREADABLE
    return [*found, *(without_points(pick.level, nothing) for number, pick in levels.items() if number not in seen)]


def _shares(ds: Dataset, numbers: Collection[int], images: Images) -> Iterator[tuple[int, Lying | Reason, Array]]:
    """Yield (segment number, place, filled share of each pixel) of every frame that holds one of the segments."""
    groups = headers.items(ds, "PerFrameFunctionalGroupsSequence")
    is_map = ds.SOPClassUID == LABEL_MAP
    held = [
        (frame, numbers if is_map else {segment_number(group, ds)} & {*numbers}) for frame, group in enumerate(groups)
    ]
    wanted = [(frame, some) for frame, some in held if some]
    full = float(ds.MaximumFractionalValue) if ds.get("SegmentationType") == "FRACTIONAL" else 1.0
    for (frame, some), pixels in zip(wanted, decoded(ds, [frame for frame, _ in wanted]), strict=True):
        for number in sorted(some):
            share = np.asarray(pixels == number if is_map else pixels / full, dtype=np.float64)
            if (share >= LEVEL).any():
                yield number, lying(ds, groups[frame], images), share


def _drawn(pick: _Pick, holder: str, place: Lying | Reason, share: Array) -> Drawn | VertebraLandmarks:
    if isinstance(place, Reason):
        return without_points(pick.level, place)
    step = np.array(place.step)
    parts = parts_of(share, place.step)
    if isinstance(parts, Reason):
        return without_points(pick.level, parts)
    return Drawn(
        level=pick.level,
        body_only=pick.body_only,
        where=place.where,
        holder=holder,
        rings=tuple(ring * step for ring in parts.rings),
        others=tuple(ring * step for ring in parts.others),
        flags=parts.flags,
        step=place.step,
    )


def _mark(place: Lying, share: Array, *, is_anterior: bool) -> Mark:
    rows, columns = np.nonzero(share >= LEVEL)
    middle = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
    return Mark(where=place.where, point=middle * np.array(place.step), is_anterior=is_anterior)


def _device(place: Lying, share: Array, flag: str) -> Device:
    filled = np.pad(share, 1)
    rings = loops(filled >= LEVEL, filled)
    return Device(flag=flag, where=place.where, rings=tuple((ring - 1) * np.array(place.step) for ring in rings))

"""Cement and hardware that a study marks on radiographs: which vertebrae hold them, whoever placed their points."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from sr_templates import codes, headers
from sr_templates.findings import Landmarks, LandmarkSource, Space
from workers.inputs import PRESENTATIONS, REPORTS
from workers.landmarks.annotations import Graphic, Text, annotations_of
from workers.landmarks.labels import said
from workers.landmarks.nearness import boxes, distances
from workers.landmarks.outline.drawn import Device, Where
from workers.landmarks.outline.images import Images
from workers.landmarks.outline.section import enclosed
from workers.landmarks.pairing import drawn
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.reasons import Flag
from workers.landmarks.regions.devices import device_flag
from workers.landmarks.sr import groups, named_by
from workers.landmarks.sr_points import meaning_of
from workers.landmarks.sr_regions import is_finite, polylines

#: Share of a body that cement or hardware covers at least; less is a stray, as in a mask (docs/morphometry 3.2).
_LEAST_HELD: Final = 0.01
#: Samples along the longer side of a body on which this is judged.
_SAMPLES: Final = 100
#: What may say in words what a group is about: Tracking Identifier, Comment.
_LABELS: Final = frozenset({codes.TRACKING_IDENTIFIER.value, codes.COMMENT.value})
#: The points around a body, with or without the middle ones.
_AROUND: Final = ("AS", "MS", "PS", "PI", "MI", "AI")


def devices_in(carrier: Dataset, images: Images) -> list[Device]:
    """Return the cement and hardware that a report or a presentation state marks; nothing of any other object."""
    sop_class = headers.text(carrier, "SOPClassUID")
    if sop_class in REPORTS:
        return list(_in_report(carrier, images))
    return list(_in_state(carrier, images)) if sop_class in PRESENTATIONS else []


def told(vertebrae: Sequence[VertebraLandmarks], devices: Sequence[Device]) -> tuple[VertebraLandmarks, ...]:
    """Return the vertebrae with the words of what they hold; masks in space have their own (docs/morphometry 3.7)."""
    named = [device for device in devices if device.level is not None]
    return tuple(
        one
        if one.landmarks is None
        else replace(
            one,
            flags=tuple(
                dict.fromkeys((*one.flags, *_held(one.level, one.landmarks, named if _is_mask(one) else devices)))
            ),
        )
        for one in vertebrae
    )


def _is_mask(vertebra: VertebraLandmarks) -> bool:
    in_space = vertebra.landmarks is not None and vertebra.landmarks.space is Space.PATIENT
    return in_space and vertebra.source in {LandmarkSource.SEGMENTATION, LandmarkSource.MODEL}


def _held(level: str, landmarks: Landmarks, devices: Sequence[Device]) -> list[str]:
    """Return what a body holds: what names it, what covers a part of its points' polygon, what may be anywhere."""
    found = [device.flag for device in devices if device.level == level]
    found += [device.flag for device in devices if device.level is None and device.where is None]
    if landmarks.space is not Space.IMAGE:
        return found
    near = [one for one in devices if one.where and one.where.sop_instance_uid == landmarks.sop_instance_uid]
    body = np.array([landmarks.points[name] for name in _AROUND if name in landmarks.points])
    low, step = body.min(axis=0), float(np.ptp(body, axis=0).max()) / _SAMPLES
    x, y = (start + step * (np.arange(_SAMPLES) + 0.5) for start in low)
    inside = enclosed([body], x, y)
    covered: dict[str, float] = {}
    for device in near:
        if device.where is not None and device.where.frame in {None, landmarks.frame}:
            share = (enclosed(device.rings, x, y) & inside).sum() / max(1, inside.sum())
            covered[device.flag] = covered.get(device.flag, 0.0) + float(share)
    return [*found, *(flag for flag, share in covered.items() if share >= _LEAST_HELD)]


def _in_report(report: Dataset, images: Images) -> Iterator[Device]:
    """Give what groups mark whose finding or label is cement or hardware, where it lies and in which vertebra."""
    for group in groups(report):
        items = headers.items(group, "ContentSequence")
        texts = " ".join(
            headers.text(item, "TextValue")
            for item in items
            if headers.code(item, "ConceptNameCodeSequence")[1] in _LABELS
        )
        kinds = [
            (headers.code(item, "ConceptCodeSequence"), meaning_of(item, "ConceptCodeSequence"))
            for item in items
            if headers.code(item, "ConceptNameCodeSequence")[1] == codes.FINDING.value
        ]
        flag = next(filter(None, (device_flag(code, meaning) for code, meaning in kinds)), None)
        flag = flag or device_flag(("", ""), texts)
        if flag is None:
            continue
        label = said(texts)
        levels = dict.fromkeys([*named_by(group)[0].levels, *([label.holder] if label.holder else [])])
        yield from (Device(flag=flag, level=level) for level in levels)
        lines = [line for line in polylines(group) if line and is_finite(line)]
        for line in lines:
            where = images.where(line[0].sop_instance_uid, line[0].frame)
            yield Device(flag=flag, where=where, rings=(np.array([spot.point for spot in line]),))
        if not levels and not lines:
            yield Device(flag=Flag.DEVICE_UNREADABLE)


def _in_state(state: Dataset, images: Images) -> Iterator[Device]:
    """Give what texts and Tracking IDs call cement or hardware: the line it is drawn with, or the level it names."""
    annotations = annotations_of(state)
    nameless = [one.graphic for one in drawn(state) if not one.naming.levels and not one.doubtful]
    lines = [one for one in nameless if one.is_outline and one.is_closed and one.in_pixels]
    own = [one for one in lines if one.said.device]
    yield from (_around(one.said.device, one, images) for one in own)
    for text in (one for one in annotations.texts if one.said.device):
        line = _nearest(text, [one for one in lines if one not in own])
        if line is not None:
            yield _around(text.said.device, line, images)
        if text.said.holder is not None:
            yield Device(flag=text.said.device, level=text.said.holder)
        elif line is None and not own:
            yield Device(flag=Flag.DEVICE_UNREADABLE)


def _nearest(text: Text, lines: Sequence[Graphic]) -> Graphic | None:
    """Return the line that a text stands in or nearest to, no farther from it than it is wide or high."""
    near = []
    for line in (one for one in lines if text.images in {None, one.images} and text.places):
        away = float(distances(line.points, boxes([text.places]))[0])
        if away <= float(np.ptp(np.array(line.points), axis=0).min()):
            near.append((away, line))
    return min(near, key=lambda one: one[0])[1] if near else None


def _around(flag: str, line: Graphic, images: Images) -> Device:
    if len(line.images) != 1:
        return Device(flag=Flag.DEVICE_UNREADABLE)
    where: Where = images.where(line.images[0].sop_instance_uid, line.images[0].frame)
    return Device(flag=flag, where=where, rings=(np.array(line.points),))

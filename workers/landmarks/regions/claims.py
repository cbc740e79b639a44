"""Which vertebra each mask of a study says it is, and who is believed: by code, then label, then a VerSe number.

Masks are the segments of Segmentations and the contoured regions of RT Structure Sets. Nobody is counted: a
vertebra that contradicts itself or another one is refused, and both readings are named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from pydicom import Dataset

from sr_templates.levels import LEVELS, ORDER
from workers.landmarks.labels import Naming, naming
from workers.landmarks.levels import level_from_code, level_from_label, verse_levels
from workers.landmarks.mask.order import standing
from workers.landmarks.points import VertebraLandmarks, without_points
from workers.landmarks.reasons import Reason
from workers.landmarks.volumes import Volume

Code = tuple[str, str]

_BODY_TYPES: Final = frozenset({("SCT", "3572006")})
_VERTEBRA_TYPES: Final = _BODY_TYPES | {("SCT", "51282000"), ("SRT", "T-11510")}
#: Property types that say no more than vertebra, bone or tissue: the label then names the level.
GENERIC_TYPES: Final = _VERTEBRA_TYPES | {
    ("SCT", "272673000"),  # Bone
    ("SCT", "85756007"),  # Tissue: what TotalSegmentator writes for a class without a code of its own
    ("SCT", "91723000"),  # Anatomical Structure
    ("SCT", "123037004"),  # Anatomical Structure, as older software writes it
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Claim:
    """A mask that names a vertebra."""

    #: The header of the object that holds it.
    holder: Dataset
    #: Segment Number or ROI Number; None where it has none, so nothing drawn can belong to it.
    number: int | None
    naming: Naming
    #: Whether its code is that of a vertebral body, without posterior elements.
    body_only: bool = False
    #: The label where it is a plain number and no code names the vertebra: VerSe's, if the others bear it out.
    plain_number: int | None = None


@dataclass(frozen=True, kw_only=True)
class Settled:
    """One mask for each level that is believed so far, and the levels that are refused."""

    chosen: Mapping[str, Claim]
    refused: Mapping[str, VertebraLandmarks]


def claim_of(holder: Dataset, number: int | None, label: str, *, kind: Code, region: Code, untyped: bool) -> Claim:
    """Return what code, region and label of one mask say; a naming without a level where they say nothing.

    A bare label (`L1`, `20`) counts only where the type says no more than bone, vertebra or tissue, or where the mask
    is `untyped`: it has no code at all.
    """
    code = level_from_code(*kind) or (level_from_code(*region) if kind in _VERTEBRA_TYPES else None)
    open_type = untyped or kind in GENERIC_TYPES
    digits = label.strip()
    plain = open_type and not code and digits.isascii() and digits.isdigit()
    return Claim(
        holder=holder,
        number=number,
        naming=naming([code], [level_from_label(label, bare=bool(code) or open_type)]),
        body_only=kind in _BODY_TYPES or any(kind == ("SCT", level.body) for level in LEVELS.values()),
        plain_number=int(digits) if plain else None,
    )


def named(claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims of one object that name a vertebra; plain numbers are read as VerSe's where they may be."""
    levels = verse_levels([claim.plain_number for claim in claims if claim.plain_number is not None])
    read = [
        claim if claim.plain_number is None else replace(claim, naming=naming([], [levels.get(claim.plain_number)]))
        for claim in claims
    ]
    return [claim for claim in read if claim.naming.levels]


def settle(claims: Sequence[Claim]) -> Settled:
    """Return one mask for each level: refused where what names it contradicts itself, or where there are several.

    The whole vertebra goes before its body alone.
    """
    refused = {
        level: without_points(level, Reason.LEVEL_CONFLICT, *flags) for level, flags in _conflicts(claims).items()
    }
    chosen: dict[str, Claim] = {}
    for level, claim in _single(claims).items():
        if claim is None or claim.number is None:
            reason = Reason.LEVEL_DUPLICATED if claim is None else Reason.UNREADABLE
            refused.setdefault(level, without_points(level, reason))
        elif level not in refused:
            chosen[level] = claim
    return Settled(chosen=chosen, refused=refused)


def unconfirmed(chosen: Mapping[str, Claim], masks: Mapping[str, Volume]) -> dict[str, VertebraLandmarks]:
    """Return the levels that only a plain number names and the column does not bear out.

    At least two such masks must be there, and all masks must stand in the order that the numbers say, by patient z:
    other numberings run upwards. One contradiction refuses all numbers.
    """
    numbered = [level for level, claim in chosen.items() if claim.plain_number is not None]
    if not numbered:
        return {}
    height = {level: _height(mask) for level, mask in masks.items()}
    column = sorted(height, key=ORDER.__getitem__)
    wrong = [(above, below) for above, below in pairwise(column) if height[above] <= height[below]]
    if not wrong and sum(level in masks for level in numbered) > 1:
        return {}
    return {level: without_points(level, Reason.NUMBER_UNCONFIRMED, *standing(level, wrong)) for level in numbered}


def _height(mask: Volume) -> float:
    """Return the mean position of a mask along patient z, mm."""
    return float(mask.to_patient(np.argwhere(mask.mask).mean(axis=0))[2])


def _conflicts(claims: Sequence[Claim]) -> dict[str, tuple[str, ...]]:
    """Return the levels of each mask that names several, with every reading as flags.

    What has one number in one object is one mask, however often it is described.
    """
    masks: dict[object, list[Naming]] = {}
    for claim in claims:
        key = claim if claim.number is None else (id(claim.holder), claim.number)
        masks.setdefault(key, []).append(claim.naming)
    said = [
        naming((code for one in names for code in one.codes), (label for one in names for label in one.labels))
        for names in masks.values()
    ]
    return {level: one.flags for one in said if one.is_conflict for level in one.levels}


def _single(claims: Sequence[Claim]) -> dict[str, Claim | None]:
    """Return each level's mask: the whole vertebra before the body alone; None where there are several."""
    by_level: dict[str, list[Claim]] = {}
    for claim in claims:
        if not claim.naming.is_conflict:
            by_level.setdefault(claim.naming.levels[0], []).append(claim)
    best = {level: [claim for claim in all_ if not claim.body_only] or all_ for level, all_ in by_level.items()}
    return {level: some[0] if len(some) == 1 else None for level, some in best.items()}

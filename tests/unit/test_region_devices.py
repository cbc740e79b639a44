from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pydicom.sr._concepts_dict import concepts

from workers.landmarks.regions.devices import HARDWARE_CODES, Filled, device_flag, held, parts
from workers.landmarks.volumes import Volume
from workers.morphometry.flags import Flag


def test_codes_are_those_of_the_standard() -> None:
    """Each code of hardware stands in pydicom's dictionary of PS3.16 with the same meaning."""
    meanings: dict[str, set[str]] = {}
    sct: Any = concepts["SCT"]
    for found in sct.values():
        for value, (meaning, _) in found.items():
            meanings.setdefault(value, set()).add(meaning.lower())
    for code, meaning in HARDWARE_CODES.items():
        assert any(one.startswith(meaning.lower()) for one in meanings[code])


@pytest.mark.parametrize(
    ("kind", "label", "flag"),
    [
        (("SCT", "68183006"), "", Flag.HARDWARE),
        (("SCT", "40388003"), "anything", Flag.HARDWARE),
        (("SCT", "85756007"), "pedicle_screw_L4", Flag.HARDWARE),
        (("", ""), "Rods", Flag.HARDWARE),
        (("", ""), "spinal implant 2", Flag.HARDWARE),
        (("SCT", "105590001"), "bone cement", Flag.CEMENT),
        (("", ""), "L1-PMMA", Flag.CEMENT),
        (("99LOCAL", "68183006"), "", None),
        (("", ""), "vertebrae_L1", None),
        (("", ""), "rodent ulcer", None),
        (("", ""), "brodie", None),
        (("", ""), "cementum", None),
    ],
)
def test_code_or_a_whole_word_says_what_it_is(kind: tuple[str, str], label: str, flag: Flag | None) -> None:
    """Part of a word is not enough, and a code of another scheme is none."""
    assert flag is device_flag(kind, label)


def _cube(low: Sequence[float], size: int, step_mm: float = 1.0) -> Volume:
    affine = np.diag([step_mm] * 3 + [1.0])
    affine[:3, 3] = low
    return Volume(mask=np.ones((size,) * 3, dtype=np.bool_), affine=affine, low=(1, 1, 1), high=(1, 1, 1))


MASKS = {"L1": _cube((0, 0, 40), 20), "L2": _cube((0, 0, 0), 20)}


@pytest.mark.parametrize(
    ("low", "levels"),
    [
        ((5.2, 5.1, 45.3), {"L1"}),  # within L1
        ((5.0, 20.0, 5.0), {"L2"}),  # behind L2, face to face
        ((5.0, 22.0, 5.0), set()),  # one voxel apart
        ((5.0, 5.0, 26.0), set()),  # between the two
    ],
)
def test_a_vertebra_holds_what_overlaps_or_touches_it(low: tuple[float, float, float], levels: set[str]) -> None:
    """Masks that exclude each other touch where they would overlap; what is a voxel away is elsewhere."""
    found = held(MASKS, parts(Flag.HARDWARE, [_cube(low, 8)]))
    assert dict.fromkeys(levels, ("HARDWARE",)) == found


def test_a_stray_is_no_device() -> None:
    """8 mm3 within a vertebra are left out, however finely they are sampled; 27 mm3 are not."""
    assert {} == held(MASKS, parts(Flag.CEMENT, [_cube((5, 5, 5), 4, 0.5)]))
    assert {"L2": ("CEMENT",)} == held(MASKS, parts(Flag.CEMENT, [_cube((5, 5, 5), 6, 0.5)]))


def test_parts_of_one_device_add_up() -> None:
    """A screw comes a frame at a time; cement and hardware are told apart."""
    pieces = [
        *parts(Flag.HARDWARE, [_cube((5, 5, z), 2) for z in (2, 5, 8)]),
        *parts(Flag.CEMENT, [_cube((5, 5, 42), 8)]),
    ]

    assert {"L2": ("HARDWARE",), "L1": ("CEMENT",)} == held(MASKS, pieces)


def test_a_device_that_cannot_be_read_may_be_anywhere() -> None:
    """Every level says so."""
    assert dict.fromkeys(MASKS, ("DEVICE_UNREADABLE",)) == held(MASKS, [Filled(flag=Flag.CEMENT, centres=None)])

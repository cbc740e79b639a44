"""Which object a received data set is, read from its bytes: nothing is decoded that is not needed.

Reading ends after Series Instance UID (0020,000E), long before pixels.
"""

import functools
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from service.elements import Elements
from service.errors import Refused

#: PS3.4 table B.2-1: Error: Cannot understand.
CANNOT_UNDERSTAND: Final = 0xC000

_SOP_CLASS: Final = 0x0008_0016
_SOP_INSTANCE: Final = 0x0008_0018
_MANUFACTURER: Final = 0x0008_0070
_MODEL: Final = 0x0008_1090
_STUDY: Final = 0x0020_000D
_SERIES: Final = 0x0020_000E
_REQUIRED: Final[Mapping[int, str]] = {
    _SOP_CLASS: "SOP Class UID",
    _SOP_INSTANCE: "SOP Instance UID",
    _STUDY: "Study Instance UID",
    _SERIES: "Series Instance UID",
}
_WANTED: Final = frozenset({*_REQUIRED, _MANUFACTURER, _MODEL})

#: PS3.5 9.1: components of digits without leading zeros, at most 64 characters.
_UID: Final = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*")
_UID_LENGTH: Final = 64


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who an object is, by its own data set; the UIDs are well-formed."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    manufacturer: str
    model: str


def is_uid(text: str) -> bool:
    """Whether `text` is a well-formed UID (PS3.5 9.1)."""
    return len(text) <= _UID_LENGTH and _is_well_formed(text)


@functools.lru_cache(maxsize=256)
def _is_well_formed(text: str) -> bool:
    # Of one object the same few are asked for eight times.
    return _UID.fullmatch(text) is not None


def read_identity(data: bytes | memoryview, transfer_syntax: str) -> Identity:
    """Read the identity of a data set; Refused (0xC000) where it cannot be read or a UID is missing or malformed."""
    try:
        found = dict(Elements(data, transfer_syntax, wanted=_WANTED, last=_SERIES))
    except (struct.error, zlib.error) as error:
        raise Refused("the data set cannot be read", status=CANNOT_UNDERSTAND) from error
    values = {tag: found.get(tag, b"").decode("ascii", "replace").strip("\0 ") for tag in _WANTED}
    for tag, name in _REQUIRED.items():
        if not values[tag]:
            raise Refused(f"{name} is missing", status=CANNOT_UNDERSTAND)
        if not is_uid(values[tag]):
            raise Refused(f"{name} is malformed", status=CANNOT_UNDERSTAND)
    return Identity(
        sop_class_uid=values[_SOP_CLASS],
        sop_instance_uid=values[_SOP_INSTANCE],
        study_instance_uid=values[_STUDY],
        series_instance_uid=values[_SERIES],
        manufacturer=values[_MANUFACTURER],
        model=values[_MODEL],
    )

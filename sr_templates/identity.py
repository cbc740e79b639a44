"""Who made a report: the words and the UID that every object of ours carries. PURE."""

from typing import Final

MANUFACTURER: Final = "Spondyl"
MODEL: Final = "Spondyl"
#: Names this implementation in the file meta information (PS3.10 7.1); UUID-derived, so it needs no registered root.
IMPLEMENTATION_CLASS_UID: Final = "2.25.4957196832398543440443649956170599112"


def is_own(manufacturer: str | None, model: str | None) -> bool:
    """Whether an object with this Manufacturer and Manufacturer's Model Name was made by this product."""
    return (manufacturer or "").strip() == MANUFACTURER and (model or "").strip() == MODEL


def version_name(software: str) -> str:
    """Return the Implementation Version Name (0002,0013) of `software`, e.g. "spondyl 0.1.0": 16 characters at most."""
    return software.strip().upper().replace(" ", "_")[:16]

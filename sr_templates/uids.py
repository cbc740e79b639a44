"""UIDs that follow from what they name: the same inputs give the same UID, anything else a new one. PURE.

With a registered root a UID is the root and up to 39 digits of a SHA-256; without one it is UUID-derived, 2.25 and
the UUID as a decimal number (PS3.5 B.2, ISO/IEC 9834-8). `pydicom.uid.generate_uid(prefix=None)` is no help: it
ignores its entropy sources.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Final
from uuid import UUID, uuid5

#: Longest UID, characters (PS3.5 9.1).
MAX_LENGTH: Final = 64
#: Root of UUID-derived UIDs (PS3.5 B.2).
_UUID_DERIVED: Final = "2.25"
#: Longest root that leaves room for a dot and 39 digits.
_LONGEST_ROOT: Final = 24
#: uuid5(NAMESPACE_URL, "urn:spondyl:uid"): permanent.
_NAMESPACE: Final = UUID("00aa3418-45f0-5be7-a4c6-ebd0ee3b040c")


def digest(value: object) -> str:
    """Return the SHA-256 (hex) of records, mappings, sequences and plain values; the order of keys does not count."""
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def derived_uid(root: str, *seed: object) -> str:
    """Return the UID that follows from `seed` under `root`; an empty root gives a UUID-derived UID.

    Raises ValueError where the root leaves no room for the digits.
    """
    named = digest(seed)
    if not root:
        return f"{_UUID_DERIVED}.{uuid5(_NAMESPACE, named).int}"
    uid = f"{root}.{int(named[:32], 16)}"
    if len(uid) > MAX_LENGTH:
        raise ValueError(f"expected a UID root of at most 24 characters, found {len(root)}: {root}")
    return uid


def series_uid(root: str, *, study_instance_uid: str, kind: str, shared: Mapping[str, str]) -> str:
    """Return the UID of the series that holds all revisions of one kind of object of a study.

    `shared` is what the objects of a series have in common: where it differs, they are not of one series.
    """
    return derived_uid(root, "series", study_instance_uid, kind, shared)


def tracking_uid(root: str, *, study_instance_uid: str, level: str) -> str:
    """Return the Tracking Unique Identifier (112040, DCM) of a vertebra: the same in every report on this study.

    It does not follow from the Patient ID: a hash of a short number is found by trying all of them, and tracking UIDs
    survive some de-identifiers. Between studies a vertebra is matched by patient and Finding Site.
    """
    return derived_uid(root, "tracking", study_instance_uid, level)


def height_uid(root: str, *, tracking_uid: str, position: str) -> str:
    """Return the Tracking UID of a vertebra's anterior, middle or posterior height: it follows from the vertebra's."""
    return derived_uid(root, "height", tracking_uid, position)


def root_of(uid: str) -> str | None:
    """Return the root under which `derived_uid` could have made a UID: "" for a UUID-derived one; None without any."""
    root = uid.rpartition(".")[0]
    return "" if root == _UUID_DERIVED else root if 0 < len(root) <= _LONGEST_ROOT else None


def device_uid(root: str, *, software: str) -> str:
    """Return the UID of the algorithm as a device (121012, DCM): it changes when the version does."""
    return derived_uid(root, "device", software)


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)

"""What the API takes as a landmarks document: told to its callers as JSON Schema, checked by what will measure it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, get_args

from pydicom.dataset import Dataset

from service.errors import BadLandmarks
from service.landmarks import DocumentFormat
from sr_templates.findings import POINT_NAMES, Space
from sr_templates.levels import LEVELS
from workers.inputs import NotOneStudy, read_inputs
from workers.landmarks.document import CORNERS, LONGEST_UID, SCHEMA, LandmarksError, Origin, landmarks_of, parse
from workers.morphometry.flags import INPUT_WORDS

_POINT: Final = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 3}
_VERTEBRA: Final = {
    "type": "object",
    "required": ["level", "points"],
    "additionalProperties": False,
    "properties": {
        "level": {"enum": list(LEVELS)},
        "points": {
            "description": "(column, row), 0,0 the top left corner of the first pixel; or LPS (x, y, z), mm",
            "type": "object",
            "required": sorted(CORNERS),
            "dependentRequired": {"MS": ["MI"], "MI": ["MS"]},
            "additionalProperties": False,
            "properties": dict.fromkeys(POINT_NAMES, _POINT),
        },
        "flags": {
            "description": "what the points cannot tell of the body: it then keeps heights only",
            "type": "array",
            "items": {"enum": [str(word) for word in INPUT_WORDS]},
        },
    },
}
#: The document in JSON Schema 2020-12; what it cannot say (two or three numbers, each level once) is checked all the
#: same.
JSON_SCHEMA: Final[dict[str, Any]] = {
    "title": SCHEMA,
    "type": "object",
    "required": ["schema", "study_instance_uid", "space", "source", "vertebrae"],
    "additionalProperties": False,
    "properties": {
        "schema": {"const": SCHEMA},
        "study_instance_uid": {
            "type": "string",
            "maxLength": LONGEST_UID,
            "description": "that of the study it is put for",
        },
        "sop_instance_uid": {
            "type": ["string", "null"],
            "maxLength": LONGEST_UID,
            "description": "the image; required for image points, and with a frame",
        },
        "frame": {"type": ["integer", "null"], "minimum": 1},
        "space": {"enum": [str(space) for space in Space]},
        "source": {"enum": list(get_args(Origin)), "description": "reviewed points count before all others"},
        "observer": {"type": ["string", "null"], "description": "stands in the report; no patient's name"},
        "vertebrae": {"type": "array", "minItems": 1, "items": _VERTEBRA},
    },
}


def check(document: bytes, *, study_instance_uid: str, image_of: Callable[[str], Path | None], complete: bool) -> None:
    """Do what `service.landmarks.Check` says.

    Of the study only the image that is named is read. Whether patient points without an image have a frame of
    reference is found out when the whole study is read.
    """
    try:
        _check(document, study_instance_uid, image_of, complete=complete)
    except LandmarksError as error:
        raise BadLandmarks(str(error)) from None


def _check(text: bytes, study_instance_uid: str, image_of: Callable[[str], Path | None], *, complete: bool) -> None:
    document = parse(text)
    if document.study_instance_uid != study_instance_uid:
        both = f"{study_instance_uid}, found {document.study_instance_uid}"
        raise LandmarksError(f"study_instance_uid: expected that of the study, {both}")
    if document.sop_instance_uid is None:
        return
    file = image_of(document.sop_instance_uid)
    if file is not None or complete:
        landmarks_of(document, lambda uid: _header(file, uid), ())


def _header(file: Path | None, sop_instance_uid: str) -> Dataset | None:
    """Return the header of an image; None where it was not received, or cannot be read."""
    try:
        return None if file is None else read_inputs([file]).header(sop_instance_uid)
    except NotOneStudy:
        return None


#: To be given to the web role.
FORMAT: Final = DocumentFormat(json_schema=JSON_SCHEMA, check=check)

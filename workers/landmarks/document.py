"""Points supplied as a JSON document, schema `spondyl.landmarks/1`.

It is read strictly: a guess would be a wrong level or a wrong height.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast, get_args

from pydicom.dataset import Dataset

from sr_templates.findings import POINT_NAMES, Landmarks, LandmarkSource, Point, Space
from sr_templates.levels import LEVELS
from sr_templates.slices import frame_of_reference
from workers.landmarks.image_plane import number_of_frames, plane_of
from workers.landmarks.points import ImagePlane, VertebraLandmarks
from workers.morphometry.flags import INPUT_WORDS

SCHEMA: Final = "spondyl.landmarks/1"
Origin = Literal["manual", "automatic", "reviewed"]
#: Where there are no mid-points, biconcavity is not assessable.
CORNERS: Final = frozenset({"AS", "PS", "AI", "PI"})
_REQUIRED: Final = frozenset({"schema", "study_instance_uid", "space", "source", "vertebrae"})
_OPTIONAL: Final = frozenset({"sop_instance_uid", "frame", "observer"})
_DIMENSIONS: Final = {Space.IMAGE: 2, Space.PATIENT: 3}
#: Far beyond any image or patient; a larger number is a mistake.
_LIMIT: Final = 1e6
#: Characters of the observer's name, as of a person's name (PS3.5 6.2).
_LONGEST_NAME: Final = 64
#: Characters of a UID (PS3.5 9.1).
LONGEST_UID: Final = 64
_NO_IMAGE: Final = "sop_instance_uid, frame: expected an image of this study, found none"


class LandmarksError(ValueError):
    """The landmarks document cannot be used; the message says what was expected and what was found."""


@dataclass(frozen=True, kw_only=True)
class SuppliedVertebra:
    """The points of one level, (column, row) or LPS (x, y, z) mm, and what their supplier says of the body."""

    level: str
    points: Mapping[str, Point]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LandmarksDocument:
    """A document that keeps to the schema; `frame` counts from 1."""

    study_instance_uid: str
    sop_instance_uid: str | None
    frame: int | None
    space: Space
    source: Origin
    observer: str
    vertebrae: tuple[SuppliedVertebra, ...]


def parse(text: bytes) -> LandmarksDocument:
    """Read a document; LandmarksError where it is no JSON or breaks the schema."""
    try:
        found = json.loads(text, parse_constant=_no_number, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise LandmarksError(f"expected a JSON document ({SCHEMA}), found: {error}") from error
    document = _object(found, "the document", _REQUIRED, _OPTIONAL)
    _one_of(document["schema"], (SCHEMA,), "schema")
    space = Space(_one_of(document["space"], tuple(Space), "space"))
    sop_instance_uid, frame = document.get("sop_instance_uid"), _frame(document.get("frame"))
    if sop_instance_uid is not None or frame is not None or space is Space.IMAGE:
        sop_instance_uid = _uid(sop_instance_uid, "sop_instance_uid")
    return LandmarksDocument(
        study_instance_uid=_uid(document["study_instance_uid"], "study_instance_uid"),
        sop_instance_uid=sop_instance_uid,
        frame=frame,
        space=space,
        source=cast("Origin", _one_of(document["source"], get_args(Origin), "source")),
        observer=_observer(document.get("observer")),
        vertebrae=_vertebrae(document["vertebrae"], space),
    )


def landmarks_of(
    document: LandmarksDocument, image_of: Callable[[str], Dataset | None], frames_of_reference: Collection[str]
) -> list[VertebraLandmarks]:
    """Return the points with the plane of their image, or with the frame of reference of the image that is named.

    `image_of` gives the header of an object of the study. Patient points without a named image are accepted where the
    study's images share one of the `frames_of_reference`. Raises LandmarksError where the image, its frame or its
    frame of reference is not in the study, or the image is known not to show a vertebra from the side.
    """
    image = None if document.sop_instance_uid is None else image_of(document.sop_instance_uid)
    if document.sop_instance_uid is not None and (image is None or (document.frame or 1) > number_of_frames(image)):
        raise LandmarksError(_NO_IMAGE)
    is_flat = document.space is Space.IMAGE
    plane = _plane(image, document.frame) if is_flat and image is not None else None
    stated = set(frames_of_reference) if image is None else {frame_of_reference(image)}
    if not is_flat and (len(stated) != 1 or stated == {""}):
        raise LandmarksError(
            f"sop_instance_uid: expected an image that tells the frame of reference, found {len(stated - {''})}"
        )
    frame_of_reference_uid = "".join(stated)
    return [
        VertebraLandmarks(
            level=vertebra.level,
            source=LandmarkSource.REVIEWED if document.source == "reviewed" else LandmarkSource.SUPPLIED_JSON,
            landmarks=Landmarks(
                space=document.space,
                points=vertebra.points,
                sop_instance_uid=document.sop_instance_uid,
                frame=document.frame,
                frame_of_reference_uid=frame_of_reference_uid or None,
            ),
            flags=vertebra.flags,
            plane=plane,
        )
        for vertebra in document.vertebrae
    ]


def _plane(image: Dataset, frame: int | None) -> ImagePlane:
    frames = number_of_frames(image)
    if frame is None and frames > 1:
        raise LandmarksError(f"frame: expected a number from 1 to {frames:g}, as the image has several, found null")
    plane = plane_of(image, frame)
    if plane is None:
        raise LandmarksError(_NO_IMAGE)
    if plane.is_lateral is False:
        raise LandmarksError("sop_instance_uid: expected a lateral or sagittal image, found another orientation")
    return plane


def _vertebrae(found: object, space: Space) -> tuple[SuppliedVertebra, ...]:
    if not isinstance(found, list) or not found:
        raise LandmarksError(f"vertebrae: expected a list with at least one vertebra, found {_shown(found)}")
    vertebrae = tuple(_vertebra(item, f"vertebrae[{place}]", space) for place, item in enumerate(found))
    levels = [vertebra.level for vertebra in vertebrae]
    if twice := sorted({level for level in levels if levels.count(level) > 1}):
        raise LandmarksError(f"vertebrae: expected each level once, found {', '.join(twice)} more often")
    return vertebrae


def _vertebra(found: object, where: str, space: Space) -> SuppliedVertebra:
    vertebra = _object(found, where, frozenset({"level", "points"}), frozenset({"flags"}))
    level = _one_of(vertebra["level"], tuple(LEVELS), f"{where}.level")
    points = _object(vertebra["points"], f"{where}.points", CORNERS, frozenset(POINT_NAMES) - CORNERS)
    if len(points) not in {len(CORNERS), len(POINT_NAMES)}:
        raise LandmarksError(f"{where}.points: expected both MS and MI or neither, found {', '.join(points)}")
    return SuppliedVertebra(
        level=level,
        points={name: _point(points[name], f"{where}.points.{name}", space) for name in POINT_NAMES if name in points},
        flags=_flags(vertebra.get("flags", []), f"{where}.flags"),
    )


def _flags(found: object, where: str) -> tuple[str, ...]:
    """Return what only the input can know of a body, each word once; it then keeps its heights only."""
    if not isinstance(found, list):
        raise LandmarksError(f"{where}: expected a list of {' or '.join(INPUT_WORDS)}, found {_shown(found)}")
    return tuple(dict.fromkeys(_one_of(word, INPUT_WORDS, where) for word in found))


def _point(found: object, where: str, space: Space) -> Point:
    size = _DIMENSIONS[space]
    if not isinstance(found, list) or len(found) != size or not all(_is_number(item) for item in found):
        raise LandmarksError(f"{where}: expected {size} finite numbers ({space} points), found {_shown(found)}")
    return tuple(float(item) for item in found)


def _is_number(found: object) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and abs(found) <= _LIMIT


def _frame(found: object) -> int | None:
    if found is None or (isinstance(found, int) and not isinstance(found, bool) and found >= 1):
        return found
    raise LandmarksError(f"frame: expected a number from 1 or null, found {_shown(found)}")


def _observer(found: object) -> str:
    if found is None:
        return ""
    if isinstance(found, str) and len(found) <= _LONGEST_NAME and found.isprintable():
        return found.strip()
    raise LandmarksError(f"observer: expected a name of at most {_LONGEST_NAME} characters, found {_shown(found)}")


def _object(
    found: object, where: str, required: frozenset[str], optional: frozenset[str] = frozenset()
) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise LandmarksError(f"{where}: expected an object, found {_shown(found)}")
    if missing := sorted(required - found.keys()):
        raise LandmarksError(f"{where}: expected {', '.join(sorted(required))}, found no {', '.join(missing)}")
    if unknown := sorted(found.keys() - required - optional):
        raise LandmarksError(f"{where}: expected {', '.join(sorted(required | optional))}, found {_shown(unknown[0])}")
    return found


def _one_of(found: object, allowed: Sequence[str], where: str) -> str:
    if isinstance(found, str) and found in allowed:
        return found
    raise LandmarksError(f"{where}: expected {' or '.join(allowed)}, found {_shown(found)}")


def _uid(found: object, where: str) -> str:
    if isinstance(found, str) and 0 < len(found.strip()) <= LONGEST_UID and found.strip().isprintable():
        return found.strip()
    raise LandmarksError(f"{where}: expected a UID, found {_shown(found)}")


def _no_number(word: str) -> object:
    raise ValueError(f"{word} is not a finite number")


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _shown(found: object) -> str:
    """Return what was found, shortened to one line."""
    if isinstance(found, dict | list):
        return f"{'an object' if isinstance(found, dict) else 'a list'} of {len(found)}"
    text = json.dumps(found)
    return text if len(text) <= 40 else f"{text[:40]}..."  # noqa: PLR2004 - a message is read in one line

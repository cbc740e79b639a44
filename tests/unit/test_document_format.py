"""What the API says of a landmarks document is what the reader of it wants."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_samples import STUDY, image_points, patient_points
from spooled import landmarks

from service.errors import BadLandmarks
from workers.document_format import FORMAT, JSON_SCHEMA
from workers.landmarks.document import LandmarksError, parse

Place = tuple[str | int, ...]
VERTEBRA: Place = ("vertebrae", 0)
POINTS: Place = (*VERTEBRA, "points")


def _schema(place: Place) -> dict[str, Any]:
    """Return what the schema says of the object at a place of the document."""
    found: dict[str, Any] = JSON_SCHEMA
    for step in place:
        found = found["items"] if isinstance(step, int) else found["properties"][step]
    return found


def _whole() -> dict[str, Any]:
    """Return a document with every key that one can have."""
    document: dict[str, Any] = json.loads(landmarks(frame=None))
    document["vertebrae"][0]["flags"] = []
    return document


def _changed(place: Place, key: str, value: object = None) -> bytes:
    """Return a whole document without `key` at a place, or with another value there."""
    document = _whole()
    there: Any = document
    for step in place:
        there = there[step]
    if value is None:
        del there[key]
    else:
        there[key] = value
    return json.dumps(document).encode()


def _keys(*, required: bool) -> Iterator[tuple[Place, str]]:
    for place in ((), VERTEBRA, POINTS):
        schema = _schema(place)
        for key in schema["properties"]:
            if (key in schema["required"]) is required:
                yield place, key


@pytest.mark.parametrize(("place", "key"), list(_keys(required=True)), ids=str)
def test_what_the_schema_requires_is_required(place: Place, key: str) -> None:
    """A document without it is refused, and the words name it."""
    with pytest.raises(LandmarksError, match=f"found no {key}$"):
        parse(_changed(place, key))


def test_what_the_schema_leaves_open_may_be_absent() -> None:
    """Patient points need no image, no frame, no observer, and no mid-points where both are absent."""
    document = _whole()
    for place, key in _keys(required=False):
        there: Any = document
        for step in place:
            there = there[step]
        del there[key]

    assert ("", None, None) == (
        parse(json.dumps(document).encode()).observer,
        parse(json.dumps(document).encode()).sop_instance_uid,
        parse(json.dumps(document).encode()).frame,
    )


@pytest.mark.parametrize("place", [(), VERTEBRA, POINTS], ids=str)
def test_nothing_else_may_stand_there(place: Place) -> None:
    """The schema allows no further keys, nor does the reader."""
    assert _schema(place)["additionalProperties"] is False
    with pytest.raises(LandmarksError, match='found "more"'):
        parse(_changed(place, "more", 1))


WORDS: list[tuple[Place, str]] = [((), "schema"), ((), "source"), (VERTEBRA, "level")]


@pytest.mark.parametrize(("place", "key"), WORDS, ids=str)
def test_the_words_of_the_schema_are_those_of_the_reader(place: Place, key: str) -> None:
    """Every word that the schema lists is read, and no other."""
    said = _schema(place)["properties"][key]
    for word in said.get("enum", [said.get("const")]):
        parse(_changed(place, key, word))
    with pytest.raises(LandmarksError, match=rf'{key}: expected .*, found "x"'):
        parse(_changed(place, key, "x"))


def test_the_flags_of_the_schema_are_those_of_the_reader() -> None:
    """All of them together are read, and no other."""
    words = _schema(VERTEBRA)["properties"]["flags"]["items"]["enum"]

    assert tuple(words) == parse(_changed(VERTEBRA, "flags", words)).vertebrae[0].flags
    with pytest.raises(LandmarksError, match=r'flags: expected .*, found "x"'):
        parse(_changed(VERTEBRA, "flags", ["x"]))


def test_the_spaces_of_the_schema_are_those_of_the_reader() -> None:
    """Points of either space have as many numbers as they want."""
    points = {"image": image_points(0.0), "patient": patient_points(0.0)}
    for space in _schema(())["properties"]["space"]["enum"]:
        assert space == parse(landmarks(space=space, vertebrae=[{"level": "L1", "points": points[space]}])).space


def _check(document: bytes, *, complete: bool = True, file: Path | None = None) -> None:
    FORMAT.check(document, study_instance_uid=STUDY, image_of=lambda _: file, complete=complete)


def test_what_the_reader_refuses_is_told_in_its_words() -> None:
    """The caller must act; the words are the reader's."""
    with pytest.raises(
        BadLandmarks, match=r"^vertebrae: expected a list with at least one vertebra, found a list of 0"
    ):
        _check(landmarks(vertebrae=[]))


@pytest.mark.parametrize("file", [None, Path(__file__)], ids=["missing", "no image"])
def test_the_image_must_be_there_once_the_study_is_complete(file: Path | None) -> None:
    """An image that was not received, or cannot be read, is none; only one that is missing may still come."""
    with pytest.raises(BadLandmarks, match="expected an image of this study, found none"):
        _check(landmarks(), file=file)
    _check(landmarks(), complete=False)


def test_patient_points_without_an_image_are_left_to_the_measuring() -> None:
    """No image is looked for where none is named."""
    FORMAT.check(
        landmarks(sop_instance_uid="absent"),
        study_instance_uid=STUDY,
        image_of=pytest.fail,
        complete=True,
    )

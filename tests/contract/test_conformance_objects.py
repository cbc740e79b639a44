"""What the conformance statement says of our objects, beside objects that were made."""

from collections.abc import Sequence
from typing import Any

import pytest
from pictured import context_of, ct, film, only, written
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage
from rejections import rejection_note
from report_samples import findings, report

from sr_templates.document import SOP_CLASSES
from sr_templates.headers import CHARACTER_SET
from sr_templates.objects import ObjectKind
from workers.conformance.modules import Attribute, Origin, Presence
from workers.conformance.objects import COMMON, WRITTEN
from workers.pictures.objects import other_objects
from workers.sources import Found

Made = dict[str, list[Dataset]]


def _slices(**says: Any) -> list[Dataset]:
    return [ct(place, x_mm=3.0 * (place - 2), **says) for place in range(1, 4)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Give objects of every kind by the kind's word: of CT, of MR by inversion recovery, of a radiograph."""
    folder, found = tmp_path_factory.mktemp("made"), findings("patient")
    mr: dict[str, Any] = {
        "Modality": "MR",
        "SOPClassUID": MRImageStorage,
        "ScanningSequence": ["SE", "IR"],
        "InversionTime": 150,
    }
    studies: Sequence[tuple[list[Dataset], str]] = ((_slices(), "patient"), (_slices(**mr), "mr"), ([film()], "image"))
    objects: Made = {"sr": [report("patient", uid) for uid in SOP_CLASSES]}
    for images, name in studies:
        inputs = written(folder / name, *images)
        numbers = only(findings("image") if name == "image" else found, ("T12",))
        for kind, one in other_objects(inputs, Found(vertebrae=()), numbers, context_of(inputs), frozenset(ObjectKind)):
            objects.setdefault(kind.value, []).append(one)
    objects["rejection"] = [rejection_note()]
    return objects


def _stated(kind: str) -> dict[str, Attribute]:
    (stated,) = (each for each in WRITTEN if each.kind == kind)
    return {one.keyword: one for module in (*COMMON, *stated.modules) for one in module.attributes}


KINDS = [each.kind for each in WRITTEN]


def test_every_kind_is_stated(made: Made) -> None:
    """The statement has each kind of object with the SOP classes that are made, and no other."""
    stated = {each.kind: set(each.sop_classes) for each in WRITTEN}

    assert stated == {kind: {str(one.SOPClassUID) for one in objects} for kind, objects in made.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_no_attribute_is_silent(made: Made, kind: str) -> None:
    """Each attribute that an object has stands in its statement."""
    assert [] == sorted({e.keyword for one in made[kind] for e in one} - set(_stated(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_always_there_is_there(made: Made, kind: str) -> None:
    """An attribute that is stated as ALWAYS or VNAP is in every object; one that is ALWAYS has a value."""
    for keyword, stated in _stated(kind).items():
        if stated.presence is Presence.ANAP:
            continue
        for one in made[kind]:
            assert keyword in one, f"{keyword} of {one.SOPClassUID.name}"
            if stated.presence is Presence.ALWAYS:
                assert one[keyword].is_empty is stated.comment.startswith("empty"), keyword


@pytest.mark.parametrize("kind", KINDS)
def test_a_fixed_value_is_that_value(made: Made, kind: str) -> None:
    """A single word or number that is stated as FIXED is what every object holds."""
    for keyword, stated in _stated(kind).items():
        words = stated.comment.split()
        if stated.origin is Origin.FIXED and len(words) == 1 and stated.vr in {"CS", "LO", "US"} and words != ["empty"]:
            assert {words[0]} == {str(one[keyword].value) for one in made[kind]}, keyword


def test_texts_are_in_the_stated_character_set(made: Made) -> None:
    """Every object is in the one character set that section 5 names."""
    assert {CHARACTER_SET} == {str(one.SpecificCharacterSet) for objects in made.values() for one in objects}


def test_no_private_attribute_is_written(made: Made) -> None:
    """Section 7 says that there is no private attribute; there is none, at any depth."""
    every = [one for objects in made.values() for one in objects]

    assert [] == [element.tag for one in every for element in one.iterall() if element.tag.is_private]

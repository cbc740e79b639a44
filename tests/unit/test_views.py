"""What a radiograph says of its view."""

import pytest
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from report_samples import ct_slice, dx_lateral

from workers.landmarks.image_plane import is_projection, plane_of


def _view(value: str, scheme: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "view"
    return item


def _sct(name: str) -> Dataset:
    code = getattr(codes.cid4010, name)
    return _view(code.value, code.scheme_designator)


@pytest.mark.parametrize(
    ("position", "view", "letters", "expected"),
    [
        ("AP", None, ["", ""], False),
        ("PA", None, ["", ""], False),
        ("LL", None, ["", ""], True),
        ("RL", None, ["", ""], True),
        ("LLD", None, ["", ""], None),
        ("RLO", None, ["", ""], False),
        ("LLO", None, ["P", "F"], False),
        ("", None, ["PL", "F"], False),
        ("", None, ["P", "FA"], True),
        ("AP", None, ["P", "F"], False),
        ("LL", None, ["L", "F"], False),
        ("", None, ["P", "F"], True),
        ("", _sct("AnteroPosterior"), ["", ""], False),
        ("", _sct("PosteroAnterior"), ["", ""], False),
        ("", _sct("LeftPosteriorOblique"), ["P", "F"], False),
        ("", _sct("LateralProjection"), ["", ""], True),
        ("", _sct("LeftLateral"), ["", ""], True),
        ("", _sct("Plantodorsal"), ["", ""], None),
        ("", _view("R-10206", "SRT"), ["", ""], False),
        ("", _view("R-10236", "SRT"), ["", ""], True),
        ("", Dataset(), ["", ""], None),
        ("LL", _sct("AnteroPosterior"), ["", ""], False),
    ],
)
def test_a_view_is_lateral_frontal_or_silent(
    position: str, view: Dataset | None, letters: list[str], expected: bool | None
) -> None:
    """View Position, View Code (CID 4010, also in SNOMED-RT), the letters: one that says no side outweighs the rest."""
    image = dx_lateral()
    image.ViewPosition, image.PatientOrientation = position, letters
    image.ViewCodeSequence = [] if view is None else [view]
    plane = plane_of(image)

    assert plane is not None
    assert expected is plane.is_lateral


def test_a_radiograph_is_told_from_a_section() -> None:
    """DX is a projection, so is a captured film; CT is not, nor is anything that is placed in the patient."""
    capture, placed = dx_lateral(), ct_slice(1)
    capture.SOPClassUID = placed.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"

    assert [True, True, False, False] == [is_projection(one) for one in (dx_lateral(), capture, ct_slice(1), placed)]

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sr_templates.findings import POINT_NAMES
from workers.landmarks.labels import NOTHING, Said, naming, said


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("L4", Said(level="L4")),
        ("vertebrae_L4", Said(level="L4")),
        ("L4 AS", Said(level="L4", point="AS")),
        ("L4_PI", Said(level="L4", point="PI")),
        ("L4AS", Said(level="L4", point="AS")),
        ("Th12MI", Said(level="T12", point="MI")),
        ("MS", Said(point="MS")),
        ("L4 anterior superior corner", Said(level="L4", point="AS")),
        ("L4 mid inferior", Said(level="L4", point="MI")),
        ("Ha", Said(position="anterior")),
        ("L4 Hm", Said(level="L4", position="middle")),
        ("L4 post. height", Said(level="L4", position="posterior")),
        ("L4 anterior: 24.3 mm", Said(level="L4", position="anterior")),
        ("L4 central\r\n24,3 mm", Said(level="L4", position="middle")),
        ("L4\nAS", Said(level="L4", point="AS")),
        ("T1 vertebra AS", Said(level="T1", point="AS")),
    ],
)
def test_labels_of_points_and_heights_are_understood(label: str, expected: Said) -> None:
    """Level, point and height are read in the words and the order that people write them in."""
    assert expected == said(label)


@pytest.mark.parametrize(
    "label",
    [
        "", "24.3 mm", "L4 cyst", "PTV_L3", "Lung T2", "L4 L5", "L5/S1", "T1", "T2 AS", "anterior wall", "L4 superior",
        "as", "AS AI", "L4 anterior posterior", "L4\nL5", "L4\nMean: 120 HU", "L4 AS\nL4 PI", "AS\nHa",
        "Cornerstone3DTools@^0.1.0:Length", "L4?", "L4 AS?", "T12-L1", " " * 65 + "L4", "L4" + " " * 100_000,
    ],
)  # fmt: skip
def test_what_is_not_understood_in_every_word_says_nothing(label: str) -> None:
    """A remark, a contradiction, an MR weighting or a program's word names neither vertebra nor point."""
    assert said(label) == NOTHING


@given(st.text(max_size=40))
def test_any_text_is_read_without_an_exception(label: str) -> None:
    """Whatever somebody wrote, what comes out is a known point, a known height, or nothing."""
    found = said(label)

    assert found.point in {"", *POINT_NAMES}
    assert found.position in {"", "anterior", "middle", "posterior"}
    assert not (found.point and found.position)


def test_one_level_named_twice_is_no_contradiction() -> None:
    """Code and label that agree name one vertebra, without flags."""
    named = naming(["L4", None], ["L4", None, "L4"])

    assert ((named.levels, named.is_conflict, named.flags)) == (("L4",), False, ())


def test_a_contradiction_keeps_every_reading() -> None:
    """Where codes and labels differ, each reading becomes a flag."""
    named = naming(["L4"], ["L3", "L4"])

    assert named.is_conflict
    assert named.levels == ("L4", "L3")
    assert named.flags == ("CODE_SAYS_L4", "LABEL_SAYS_L3", "LABEL_SAYS_L4")

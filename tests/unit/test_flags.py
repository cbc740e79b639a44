import pytest

from workers.morphometry.flags import Effect, Flag, strongest


@pytest.mark.parametrize("flag", list(Flag))
def test_every_word_is_coded_and_explained(flag: Flag) -> None:
    """A word is upper case, is its own name, and has a one-line meaning."""
    assert flag.name == flag.value == str(flag)
    assert flag == flag.upper()
    assert 10 < len(flag.meaning) < 80


def test_words_never_claim_a_cause() -> None:
    """The product measures deformity: no word says fracture, osteoporosis, or how old something is."""
    said = " ".join(flag.meaning + " " + flag for flag in Flag).lower()
    assert [] == [word for word in ("fracture", "osteopor", "acute", "unstable", "normal") if word in said]


def test_strongest_finds_the_first_with_the_effect() -> None:
    """The first word with the effect counts; words from elsewhere only warn."""
    words = ("PLANE_UNCERTAIN", "OFF_PLANE", "CEMENT", "HARDWARE", "TOUCHES_BORDER")
    assert strongest(words, Effect.HEIGHTS_ONLY) == "CEMENT"
    assert strongest(words, Effect.REJECTS) == "TOUCHES_BORDER"
    assert strongest(("PLANE_UNCERTAIN",), Effect.REJECTS) is None

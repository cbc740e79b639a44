"""Coded reasons as sentences."""

import re

import pytest

from sr_templates.comparison import NotCompared
from sr_templates.reason_words import SENTENCES, explained
from workers.finders.reasons import FinderReason
from workers.landmarks import claims, reasons
from workers.landmarks.outline import reasons as outlines
from workers.morphometry.flags import Effect, Flag
from workers.pipeline import StudyReason

#: docs/morphometry 6.3: never in words of our own.
FORBIDDEN = re.compile(r"fracture|osteo|normal|acute|stable|treat|follow|risk|health|\bold|cause|\bage\b|\bnew\b")
#: OFF_PLANE warns, and rejects where a point lies far off.
REJECTING = (*(flag for flag in Flag if flag.effect is Effect.REJECTS), Flag.OFF_PLANE)
REACHING = sorted(
    {
        str(word)
        for word in (
            *StudyReason,
            *FinderReason,
            *REJECTING,
            *reasons.Reason,
            *claims.Reason,
            *outlines.Reason,
            *NotCompared,
        )
    }
)


def test_every_reason_has_a_sentence() -> None:
    """Whatever can keep a study, a vertebra or a comparison from having numbers is said in words, and nothing else."""
    assert REACHING == sorted(SENTENCES)


def test_the_coded_word_stands_behind() -> None:
    """A person reads the sentence, a program the word; a word that nobody explained stands by itself."""
    assert "the body is cut off by the edge of the image (TOUCHES_BORDER)" == explained("TOUCHES_BORDER")
    assert "OF_A_LATER_VERSION" == explained("OF_A_LATER_VERSION")


@pytest.mark.parametrize("word", REACHING)
def test_a_sentence_is_plain(word: str) -> None:
    """No coded word in it, no capital, no full stop, none of the words that are not ours to say."""
    said = SENTENCES[word]

    assert re.fullmatch(r"[a-z][A-Za-z0-9 ,-]{10,100}", said.replace("3.5", "").replace("C1 to S1", ""))
    assert "_" not in said
    assert FORBIDDEN.search(said) is None

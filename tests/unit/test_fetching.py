"""What is fetched from an archive: what the configuration may say of it, and what is proposed to get it."""

from typing import Any

import pytest
from pydantic import ValidationError

from service import sop_classes
from service.config import Settings
from service.retrieve import GET, get_contexts
from service.rules import Rulebook

ARCHIVE = {"ae_title": "PACS", "host": "pacs", "port": 104}
CT = "1.2.840.10008.5.1.4.1.1.2"


def settings(archive: dict[str, Any] | None = None, **rule: Any) -> Settings:
    """Return a configuration of one source, and of one rule where it says something."""
    source = {"name": "ct1", "ae_titles": ["CT1"], "archive": archive}
    return Settings.model_validate({"sources": [source], "rules": [{"name": "all", **rule}] if rule else []})


@pytest.mark.parametrize(
    ("archive", "rule", "expected"),
    [
        (None, {}, ()),
        (ARCHIVE, {}, ("study",)),
        (ARCHIVE | {"fetch": ["seg", "prior"]}, {}, ("seg", "prior")),
        (ARCHIVE, {"priority": "high"}, ("study",)),
        (ARCHIVE, {"fetch": ["prior"]}, ("prior",)),
        (ARCHIVE, {"fetch": []}, ()),
    ],
)
def test_a_rule_says_what_is_fetched_and_its_source_where_it_does_not(
    archive: dict[str, Any] | None, rule: dict[str, Any], expected: tuple[str, ...]
) -> None:
    """Without an archive nothing is; with one the study, unless it is said otherwise."""
    assert expected == Rulebook(settings(archive, **rule)).decide("ct1", []).fetch


@pytest.mark.parametrize(
    ("archive", "rule", "words"),
    [
        (None, {"fetch": ["seg"]}, "none of its sources has an archive"),
        (ARCHIVE | {"fetch": ["seg", "seg"]}, {}, "each once"),
        (ARCHIVE | {"fetch": ["images"]}, {}, "'study', 'seg' or 'prior'"),
        (ARCHIVE | {"retrieve": "wado"}, {}, "'get' or 'move'"),
        (ARCHIVE | {"patience_s": 0}, {}, "greater than 0"),
        ({"ae_title": "PACS", "port": 104}, {}, "host"),
    ],
)
def test_what_cannot_be_fetched_is_refused_at_start(
    archive: dict[str, Any] | None, rule: dict[str, Any], words: str
) -> None:
    """A wish that nobody can fulfil is a mistake, and the message names it."""
    with pytest.raises(ValidationError, match=words):
        settings(archive, **rule)


def test_each_compressed_syntax_is_proposed_apart_as_long_as_there_is_room() -> None:
    """PS3.8 9.3.2.2 leaves 128 contexts: the archive sends what it has as it is, or chooses a syntax a class."""
    few, all_of_them = get_contexts([CT]), get_contexts(sop_classes.ACCEPTED)

    assert [GET, *[CT] * (len(few) - 1)] == [str(context.abstract_syntax) for context in few]
    assert {1, 2} == {len(context.transfer_syntax) for context in few}
    assert len(all_of_them) == 1 + len(sop_classes.ACCEPTED)
    assert len(all_of_them) <= 128

"""Rules: which one decides of a study, what follows, and what a configuration may not say."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pydicom.datadict import tag_for_keyword
from pydicom.uid import CTImageStorage, SegmentationStorage, XRayRadiationDoseSRStorage

from service.attributes import Attributes
from service.config import Settings
from service.rules import Rulebook

SPINES = {"name": "spines", "match": {"Modality": ["CT", "MR"], "StudyDescription": "*spine*"}, "priority": "high"}
REST = {"name": "rest", "action": "ignore"}


def settings(*rules: dict[str, Any], **sections: Any) -> Settings:
    """Return a configuration with two sources and two destinations."""
    peers = {
        "sources": [
            {"name": "ct", "ae_titles": ["CT1"]},
            {"name": "mr", "ae_titles": ["MR1"], "process": False, "priority": "low", "quiet_s": 5.0},
        ],
        "destinations": [{"name": name, "ae_title": "P", "host": "h", "port": 104} for name in ("pacs", "archive")],
    }
    return Settings.model_validate(peers | {"rules": rules} | sections)


def thing(sop_class: str = CTImageStorage, **attributes: str) -> Attributes:
    """Return what an object says."""
    said = {"SOPClassUID": str(sop_class), **attributes}
    return {int(tag_for_keyword(word) or 0): tuple(value.split("\\")) for word, value in said.items()}


def first(book: Rulebook, *objects: Attributes, source: str = "ct") -> str | None:
    """Return the name of the rule that decides."""
    rule = book.first_match(source, objects)
    return rule.name if rule else None


SPINE = thing(Modality="CT", StudyDescription="CT L-Spine")
HEAD = thing(Modality="CT", StudyDescription="CT Head")


def test_the_first_rule_that_matches_decides() -> None:
    """In the order in which they stand; a rule without conditions matches every study."""
    book = Rulebook(settings(SPINES, {**SPINES, "name": "again"}, REST))

    assert ("spines", "rest", None) == (first(book, SPINE), first(book, HEAD), first(Rulebook(settings(SPINES)), HEAD))


def test_one_object_meets_all_conditions() -> None:
    """Two objects that each meet a half are no match; one among many is, wherever it stands."""
    book = Rulebook(settings(SPINES))
    other = thing(Modality="MG", StudyDescription="Whole spine")

    assert None is first(book, HEAD, other)
    assert "spines" == first(book, HEAD, other, SPINE) == first(book, SPINE, other, HEAD)


def test_an_earlier_rule_decides_whichever_object_comes_first() -> None:
    """The order of rules counts, never the order of objects."""
    book = Rulebook(settings(SPINES, {"name": "heads", "match": {"StudyDescription": "*head*"}, "action": "ignore"}))

    assert "spines" == first(book, SPINE, HEAD) == first(book, HEAD, SPINE)


def test_what_only_speaks_of_others_counts_where_nothing_else_is_there() -> None:
    """A dose report beside the images decides nothing; a study of dose reports alone is one. A segmentation counts."""
    book = Rulebook(settings({"name": "reports", "match": {"Modality": "SR"}, "action": "ignore"}))
    dose = thing(XRayRadiationDoseSRStorage, Modality="SR")

    assert (None, "reports") == (first(book, dose, HEAD), first(book, dose))
    masks = Rulebook(settings({"name": "masks", "match": {"Modality": "SEG"}}))
    assert "masks" == first(masks, HEAD, thing(SegmentationStorage, Modality="SEG"))


def test_any_value_of_several_may_match_and_none_is_an_empty_text() -> None:
    """ImageType has several values; an attribute that is not there matches the empty pattern, and a lone star."""
    localizer = thing(ImageType="ORIGINAL\\PRIMARY\\LOCALIZER")

    def matches(**match: str) -> bool:
        return first(Rulebook(settings({"name": "x", "match": match})), localizer) == "x"

    assert [True, False] == [matches(ImageType="localizer"), matches(ImageType="axial")]
    assert [True, True, False] == [matches(StationName=""), matches(StationName="*"), matches(StationName="?*")]


def test_a_rule_holds_for_its_sources_alone() -> None:
    """Named by [[sources]]; a source of which nothing is known is none of them."""
    book = Rulebook(settings({**REST, "sources": ["ct"]}))

    assert ("rest", None, None) == tuple(first(book, HEAD, source=name) for name in ("ct", "mr", "spool"))


def test_what_a_rule_does_not_say_its_source_says(tmp_path: Path) -> None:
    """Then the sections; a rule that takes a study does so though processing is off for its source."""
    book = Rulebook(settings(SPINES, study={"quiet_s": 30.0}), read=_of({"spine": SPINE, "head": HEAD}))

    def decided(source: str, name: str) -> tuple[object, ...]:
        found = book.decide(source, [tmp_path / name])
        return found.take, found.rule, found.priority, found.destinations, found.quiet_s

    assert (True, "spines", "high", None, 30.0) == decided("ct", "spine")
    assert (True, None, "medium", None, 30.0) == decided("ct", "head")
    assert (True, "spines", "high", None, 5.0) == decided("mr", "spine")
    assert (False, None, "low", None, 5.0) == decided("mr", "head")
    assert "processing_off" == book.decide("mr", [tmp_path / "head"]).ignored_by


def test_a_decision_is_said_where_it_is_worth_a_word(tmp_path: Path) -> None:
    """Defaults are silent; a rule, a priority and destinations are named."""
    to_pacs = {**SPINES, "destinations": ["pacs"]}
    book = Rulebook(settings(to_pacs, {**REST, "sources": ["mr"]}), read=_of({"spine": SPINE, "head": HEAD}))

    assert "by rule spines: taken; priority high; to pacs" == book.decide("ct", [tmp_path / "spine"]).said
    assert "" == book.decide("ct", [tmp_path / "head"]).said
    assert "by rule rest: ignored" == book.decide("mr", [tmp_path / "head"]).said


def test_no_object_is_read_twice_nor_where_no_rule_asks(tmp_path: Path) -> None:
    """A study that arrives is looked at again and again: each file is read once, and none for rules without match."""
    read: list[str] = []
    book = Rulebook(settings(SPINES), read=_of({"head": HEAD}, read))
    idle = Rulebook(settings(REST), read=_of({"head": HEAD}, read))
    for _ in range(3):
        book.decide("ct", [tmp_path / "head"])
        idle.decide("ct", [tmp_path / "head"])

    assert ["head"] == read


def _of(said: dict[str, Attributes], read: list[str] | None = None) -> Any:
    def attributes(path: Path, _wanted: Collection[int]) -> Attributes:
        if read is not None:
            read.append(path.name)
        return said[path.name]

    return attributes


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"name": "x", "match": {"Modalty": "CT"}}, "did you mean Modality?"),
        ({"name": "x", "match": {"PixelData": "CT"}}, "only top-level attributes of short text or numbers"),
        ({"name": "x", "match": {"RequestAttributesSequence": "CT"}}, "only top-level attributes"),
        ({"name": "x", "match": {"TransferSyntaxUID": "1.2"}}, "only top-level attributes"),
        ({"name": "x", "match": {"SliceThickness": "thin"}}, "match.SliceThickness = 'thin': must be a number"),
        ({"name": "x", "match": {"Modality": []}}, "at least 1 item"),
        ({"name": "x", "match": {"Modality": True}}, "valid string"),
        ({"name": "x", "match": {"Modality": "C" * 129}}, "at most 128"),
        ({"name": "own_report"}, "choose another name"),
        ({"name": "x", "sources": ["us"]}, "rules: x: sources: there is no 'us'; configured: ct, mr"),
        ({"name": "x", "destinations": ["us"]}, "there is no 'us'; configured: archive, pacs"),
        ({"name": "x", "quiet_s": 3601}, "must not be longer than study.max_wait_s"),
        ({"name": "x", "action": "ignore", "priority": "high"}, "leaves nothing to give"),
        ({"name": "x", "acton": "ignore"}, "Extra inputs"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_said(rule: dict[str, Any], words: str) -> None:
    """At the start of the node, with the word that is wrong and what was expected."""
    with pytest.raises(ValidationError) as refused:
        settings(rule)

    assert words in str(refused.value)


def test_two_rules_have_two_names() -> None:
    """A study is ignored by the name of a rule: it must say which."""
    with pytest.raises(ValidationError, match="'rest' is used twice"):
        settings(REST, REST)


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [(None, None, True), (None, ["ct"], True), (["ct"], ["ct"], True), (["ct"], None, False), (["ct"], ["mr"], False)],
)
def test_a_rule_that_never_has_its_turn_is_said(
    before: list[str] | None, after: list[str] | None, *, refused: bool
) -> None:
    """One before it matches every study of all its sources: whoever wrote it expects something else."""
    rules = {**REST, "sources": before}, {**SPINES, "sources": after}

    if refused:
        with pytest.raises(ValidationError, match="'spines' never decides: 'rest' before it matches every study"):
            settings(*rules)
    else:
        assert 2 == len(settings(*rules).rules)


def test_a_source_may_send_to_what_is_configured_alone() -> None:
    """As a rule may."""
    nowhere = {"sources": [{"name": "ct", "ae_titles": ["CT1"], "destinations": ["us"]}]}

    with pytest.raises(ValidationError, match="sources: ct: destinations: there is no 'us'"):
        settings(**nowhere)

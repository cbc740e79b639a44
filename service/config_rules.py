"""[[rules]]: what is done with a study, by what its objects say. The first rule that matches decides."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic.types import StringConstraints
from pydicom.datadict import dictionary_VR, keyword_dict, tag_for_keyword

from service.config_fields import FetchWord, Name, PriorityWord, Table, each_once, none_twice
from service.config_peers import Destination, Source
from service.matching import NUMBERS, TEXT, BadPattern, Pattern

#: What a study is ignored for without a rule of the site; no rule may be called so.
RESERVED: Final = frozenset({"own_report", "processing_off", "spool_empty"})
#: Top-level attributes of a data set end before its pixels.
_FIRST_TAG, _LAST_TAG = 0x0008_0000, 0x7FDF_FFFF


def _rule_name(name: str) -> str:
    if name in RESERVED:
        raise ValueError("is what the node itself ignores studies for: choose another name")
    return name


def _keyword(word: str) -> str:
    tag = tag_for_keyword(word)
    if tag is None:
        near = get_close_matches(word, keyword_dict, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"is no attribute's keyword of PS3.6{hint}")
    if not _FIRST_TAG <= tag <= _LAST_TAG or dictionary_VR(tag) not in TEXT | NUMBERS:
        raise ValueError("cannot be matched: only top-level attributes of short text or numbers can")
    return word


def _each(value: object) -> object:
    """Return what stands there as a list of texts: one stands for itself, a number for its digits."""
    listed = value if isinstance(value, list | tuple) else [value]
    return [str(each) if isinstance(each, int | float) and not isinstance(each, bool) else each for each in listed]


PatternText = Annotated[str, StringConstraints(max_length=128, strip_whitespace=False)]
Patterns = Annotated[tuple[PatternText, ...], BeforeValidator(_each), Field(min_length=1, max_length=64)]
Keyword = Annotated[str, AfterValidator(_keyword)]


class Rule(Table):
    """[[rules]]: of one rule."""

    name: Annotated[Name, AfterValidator(_rule_name)]
    #: Names of [[sources]] of which one sent the first object of the study; any where none is named.
    sources: Annotated[tuple[Name, ...], AfterValidator(each_once)] | None = None
    #: Attributes by keyword of PS3.6, with one pattern or several of which one must match; one object meets all of it.
    match: Annotated[Mapping[Keyword, Patterns], Field(max_length=32)] = {}
    action: Literal["take", "ignore"] = "take"
    #: Where nothing is said, what the source says.
    priority: PriorityWord | None = None
    destinations: Annotated[tuple[Name, ...], AfterValidator(each_once)] | None = None
    quiet_s: Annotated[float, Field(ge=0)] | None = None
    #: What is fetched from the archive of the source; nothing where the list is empty.
    fetch: Annotated[tuple[FetchWord, ...], AfterValidator(none_twice)] | None = None

    @model_validator(mode="after")
    def _patterns_are_some(self) -> Self:
        for word, patterns in self.match.items():
            vr = dictionary_VR(word)
            for text in patterns:
                try:
                    Pattern(text, vr)
                except BadPattern as error:
                    raise ValueError(f"match.{word} = {text!r}: {error}") from None
        return self

    @model_validator(mode="after")
    def _what_is_ignored_gets_nothing(self) -> Self:
        if self.action == "ignore" and (self.priority is not None or self.destinations is not None):
            raise ValueError('action = "ignore" leaves nothing to give priority or destinations')
        return self

    @cached_property
    def conditions(self) -> Mapping[int, tuple[Pattern, ...]]:
        """The patterns of each attribute, by its tag."""
        return {
            int(tag_for_keyword(word) or 0): tuple(Pattern(text, dictionary_VR(word)) for text in patterns)
            for word, patterns in self.match.items()
        }


def require_known_names(
    rules: Collection[Rule], sources: Collection[Source], destinations: Iterable[Destination], *, longest_quiet_s: float
) -> None:
    """Raise ValueError where a rule, or a source, names what is not there, or waits longer than any study may."""
    senders, receivers = {each.name for each in sources}, {each.name for each in destinations}
    names = [rule.name for rule in rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"rules: the name {twice[0]!r} is used twice")
    _require_a_turn(rules)
    for rule in rules:
        _require(f"rules: {rule.name}: sources", rule.sources or (), senders)
        its = [each for each in sources if rule.sources is None or each.name in rule.sources]
        if rule.fetch and not any(each.archive for each in its):
            raise ValueError(f"rules: {rule.name}: fetch: none of its sources has an archive to fetch from")
    said: list[tuple[str, Source | Rule]] = [("sources", each) for each in sources]
    said += [("rules", each) for each in rules]
    for kind, each in said:
        _require(f"{kind}: {each.name}: destinations", each.destinations or (), receivers)
        if each.quiet_s is not None and each.quiet_s > longest_quiet_s:
            where = f"{kind}: {each.name}: quiet_s ({each.quiet_s:g})"
            raise ValueError(f"{where} must not be longer than study.max_wait_s ({longest_quiet_s:g})")


def _require_a_turn(rules: Iterable[Rule]) -> None:
    """Refuse a rule that never decides: one before it matches every study."""
    every_study: list[Rule] = []
    for rule in rules:
        for each in every_study:
            if each.sources is None or (rule.sources is not None and set(rule.sources) <= set(each.sources)):
                raise ValueError(f"rules: {rule.name!r} never decides: {each.name!r} before it matches every study")
        every_study += [] if rule.match else [rule]


def _require(where: str, named: Iterable[str], known: Collection[str]) -> None:
    if unknown := sorted(set(named) - set(known)):
        raise ValueError(f"{where}: there is no {unknown[0]!r}; configured: {', '.join(sorted(known)) or 'none'}")

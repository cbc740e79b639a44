"""Rules: what is done with a study, by who sent it and by what its objects say.

The rules stand in an order, and the first that matches decides; where none does, what its source says holds. A rule
matches a study where one object meets all of its conditions. Objects that only speak of others (reports, key object
selections, presentation states, encapsulated documents) are looked at where the study holds nothing else: a dose report
or a presentation state beside the images decides nothing. What we made ourselves is never looked at.

A decision is data. It is made when the study is complete, it is an event of its story, and it stays what it was until
objects come again; a study that was taken once stays taken.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from service.attributes import SOP_CLASS_UID, Attributes, attributes_of_file
from service.config import Settings
from service.config_fields import FetchWord, PriorityWord
from service.config_peers import Source
from service.config_rules import Rule
from service.sop_classes import OTHERS, STRUCTURED_REPORTS

#: The rule's word where processing is off for a source and no rule takes the study.
PROCESSING_OFF: Final = "processing_off"
#: SOP classes of objects that only speak of others: PS3.4 B.5, those that hold neither pixels nor contours nor points.
ABOUT_OTHERS: Final = frozenset(
    {*STRUCTURED_REPORTS, *(uid for uid, name in OTHERS.items() if name.endswith(("Presentation State", "PDF")))}
)
#: How urgent a study is, as the ledger orders them.
PRIORITIES: Final[Mapping[PriorityWord, int]] = {"low": 0, "medium": 1, "high": 2}
#: How the sources of test reports begin (service.trial): no rule is about them, no configured source is called so.
TESTS: Final = "test:"
#: What is kept in mind of so many objects: those of a few studies that arrive.
_REMEMBERED: Final = 8192


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is done with a study."""

    take: bool
    #: The rule that decided; None where none matched.
    rule: str | None
    priority: PriorityWord
    #: By name; None is all of them.
    destinations: tuple[str, ...] | None
    quiet_s: float
    #: What is fetched from the archive of its source before it is measured.
    fetch: tuple[FetchWord, ...] = ()

    @property
    def ignored_by(self) -> str:
        """The word that a study is ignored for."""
        return self.rule or PROCESSING_OFF

    @property
    def said(self) -> str:
        """The decision in words, for the study's story; empty where nothing but defaults applies."""
        by = f"by rule {self.rule}: " if self.rule else ""
        if not self.take:
            return f"{by}ignored" if self.rule else "processing is off for its source"
        news = [f"priority {self.priority}"] * (self.priority != "medium")
        news += [f"to {', '.join(self.destinations)}"] if self.destinations is not None else []
        return f"{by}{'; '.join(['taken', *news])}" if by or news else ""


class Rulebook:
    """The rules of a configuration. Safe in several threads."""

    def __init__(
        self, settings: Settings, read: Callable[[Path, Collection[int]], Attributes] = attributes_of_file
    ) -> None:
        self._settings = settings
        #: What is looked at of an object.
        self.tags = frozenset({SOP_CLASS_UID, *(tag for rule in settings.rules for tag in rule.conditions)})
        # The name of a file in the spool says what is in it: what was read once is so for ever.
        self._said_by = lru_cache(_REMEMBERED)(lambda path: read(path, self.tags))
        self._periods = lru_cache(_REMEMBERED)(
            lambda source: {self.decision(rule, source).quiet_s for rule in (None, *self.rules_of(source))}
        )
        self._quiet: dict[tuple[str, int], float] = {}

    def quiet_periods_s(self, source: str) -> set[float]:
        """Return the quiet periods that a study of this source can have, seconds."""
        return self._periods(source)

    def quiet_s(self, source: str, arrived: tuple[str, int], files: Callable[[], Iterable[Path]]) -> float:
        """Return the quiet period of a study, seconds; looked at once for what has `arrived`: key, and how often.

        Raises OSError.
        """
        if arrived not in self._quiet:
            quiet_s = self.decide(source, files()).quiet_s
            if len(self._quiet) >= _REMEMBERED:
                self._quiet.clear()
            self._quiet[arrived] = quiet_s
        return self._quiet[arrived]

    def said_by(self, file: Path) -> Attributes:
        """Return what is looked at of a stored object. Raises OSError."""
        return self._said_by(file)

    def decide(self, source: str, files: Iterable[Path]) -> Decision:
        """Return what is done with a study of `files` that `source` sent first. Raises OSError."""
        return self.decision(self.first_match(source, map(self._said_by, files)), source)

    def asked_for(self, source: str) -> Decision:
        """Return what is done with a study of this source that somebody asked for, whatever a rule says."""
        return replace(self.decision(None, source), take=True)

    def first_match(self, source: str, objects: Iterable[Attributes]) -> Rule | None:
        """Return the rule that decides, None where none matches."""
        its = self.rules_of(source)
        always = next((place for place, rule in enumerate(its) if not rule.match), len(its))
        first = {False: always, True: always}
        held_others = False
        for said in objects if always else ():
            only_speaks = speaks_of_others(said)
            held_others |= not only_speaks
            first[only_speaks] = min(first[only_speaks], _first(its[: first[only_speaks]], said))
            if first[False] == 0:
                break
        place = first[not held_others]
        return its[place] if place < len(its) else None

    def rules_of(self, source: str) -> Sequence[Rule]:
        """Return the rules that hold for what this source sends, in their order; for a test report none does."""
        if source.startswith(TESTS):
            return []
        return [rule for rule in self._settings.rules if rule.sources is None or source in rule.sources]

    def decision(self, rule: Rule | None, source: str) -> Decision:
        """Return what is done with a study of this source that `rule` decides; None is what the source says."""
        known = next((each for each in self._settings.sources if each.name == source), None)
        return _decision(self._settings, known, rule)


def _decision(settings: Settings, source: Source | None, rule: Rule | None) -> Decision:
    """Put together what a rule says, what its source says where it does not, and what the sections say."""
    said = [each for each in (rule, source) if each is not None]
    quiet = next((each.quiet_s for each in said if each.quiet_s is not None), settings.study.quiet_s)
    return Decision(
        take=rule.action == "take" if rule else source is None or source.process,
        rule=rule.name if rule else None,
        priority=next((each.priority for each in said if each.priority is not None), "medium"),
        destinations=next((each.destinations for each in said if each.destinations is not None), None),
        quiet_s=quiet,
        fetch=_fetched(source, rule),
    )


def _fetched(source: Source | None, rule: Rule | None) -> tuple[FetchWord, ...]:
    if source is None or source.archive is None:
        return ()
    return source.archive.fetch if rule is None or rule.fetch is None else rule.fetch


def speaks_of_others(said: Attributes) -> bool:
    """Whether an object only speaks of others."""
    return bool({*said.get(SOP_CLASS_UID, ())} & ABOUT_OTHERS)


def unmet(rule: Rule, said: Attributes) -> Iterator[int]:
    """Yield the attributes, by tag, for which an object does not meet a rule; what is not there is an empty text."""
    for tag, patterns in rule.conditions.items():
        if not any(pattern.matches(value) for pattern in patterns for value in said.get(tag, ("",))):
            yield tag


def _first(rules: Sequence[Rule], said: Attributes) -> int:
    met = (place for place, rule in enumerate(rules) if next(unmet(rule, said), None) is None)
    return next(met, len(rules))

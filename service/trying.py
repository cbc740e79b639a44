"""What would be done with a study, without doing it: who may send it, which rule decides, what follows.

Nothing is stored or sent. Attributes are named and their values never: they may be a patient's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydicom.datadict import keyword_for_tag

from service.attributes import SOP_CLASS_UID, Attributes
from service.callers import Admitted, NotAdmitted, admit
from service.config import Settings
from service.config_rules import Rule
from service.errors import Unknown
from service.rules import Rulebook, speaks_of_others, unmet
from service.sop_classes import ACCEPTED, NAMES


@dataclass(frozen=True, kw_only=True)
class RuleTried:
    """How one rule came out."""

    name: str
    outcome: Literal["decides", "matches, an earlier rule decides", "does not match", "not for this source"]
    #: Attributes, by keyword, that the object which comes nearest does not meet.
    not_met: list[str]


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What would be done."""

    #: Name of the source, the calling AE title where none are configured.
    source: str
    #: Why its associations are rejected (calling_ae_title, address); None where they are accepted.
    rejected: str | None
    #: SOP classes, by name, that this source is not offered: such objects cannot be sent.
    not_offered: list[str]
    outcome: Literal["rejected", "measured", "ignored"]
    #: The rule that decides, or the word that the study is ignored for; None where what the source says holds.
    rule: str | None
    priority: str
    destinations: list[str]
    quiet_s: float
    objects: int
    rules: list[RuleTried]
    schema: Literal["spondyl.rules-tried/1"] = "spondyl.rules-tried/1"


def caller_of(
    settings: Settings, *, source: str | None = None, calling_ae: str | None = None, address: str | None = None
) -> Admitted | NotAdmitted:
    """Return who sends: a source by name, or whoever calls; Unknown where neither says it."""
    if source is not None:
        for each in settings.sources:
            if each.name == source:
                return Admitted(name=source, configured=each)
        raise Unknown(f"no source is called {source!r}; configured: {_names(settings)}")
    if calling_ae is None and settings.sources:
        if len(settings.sources) > 1:
            raise Unknown(f"expected the name of a source ({_names(settings)}), or calling AE title and address")
        return Admitted(name=settings.sources[0].name, configured=settings.sources[0])
    try:
        return admit(settings.sources, calling_ae=calling_ae or "", address=address or "0.0.0.0")  # noqa: S104 - none
    except NotAdmitted as refusal:
        return refusal
    except ValueError:
        raise Unknown("the address: expected an IPv4 or IPv6 address") from None


def try_rules(
    rulebook: Rulebook, settings: Settings, caller: Admitted | NotAdmitted, said: Sequence[Attributes]
) -> Tried:
    """Return what would be done with a study of objects that say this, sent by this caller."""
    name = caller.name if isinstance(caller, Admitted) else ""
    rule = rulebook.first_match(name, said)
    decision = rulebook.decision(rule, name)
    rejected = caller.cause if isinstance(caller, NotAdmitted) else None
    taken: Literal["measured", "ignored"] = "measured" if decision.take else "ignored"
    everywhere = [each.name for each in settings.destinations]
    return Tried(
        source=name,
        rejected=rejected,
        not_offered=_not_offered(caller, said),
        outcome="rejected" if rejected else taken,
        rule=decision.rule if decision.take else decision.ignored_by,
        priority=decision.priority,
        destinations=[*(everywhere if decision.destinations is None else decision.destinations)] * decision.take,
        quiet_s=decision.quiet_s,
        objects=len(said),
        rules=_tried(rulebook, settings.rules, name, said, rule),
    )


def _tried(
    rulebook: Rulebook, rules: Sequence[Rule], source: str, said: Sequence[Attributes], decides: Rule | None
) -> list[RuleTried]:
    its = rulebook.rules_of(source)
    # As the rules do: what only speaks of others counts where nothing else is there.
    looked_at = [each for each in said if not speaks_of_others(each)] or said
    tried = []
    for rule in rules:
        missing = min(([*unmet(rule, each)] for each in looked_at), key=len, default=[*rule.conditions])
        not_met = [keyword_for_tag(tag) for tag in missing]
        if rule not in its:
            tried.append(RuleTried(name=rule.name, outcome="not for this source", not_met=not_met))
        elif rule is decides:
            tried.append(RuleTried(name=rule.name, outcome="decides", not_met=[]))
        elif not_met:
            tried.append(RuleTried(name=rule.name, outcome="does not match", not_met=not_met))
        else:
            tried.append(RuleTried(name=rule.name, outcome="matches, an earlier rule decides", not_met=[]))
    return tried


def _not_offered(caller: Admitted | NotAdmitted, said: Sequence[Attributes]) -> list[str]:
    configured = caller.configured if isinstance(caller, Admitted) else None
    offered = set(configured.sop_class_uids if configured and configured.sop_classes else ACCEPTED)
    found = {uid for each in said for uid in each.get(SOP_CLASS_UID, ())}
    return sorted(NAMES.get(uid, uid) for uid in found - offered)


def _names(settings: Settings) -> str:
    return ", ".join(each.name for each in settings.sources) or "none"

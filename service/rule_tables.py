"""Rules as they are shown: in the order in which they are tried, and how each came out for a study."""

from collections.abc import Sequence
from typing import Any

from service.config import Settings
from service.config_rules import Rule
from service.shapes.rules import RuleShown, SourceShown
from service.tables import Table
from service.trying import Tried

_ALL, _AS_SOURCE = "all", "as its source"


def document(settings: Settings) -> dict[str, Any]:
    """Return the rules and what holds without one, for programs: schema `spondyl.rules/1`."""
    of_rule, of_source = set(RuleShown.model_fields), set(SourceShown.model_fields)
    return {
        "schema": "spondyl.rules/1",
        "rules": [rule.model_dump(mode="json", include=of_rule) for rule in settings.rules],
        "sources": [source.model_dump(mode="json", include=of_source) for source in settings.sources],
    }


def tables(settings: Settings) -> list[Table]:
    """Return the rules, and what holds for each source where no rule matches."""
    columns = ("Order", "Rule", "Sources", "Match", "Then", "Priority", "Destinations", "Quiet period", "Fetched")
    rows = [(str(place), *_rule(rule)) for place, rule in enumerate(settings.rules, start=1)]
    own = [
        (
            source.name,
            "measured" if source.process else "ignored: processing_off",
            source.priority,
            _named(source.destinations, _ALL),
            _seconds(settings.study.quiet_s if source.quiet_s is None else source.quiet_s),
            str(source.max_associations or settings.node.max_associations),
            _named(source.sop_classes, _ALL),
        )
        for source in settings.sources
    ]
    of_source = ("Source", "Studies are", "Priority", "Destinations", "Quiet period", "Associations", "SOP classes")
    return [
        Table(title="Rules: the first that matches decides", columns=columns, rows=rows),
        Table(title="Where no rule matches", columns=of_source, rows=own),
    ]


def tried(found: Tried) -> Table:
    """Return how each rule came out."""
    rows = [(rule.name, rule.outcome, ", ".join(rule.not_met)) for rule in found.rules]
    return Table(title="", columns=("Rule", "Outcome", "Not met"), rows=rows)


def sentence(found: Tried) -> str:
    """Return what would be done, in words."""
    if found.rejected is not None:
        return f"rejected: no source has this {'AE title' if found.rejected == 'calling_ae_title' else 'address'}"
    who = f"{found.objects} object(s) from {found.source or 'any caller'}"
    kept_out = f"; not offered to this source, so never sent: {', '.join(found.not_offered)}" * bool(found.not_offered)
    by = f"by rule {found.rule}" if found.rule else "no rule matches: as its source says"
    if found.outcome == "ignored":
        return f"{who}: received, kept and ignored by rule: {found.rule}{kept_out}"
    where = ", ".join(found.destinations) or "no destination"
    return f"{who}: measured, {by}; priority {found.priority}, quiet for {found.quiet_s:g} s, to {where}{kept_out}"


def _rule(rule: Rule) -> tuple[str, ...]:
    wanted = [f"{word} = {' | '.join(patterns)}" for word, patterns in rule.match.items()]
    taken = rule.action == "take"
    return (
        rule.name,
        _named(rule.sources, _ALL),
        "; ".join(wanted) or "every study",
        "measured" if taken else "ignored",
        (rule.priority or _AS_SOURCE) if taken else "",
        _named(rule.destinations, _AS_SOURCE) if taken else "",
        _AS_SOURCE if rule.quiet_s is None else _seconds(rule.quiet_s),
        (_named(rule.fetch, _AS_SOURCE) or "nothing") if taken else "",
    )


def _named(names: Sequence[str] | None, otherwise: str) -> str:
    return otherwise if names is None else ", ".join(names)


def _seconds(quiet_s: float) -> str:
    return f"{quiet_s:g} s"

"""What `spondyl rules --json` prints: the rules as they were understood, and what holds without one."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from service.shapes.findings import Shape

Priority = Literal["low", "medium", "high"]


class RuleShown(Shape):
    """A rule; null is what its source says, of `sources` all."""

    name: str
    sources: list[str] | None
    #: Patterns by the keyword of an attribute; no keyword is every study.
    match: dict[str, list[str]]
    action: Literal["take", "ignore"]
    priority: Priority | None
    destinations: list[str] | None
    quiet_s: float | None
    #: What is fetched from the archive of its source; null is what the source says.
    fetch: list[Literal["study", "seg", "prior"]] | None


class SourceShown(Shape):
    """What a source says; null is what [node] and [study] say, of `destinations` and `sop_classes` all."""

    name: str
    process: bool
    priority: Priority
    destinations: list[str] | None
    quiet_s: float | None
    max_associations: int | None
    sop_classes: list[str] | None


class Rules(Shape):
    """`rules`: in the order in which they are tried."""

    model_config = ConfigDict(title="spondyl.rules/1")

    schema_: Annotated[Literal["spondyl.rules/1"], Field(alias="schema")]
    rules: list[RuleShown]
    sources: list[SourceShown]

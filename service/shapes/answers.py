"""What each command prints with `--json`, by schema name."""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from service import conformance, retraction, summaries
from service.shapes.findings import Findings, Shape
from service.shapes.rules import Rules
from service.trying import Tried


class Done(Shape):
    """`settle`, `retry`, `ignore`: what was done with a study."""

    model_config = ConfigDict(title="spondyl.done/1")

    schema_: Annotated[Literal["spondyl.done/1"], Field(alias="schema")]
    done: Literal["settle", "retry", "ignore"]
    study: str
    #: Jobs that now wait for the running node.
    jobs: int
    #: Study Instance UIDs of those that were compared with it.
    compared: list[str]


class RetriedMany(Shape):
    """`retry --state`: what was done with many."""

    model_config = ConfigDict(title="spondyl.retried/1")

    schema_: Annotated[Literal["spondyl.retried/1"], Field(alias="schema")]
    asked: int
    #: Could not be retried as they are now.
    refused: int
    #: Not reached in time: say it again.
    left: int


class Check(Shape):
    """One thing that was examined."""

    name: str
    verdict: Literal["ok", "note", "failed"]
    found: str
    remedy: str
    #: Whether another program or machine must answer.
    peer: bool


class Doctor(Shape):
    """`doctor`."""

    model_config = ConfigDict(title="spondyl.doctor/1")

    schema_: Annotated[Literal["spondyl.doctor/1"], Field(alias="schema")]
    checks: list[Check]


class Echo(Shape):
    """`echo`."""

    model_config = ConfigDict(title="spondyl.echo/1")

    schema_: Annotated[Literal["spondyl.echo/1"], Field(alias="schema")]
    destination: str
    round_trip_ms: float


class NotSent(Shape):
    """A file that was not stored."""

    path: str
    problem: str


class Send(Shape):
    """`send`."""

    model_config = ConfigDict(title="spondyl.send/1")

    schema_: Annotated[Literal["spondyl.send/1"], Field(alias="schema")]
    destination: str
    stored: int
    refused: list[NotSent]


class Problem(Shape):
    """One thing that is wrong."""

    kind: str
    name: str
    says: str
    do: str
    number: int


class Problems(Shape):
    """`alert list`."""

    model_config = ConfigDict(title="spondyl.problems/1")

    schema_: Annotated[Literal["spondyl.problems/1"], Field(alias="schema")]
    problems: list[Problem]


class User(Shape):
    """Somebody who signs in."""

    name: str
    role: Literal["viewer", "sender", "operator"]
    password: bool
    token: bool
    since: str


class Users(Shape):
    """`user list`."""

    model_config = ConfigDict(title="spondyl.users/1")

    schema_: Annotated[Literal["spondyl.users/1"], Field(alias="schema")]
    users: list[User]


class Entry(Shape):
    """Something that somebody did: `actor`, at the page, by a program, or at the command line (`admin`)."""

    id: int
    at: str
    actor: str
    address: str
    action: str
    detail: str


class Trail(Shape):
    """`audit`, the newest first; `next` is the number for `--before` where there are older ones."""

    model_config = ConfigDict(title="spondyl.audit/1")

    schema_: Annotated[Literal["spondyl.audit/1"], Field(alias="schema")]
    entries: list[Entry]
    next: int | None


class Version(Shape):
    """`version`; beside it each library by its name."""

    model_config = ConfigDict(title="spondyl.version/1", extra="allow")

    schema_: Annotated[Literal["spondyl.version/1"], Field(alias="schema")]
    spondyl: str
    python: str


class OurAE(Shape):
    """The node, as a peer sees it."""

    ae_title: str
    bind: str
    port: int
    tls: bool
    implementation_class_uid: str
    implementation_version_name: str


class SheetDestination(Shape):
    """A destination, as the sheet has it."""

    name: str
    protocol: str
    dicomweb_url: str
    ae_title: str
    host: str
    port: int
    tls: bool
    send: list[str]
    proof: str
    sop_classes: list[str]


class SheetSource(Shape):
    """A source, as the sheet has it."""

    name: str
    ae_titles: list[str]
    networks: list[str]
    max_associations: int
    sop_classes: list[str]


class SheetArchive(Shape):
    """An archive that a source's studies are completed from, as the sheet has it."""

    source: str
    ae_title: str
    host: str
    port: int
    tls: bool
    timeout_s: float
    patience_s: float
    retrieve: Literal["get", "move"]
    fetch: list[str]
    sop_classes: list[str]


class Worksheet(Shape):
    """`conformance --worksheet`."""

    model_config = ConfigDict(title="spondyl.worksheet/1")

    schema_: Annotated[Literal["spondyl.worksheet/1"], Field(alias="schema")]
    node: OurAE
    sources: list[SheetSource]
    destinations: list[SheetDestination]
    archives: list[SheetArchive]


@dataclass(frozen=True, kw_only=True)
class Statement(conformance.Network):
    """`conformance`: what is negotiated, and what is in the objects."""

    schema: Literal["spondyl.conformance/1"]
    #: Of each kind: SOP classes by UID, and the presence of each attribute.
    objects: list[dict[str, Any]]
    #: The published table of codes of our own.
    private_codes: Any


#: By schema name without "spondyl." and "/1". A dataclass is what `asdict` makes of it.
SHAPES: Final[dict[str, type]] = {
    "findings": Findings,
    "studies": summaries.ListOfStudies,
    "study": summaries.Detail,
    "done": Done,
    "retried": RetriedMany,
    "retracted": retraction.Retracted,
    "doctor": Doctor,
    "echo": Echo,
    "send": Send,
    "problems": Problems,
    "users": Users,
    "audit": Trail,
    "version": Version,
    "conformance": Statement,
    "worksheet": Worksheet,
    "rules": Rules,
    "rules-tried": Tried,
}
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@cache
def adapter(name: str) -> TypeAdapter[Any]:
    """Return what reads JSON of a schema."""
    return TypeAdapter(SHAPES[name])


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema, 2020-12, of what a schema's name stands for."""
    is_shape = issubclass(SHAPES[name], Shape)
    mode: JsonSchemaMode = "validation" if is_shape else "serialization"
    made = adapter(name).json_schema(mode=mode, by_alias=True)
    return {"$schema": _DIALECT} | made | {"title": f"spondyl.{name}/1"}

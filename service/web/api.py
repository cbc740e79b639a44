"""`/api/v1`: what the page shows, for programs."""

import json
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response

from service import findings_csv, overview, summaries
from service.errors import Unknown
from service.ledger.lists import Wanted
from service.states import StudyState
from service.web.access import TheNode, TheVisitor
from service.web.findings import seen_by
from service.web.guard import Problem
from service.web.pages import place_of, place_text

#: What any route may answer.
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"model": Problem, "description": "a token is required"},
    403: {"model": Problem, "description": "this role may not, or a page of another site asks"},
    404: {"model": Problem, "description": "no such study"},
    421: {"model": Problem, "description": "without a token only names of this machine are answered"},
    422: {"model": Problem, "description": "a parameter was not understood; the words say which"},
    503: {"model": Problem, "description": "the ledger does not answer: try again"},
}
router: Final = APIRouter(prefix="/api/v1", tags=["studies"], responses=PROBLEMS)

Moment = Annotated[float | None, Query(ge=0, le=1e11, description="seconds since the epoch, UTC")]
Text = Annotated[str | None, Query(max_length=2000)]


@dataclass(frozen=True, kw_only=True)
class StudyEvents:
    """Something that happened to a study."""

    #: Grows: ask for what comes after the last one you have.
    number: int
    study: str
    at: str
    event: str
    detail: str
    actor: str


@dataclass(frozen=True, kw_only=True)
class Events:
    """What happened, in order."""

    events: list[StudyEvents]
    schema: Literal["spondyl.events/1"] = "spondyl.events/1"


@router.get("/studies")
def list_studies(
    node: TheNode,
    state: StudyState | None = None,
    source: Text = None,
    reason: Text = None,
    since: Moment = None,
    until: Moment = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
    after: Annotated[str, Query(max_length=64, description="`next` of the answer before")] = "",
) -> summaries.Studies:
    """Return the studies, newest first; `next` is there where there are more."""
    wanted = Wanted(state=state, source=source, reason=reason, since=since, until=until)
    found = node.ledger.lists.page(wanted, after=place_of(after), limit=limit)
    return summaries.page_of_studies(found.rows, following=place_text(found.after) if found.after else None)


@router.get("/studies/{uid}")
def one_study(node: TheNode, visitor: TheVisitor, uid: str) -> summaries.Detail:
    """Return all that is known of one study; `uid` is its Study Instance UID or its key."""
    found = summaries.detail(node.ledger.admin.study(uid), node.ledger.admin.findings(uid))
    return replace(found, findings=found.findings and seen_by(visitor, found.findings))


@router.get("/studies/{uid}/findings")
def findings_of(node: TheNode, visitor: TheVisitor, uid: str) -> dict[str, Any]:
    """Return the newest findings of a study, schema `spondyl.findings/1`; an operator gets the prior's date, too."""
    text = node.ledger.admin.findings(uid)
    if text is None:
        raise Unknown("this study has no findings yet")
    return seen_by(visitor, json.loads(text))


@router.get(
    "/studies/{uid}/findings.csv",
    response_class=Response,
    responses={200: {"description": "a line a vertebra", "content": {"text/csv": {}}}},
)
def findings_as_csv(node: TheNode, visitor: TheVisitor, uid: str) -> Response:
    """Return the newest findings of a study as a table."""
    return Response(findings_csv.text(findings_of(node, visitor, uid)), media_type="text/csv; charset=utf-8")


@router.get("/events", tags=["events"])
def list_events(
    node: TheNode,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="`number` of the last one you have")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 500,
) -> Events:
    """Return what happened to studies, in order: ask again with the last number to follow along.

    Over PostgreSQL numbers are drawn before an event can be seen: one may be seen a few seconds after a greater one.
    Whoever must miss none asks from some numbers before the last one, and passes over those that it has.
    """
    found = node.ledger.lists.events_after(after, limit=limit)
    return Events(
        events=[
            StudyEvents(number=number, study=key, at=summaries.utc(at), event=event, detail=detail, actor=actor)
            for number, key, at, event, detail, actor in found
        ]
    )


@router.get("/overview", tags=["node"])
def node_overview(node: TheNode) -> overview.Overview:
    """Return how the node is: what is wrong and what to do, queues, workers, destinations; times are epoch seconds."""
    return overview.overview(node)

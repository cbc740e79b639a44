"""The page of the configuration: what is in force, who may sign in, what was done."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from service import config_text, rule_tables
from service.alerts.message import Message
from service.alerts.send import ways
from service.alerts.watch import name_of
from service.errors import SpondylError
from service.web import render
from service.web.access import TheNode, TheOperator, TheVisitor
from service.web.visitor import Visitor
from service.wiring import Node

router: Final = APIRouter(include_in_schema=False)
_ENTRIES: Final = 100
#: The id of an entry of the trail.
Before = Annotated[int | None, Query(ge=1, le=2**31 - 1)]


@router.get("/configuration")
def page_of_configuration(request: Request, node: TheNode, visitor: TheVisitor, before: Before = None) -> Response:
    """Show the configuration, secrets masked; people and what they did are an operator's to see, a page at a time."""
    return render.page(request, "configuration.html", shown(node, visitor, before=before))


@router.post("/alerts/test")
def try_alerts(request: Request, node: TheNode, visitor: TheVisitor, by: TheOperator) -> Response:
    """Send a test message by every way that is configured; show what became of each."""
    message = Message(node=name_of(node.settings), at=node.clock(), is_test=True)
    answers = {}
    for way, send in ways(node.settings.alerts).items():
        try:
            send(message)
        except SpondylError as error:
            answers[way] = (False, f"not sent: {error}")
        else:
            answers[way] = (True, "sent")
    node.ledger.audit.note(actor=by.name, address=by.address, what="test_alerts", detail="", now=node.clock())
    return render.page(request, "configuration.html", shown(node, visitor, answers))


def shown(
    node: Node,
    visitor: Visitor,
    answers: Mapping[str, tuple[bool, str]] | None = None,
    *,
    before: int | None = None,
) -> dict[str, Any]:
    """Return what the page shows, of the trail what is older than this entry."""
    trail = node.ledger.audit.latest(limit=_ENTRIES + 1, before=before) if visitor.may_act else None
    return {
        "rules": rule_tables.tables(node.settings),
        "sources": [source.name for source in node.settings.sources],
        "text": config_text.shown(node.settings),
        "ways": dict.fromkeys(ways(node.settings.alerts)) | dict(answers or {}),
        "people": node.ledger.people.everybody() if visitor.may_act else None,
        "trail": trail and trail[:_ENTRIES],
        "older": trail[_ENTRIES - 1].id if trail and len(trail) > _ENTRIES else None,
        "newest": before is not None,
    }

"""The page of the configuration: what is in force, who may sign in, what was done."""

from typing import Final

from fastapi import APIRouter, Request, Response

from service import config_text
from service.web import render
from service.web.access import TheNode, TheVisitor

router: Final = APIRouter(include_in_schema=False)
_ENTRIES: Final = 100


@router.get("/configuration")
def page_of_configuration(request: Request, node: TheNode, visitor: TheVisitor) -> Response:
    """Show the configuration, secrets masked; people and what they did are an operator's to see."""
    shown = {
        "text": config_text.shown(node.settings),
        "people": node.ledger.people.everybody() if visitor.may_act else None,
        "trail": node.ledger.audit.latest(limit=_ENTRIES) if visitor.may_act else None,
    }
    return render.page(request, "configuration.html", shown)

"""The page of destinations: how each does, and a button that asks it."""

from typing import Final

from fastapi import APIRouter, Request, Response

from service.web import render
from service.web.access import TheNode

router: Final = APIRouter(include_in_schema=False)


@router.get("/destinations")
def page_of_destinations(request: Request, node: TheNode) -> Response:
    """Show each destination."""
    return render.page(request, "destinations.html", shown(node))


def shown(node: TheNode, **more: object) -> dict[str, object]:
    """Return what the page shows; `more` is the answer to a C-ECHO."""
    found = [(each, node.ledger.watch.destination(each.name)) for each in node.settings.destinations]
    return {"found": found, "now": node.clock(), "calling_ae": node.settings.node.ae_title, **more}

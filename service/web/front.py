"""The first page: is the node well, what waits and since when, what must be done."""

from typing import Final

from fastapi import APIRouter, Request, Response

from service.ledger.switches import Paused
from service.overview import overview
from service.web import render
from service.web.access import TheNode

router: Final = APIRouter(include_in_schema=False)


@router.get("/")
def front_page(request: Request, node: TheNode, done: str = "") -> Response:
    """Show how the node is."""
    found = overview(node)
    paused = {pause.name: pause for pause in found.pauses}
    shown = {"found": found, "paused": paused, "switches": list(Paused), "done": done, "now": found.at}
    return render.page(request, "overview.html", shown)

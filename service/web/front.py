"""The first page: is the node well, what waits and since when, what must be done."""

from typing import Final

from fastapi import APIRouter, Request, Response

from service.errors import Unavailable
from service.ledger.switches import Paused
from service.overview import Light, overview, without_ledger
from service.web import render
from service.web.access import TheNode
from service.web.guard import told, wants_html
from service.wiring import Node

router: Final = APIRouter(include_in_schema=False)


@router.get("/")
def front_page(request: Request, node: TheNode, done: str = "") -> Response:
    """Show how the node is."""
    try:
        found = overview(node)
    except Unavailable as error:
        return without_answer(request, node, error)
    paused = {pause.name: pause for pause in found.pauses}
    shown = {"found": found, "paused": paused, "switches": list(Paused), "done": done, "now": found.at}
    return render.page(request, "overview.html", shown)


def without_answer(request: Request, node: Node, error: Unavailable) -> Response:
    """Show to whoever asks that the ledger does not answer, and what else can be seen: 503."""
    if not wants_html(request):
        return told(request, error)
    shown = {"checks": without_ledger(node), "worst": Light.BAD, "now": node.clock()}
    return render.page(request, "outage.html", shown, status=503)

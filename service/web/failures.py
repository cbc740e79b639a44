"""The page of failures: what went wrong, grouped by cause, who must act and what to do."""

from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from service.advice import advice
from service.ledger.lists import Cause
from service.states import StudyState
from service.web import render
from service.web.access import TheNode

router: Final = APIRouter(include_in_schema=False)
#: Causes on the page; the most frequent come first.
_SHOWN: Final = 200


@router.get("/failures")
def page_of_failures(
    request: Request, node: TheNode, done: str = "", n: int = 0, left: int = 0, refused: int = 0
) -> Response:
    """Show what failed, and what could not be analysed, by cause."""
    causes = node.ledger.lists.causes([StudyState.FAILED, StudyState.NOT_ANALYSABLE], limit=_SHOWN)
    shown = {
        "groups": {
            state: [_line(cause) for cause in causes if cause.state is state]
            for state in (StudyState.FAILED, StudyState.NOT_ANALYSABLE)
        },
        "done": done,
        "number": n,
        "left": left,
        "refused": refused,
    }
    return render.page(request, "failures.html", shown)


def _line(cause: Cause) -> dict[str, object]:
    link = urlencode({"state": cause.state.value, "reason": cause.reason})
    return {"cause": cause, "advice": advice(cause.state, cause.reason), "link": f"/studies?{link}"}

"""The web application: routes, guards and the words for errors, put together."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles

from service import __version__
from service.errors import BadLandmarks, OutOfSpace, SpondylError, Unavailable, Unknown
from service.logs import log
from service.states import NotAllowed
from service.web import api, guard, landmarks, pages, probes

if TYPE_CHECKING:
    from service.landmarks import DocumentFormat
    from service.metrics import Metrics
    from service.wiring import Node


#: How a family of errors is answered; what is in none of them is 500.
STATUSES: Final[dict[type[Exception], int]] = {Unknown: 404, BadLandmarks: 422, Unavailable: 503, OutOfSpace: 507}


def create_app(node: "Node", metrics: "Metrics", documents: "DocumentFormat") -> FastAPI:
    """Return the application over an open node; Misconfigured where the token cannot be used.

    `documents` is what it takes as landmarks: only the workers, whom the node does not know, can tell.
    """
    app = FastAPI(
        title="Spondyl",
        version=__version__,
        summary="Studies that were sent to this node, and what became of them",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.node, app.state.metrics = node, metrics
    for router in (probes.router, api.router, landmarks.router(documents), pages.router):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    for family in (SpondylError, NotAllowed):
        app.add_exception_handler(family, _told)
    # The last one added stands outermost.
    for middleware in (guard.only_own_pages, guard.chosen(node.settings.web), _without_values, guard.strict_headers):
        app.middleware("http")(middleware)
    return app


async def _told(request: Request, error: Exception) -> Response:
    if isinstance(error, NotAllowed):
        return guard.problem(request, 409, str(error))
    status = next((code for kind, code in STATUSES.items() if isinstance(error, kind)), 500)
    status = error.status if isinstance(error, guard.Rejected) else status
    who = error.who_now if isinstance(error, SpondylError) else SpondylError.who
    return guard.problem(request, status, str(error), who=who)


async def _without_values(request: Request, call_next: guard.Next) -> Response:
    """Answer 500 for a bug; the log gets its kind and place, never its text, which may quote a patient's data."""
    try:
        return await call_next(request)
    except Exception as bug:  # noqa: BLE001 one of the three places that catch a bug: a page must not end the process
        log.error("page failed", action="page_failed", exc_info=bug)
        return guard.problem(
            request, 500, "this page failed; the log of the web process says where", who="the developers"
        )

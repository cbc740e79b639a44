"""The web application: routes, guards and the words for errors, put together."""

from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles

from service import __version__
from service.errors import SpondylError, Unavailable, Unknown
from service.logs import log
from service.web import api, guard, pages, probes

if TYPE_CHECKING:
    from service.metrics import Metrics
    from service.wiring import Node


def create_app(node: "Node", metrics: "Metrics") -> FastAPI:
    """Return the application over an open node; Misconfigured where the token cannot be used."""
    app = FastAPI(
        title="Spondyl",
        version=__version__,
        summary="Studies that were sent to this node, and what became of them",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.node, app.state.metrics = node, metrics
    for router in (probes.router, api.router, pages.router):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    app.add_exception_handler(SpondylError, _told)
    # The last one added stands outermost.
    for middleware in (guard.chosen(node.settings.web), _without_values, guard.strict_headers):
        app.middleware("http")(middleware)
    return app


async def _told(request: Request, error: Exception) -> Response:
    statuses: dict[type[Exception], int] = {Unknown: 404, Unavailable: 503}
    status = next((code for kind, code in statuses.items() if isinstance(error, kind)), 500)
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

"""The web application: routes, guards and the words for errors, put together."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from service import __version__
from service.errors import SpondylError
from service.intake import Intake
from service.logs import log
from service.states import NotAllowed
from service.web import (
    actions,
    api,
    api_actions,
    configuration,
    destinations,
    failures,
    front,
    guard,
    landmarks,
    objects,
    pages,
    papers,
    probes,
    rules,
    sign_in,
    sources,
    studies,
)
from service.web.guesses import Guesses
from service.web.throttle import Throttle
from service.web.visitor import Reception

if TYPE_CHECKING:
    from service.landmarks import DocumentFormat
    from service.metrics import Metrics
    from service.retraction import NoteMaker
    from service.wiring import Node

_PAGES = (front, pages, objects, failures, destinations, sources, configuration, papers, actions, sign_in)
_MODULES = (probes, studies, api, api_actions, rules, *_PAGES)


def create_app(
    node: "Node",
    metrics: "Metrics",
    documents: "DocumentFormat",
    print_outs: "papers.Papers",
    make_note: "NoteMaker",
) -> FastAPI:
    """Return the application over an open node; Misconfigured where the token cannot be used.

    `documents` is what it takes as landmarks, `print_outs` what can be printed, `make_note` writes rejection notes:
    only the workers, whom the node does not know, can tell.
    """
    intake = Intake(node, metrics)
    app = FastAPI(
        lifespan=_running(intake),
        title="Spondyl",
        version=__version__,
        summary="Studies that were sent to this node, and what became of them",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.node, app.state.metrics, app.state.papers = node, metrics, print_outs
    app.state.make_note = make_note
    app.state.intake = intake
    app.state.reception = reception = Reception(node.settings.web, node.ledger.people)
    app.state.throttle = Throttle(node.clock)
    for router in (landmarks.router(documents), *(module.router for module in _MODULES)):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    for family, answer in {
        SpondylError: _told,
        NotAllowed: _told,
        HTTPException: _no_such_page,
        RequestValidationError: _not_understood,
    }.items():
        app.add_exception_handler(family, answer)
    # The last one added stands outermost.
    for middleware in (
        guard.only_own_pages,
        sign_in.only_visitors(Guesses(node, reception, app.state.throttle)),
        _without_values,
        guard.strict_headers,
    ):
        app.middleware("http")(middleware)
    return app


def _running(intake: Intake) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return what runs the intake as long as requests are answered."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stop = intake.run()
        yield
        await run_in_threadpool(stop)

    return lifespan


async def _told(request: Request, error: Exception) -> Response:
    if isinstance(error, SpondylError):
        return guard.told(request, error)
    return guard.problem(request, 409, str(error))


async def _no_such_page(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = {404: "there is no such page", 405: "this address does not take that method"}
    return guard.problem(request, status, words.get(status, "this request cannot be answered"))


async def _not_understood(request: Request, error: Exception) -> Response:
    """Name what was not understood, and never its value."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    where = [".".join(str(part) for part in each["loc"][1:]) or "the body" for each in found]
    said = [f"{place}: {each['msg']}" for place, each in zip(where, found, strict=True)]
    return guard.problem(request, 422, "; ".join(said) or "this request was not understood")


async def _without_values(request: Request, call_next: guard.Next) -> Response:
    """Answer 500 for a bug; the log gets its kind and place, never its text, which may quote a patient's data."""
    try:
        return await call_next(request)
    except Exception as bug:  # noqa: BLE001 one of the three places that catch a bug: a page must not end the process
        log.error("page failed", action="page_failed", exc_info=bug)
        return guard.problem(
            request, 500, "this page failed; the log of the web process says where", who="the developers"
        )

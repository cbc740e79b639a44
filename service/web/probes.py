"""What machines ask: alive, ready, how much."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from service.web.access import TheNode
from service.web.health import failures, pings

router = APIRouter(tags=["probes"])


@router.get("/healthz", response_class=PlainTextResponse)
def healthz() -> str:
    """Say that this process is alive; nothing else is asked."""
    return "ok\n"


@router.get("/readyz", responses={503: {"description": "something this node needs does not answer"}})
def readyz(node: TheNode) -> JSONResponse:
    """Ping ledger, broker and spool; 503 where one of them fails, and which and why."""
    pinged = pings(node)
    failed = failures(pinged)
    checks = {name: failed.get(name, "ok") for name in pinged}
    return JSONResponse({"ready": not failed, "checks": checks}, status_code=503 if failed else 200)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request, node: TheNode) -> Response:
    """Return the metrics in Prometheus' text format."""
    return Response(request.app.state.metrics.text(node.ledger), media_type="text/plain; version=0.0.4; charset=utf-8")

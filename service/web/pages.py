"""The plain pages: the list of studies, and one study with everything that happened to it."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.templating import Jinja2Templates

from service import __version__, findings_table, summaries, tables
from service.states import StudyState
from service.web.access import TheNode

router = APIRouter(include_in_schema=False)
templates: Final = Jinja2Templates(directory=Path(__file__).parent / "templates")
templates.env.globals["version"] = __version__
_LISTED: Final = 200


@router.get("/")
def list_of_studies(request: Request, node: TheNode, state: StudyState | None = None) -> Response:
    """Show the newest studies with their states and reasons, those of one state where asked."""
    shown = {
        "studies": summaries.studies(node.ledger.admin.studies(state=state, limit=_LISTED)).studies,
        "counts": {s.value: n for s, n in node.ledger.admin.counts().items()},
        "state": state.value if state else None,
        "limit": _LISTED,
    }
    return templates.TemplateResponse(request, "studies.html", shown)


@router.get("/studies/{key}")
def page_of_study(request: Request, node: TheNode, key: str) -> Response:
    """Show one study: its findings, jobs, reports, deliveries and events."""
    detail = summaries.detail(node.ledger.admin.study(key), node.ledger.admin.findings(key))
    found = detail.findings
    shown = {
        "study": detail.study,
        "findings": found and findings_table.table(found),
        "summary": found and findings_table.summary(found),
        "tables": [table for table in tables.parts(detail) if table.rows],
    }
    return templates.TemplateResponse(request, "study.html", shown)

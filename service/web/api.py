"""`/api/v1`: what the page shows, for programs."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query

from service import summaries
from service.errors import Unknown
from service.states import StudyState
from service.web.access import TheNode

router = APIRouter(prefix="/api/v1", tags=["studies"])


@router.get("/studies")
def list_studies(
    node: TheNode,
    state: StudyState | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
) -> summaries.Studies:
    """Return the studies, newest first."""
    return summaries.studies(node.ledger.admin.studies(state=state, limit=limit))


@router.get("/studies/{uid}")
def one_study(node: TheNode, uid: str) -> summaries.Detail:
    """Return all that is known of one study; `uid` is its Study Instance UID or its key."""
    return summaries.detail(node.ledger.admin.study(uid), node.ledger.admin.findings(uid))


@router.get("/studies/{uid}/findings")
def findings_of(node: TheNode, uid: str) -> dict[str, Any]:
    """Return the newest findings of a study, schema `spondyl.findings/1`."""
    text = node.ledger.admin.findings(uid)
    if text is None:
        raise Unknown("this study has no findings yet")
    found: dict[str, Any] = json.loads(text)
    return found

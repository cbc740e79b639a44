"""Papers to print: the DICOM conformance statement and the AE worksheet of the configuration in force."""

from collections.abc import Callable, Mapping
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import PlainTextResponse

from service.config import Settings
from service.web.access import TheNode

router: Final = APIRouter(include_in_schema=False)

#: Papers by name: only the workers, who write the objects, can tell what is in them.
Papers = Mapping[str, Callable[[Settings], str]]


@router.get("/papers/{name}")
def paper(request: Request, node: TheNode, name: str) -> PlainTextResponse:
    """Give a paper as text, which a browser prints as it is."""
    papers: Papers = request.app.state.papers
    if name not in papers:
        raise HTTPException(404)
    return PlainTextResponse(papers[name](node.settings))

"""`/api/v1/studies/{uid}/landmarks`: a landmarks document goes in, and the one that counts comes out."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from service import landmarks, summaries
from service.errors import Unknown
from service.operations import Actor
from service.web.access import TheNode, TheVisitor
from service.web.guard import Problem, Rejected
from service.web.upload import body_of

#: Bytes of a document. Six points on each of the 27 levels that have a name, written with all decimals and indented,
#: are 30 kB; what is so much larger is no such document.
LARGEST: Final = 256 * 1024
_JSON: Final = "application/json"
_PATH: Final = "/studies/{uid}/landmarks"


def _described(problems: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    """Return the answers of a route that are no success, for OpenAPI: those of every route, and `problems`."""
    of_all = {
        401: "the token is required",
        421: "without a token only names of this machine are answered",
        404: "no such study, or it has no landmarks document",
        503: "the ledger does not answer: try again",
    }
    return {
        status: {"model": Problem, "description": words} for status, words in sorted({**of_all, **problems}.items())
    }


_PUT_PROBLEMS: Final = _described(
    {
        400: "the body ended early",
        403: "this role may not, or a page of another site asks",
        409: "the study takes no landmarks now; the words say what to do",
        413: f"the body is larger than {LARGEST} bytes",
        415: f"the body is not {_JSON}",
        422: "the document cannot be used; the words say what was expected and what was found",
        507: "the disk of this node is full",
    }
)


async def _body(request: Request) -> bytes:
    """Return the body; Rejected where it is of another kind, or larger than LARGEST: no more of it is read then."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise Rejected(f"Content-Type: expected {_JSON}", status=415)
    return await body_of(request, at_most=LARGEST)


def _putter(visitor: TheVisitor) -> Actor:
    """Return who puts: an operator, or whoever is at this machine where nobody could sign in; Rejected else."""
    if not visitor.may_act and not visitor.is_here:
        raise Rejected(f"{visitor.name} may look and not act: the role operator is needed", status=403)
    return Actor(name=visitor.name, address=visitor.address)


#: Whoever puts landmarks.
ThePutter = Annotated[Actor, Depends(_putter)]


def router(documents: landmarks.DocumentFormat) -> APIRouter:
    """Return the routes; `documents` is what is taken as a landmarks document."""
    routes = APIRouter(prefix="/api/v1", tags=["landmarks"])
    content = {"content": {_JSON: {"schema": dict(documents.json_schema)}}}

    @routes.put(
        _PATH,
        status_code=202,
        openapi_extra={"requestBody": {"required": True, **content}},
        responses={
            200: {"model": summaries.Supplied, "description": "this document counts already: nothing was changed"},
            202: {"description": "durable; a new revision is queued, or waits until the study is complete"},
            **_PUT_PROBLEMS,
        },
    )
    def put_landmarks(
        node: TheNode, by: ThePutter, uid: str, document: Annotated[bytes, Depends(_body)], response: Response
    ) -> summaries.Supplied:
        """Have a study measured with these points; `uid` is its Study Instance UID or its key."""
        supplied = landmarks.supply(node, uid, document, check=documents.check, actor=by.name)
        key = supplied.study.key
        node.ledger.audit.note(actor=by.name, address=by.address, what="put_landmarks", detail=key, now=node.clock())
        response.status_code = 202 if supplied.changed else 200
        return summaries.supplied(supplied)

    @routes.get(
        _PATH,
        response_class=Response,
        responses={200: {"description": "the document, byte for byte", **content}, **_described({})},
    )
    def get_landmarks(node: TheNode, uid: str) -> Response:
        """Return the landmarks document that counts for a study, as it was put."""
        study = node.ledger.admin.study(uid).study
        if study.document is None:
            raise Unknown("no landmarks were put for this study")
        try:
            document = node.spool.document(study.key, study.document).read_bytes()
        except FileNotFoundError:
            raise Unknown("the landmarks document is gone from the spool: put it again") from None
        return Response(document, media_type=_JSON, headers={"ETag": f'"{study.document}"'})

    return routes

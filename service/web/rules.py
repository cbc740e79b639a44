"""Rules on the page of the configuration, and for programs: what would be done with a study, without doing it."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service import rule_tables
from service.attributes import attributes
from service.callers import Admitted
from service.errors import Refused, SpondylError, Unknown
from service.rules import Rulebook
from service.trying import Tried, caller_of, try_rules
from service.web import configuration, render
from service.web.access import TheNode, TheVisitor
from service.web.api import PROBLEMS
from service.web.guard import Problem, Rejected
from service.web.upload import LARGEST, fields, whole_body
from service.web.visitor import Visitor
from service.wiring import Node

router: Final = APIRouter()
_DICOM, _JSON = "application/dicom", "application/json"
#: UIDs, keys, names of sources, AE titles.
_LONGEST: Final = 64
_PROBLEMS: Final = PROBLEMS | {
    400: {"model": Problem, "description": "the body ended early, or cannot be read"},
    413: {"model": Problem, "description": f"the body is larger than {LARGEST} bytes: use the command line"},
    415: {"model": Problem, "description": f"the body is neither {_DICOM} nor {_JSON}"},
}
Word = Annotated[str | None, Query(max_length=_LONGEST)]


class Which(BaseModel):
    """A study that this node has received."""

    model_config = ConfigDict(extra="forbid")

    #: Its Study Instance UID or its key.
    study: Annotated[str, Field(min_length=1, max_length=_LONGEST)]


def _may_try(node: TheNode, visitor: TheVisitor) -> None:
    """Let operators pass, and whoever is at this machine where nobody could sign in: a file costs memory.

    That somebody tried is entered in the trail.
    """
    if not visitor.may_act and not visitor.is_here:
        raise Rejected(f"{visitor.name} may look and not act: the role operator is needed", status=403)
    node.ledger.audit.note(actor=visitor.name, address=visitor.address, what="try_rules", now=node.clock())


@router.post(
    "/api/v1/rules/try",
    tags=["rules"],
    dependencies=[Depends(_may_try)],
    responses=_PROBLEMS,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                _DICOM: {"schema": {"type": "string", "format": "binary"}},
                _JSON: {"schema": Which.model_json_schema()},
            },
        }
    },
)
def try_by_program(
    request: Request,
    node: TheNode,
    body: Annotated[bytes, Depends(whole_body)],
    source: Word = None,
    calling_ae: Word = None,
    address: Word = None,
) -> Tried:
    """Return what would be done with one DICOM file, or with a study that is here; nothing is stored or sent.

    `source` names who sends it, else `calling_ae` and `address` do; a study that is here has a source already.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {_DICOM, _JSON}:
        raise Rejected(f"Content-Type: expected {_DICOM} or {_JSON}", status=415)
    if kind == _DICOM:
        return _tried_file(node, body, source=source, calling_ae=calling_ae, address=address)
    try:
        which = Which.model_validate_json(body)
    except ValidationError:
        raise Rejected('the body: expected {"study": UID or key}', status=422) from None
    return _tried_study(node, which.study, source=source)


@router.post("/rules/try", include_in_schema=False, dependencies=[Depends(_may_try)])
def try_by_page(
    request: Request, node: TheNode, visitor: TheVisitor, body: Annotated[bytes, Depends(whole_body)]
) -> Response:
    """Show what would be done, on the page that was asked from."""
    said = fields(request.headers.get("content-type", ""), body)
    words = {name: said.get(name, b"").decode("utf-8", "replace").strip()[:_LONGEST] for name in ("study", "source")}
    source = words["source"] or None
    try:
        if not words["study"] and not said.get("file"):
            raise Unknown("expected a file, or the UID or key of a study")
        tried = (
            _tried_study(node, words["study"], source=source)
            if words["study"]
            else _tried_file(node, said["file"], source=source)
        )
    except SpondylError as error:
        return _page(request, node, visitor, problem=str(error))
    return _page(request, node, visitor, tried=tried)


def _page(request: Request, node: Node, visitor: Visitor, *, tried: Tried | None = None, problem: str = "") -> Response:
    shown = configuration.shown(node, visitor) | {"tried": tried, "problem": problem}
    if tried is not None:
        shown |= {"tried_words": rule_tables.sentence(tried), "tried_table": rule_tables.tried(tried)}
    return render.page(request, "configuration.html", shown, status=422 if problem else 200)


def _tried_file(
    node: Node, data: bytes, *, source: str | None = None, calling_ae: str | None = None, address: str | None = None
) -> Tried:
    rulebook = Rulebook(node.settings)
    caller = caller_of(node.settings, source=source, calling_ae=calling_ae, address=address)
    try:
        said = attributes(data, rulebook.tags)
    except Refused:
        raise Rejected("the file: expected a DICOM file (PS3.10), found something else", status=422) from None
    return try_rules(rulebook, node.settings, caller, [said])


def _sent_by(node: Node, name: str) -> Admitted:
    """Return who sent a study that is here; its source may no longer be configured."""
    return Admitted(name=name, configured=next((each for each in node.settings.sources if each.name == name), None))


def _tried_study(node: Node, named: str, *, source: str | None = None) -> Tried:
    """Try a study that is here: its own source sent it, unless another one is named."""
    row = node.ledger.admin.study(named).study
    rulebook = Rulebook(node.settings)
    said = [rulebook.said_by(path) for path in node.spool.files(row.key)]
    if not said:
        raise Unknown("the files of this study are gone from the spool: have it sent again")
    caller = caller_of(node.settings, source=source) if source else _sent_by(node, row.source)
    return try_rules(rulebook, node.settings, caller, said)

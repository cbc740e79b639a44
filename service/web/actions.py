"""The buttons: each posts a form, does one thing, and leads back to the page it was pressed on."""

from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from service import operations, retraction, sending, trial
from service.errors import SpondylError
from service.ledger.switches import Paused
from service.rejection_titles import Title
from service.web import destinations, render
from service.web.access import TheForm, TheNode, TheNotes, TheOperator
from service.web.guard import Rejected
from service.web.pages import wanted_of

router: Final = APIRouter(include_in_schema=False)
#: A reason is read by people.
LONGEST_WHY: Final = 200


def why_of(text: str) -> str:
    """Return a reason; Rejected where it is empty, too long or holds what cannot be printed."""
    if not text or len(text) > LONGEST_WHY or not text.isprintable():
        raise Rejected(f"the reason: expected 1 to {LONGEST_WHY} characters on one line", status=422)
    return text


def wish_of(title: str, why: str) -> retraction.Wish:
    """Return as what a report is to be taken back; Rejected where a word is none of ours."""
    if title not in set(Title):
        raise Rejected(f"the title: expected one of {', '.join(Title)}", status=422)
    return retraction.Wish(title=Title(title), why=why_of(why) if why else "")


@router.post("/studies/{key}/settle")
def settle(node: TheNode, by: TheOperator, key: str) -> Response:
    """Take a study as complete now."""
    operations.settle(node, key, by=by)
    return _back(f"/studies/{key}", done="settle")


@router.post("/studies/{key}/measure")
def measure(node: TheNode, by: TheOperator, key: str) -> Response:
    """Measure a study again."""
    operations.retry(node, key, by=by, measure=True)
    return _back(f"/studies/{key}", done="measure")


@router.post("/studies/{key}/retry")
def retry(node: TheNode, by: TheOperator, key: str) -> Response:
    """Do the last step of a study again."""
    operations.retry(node, key, by=by)
    return _back(f"/studies/{key}", done="retry")


@router.post("/studies/{key}/ignore")
def ignore(node: TheNode, by: TheOperator, key: str, form: TheForm) -> Response:
    """Take a study out, for a reason."""
    operations.ignore(node, key, why=why_of(form.get("why", "")), by=by)
    return _back(f"/studies/{key}", done="ignore")


@router.post("/studies/{key}/retract")
def retract(node: TheNode, by: TheOperator, make_note: TheNotes, key: str, form: TheForm) -> Response:
    """Take back what was reported on a study."""
    retraction.retract(node, key, wish_of(form.get("title", ""), form.get("why", "")), by=by, make_note=make_note)
    return _back(f"/studies/{key}", done="retract")


@router.post("/failures/retry")
def retry_all(node: TheNode, by: TheOperator, form: TheForm) -> Response:
    """Retry all studies that ended with one cause, or in one state."""
    many = operations.retry_all(node, wanted_of(form), by=by)
    return _back("/failures", done="retry", n=many.asked, left=many.left, refused=many.refused)


@router.post("/destinations/{name}/echo")
def echo(request: Request, node: TheNode, by: TheOperator, name: str) -> Response:
    """Ask a destination for a C-ECHO; show what it said."""
    destination = node.settings.destination(name)
    try:
        seconds = sending.echo(destination, calling_ae=node.settings.node.ae_title)
        answer = {"ok": True, "words": f"answered in {1000 * seconds:.0f} ms"}
    except SpondylError as error:
        answer = {"ok": False, "words": str(error)}
    node.ledger.audit.note(actor=by.name, address=by.address, what="echo", detail=name, now=node.clock())
    return render.page(request, "destinations.html", destinations.shown(node, answers={name: answer}))


@router.post("/destinations/{name}/test")
def test_report(node: TheNode, by: TheOperator, name: str) -> Response:
    """Send a test report to a destination; lead to its study, which says what becomes of it."""
    return _back(f"/studies/{trial.begin(node, name, by=by).key}", done="test")


@router.post("/pause/{what}")
def pause(node: TheNode, by: TheOperator, what: Paused, form: TheForm) -> Response:
    """Pause intake or processing, for a reason."""
    why = why_of(form.get("why", ""))
    node.ledger.switches.pause(what, actor=by.name, address=by.address, why=why, now=node.clock())
    return _back("/", done=f"pause_{what}")


@router.post("/resume/{what}")
def resume(node: TheNode, by: TheOperator, what: Paused) -> Response:
    """Let intake or processing go on."""
    node.ledger.switches.resume(what, actor=by.name, address=by.address, now=node.clock())
    return _back("/", done=f"resume_{what}")


@router.post("/callers/forget")
def forget(node: TheNode, by: TheOperator, form: TheForm) -> Response:
    """Forget a caller that was rejected."""
    calling_ae, address = form.get("calling_ae", ""), form.get("address", "")
    node.ledger.callers.forget(calling_ae=calling_ae, address=address)
    node.ledger.audit.note(actor=by.name, address=by.address, what="forget_caller", detail=address, now=node.clock())
    return _back("/sources")


def _back(path: str, **said: object) -> Response:
    query = urlencode({key: value for key, value in said.items() if value})
    return RedirectResponse(f"{path}?{query}" if query else path, status_code=303)

"""`/api/v1`, what changes something: the buttons of the page, for programs whose token has the role operator."""

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from service import operations, retraction, sending, summaries, trial
from service.ledger.lists import Wanted
from service.ledger.switches import Paused
from service.rejection_titles import Title
from service.retraction import Retracted, Wish
from service.states import StudyState
from service.web.access import TheNode, TheNotes, TheOperator, TheReader
from service.web.actions import LONGEST_WHY, why_of
from service.web.api import PROBLEMS
from service.web.guard import Problem
from service.web.pages import LONGEST_SEARCH

_PROBLEMS: Final = PROBLEMS | {409: {"model": Problem, "description": "not possible in this state; the words say why"}}
router: Final = APIRouter(prefix="/api/v1", tags=["actions"], responses=_PROBLEMS)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Why(_Body):
    """A reason; it is kept and shown. No patient data, please."""

    why: Annotated[str, Field(min_length=1, max_length=LONGEST_WHY)]


class Again(_Body):
    """How a study is retried."""

    #: Measure again, where else a report that exists is sent again.
    measure: bool = False


class Which(_Body):
    """Which studies are retried."""

    state: StudyState = StudyState.FAILED
    #: The whole reason; without one all reasons.
    reason: str | None = None
    source: str | None = None


class Whose(_Body):
    """Whose studies are asked for; it is kept nowhere."""

    #: A Patient ID or an accession number, whole.
    patient: Annotated[str, Field(min_length=1, max_length=LONGEST_SEARCH)]


class TakeBack(_Body):
    """As what a report is rejected, and why; it stands in the note. No patient data, please."""

    title: Title = Title.QUALITY
    why: Annotated[str, Field(max_length=LONGEST_WHY)] = ""


class Asked(BaseModel):
    """So many jobs were made, or the study is settled at the next pass (0)."""

    study: summaries.Study
    jobs: int


class TakenOut(BaseModel):
    """The study is out; these were compared with it: measured again, they are not."""

    study: summaries.Study
    #: Study Instance UIDs.
    compared: list[str]


class AskedOfMany(BaseModel):
    """What became of a retry of many."""

    asked: int
    refused: int
    left: int


class Echoed(BaseModel):
    """How long a C-ECHO took."""

    destination: str
    round_trip_ms: float


@router.post("/studies/search", tags=["studies"])
def search(node: TheNode, by: TheReader, whose: Whose) -> summaries.ListOfStudies:
    """Return the studies of one patient, or of one accession number, newest first, 1000 at most."""
    return summaries.studies(operations.search(node, whose.patient.strip(), by=by, limit=1000))


@router.post("/studies/{uid}/settle", status_code=202)
def settle(node: TheNode, by: TheOperator, uid: str) -> Asked:
    """Take a study as complete now."""
    operations.settle(node, uid, by=by)
    return _asked(node, uid, 0)


@router.post("/studies/{uid}/retry", status_code=202)
def retry(node: TheNode, by: TheOperator, uid: str, how: Again | None = None) -> Asked:
    """Do the last step of a study again: send its report, or measure it."""
    jobs = operations.retry(node, uid, by=by, measure=how.measure if how else False)
    return _asked(node, uid, len(jobs))


@router.post("/studies/{uid}/ignore", status_code=202)
def ignore(node: TheNode, by: TheOperator, uid: str, reason: Why) -> TakenOut:
    """Take a study out."""
    compared = operations.ignore(node, uid, why=why_of(reason.why.strip()), by=by)
    return TakenOut(study=summaries.study(node.ledger.admin.study(uid).study), compared=compared)


@router.post("/studies/{uid}/retract", status_code=202)
def retract(node: TheNode, by: TheOperator, make_note: TheNotes, uid: str, how: TakeBack | None = None) -> Retracted:
    """Take back what was reported: every destination is sent a note that rejects what it has; again where it failed."""
    wish = Wish(title=how.title, why=why_of(how.why.strip()) if how.why.strip() else "") if how else Wish()
    return retraction.retract(node, uid, wish, by=by, make_note=make_note)


@router.post("/retry", status_code=202)
def retry_many(node: TheNode, by: TheOperator, which: Which) -> AskedOfMany:
    """Retry all studies that ended alike; ask again while `left` is not 0."""
    wanted = Wanted(state=which.state, reason=which.reason, source=which.source)
    many = operations.retry_all(node, wanted, by=by)
    return AskedOfMany(asked=many.asked, refused=many.refused, left=many.left)


@router.post("/pause/{what}", status_code=204)
def pause(node: TheNode, by: TheOperator, what: Paused, reason: Why) -> None:
    """Pause intake or processing."""
    why = why_of(reason.why.strip())
    node.ledger.switches.pause(what, actor=by.name, address=by.address, why=why, now=node.clock())


@router.post("/resume/{what}", status_code=204)
def resume(node: TheNode, by: TheOperator, what: Paused) -> None:
    """Let intake or processing go on."""
    node.ledger.switches.resume(what, actor=by.name, address=by.address, now=node.clock())


@router.post(
    "/destinations/{name}/echo",
    responses={502: {"model": Problem, "description": "it refuses"}},
)
def echo(node: TheNode, by: TheOperator, name: str) -> Echoed:
    """Ask a destination for a C-ECHO."""
    destination = node.settings.destination(name)
    node.ledger.audit.note(actor=by.name, address=by.address, what="echo", detail=name, now=node.clock())
    seconds = sending.echo(destination, calling_ae=node.settings.node.ae_title)
    return Echoed(destination=name, round_trip_ms=round(1000 * seconds, 3))


@router.post("/destinations/{name}/test", status_code=202)
def test_report(node: TheNode, by: TheOperator, name: str) -> Asked:
    """Send a report of a patient that never was to a destination; its study says what becomes of it."""
    return Asked(study=summaries.study(trial.begin(node, name, by=by)), jobs=0)


def _asked(node: TheNode, uid: str, jobs: int) -> Asked:
    return Asked(study=summaries.study(node.ledger.admin.study(uid).study), jobs=jobs)

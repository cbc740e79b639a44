"""The pages of studies: the list, a page at a time, and one study with everything that happened to it."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from service import changes_table, findings_csv, findings_table, operations, summaries
from service.advice import advice
from service.errors import Unknown
from service.ledger import StudyRow
from service.ledger.lists import Place, Wanted
from service.rejection_titles import Title
from service.spool import study_key
from service.states import FINAL, STUDY_TRANSITIONS, StudyEvent, StudyState
from service.story import held_back, objects, story
from service.web import objects as made
from service.web import render
from service.web.access import TheForm, TheNode, TheReader, TheVisitor
from service.web.findings import seen_by
from service.web.guard import Rejected
from service.web.visitor import Visitor
from service.wiring import Node

router: Final = APIRouter(include_in_schema=False)
_LISTED: Final = 50
#: A patient with more studies than this has the newest shown.
_FOUND: Final = 200
#: LO has 64 characters (PS3.5 6.2), SH has 16.
LONGEST_SEARCH: Final = 64
#: Longer reasons and names than these the ledger does not hold.
_LONGEST_WORD: Final = 2000
#: PostgreSQL's INTEGER.
_GREATEST_ID: Final = 2**31 - 1

Word = Annotated[str, Query(max_length=_LONGEST_WORD)]


@router.get("/studies")
def list_of_studies(
    request: Request,
    node: TheNode,
    state: Word = "",
    source: Word = "",
    reason: Word = "",
    since: Word = "",
    until: Word = "",
    name: Word = "",
    after: Word = "",
) -> Response:
    """Show the studies that were asked for, the newest first, a page at a time."""
    asked = {"state": state, "source": source, "reason": reason, "since": since, "until": until, "name": name.strip()}
    asked = {key: value for key, value in asked.items() if value}
    found = node.ledger.lists.page(wanted_of(asked), after=place_of(after), limit=_LISTED)
    shown = _listed(node, found.rows, asked) | {
        "older": _link(asked | {"after": place_text(found.after)}) if found.after else None,
        "newest": _link(asked) if after else None,
    }
    return render.page(request, "studies.html", shown)


@router.post("/studies/search")
def studies_of_patient(request: Request, node: TheNode, by: TheReader, form: TheForm) -> Response:
    """Show the studies of one patient, or one accession number; posted, so that no URL or history has it."""
    said = form.get("patient", "")
    if not said or len(said) > LONGEST_SEARCH:
        raise Rejected(f"Patient ID or accession number: expected 1 to {LONGEST_SEARCH} characters", status=422)
    found = operations.search(node, said, by=by, limit=_FOUND + 1)
    shown = _listed(node, found[:_FOUND], {}) | {"searched": True, "more": len(found) > _FOUND}
    return render.page(request, "studies.html", shown)


def _listed(node: Node, rows: Sequence[StudyRow], asked: dict[str, str]) -> dict[str, Any]:
    """Return what every list of studies shows."""
    return {
        "studies": [(row, summaries.study(row)) for row in rows],
        "counts": node.ledger.admin.counts(),
        "sources": node.ledger.lists.sources(),
        "asked": asked,
        "links": {each: _link(_without(asked, "state") | {"state": each.value}) for each in StudyState},
        "all": _link(_without(asked, "state")),
    }


@router.get("/studies/{key}")
def page_of_study(request: Request, node: TheNode, key: str, done: str = "") -> Response:
    """Show one study: what became of it, its findings, its objects and its story."""
    detail = node.ledger.admin.study(key)
    shown = summaries.detail(detail, node.ledger.admin.findings(key))
    row, found = detail.study, shown.findings
    attempts = node.ledger.lists.attempts(row.id)
    page = {
        "row": row,
        "study": shown.study,
        "advice": advice(row.state, row.reason),
        "moves": not (row.state in FINAL and row.unsettled_since is None),
        "can": _possible(row.state),
        "titles": list(Title),
        "findings": found and findings_table.detailed(found),
        "summary": found and findings_table.summary(found),
        "change": found and changes_table.table(found),
        "pictures": made.pictures(detail),
        "texts": made.reports(detail),
        "objects": objects(detail, node.ledger.lists.sent(row.id)),
        "held_back": held_back(detail),
        "compared": _compared(node, row) if row.state is StudyState.IGNORED else [],
        "story": story(detail.events, attempts),
        "done": done,
    }
    return render.page(request, "study.html", page)


@router.get("/studies/{key}/findings.json")
def findings_json(node: TheNode, visitor: TheVisitor, key: str) -> Response:
    """Return the findings as they are, to be saved."""
    return JSONResponse(_findings(node, visitor, key), headers=_saved_as(node, key, "json"))


@router.get("/studies/{key}/findings.csv")
def findings_as_csv(node: TheNode, visitor: TheVisitor, key: str) -> Response:
    """Return the findings as a table for a spreadsheet: a line a vertebra."""
    text = findings_csv.text(_findings(node, visitor, key))
    return Response(text, media_type="text/csv; charset=utf-8", headers=_saved_as(node, key, "csv"))


def _findings(node: Node, visitor: Visitor, key: str) -> dict[str, Any]:
    found = summaries.detail(node.ledger.admin.study(key), node.ledger.admin.findings(key)).findings
    if found is None:
        raise Unknown("this study has no findings yet")
    return seen_by(visitor, found)


def _saved_as(node: TheNode, key: str, kind: str) -> dict[str, str]:
    # By the key: a file's name holds no identifier of a patient's study.
    name = f"{node.ledger.admin.study(key).study.key}.{kind}"
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _compared(node: Node, row: StudyRow) -> list[str]:
    """Return the keys of the studies that were compared with this one, which was taken out."""
    return [study_key(uid) for uid in node.ledger.priors.compared_with(row.study_instance_uid)]


def _possible(state: StudyState) -> dict[str, bool]:
    """Return which buttons a study in this state has."""
    again = (state, StudyEvent.RETRIED) in STUDY_TRANSITIONS
    return {
        "settle": state is StudyState.RECEIVING,
        "measure": again,
        "send": (state, StudyEvent.RESENT) in STUDY_TRANSITIONS,
        "ignore": (state, StudyEvent.IGNORED) in STUDY_TRANSITIONS,
        "retract": (state, StudyEvent.RETRACTED) in STUDY_TRANSITIONS,
    }


def wanted_of(asked: Mapping[str, str]) -> Wanted:
    """Return which studies are meant by words of a query or form; Rejected where one cannot be understood."""
    try:
        state = StudyState(asked["state"]) if asked.get("state") else None
    except ValueError:
        raise Rejected(f"state: expected one of {', '.join(StudyState)}", status=422) from None
    return Wanted(
        state=state,
        source=asked.get("source") or None,
        reason=asked.get("reason") or None,
        since=_midnight("since", asked.get("since", "")),
        until=_midnight("until", asked.get("until", ""), days=1),
        name=asked.get("name") or None,
    )


def place_of(text: str) -> Place | None:
    """Return the place that `place_text` wrote; None where it is empty, Rejected where it is something else."""
    if not text:
        return None
    moment, _, number = text.partition("_")
    try:
        place = Place(last_received_at=float(moment), id=int(number))
    except ValueError:
        place = None
    if place is None or not math.isfinite(place.last_received_at) or not 0 <= place.id <= _GREATEST_ID:
        raise Rejected("after: expected what the page before gave", status=422)
    return place


def place_text(place: Place) -> str:
    """Return a place as a word of a URL."""
    return f"{place.last_received_at!r}_{place.id}"


def _midnight(name: str, text: str, *, days: int = 0) -> float | None:
    """Return the first moment of a day, UTC, so many days later."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text) + timedelta(days=days)
    except (ValueError, OverflowError):
        raise Rejected(f"{name}: expected a date, YYYY-MM-DD", status=422) from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _link(asked: Mapping[str, str]) -> str:
    return f"/studies?{urlencode(asked)}" if asked else "/studies"


def _without(asked: Mapping[str, str], key: str) -> dict[str, str]:
    return {name: value for name, value in asked.items() if name != key}

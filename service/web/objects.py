"""What was made of a study, to be looked at: the summary pages as pictures, the structured report as text.

Both show a patient, so they are an operator's to see, and each look is entered in the trail.
"""

from typing import Final

from fastapi import APIRouter, Request, Response

from service import picture, report_text, sop_classes
from service.errors import Unknown
from service.ledger import ReportRow, StudyDetail
from service.ledger.rows import SR
from service.web import render
from service.web.access import TheNode, TheReader
from service.wiring import Node

router: Final = APIRouter(include_in_schema=False)
SUMMARY: Final = "summary"


@router.get("/studies/{key}/pictures/{number}.png")
def page_as_picture(node: TheNode, by: TheReader, key: str, number: int) -> Response:
    """Return a summary page as PNG; `number` is the object's in the ledger."""
    detail, row = _object(node, key, number, SUMMARY)
    shown = picture.png(node.spool.report(detail.study.key, row.file_name))
    _note(node, by.name, by.address, "see_picture", detail.study.key)
    # Never kept by the browser (`guard.HEADERS`): whoever looks again is entered again.
    return Response(shown, media_type="image/png")


@router.get("/studies/{key}/reports/{number}")
def report_as_text(request: Request, node: TheNode, by: TheReader, key: str, number: int) -> Response:
    """Show a structured report as a tree; `number` is the object's in the ledger."""
    detail, row = _object(node, key, number, SR)
    text = report_text.read(node.spool.report(detail.study.key, row.file_name))
    _note(node, by.name, by.address, "see_report", detail.study.key)
    shown = {"key": detail.study.key, "text": text, "row": row, "sop_class": _class_name(row)}
    return render.page(request, "report.html", shown)


def pictures(detail: StudyDetail) -> list[ReportRow]:
    """Return the summary pages of the newest revision that has any, in order."""
    return _newest(detail, SUMMARY)


def reports(detail: StudyDetail) -> list[tuple[ReportRow, str]]:
    """Return the reports of the newest revision that has any, each with its SOP class by name, the preferred first."""
    return [(row, _class_name(row)) for row in sorted(_newest(detail, SR), key=lambda row: row.choice)]


def _newest(detail: StudyDetail, kind: str) -> list[ReportRow]:
    made = [row for row in detail.reports if row.kind == kind and row.finding is None]
    if not made:
        return []
    # Measured again in the same revision, the objects of a later measurement replace those before them.
    last = max(made, key=lambda row: (row.revision, row.id))
    if kind == SR:
        alike = {row.choice: row for row in made if row.revision == last.revision}
        return list(alike.values())
    return [row for row in made if row.series_instance_uid == last.series_instance_uid]


def _class_name(row: ReportRow) -> str:
    return sop_classes.NAMES.get(row.sop_class_uid, row.sop_class_uid)


def _object(node: Node, key: str, number: int, kind: str) -> tuple[StudyDetail, ReportRow]:
    detail = node.ledger.admin.study(key)
    for row in detail.reports:
        if (row.id, row.kind) == (number, kind):
            return detail, row
    raise Unknown("this study has no such object")


def _note(node: Node, name: str, address: str, what: str, key: str) -> None:
    node.ledger.audit.note(actor=name, address=address, what=what, detail=key, now=node.clock())

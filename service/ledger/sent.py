"""What a delivery may send, and what of it its destination has: certainly, or perhaps.

A try that ends without the destination's word (no answer, or the worker died) leaves open whether the object is there.
It is sent again under the same UID, which settles that, unless nobody wants it any more: a new revision began, the
study was taken out, patience ended. Then it may be there for good: it is a predecessor of what comes next, and a
rejection note names it.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, case, delete, func, or_, select

from service.ledger import circuit
from service.ledger.engine import inserting
from service.ledger.rows import SR, JobRow, ReportRow
from service.ledger.tables import columns, deliveries, outputs, reports
from service.states import JobState

#: What `deliveries.detail` begins with where it is not certain.
MAYBE: Final = "may have been stored"


def choices(connection: Connection, job: JobRow) -> tuple[ReportRow, ...]:
    """Return what a delivery may send: its object, then the alternatives that were made with it, in their order.

    Where the destination said once that it has one, that one alone: it gets the same bytes, and nothing beside them.
    """
    if job.report_id is None:
        return ()
    preferred = case((reports.c.id == job.report_id, 0), else_=1)
    found = connection.execute(_choices(job).order_by(preferred, reports.c.choice))
    every = tuple(ReportRow(**record._asdict()) for record in found)
    has = select(deliveries.c.report_id).where(_at(job), deliveries.c.uncertain.is_(False))
    there = set(connection.scalars(has.where(deliveries.c.report_id.in_([each.id for each in every]))))
    return tuple(each for each in every if each.id in there) or every


def left_open(connection: Connection, job: JobRow, among: Iterable[ReportRow]) -> dict[str, float]:
    """Return what of it a try of this delivery ended with, without its destination's word: file names, and since when.

    Nothing in the first try of a job: whoever asked for another one has looked.
    """
    names = {each.id: each.file_name for each in among}
    if not names or job.attempts <= 1:
        return {}
    wanted = select(deliveries.c.report_id, deliveries.c.delivered_at)
    found = connection.execute(wanted.where(_at(job), deliveries.c.uncertain, deliveries.c.report_id.in_(names)))
    return {names[record.report_id]: record.delivered_at for record in found}


def _at(job: JobRow) -> ColumnElement[bool]:
    return deliveries.c.destination == job.destination


def arrived(connection: Connection, job: JobRow, *, detail: str, now: float) -> None:
    """Write down that a destination said that it stored what `job` brought; it is well, so its circuit closes.

    That is the first time, unless it was uncertain until now; and its alternatives are not there.
    """
    said = {"delivered_at": now, "detail": detail, "uncertain": False}
    fact = inserting(connection, deliveries).values(report_id=job.report_id, destination=job.destination, **said)
    this = [deliveries.c.report_id, deliveries.c.destination]
    connection.execute(fact.on_conflict_do_update(index_elements=this, set_=said, where=deliveries.c.uncertain))
    others = _choices(job).with_only_columns(reports.c.id)
    connection.execute(delete(deliveries).where(_at(job), deliveries.c.uncertain, deliveries.c.report_id.in_(others)))
    circuit.close(connection, [job.destination or ""])


def may_have_arrived(
    connection: Connection, job: JobRow, perhaps: Iterable[ReportRow], *, why: str, now: float
) -> None:
    """Write down which of its alternatives a destination may have of what `job` was sending.

    `job` is as it was while it ran; nothing where it only asked for proof.
    """
    if job.state is not JobState.RUNNING:
        return
    said = {"destination": job.destination, "delivered_at": now, "detail": f"{MAYBE}: {why}", "uncertain": True}
    rows = [said | {"report_id": each.id} for each in perhaps]
    if rows:
        connection.execute(inserting(connection, deliveries).on_conflict_do_nothing(), rows)


def _choices(job: JobRow) -> Select[tuple[object, ...]]:
    made_by = select(func.max(outputs.c.job_id)).where(outputs.c.report_id == job.report_id, outputs.c.job_id < job.id)
    made = select(outputs.c.report_id).where(outputs.c.job_id == made_by.scalar_subquery())
    alternative = reports.c.id.in_(made) & (reports.c.kind == SR)
    mine = select(reports.c.kind).where(reports.c.id == job.report_id).scalar_subquery()
    return select(*columns(reports, ReportRow)).where(
        or_(reports.c.id == job.report_id, alternative & (mine == SR) & reports.c.finding.is_(None))
    )

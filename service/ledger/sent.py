"""What a delivery may send, and what of it its destination has: certainly, or perhaps.

A try that ends without the destination's word (no answer, or the worker died) leaves open whether the object is there.
It is sent again under the same UID, which settles that, unless nobody wants it any more: a new revision began, the
study was taken out, patience ended. Then it may be there for good: it is a predecessor of what comes next, and a
rejection note names it.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, Select, and_, case, delete, exists, func, or_, select

from service.ledger import circuit
from service.ledger.engine import inserting
from service.ledger.rows import SR, JobRow, ReportRow
from service.ledger.tables import columns, deliveries, outputs, reports
from service.states import JobState

#: What `deliveries.detail` begins with where it is not certain.
MAYBE: Final = "may have been stored"


def choices(connection: Connection, job: JobRow) -> tuple[ReportRow, ...]:
    """Return what a delivery may send: its object, then the alternatives that were made with it, in their order.

    Sent again, the one that was stored comes first: the destination has it, and gets the same bytes.
    """
    preferred = case((reports.c.id == job.report_id, 0), else_=1)
    found = connection.execute(_choices(job).order_by(preferred, reports.c.choice))
    return tuple(ReportRow(**record._asdict()) for record in found)


def is_unsure(connection: Connection, job: JobRow) -> bool:
    """Whether the destination may have something of what a delivery may send, though it never said so."""
    mine = _choices(job).with_only_columns(reports.c.id)
    perhaps = and_(deliveries.c.destination == job.destination, deliveries.c.uncertain)
    return bool(connection.scalar(select(exists().where(perhaps, deliveries.c.report_id.in_(mine)))))


def arrived(connection: Connection, job: JobRow, *, detail: str, now: float) -> None:
    """Write down that a destination said that it stored what `job` brought; it is well, so its circuit closes.

    That is the first time, unless it was uncertain until now; and its alternatives are not there.
    """
    said = {"delivered_at": now, "detail": detail, "uncertain": False}
    fact = inserting(connection, deliveries).values(report_id=job.report_id, destination=job.destination, **said)
    this = [deliveries.c.report_id, deliveries.c.destination]
    connection.execute(fact.on_conflict_do_update(index_elements=this, set_=said, where=deliveries.c.uncertain))
    others = _choices(job).with_only_columns(reports.c.id)
    perhaps = and_(deliveries.c.destination == job.destination, deliveries.c.uncertain)
    connection.execute(delete(deliveries).where(perhaps, deliveries.c.report_id.in_(others)))
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

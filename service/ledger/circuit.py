"""The circuit of each destination: one delivery to it runs at a time, and a dead one costs the others nothing.

Closed (no failures): the next delivery may be claimed once none runs. Open (failed, its time not come): none may.
Half open (its time has come): the one claim that moves the time passes as the probe. An answer closes the circuit,
whatever it says of the object.

Whose turn it is: reports go before what accompanies them, then what was put off for the shortest time, then the oldest.
So an object that a destination never answers is not the probe again before every other had its turn. The sagittal
sections of a study, which its report refers to, are older than the report and go with it, before it; one that was tried
and not stored accompanies it.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, case, func, or_, select, update

from service.ledger.engine import inserting
from service.ledger.rows import SAGITTAL, SR
from service.ledger.tables import destinations, jobs, reports
from service.states import HELD, IDLE


def passes(connection: Connection, name: str, *, now: float, probe_s: float) -> bool:
    """Whether a delivery to `name` may be claimed; if as the probe, none else may for `probe_s`.

    The destination's row is held until the transaction ends, so of two claims the second one sees the first.
    """
    entry = inserting(connection, destinations).values(name=name, failures=0, not_before=0.0)
    connection.execute(entry.on_conflict_do_nothing())
    mine = destinations.c.name == name
    found = connection.execute(select(destinations.c.failures, destinations.c.not_before).where(mine).with_for_update())
    failures, not_before = found.one()
    if connection.scalar(select(_running(name).exists())):
        return False
    if failures and not_before > now:
        return False
    if failures:
        connection.execute(update(destinations).where(mine).values(not_before=now + probe_s))
    return True


def fail(connection: Connection, name: str, *, until: float, why: str) -> None:
    """Count a failure of `name` and open its circuit until then."""
    entry = inserting(connection, destinations).values(name=name, failures=1, not_before=until, error=why)
    again = {"failures": destinations.c.failures + 1, "not_before": until, "error": why}
    connection.execute(entry.on_conflict_do_update(index_elements=["name"], set_=again))


def close(connection: Connection, names: Iterable[str]) -> None:
    """Forget the failures of `names`."""
    for name in sorted(set(names)):
        failing = and_(destinations.c.name == name, destinations.c.failures > 0)
        connection.execute(update(destinations).where(failing).values(failures=0, not_before=0.0, error=None))


def lets_through(*, now: float) -> ColumnElement[bool]:
    """Return the condition that a waiting job is worth a message.

    Of a destination only the delivery whose turn it is, while none runs and its circuit is not open; the others follow.
    """
    other = jobs.alias("other")
    place = func.row_number().over(partition_by=other.c.destination, order_by=_turns(other)).label("place")
    waiting = other.c.state.in_(IDLE), other.c.destination.is_not(None), other.c.not_before <= now
    ranked = select(other.c.id, place).select_from(_with_reports(other)).where(*waiting).subquery()
    first = select(ranked.c.id).where(ranked.c.place == 1)
    running = select(other.c.id).where(other.c.state.in_(HELD), other.c.destination == jobs.c.destination)
    opened = select(destinations.c.name).where(
        destinations.c.name == jobs.c.destination, destinations.c.failures > 0, destinations.c.not_before > now
    )
    return or_(jobs.c.destination.is_(None), and_(jobs.c.id.in_(first), ~running.exists(), ~opened.exists()))


def next_in_turn(name: str, *, now: float) -> Select[Any]:
    """Return the question for the delivery to `name` whose turn it is; one that waits, and its time has come."""
    waiting = jobs.c.destination == name, jobs.c.state.in_(IDLE), jobs.c.not_before <= now
    return select(jobs.c.id).select_from(_with_reports(jobs)).where(*waiting).order_by(*_turns(jobs)).limit(1)


def _with_reports(deliveries: FromClause) -> FromClause:
    return deliveries.join(reports, reports.c.id == deliveries.c.report_id)


def _turns(deliveries: FromClause) -> list[ColumnElement[object]]:
    is_new_section = and_(reports.c.kind == SAGITTAL, deliveries.c.attempts == 0)
    report_first = case((or_(reports.c.kind == SR, is_new_section), 0), else_=1)
    return [report_first, deliveries.c.not_before, deliveries.c.id]


def _running(name: str) -> Select[Any]:
    return select(jobs.c.id).where(jobs.c.state.in_(HELD), jobs.c.destination == name)

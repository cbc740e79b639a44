"""The circuit of each destination: a dead one is tried by one delivery at a time, and costs the others nothing.

Closed (no failures): every delivery may be claimed. Open (failed, its time not come): none. Half open (its time has
come): the one claim that moves the time passes as the probe. A delivered report closes the circuit.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from service.ledger.engine import inserting
from service.ledger.tables import destinations, jobs
from service.states import JobState


def passes(connection: Connection, name: str, *, now: float, probe_s: float) -> bool:
    """Whether a delivery to `name` may be claimed; if as the probe, none else may for `probe_s`."""
    failures = connection.scalar(select(destinations.c.failures).where(destinations.c.name == name))
    if not failures:
        return True
    time_has_come = and_(destinations.c.name == name, destinations.c.failures > 0, destinations.c.not_before <= now)
    return connection.execute(update(destinations).where(time_has_come).values(not_before=now + probe_s)).rowcount == 1


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
    """Return the condition that a waiting job is worth a message: of a half-open destination only the first one is."""
    other = jobs.alias("other")
    first = (
        select(func.min(other.c.id))
        .where(other.c.state == JobState.WAITING, other.c.destination == jobs.c.destination, other.c.not_before <= now)
        .scalar_subquery()
    )
    failing = select(destinations.c.name).where(destinations.c.name == jobs.c.destination, destinations.c.failures > 0)
    return or_(
        ~failing.exists(),
        and_(~failing.where(destinations.c.not_before > now).exists(), jobs.c.id == first),
    )

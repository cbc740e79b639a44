"""Who called and was rejected: what an administrator needs to let a sender in, or to ask who knocks."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, and_, delete, func, select

from service.ledger.engine import inserting, reading, writing
from service.ledger.page_tables import callers
from service.ledger.tables import columns

#: Titles are made up by whoever calls: only the callers that were heard last are kept.
MOST_CALLERS: Final = 500


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Calls of one title from one address that were rejected for one cause."""

    calling_ae: str
    address: str
    #: As in the log action `association_rejected`.
    cause: str
    called_ae: str
    number: int
    first_at: float
    last_at: float


@dataclass(frozen=True)
class Callers:
    """The callers that were rejected."""

    engine: Engine

    def note(self, rejected: Iterable[Caller]) -> None:
        """Add what one listener has counted since it told last."""
        with writing(self.engine) as connection:
            for each in sorted(rejected, key=lambda one: (one.calling_ae, one.address, one.cause)):
                row = inserting(connection, callers).values(**vars(each))
                more = {
                    "number": callers.c.number + each.number,
                    "last_at": each.last_at,
                    "called_ae": each.called_ae,
                }
                keys = ["calling_ae", "address", "cause"]
                connection.execute(row.on_conflict_do_update(index_elements=keys, set_=more))
            oldest_kept = select(callers.c.last_at).order_by(callers.c.last_at.desc()).offset(MOST_CALLERS).limit(1)
            connection.execute(delete(callers).where(callers.c.last_at <= oldest_kept.scalar_subquery()))

    def latest(self, *, limit: int = MOST_CALLERS) -> list[Caller]:
        """Return the callers, the one that called last first."""
        wanted = select(*columns(callers, Caller)).order_by(callers.c.last_at.desc()).limit(limit)
        with reading(self.engine) as connection:
            return [Caller(**record._asdict()) for record in connection.execute(wanted)]

    def since(self, moment: float) -> int:
        """Return how many callers were rejected since then."""
        with reading(self.engine) as connection:
            number = connection.scalar(select(func.count()).select_from(callers).where(callers.c.last_at >= moment))
        return int(number or 0)

    def forget(self, *, calling_ae: str, address: str) -> None:
        """Forget a caller: it was dealt with."""
        this = and_(callers.c.calling_ae == calling_ae, callers.c.address == address)
        with writing(self.engine) as connection:
            connection.execute(delete(callers).where(this))

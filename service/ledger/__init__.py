"""The ledger: what was decided. The spool is the truth for bytes; the broker is only a wake-up call."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Engine, text

from service.ledger.admin import Admin
from service.ledger.arrivals import Arrivals
from service.ledger.audit import Audit
from service.ledger.callers import Callers
from service.ledger.clocks import Clocks
from service.ledger.completions import Completions
from service.ledger.documents import Documents
from service.ledger.engine import open_engine, reading
from service.ledger.jobs import Jobs
from service.ledger.lists import Lists
from service.ledger.people import People
from service.ledger.priors import EarlierStudy, Priors
from service.ledger.proofs import Asked, Proofs
from service.ledger.retractions import Retractions
from service.ledger.rows import (
    Claim,
    DeliveryRow,
    Earlier,
    EventRow,
    JobRow,
    Kept,
    NewReport,
    ReportRow,
    StudyDetail,
    StudyRow,
    Supplied,
)
from service.ledger.schema import migrate, require_current
from service.ledger.stillness import Stillness
from service.ledger.switches import Switches
from service.ledger.watch import Watch

__all__ = [
    "Admin",
    "Arrivals",
    "Asked",
    "Claim",
    "Completions",
    "DeliveryRow",
    "Documents",
    "Earlier",
    "EarlierStudy",
    "EventRow",
    "JobRow",
    "Jobs",
    "Kept",
    "Ledger",
    "NewReport",
    "Priors",
    "Proofs",
    "ReportRow",
    "Retractions",
    "StudyDetail",
    "StudyRow",
    "Supplied",
    "migrate",
]


@dataclass(frozen=True)
class Ledger:
    """One process's way to the ledger; threads share it, processes open their own. Closed by whoever opened it."""

    engine: Engine
    arrivals: Arrivals
    jobs: Jobs
    proofs: Proofs
    documents: Documents
    priors: Priors
    retractions: Retractions
    completions: Completions
    admin: Admin
    lists: Lists
    watch: Watch
    people: People
    switches: Switches
    callers: Callers
    audit: Audit
    clocks: Clocks
    stillness: Stillness

    @classmethod
    def open(cls, url: str) -> Self:
        """Connect; Unavailable where it does not answer, Misconfigured where its schema is not the current one."""
        engine = open_engine(url)
        with ExitStack() as on_failure:
            on_failure.callback(engine.dispose)
            require_current(engine)
            on_failure.pop_all()
        return cls(
            engine=engine,
            arrivals=Arrivals(engine),
            jobs=Jobs(engine),
            proofs=Proofs(engine),
            documents=Documents(engine),
            priors=Priors(engine),
            retractions=Retractions(engine),
            completions=Completions(engine),
            admin=Admin(engine),
            lists=Lists(engine),
            watch=Watch(engine),
            people=People(engine),
            switches=Switches(engine),
            callers=Callers(engine),
            audit=Audit(engine),
            clocks=Clocks(engine),
            stillness=Stillness(engine),
        )

    def close(self) -> None:
        """Close its connections."""
        self.stillness.close()
        self.engine.dispose()

    def ping(self) -> None:
        """Raise Unavailable where the ledger does not answer."""
        with reading(self.engine) as connection:
            connection.execute(text("SELECT 1"))

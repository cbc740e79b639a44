"""The ledger: what was decided. The spool is the truth for bytes; the broker is only a wake-up call."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Engine, text

from service.ledger.admin import Admin
from service.ledger.arrivals import Arrivals
from service.ledger.documents import Documents
from service.ledger.engine import open_engine, reading
from service.ledger.jobs import Jobs
from service.ledger.priors import EarlierStudy, Priors
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

__all__ = [
    "Admin",
    "Arrivals",
    "Claim",
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
    "ReportRow",
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
    documents: Documents
    priors: Priors
    admin: Admin

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
            documents=Documents(engine),
            priors=Priors(engine),
            admin=Admin(engine),
        )

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()

    def ping(self) -> None:
        """Raise Unavailable where the ledger does not answer."""
        with reading(self.engine) as connection:
            connection.execute(text("SELECT 1"))

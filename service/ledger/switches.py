"""What an operator has paused, for every process of the node: whoever starts something looks here first."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, Engine, delete, exists, select

from service.ledger.audit import enter
from service.ledger.engine import inserting, reading, writing
from service.ledger.page_tables import switches
from service.ledger.tables import columns


class Paused(StrEnum):
    """What can be paused."""

    #: Who would store is rejected for now, an object on an open association answered 0xA700: senders try again.
    INTAKE = "intake"
    #: No job is begun; those that run end.
    PROCESSING = "processing"


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Since when, by whom and why something is paused."""

    name: Paused
    since: float
    actor: str
    why: str


@dataclass(frozen=True)
class Switches:
    """The pauses."""

    engine: Engine

    def paused(self) -> dict[Paused, Pause]:
        """Return what is paused now."""
        with reading(self.engine) as connection:
            found = [record._asdict() for record in connection.execute(select(*columns(switches, Pause)))]
        return {Paused(each["name"]): Pause(**{**each, "name": Paused(each["name"])}) for each in found}

    def pause(self, name: Paused, *, actor: str, address: str, why: str, now: float) -> None:
        """Pause something; what is paused already stays as it is."""
        with writing(self.engine) as connection:
            row = inserting(connection, switches).values(name=name.value, since=now, actor=actor, why=why)
            if connection.scalar(row.on_conflict_do_nothing().returning(switches.c.name)) is not None:
                enter(connection, actor=actor, address=address, what=f"pause_{name}", detail=why, now=now)

    def resume(self, name: Paused, *, actor: str, address: str, now: float) -> None:
        """Let something go on; what is not paused stays as it is."""
        with writing(self.engine) as connection:
            if connection.execute(delete(switches).where(switches.c.name == name.value)).rowcount:
                enter(connection, actor=actor, address=address, what=f"resume_{name}", detail="", now=now)


def is_paused(connection: Connection, name: Paused) -> bool:
    """Whether something is paused, in the caller's transaction."""
    return bool(connection.scalar(select(exists().where(switches.c.name == name.value))))

"""Who may look and who may act: people with a role, what they sign in with, and the sessions that follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Engine, delete, exists, insert, select

from service.errors import Unknown
from service.ledger.engine import inserting, reading, writing
from service.ledger.page_tables import people, sessions
from service.ledger.tables import columns


class Role(StrEnum):
    """What somebody may do."""

    #: Sees every page.
    VIEWER = "viewer"
    #: Sends objects by STOW-RS, and sees nothing.
    SENDER = "sender"
    #: Changes what happens to studies, and pauses the node.
    OPERATOR = "operator"


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody, or a program, that signs in."""

    name: str
    role: Role
    #: scrypt text, None where there is no password.
    password: str | None
    #: Digest, None where there is no token.
    token: str | None
    created_at: float


@dataclass(frozen=True, kw_only=True)
class Session:
    """Somebody who has signed in."""

    person: str
    credential: str
    expires_at: float


@dataclass(frozen=True)
class People:
    """People and sessions. Secrets come in as digests; the ledger holds none that could be used."""

    engine: Engine

    def everybody(self) -> list[Person]:
        """Return everybody, by name."""
        with reading(self.engine) as connection:
            found = connection.execute(select(*columns(people, Person)).order_by(people.c.name))
            return [_person(record._asdict()) for record in found]

    def any(self) -> bool:
        """Whether there is anybody."""
        with reading(self.engine) as connection:
            return bool(connection.scalar(select(exists().where(people.c.name.is_not(None)))))

    def named(self, name: str) -> Person | None:
        """Return somebody, None where nobody has this name."""
        return self._one(name=name)

    def with_token(self, digest: str) -> Person | None:
        """Return whose token has this digest."""
        return self._one(token=digest)

    def put(self, name: str, role: Role | None, *, now: float, **secrets: str | None) -> Role:
        """Enter somebody, or change role and those `secrets` (password, token) that are given; return the role.

        Without a role that of somebody who is known stays, and whoever is new is a viewer.
        """
        with writing(self.engine) as connection:
            entered = (role or Role.VIEWER).value
            new = inserting(connection, people).values(name=name, role=entered, created_at=now, **secrets)
            changed = {"role": people.c.role if role is None else role.value, **secrets}
            put = new.on_conflict_do_update(index_elements=["name"], set_=changed).returning(people.c.role)
            return Role(connection.execute(put).scalar_one())

    def remove(self, name: str) -> None:
        """Remove somebody, with all sessions; Unknown where nobody has this name."""
        with writing(self.engine) as connection:
            if not connection.execute(delete(people).where(people.c.name == name)).rowcount:
                raise Unknown(f"nobody is called {name!r}")
            connection.execute(delete(sessions).where(sessions.c.person == name))

    def begin_session(self, digest: str, session: Session, *, now: float) -> None:
        """Enter a session; those that have expired are forgotten."""
        with writing(self.engine) as connection:
            connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
            values = {"person": session.person, "credential": session.credential, "expires_at": session.expires_at}
            connection.execute(insert(sessions).values(id=digest, **values))

    def session(self, digest: str, *, now: float) -> Session | None:
        """Return the session of a cookie, None where it has ended or never was."""
        wanted = select(*columns(sessions, Session)).where(sessions.c.id == digest, sessions.c.expires_at > now)
        with reading(self.engine) as connection:
            record = connection.execute(wanted).one_or_none()
        return None if record is None else Session(**record._asdict())

    def end_session(self, digest: str) -> None:
        """End a session."""
        with writing(self.engine) as connection:
            connection.execute(delete(sessions).where(sessions.c.id == digest))

    def _one(self, **by: str) -> Person | None:
        wanted = select(*columns(people, Person)).where(*(people.c[column] == value for column, value in by.items()))
        with reading(self.engine) as connection:
            record = connection.execute(wanted).one_or_none()
        return None if record is None else _person(record._asdict())


def _person(record: Mapping[str, object]) -> Person:
    values: dict[str, object] = {**record, "role": Role(str(record["role"]))}
    return Person(**values)  # type: ignore[arg-type]  # a record of `people` is typed as its columns are

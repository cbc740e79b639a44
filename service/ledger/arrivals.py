"""From the first object of a study to a settled revision: what the listener notes and what the settle pass decides."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, case, func, select, update

from service.ledger import removed
from service.ledger.engine import inserting, reading, writing
from service.ledger.moves import ADMIN, NODE, STUDY, begin_revision, cancel_jobs, locked, move_study, note_event
from service.ledger.rows import Decided, JobRow, StudyRow
from service.ledger.tables import events, later, studies
from service.states import OPEN, STUDY_TRANSITIONS, StudyEvent, StudyState

#: Event of a study of which no more objects are taken: it is measured without those.
TOO_LARGE: Final = "objects_refused"
#: The source of a study that was first heard of from the spool: its listener was killed before it could tell.
FROM_SPOOL: Final = "spool"
#: Event: what the rules and its source say of a study that is taken.
DECIDED: Final = "decided"


@dataclass(frozen=True)
class Arrivals:
    """Studies on their way in."""

    engine: Engine

    def note(self, *, key: str, study_instance_uid: str, source: str, now: float, held_until: float) -> StudyRow:
        """Note that an object of a study is durable in the spool; the study is entered where it is new.

        The state of a known study stays: it waits to be settled, and the settle pass decides.
        """
        with writing(self.engine) as connection:
            row = _touch(connection, key, source=source, now=now, held_until=held_until)
            if row is None:
                _enter(connection, key=key, study_instance_uid=study_instance_uid, source=source, now=now)
                row = _touch(connection, key, source=source, now=now, held_until=held_until)
            if row is None:
                raise ValueError("this Study Instance UID is known under another key")
            return row

    def hold(self, keys: Iterable[str], *, until: float) -> None:
        """Note that an open association delivers these studies; they are not complete before `until`."""
        with writing(self.engine) as connection:
            for key in sorted(set(keys)):
                held = update(studies).where(studies.c.key == key, studies.c.held_until < until)
                connection.execute(held.values(held_until=until))

    def release(self, keys: Iterable[str], *, now: float) -> None:
        """Note that the association over which these studies came is gone."""
        with writing(self.engine) as connection:
            for key in sorted(set(keys)):
                held = update(studies).where(studies.c.key == key, studies.c.held_until > now)
                connection.execute(held.values(held_until=now))

    def too_large(self, key: str, *, why: str, now: float, since: float) -> bool:
        """Enter that objects of a study are refused, unless that was entered `since`; tell whether it was entered."""
        with writing(self.engine) as connection:
            study_id = connection.scalar(select(studies.c.id).where(studies.c.key == key))
            said = events.c.study_id == study_id, events.c.event == TOO_LARGE, events.c.at > since
            if study_id is None or connection.scalar(select(events.c.id).where(*said).limit(1)) is not None:
                return False
            note_event(connection, study_id, TOO_LARGE, now=now, actor=NODE, detail=why)
            return True

    def unsettled(self, *, limit: int = 100) -> list[StudyRow]:
        """Return studies of which something waits to be settled, the longest quiet first.

        One that is being measured comes when that has ended.
        """
        waiting = studies.c.unsettled_since.is_not(None) & (studies.c.state != StudyState.MEASURING)
        wanted = select(*STUDY).where(waiting).order_by(studies.c.last_received_at, studies.c.id).limit(limit)
        with reading(self.engine) as connection:
            return [StudyRow(**record._asdict()) for record in connection.execute(wanted)]

    def by_key(self, key: str) -> StudyRow | None:
        """Return the study whose spool folder has this name, or None."""
        with reading(self.engine) as connection:
            record = connection.execute(select(*STUDY).where(studies.c.key == key)).one_or_none()
        return None if record is None else StudyRow(**record._asdict())

    def key_of(self, study_id: int) -> str:
        """Return the key of a study of this ledger."""
        with reading(self.engine) as connection:
            return str(connection.scalar(select(studies.c.key).where(studies.c.id == study_id)))

    def report_stands(self, study: StudyRow) -> bool:
        """Whether a study's files were removed, and its report, which a destination has, stands until somebody asks."""
        with reading(self.engine) as connection:
            return removed.report_stands(connection, study)

    def settle(
        self,
        study_id: int,
        *,
        fingerprint: str,
        now: float,
        read: StudyRow | None = None,
        decided: Decided | None = None,
    ) -> JobRow | None:
        """Enter a new revision and its measure job; jobs of older revisions that still wait are cancelled.

        `read` is the study as it was before the spool was looked at: an object noted since then leaves it unsettled.
        None where another process was faster, where somebody has asked something of the study since, or where this
        cannot happen now (it is being measured).
        What the study's source and the rules `decided` is an event of its own; without it, what was decided last holds.
        """
        with writing(self.engine) as connection:
            study = locked(connection, study_id)
            if (
                _is_asked(study, read)
                or study.fingerprint == fingerprint
                or (study.state, StudyEvent.SETTLED) not in STUDY_TRANSITIONS
            ):
                return None
            made_of = fingerprint, study.document
            news = _settled(study, now, read)
            if decided is not None:
                news |= {"priority": decided.priority, "destinations": decided.destinations}
                if decided.said:
                    note_event(connection, study.id, DECIDED, now=now, actor=NODE, detail=decided.said)
            return begin_revision(connection, study, StudyEvent.SETTLED, made_of, now=now, **news)

    def unchanged(self, study_id: int, *, now: float, why: str, read: StudyRow | None = None) -> bool:
        """Note that a study was found complete and there is nothing to do; tell whether that holds still.

        `read` as in `settle`.
        """
        with writing(self.engine) as connection:
            study = locked(connection, study_id)
            if _is_asked(study, read):
                return False
            connection.execute(update(studies).where(studies.c.id == study.id).values(_settled(study, now, read)))
            note_event(connection, study.id, "unchanged", now=now, actor=NODE, detail=why)
            return True

    def ignore(self, study_id: int, *, rule: str, now: float, read: StudyRow | None = None) -> bool:
        """Take a study out by a rule; tell whether that holds still. NotAllowed in a state in which this cannot happen.

        One that was out by another rule is out by this one now. `read` as in `settle`.
        """
        with writing(self.engine) as connection:
            study = locked(connection, study_id)
            if _is_asked(study, read):
                return False
            if study.state is StudyState.IGNORED and study.who != ADMIN and study.reason != rule:
                still = _settled(study, now, read) | {"reason": rule, "updated_at": now}
                connection.execute(update(studies).where(studies.c.id == study.id).values(still))
                note_event(connection, study.id, StudyEvent.IGNORED, now=now, actor=NODE, detail=rule)
                return True
            cancel_jobs(connection, study_id, OPEN, now=now)
            out = _settled(study, now, read) | {"reason": rule}
            move_study(connection, study, StudyEvent.IGNORED, now=now, detail=rule, **out)
            return True


def _touch(connection: Connection, key: str, *, source: str, now: float, held_until: float) -> StudyRow | None:
    values = {
        # Whoever sends what the reconciler found is its source.
        "source": case((studies.c.source == FROM_SPOOL, source), else_=studies.c.source),
        "arrivals": studies.c.arrivals + 1,
        "last_received_at": later(studies.c.last_received_at, now),
        "held_until": later(studies.c.held_until, held_until),
        "unsettled_since": func.coalesce(studies.c.unsettled_since, now),
        "updated_at": now,
        "files_removed_at": None,
    }
    touched = update(studies).where(studies.c.key == key).values(values).returning(*STUDY)
    record = connection.execute(touched).one_or_none()
    return None if record is None else StudyRow(**record._asdict())


def _enter(connection: Connection, *, key: str, study_instance_uid: str, source: str, now: float) -> None:
    """Enter a study, unless another process has just done so."""
    values = {
        "key": key,
        "study_instance_uid": study_instance_uid,
        "state": StudyState.RECEIVING,
        "source": source,
        "revision": 0,
        "first_received_at": now,
        "last_received_at": now,
        "held_until": 0.0,
        "arrivals": 0,
        "updated_at": now,
    }
    entered = inserting(connection, studies).values(values).on_conflict_do_nothing().returning(studies.c.id)
    study_id = connection.scalar(entered)
    if study_id is not None:
        note_event(connection, study_id, StudyEvent.RECEIVED, now=now, actor=NODE, detail=f"from {source}")


def _is_asked(study: StudyRow, read: StudyRow | None) -> bool:
    """Whether somebody has asked for a study, or taken it out, since it was `read`: the next pass decides anew."""
    return read is not None and (study.unsettled_since, study.who) != (read.unsettled_since, read.who)


def _settled(study: StudyRow, now: float, read: StudyRow | None) -> dict[str, Any]:
    """Return the columns of a locked study that was found complete, save for what arrived since it was `read`.

    What arrived waits for its quiet period, though somebody asked a second time meanwhile not to wait.
    """
    missed = read is not None and study.arrivals > read.arrivals
    return {"settled_at": now, "unsettled_since": now if missed else None}

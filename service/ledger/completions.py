"""What a study lacks that its source's archive has: asked for before it is measured, for a bounded time."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Engine, select, update

from service.ledger.engine import inserting, reading, writing
from service.ledger.moves import NODE, locked, note_event
from service.ledger.rows import AT_ONCE
from service.ledger.tables import completions, studies

#: Events: the archive is asked; it has no more; the study is measured though it has, or was not heard of.
COMPLETING: Final = "completing"
COMPLETED: Final = "completed"
INCOMPLETE: Final = "incomplete"
#: No study is put off for longer than this before its archive is asked again, seconds.
LONGEST_S: Final = 120.0


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A study that waits for its archive; held by whoever claimed it, until its next time."""

    study_id: int
    key: str
    study_instance_uid: str
    source: str
    #: What is to be fetched.
    wanted: tuple[str, ...]
    #: Since when the archive is asked; how often it was, this time included.
    since: float
    tries: int
    #: How often it listed, before this time, what it did not send.
    lacked: int


@dataclass(frozen=True)
class Completions:
    """Studies between complete as far as was sent, and complete as far as the archive knows."""

    engine: Engine

    def is_done(
        self, study_id: int, *, fingerprint: str, wanted: Collection[str], now: float, anew: bool = True
    ) -> bool:
        """Whether the archive has been asked about what lies in the spool; where not, it is to be asked from now on.

        Without `anew` it is not asked a second time because more has come.
        """
        asked = select(completions.c.fingerprint).where(completions.c.study_id == study_id)
        # The settle pass asks twice a second while a study waits.
        with reading(self.engine) as connection:
            known = connection.execute(asked).one_or_none()
        if known is not None and known.fingerprint in {fingerprint, None}:
            return known.fingerprint is not None
        with writing(self.engine) as connection:
            locked(connection, study_id)
            known = connection.execute(asked).one_or_none()
            if known is not None and known.fingerprint in {fingerprint, None}:
                return known.fingerprint is not None
            if known is not None and not anew:
                return True
            news = {"wanted": ",".join(wanted), "since": now, "tries": 0, "not_before": 0.0, "lacked": 0}
            news |= {"fingerprint": None}
            entered = inserting(connection, completions).values(study_id=study_id, **news)
            connection.execute(entered.on_conflict_do_update(index_elements=["study_id"], set_=news))
            note_event(
                connection,
                study_id,
                COMPLETING,
                now=now,
                actor=NODE,
                detail=f"its archive is asked: {', '.join(wanted)}",
            )
            return False

    def claim(self, *, now: float, lease_s: float) -> Completion | None:
        """Take one study whose time has come; nobody else gets it before `lease_s` have passed."""
        due = completions.c.fingerprint.is_(None), completions.c.not_before <= now
        wanted = (
            select(
                completions.c.study_id,
                studies.c.key,
                studies.c.study_instance_uid,
                studies.c.source,
                completions.c.wanted,
                completions.c.since,
                completions.c.tries,
                completions.c.lacked,
            )
            .join(studies, studies.c.id == completions.c.study_id)
            .order_by(completions.c.not_before, completions.c.study_id)
        )
        with writing(self.engine) as connection:
            for record in connection.execute(wanted.where(*due).limit(20)).all():
                held = update(completions).where(
                    completions.c.study_id == record.study_id, completions.c.tries == record.tries, *due
                )
                news = {"tries": record.tries + 1, "not_before": now + lease_s}
                if connection.execute(held.values(news)).rowcount == 1:
                    row = record._asdict() | {"wanted": tuple(record.wanted.split(",")), "tries": record.tries + 1}
                    return Completion(**row)
        return None

    def later(self, held: Completion, *, until: float, lacked: int) -> None:
        """Hand a study back: the archive is asked again then. `lacked` is counted up to now."""
        with writing(self.engine) as connection:
            connection.execute(update(completions).where(_is_held(held)).values(not_before=until, lacked=lacked))

    def end(self, held: Completion, *, fingerprint: str, complete: bool, detail: str, now: float) -> bool:
        """End the asking: a folder of this fingerprint is settled at the next pass. Tell whether it was held still.

        Where somebody sends more at this moment, it is settled once that has ended.
        """
        with writing(self.engine) as connection:
            locked(connection, held.study_id)
            ended = update(completions).where(_is_held(held)).values(fingerprint=fingerprint)
            if connection.execute(ended).rowcount != 1:
                return False
            quiet = studies.c.unsettled_since.is_not(None) & (studies.c.held_until <= now)
            waits = update(studies).where(studies.c.id == held.study_id, quiet)
            connection.execute(waits.values(unsettled_since=AT_ONCE))
            event = COMPLETED if complete else INCOMPLETE
            note_event(connection, held.study_id, event, now=now, actor=NODE, detail=detail)
            return True


def _is_held(held: Completion) -> ColumnElement[bool]:
    this = (completions.c.study_id == held.study_id) & (completions.c.tries == held.tries)
    return this & completions.c.fingerprint.is_(None)

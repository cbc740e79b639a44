"""Landmarks documents that were handed in: which one counts for a study, and the revision that it asks for."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, exists, select

from service.ledger.engine import reading, writing
from service.ledger.moves import ADMIN, API, NODE, begin_revision, locked, move_study
from service.ledger.rows import Kept, StudyRow, Supplied
from service.ledger.tables import events, studies
from service.states import NotAllowed, StudyEvent, StudyState


@dataclass(frozen=True)
class Documents:
    """Landmarks documents, by the digest that names them in the spool."""

    engine: Engine

    def supply(self, study_id: int, *, keep: Callable[[], Kept], now: float, actor: str = API) -> Supplied:
        """Have `keep` make a document durable in the spool, then let it count: a new revision is to be measured.

        The study is locked meanwhile: of two documents the one that was written last counts, and retention takes away
        neither. A study that is still received keeps it for its first revision. The document that counts already
        changes nothing, unless its file had been lost. NotAllowed, and nothing is written, where the study is ignored
        or its files were removed for their age.
        """
        with writing(self.engine) as connection:
            study = locked(connection, study_id)
            if refusal := _refusal(connection, study):
                raise NotAllowed(refusal)
            kept = keep()
            if study.document == kept.digest and not kept.new:
                return Supplied(study=study, digest=kept.digest, changed=False)
            return _count(connection, study, kept, now=now, actor=actor)

    def supply_unheard(self, study_id: int, *, newest: Callable[[], Kept | None], now: float) -> Supplied | None:
        """Let the document that `newest` gives count, where it was never heard of: its writer died before it said so.

        None where there is none, or the study takes none.
        """
        with writing(self.engine) as connection:
            study = locked(connection, study_id)
            kept = None if _refusal(connection, study) else newest()
            if kept is None or _is_known(connection, study_id, kept.digest):
                return None
            return _count(connection, study, kept, now=now, actor=NODE)

    def knows(self, study_id: int, digest: str) -> bool:
        """Whether a document of a study was heard of, at any time."""
        with reading(self.engine) as connection:
            return _is_known(connection, study_id, digest)


def _is_known(connection: Connection, study_id: int, digest: str) -> bool:
    supplied = events.c.study_id == study_id, events.c.event == StudyEvent.SUPPLIED, events.c.detail == _detail(digest)
    return bool(connection.scalar(select(exists().where(*supplied))))


def _count(connection: Connection, study: StudyRow, kept: Kept, *, now: float, actor: str) -> Supplied:
    """Let a document count: in the next revision of a study that is still received, in one of its own else."""
    event, document, detail, job = StudyEvent.SUPPLIED, kept.digest, _detail(kept.digest), None
    if study.state is StudyState.RECEIVING:
        move_study(connection, study, event, now=now, actor=actor, detail=detail, document=document)
    else:
        made_of = kept.fingerprint, document
        job = begin_revision(connection, study, event, made_of, now=now, actor=actor, detail=detail)
    return Supplied(study=locked(connection, study.id), digest=document, changed=True, job=job)


def _detail(digest: str) -> str:
    """Return what the event says of a document."""
    return f"landmarks {digest}"


def _refusal(connection: Connection, study: StudyRow) -> str | None:
    """Return why a study takes no landmarks and what to do about it, None where it takes them."""
    if connection.scalar(select(studies.c.files_removed_at).where(studies.c.id == study.id)) is not None:
        return "the files of this study were removed for their age: send it again, then its landmarks"
    if study.state is not StudyState.IGNORED:
        return None
    if study.who == ADMIN:
        return "an administrator took this study out: `spondyl retry` takes it back, then it takes landmarks"
    return f"a rule took this study out ({study.reason}): send its images, then its landmarks"

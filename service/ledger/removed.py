"""What retention took away: the events of a study tell, also after some of its objects have come again."""

from typing import Final

from sqlalchemy import Connection, exists, func, select

from service.ledger.rows import SR, StudyRow
from service.ledger.tables import deliveries, events, reports
from service.states import StudyEvent, StudyState

#: The event of a study whose folder left the spool for its age.
REMOVED: Final = "spool removed"
#: A measuring ended: what it made lies in the spool.
_MADE: Final = (StudyEvent.MEASURED, StudyEvent.UNANALYSABLE)
#: Somebody wants the study to be measured with what is there.
_ASKED: Final = (StudyEvent.RETRIED, StudyEvent.SUPPLIED)


def objects_are_gone(connection: Connection, study_id: int) -> bool:
    """Whether what a study was measured to went with its folder, and was not made since."""
    return _last(connection, study_id, REMOVED) > _last(connection, study_id, *_MADE)


def report_stands(connection: Connection, study: StudyRow) -> bool:
    """Whether a destination has a report on objects that went with the folder, and nobody has asked for another since.

    What is sent again after so long is often less than it was, and points that were handed in went as well.
    """
    arrived = deliveries.join(reports, reports.c.id == deliveries.c.report_id)
    its = (reports.c.study_id == study.id) & (reports.c.kind == SR)
    has_one = select(exists().select_from(arrived).where(its, ~deliveries.c.uncertain))
    return (
        study.state in {StudyState.REPORTED, StudyState.FAILED}
        and _last(connection, study.id, REMOVED) > _last(connection, study.id, *_MADE, *_ASKED)
        and bool(connection.scalar(has_one))
    )


def _last(connection: Connection, study_id: int, *names: str) -> int:
    """Return the number of the last of these events of a study; 0 where there was none."""
    its = events.c.study_id == study_id, events.c.event.in_([str(name) for name in names])
    return int(connection.scalar(select(func.max(events.c.id)).where(*its)) or 0)

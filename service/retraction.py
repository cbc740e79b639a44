"""Taking a report back: each destination that has objects of a study is sent a note that rejects them (IHE RAD IOCM).

The study is out from then on, as if an administrator had ignored it: nothing more is sent, nothing is compared with it.
What a destination does with a note is its own: who implements IOCM hides what it names, others keep it beside them. One
that takes no Key Object Selection is named as such in what happened to the study.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, Protocol

from service.dispatch import dispatch_all
from service.ledger import JobRow, NewReport, ReportRow, StudyRow
from service.ledger.retractions import Note, Order
from service.ledger.switches import Paused
from service.logs import log
from service.operations import Actor
from service.rejection_titles import Title
from service.states import NotAllowed
from service.wiring import Node

#: What a reason begins with in lists and pages.
RETRACTED: Final = "retracted"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What an administrator wants."""

    title: Title = Title.QUALITY
    #: For people, in the note and with the study. No patient data.
    why: str = ""

    @property
    def reason(self) -> str:
        """The study's reason from then on."""
        return f"{RETRACTED} ({self.title}){f': {self.why}' if self.why else ''}"


class NoteMaker(Protocol):
    """Writes rejection notes: what they look like, only the workers know."""

    def __call__(
        self, node: Node, study: StudyRow, rejected: Sequence[ReportRow], wish: Wish, *, at: datetime, number: int
    ) -> NewReport:
        """Keep a note in the study's folder and return what the ledger is to know; Quarantined where it is not valid.

        The same rejected objects, wish, moment and number give the same object.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Told:
    """One destination, and the note that is on its way there."""

    destination: str
    #: How many objects the note rejects.
    objects: int
    #: SOP Instance UID of the note.
    note: str


@dataclass(frozen=True, kw_only=True)
class Retracted:
    """What came of it."""

    study_instance_uid: str
    reason: str
    #: False where all had been taken back before; then `told` is who is sent a note again that it has not got.
    new: bool
    told: tuple[Told, ...]
    #: Study Instance UIDs of those that were compared with this study: measured again, they are not.
    compared: tuple[str, ...]
    schema: Literal["spondyl.retracted/1"] = "spondyl.retracted/1"


def retract(node: Node, uid: str, wish: Wish, *, by: Actor, make_note: NoteMaker, wake: bool = True) -> Retracted:
    """Take a study out and have every destination told that rejects what it has of ours.

    Asked for again it tells only those that have not got their note: nothing is rejected twice. NotAllowed where no
    destination has, or may have, anything (`ignore` takes such a study out), or an object is being sent at this moment.
    Workers are woken at once, or where `wake` is false by the running node's reconciler.
    """
    study = node.ledger.admin.study(uid).study
    there = node.ledger.retractions.there(study.id)
    before = node.ledger.retractions.notes(study.id)
    if not there and not before:
        raise NotAllowed("no destination has an object of this study: there is nothing to take back, ignore it instead")
    now, objects = node.clock(), {}
    if there:
        order = Order(reason=wish.reason, actor=by.name)
        moment, notes = datetime.fromtimestamp(now, UTC).astimezone(), []
        for number, (rejected, names) in enumerate(_sets(node, study, there).items(), start=len(before) + 1):
            report = make_note(node, study, rejected, wish, at=moment, number=number)
            notes.append(Note(report=report, destinations=names))
            objects[report.sop_instance_uid] = len(rejected)
        jobs = node.ledger.retractions.retract(study.id, notes, order, seen=there, now=now)
    else:
        jobs = node.ledger.retractions.send_again(study.id, Order(reason=wish.reason, actor=by.name), now=now)
    if wake and jobs and Paused.PROCESSING not in node.ledger.switches.paused():
        node.ledger.jobs.enqueued(dispatch_all(node.dispatch, jobs), now=node.clock())
    _note_it(node, study, by, jobs)
    return _said(node, study.key, jobs, new=bool(there), objects=objects)


def _sets(
    node: Node, study: StudyRow, there: dict[str, tuple[ReportRow, ...]]
) -> dict[tuple[ReportRow, ...], list[str]]:
    """Return by set of objects the destinations of its note: those that have the same get the same.

    What a destination only may have goes into a note of its own: it may refuse one that names what it has not got.
    """
    sent = node.ledger.lists.sent(study.id)
    uncertain = {(each.destination, each.sop_instance_uid) for each in sent if each.uncertain}
    sets: dict[tuple[ReportRow, ...], list[str]] = {}
    for name, rows in there.items():
        for perhaps in (False, True):
            part = tuple(row for row in rows if ((name, row.sop_instance_uid) in uncertain) is perhaps)
            if part:
                sets.setdefault(part, []).append(name)
    return sets


def _note_it(node: Node, study: StudyRow, by: Actor, jobs: Sequence[JobRow]) -> None:
    node.ledger.audit.note(actor=by.name, address=by.address, what="retract", detail=study.key, now=node.clock())
    if jobs:
        log.info("report taken back", action="report_retracted", study=study.key, count=len(jobs), address=by.address)


def _said(node: Node, key: str, jobs: Sequence[JobRow], *, new: bool, objects: dict[str, int]) -> Retracted:
    detail = node.ledger.admin.study(key)
    uids = {row.id: row.sop_instance_uid for row in detail.reports}
    told = (
        Told(
            destination=job.destination or "",
            objects=objects.get(uids.get(job.report_id or 0, ""), 0),
            note=uids.get(job.report_id or 0, ""),
        )
        for job in jobs
    )
    study = detail.study
    return Retracted(
        study_instance_uid=study.study_instance_uid,
        reason=study.reason or "",
        new=new,
        told=tuple(told),
        compared=tuple(node.ledger.priors.compared_with(study.study_instance_uid)),
    )

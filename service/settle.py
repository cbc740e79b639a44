"""Settle: when a study is complete, and what is then done with it.

A study that is complete gets one verdict. Equal bytes are never measured twice: the fingerprint of a study is compared
with that of its newest revision. A study that an administrator ignored stays ignored; one that a rule ignored is looked
at again whenever objects come.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from service.config import Study
from service.dispatch import dispatch_all
from service.ledger import JobRow, Ledger, StudyRow
from service.ledger.clocks import APART_S
from service.ledger.moves import ADMIN, ASKED
from service.ledger.rows import AT_ONCE, Decided
from service.logs import log
from service.rules import PRIORITIES, Decision, Rulebook
from service.spool import Spool
from service.states import StudyState

#: The rule that takes out a study of which nothing has come but reports of this node, routed back.
OWN_REPORT: Final = "own_report"
#: The rule that takes out a study of which the spool holds nothing at all: its folder was lost.
SPOOL_EMPTY: Final = "spool_empty"
#: Where more studies wait, none of them is the one that somebody waits for: the next pass is soon enough.
_FEW: Final = 8


def is_complete(row: StudyRow, study: Study, now: float, *, quiet_s: float | None = None) -> bool:
    """Whether a study is complete; `quiet_s` is its own quiet period, where it has one."""
    return complete_at(row, study, now, quiet_s=quiet_s) <= now


def complete_at(row: StudyRow, study: Study, now: float, *, quiet_s: float | None = None) -> float:
    """Return when a study is complete if nothing comes any more; infinity where nothing waits to be settled.

    Somebody asked not to wait; or nothing came in the quiet period and no association delivers it; or the hard limit
    has passed since the first object that waits to be settled. Where the clock was set back nobody knows how long it
    has been quiet: then it is complete as soon as no association delivers it.
    """
    if row.unsettled_since is None:
        return math.inf
    if row.unsettled_since == AT_ONCE:
        return AT_ONCE
    is_ahead = row.last_received_at - now > APART_S
    quiet_at = now if is_ahead else row.last_received_at + (study.quiet_s if quiet_s is None else quiet_s)
    return min(max(quiet_at, row.held_until), row.unsettled_since + study.max_wait_s)


class Action(Enum):
    """What is done with a complete study."""

    MEASURE = auto()
    UNCHANGED = auto()
    IGNORE = auto()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """An action and its reason; for IGNORE the name of the rule."""

    action: Action
    why: str = ""


def verdict(
    row: StudyRow,
    *,
    fingerprint: str | None,
    own_reports: bool = False,
    stands: bool = False,
    study: Study,
    decision: Decision | None = None,
) -> Verdict:
    """Decide on a complete study.

    `fingerprint` is None where the spool holds nothing of it to measure; `own_reports` tells whether reports of this
    node that were routed back lie there; `stands`, whether the report rests on files that were removed for their age;
    `decision` is what its source and the rules say. A study that was taken once, or that somebody asked for, is taken.
    """
    if fingerprint is None and row.state is StudyState.RECEIVING:
        return Verdict(action=Action.IGNORE, why=OWN_REPORT if own_reports else SPOOL_EMPTY)
    for holds, why in (
        (fingerprint is None, "the spool holds nothing to measure"),
        (row.state is StudyState.IGNORED and row.who == ADMIN, "an administrator ignored it"),
        (fingerprint == row.fingerprint, "the same objects as before"),
        (stands, "its first files were removed for their age, its report stands: retry measures what is there now"),
        (row.revision > 0 and study.late_instances == "never", "late_instances = never"),
    ):
        if holds:
            return Verdict(action=Action.UNCHANGED, why=why)
    if decision is not None and not decision.take and row.revision == 0 and row.who != ASKED:
        why = decision.ignored_by
        still = row.state is StudyState.IGNORED and row.reason == why
        return Verdict(action=Action.UNCHANGED if still else Action.IGNORE, why=why)
    return Verdict(action=Action.MEASURE)


@dataclass(frozen=True, kw_only=True)
class Settler:
    """The settle pass."""

    ledger: Ledger
    spool: Spool
    study: Study
    dispatch: Callable[[JobRow], None]
    #: What the site says of its sources and of their studies; without it every study is taken.
    rules: Rulebook | None = None

    def run(self, now: float) -> int:
        """Settle what is complete; return how many studies are to be measured.

        A study whose folder cannot be read is left for the next pass and keeps nobody else waiting. Where the broker
        does not answer, the job waits in the ledger until the reconciler sends it.
        """
        jobs: list[JobRow] = []
        for row in self.ledger.arrivals.unsettled(limit=1000):
            try:
                job = self._settle(row, now) if self._is_complete(row, now) else None
            except OSError as error:
                log.error("spool not readable", action="spool_unreadable", study=row.key, why=error.strerror)
                continue
            if job is not None:
                jobs.append(job)
                log.info("study settled", action="study_settled", study=row.key, revision=job.revision)
        if jobs:
            self.ledger.jobs.enqueued(dispatch_all(self.dispatch, jobs), now=now)
        return len(jobs)

    def due(self, now: float) -> float:
        """Return when the next of the few studies that wait can be complete; infinity where that need not be known."""
        rows = self.ledger.arrivals.unsettled(limit=_FEW + 1)
        times = (complete_at(row, self.study, now, quiet_s=each) for row in rows for each in self._periods_s(row))
        return min((at for at in times if at > now), default=math.inf) if len(rows) <= _FEW else math.inf

    def _periods_s(self, row: StudyRow) -> set[float]:
        """Return the quiet periods that a study can have, seconds."""
        return {self.study.quiet_s} if self.rules is None else self.rules.quiet_periods_s(row.source)

    def _is_complete(self, row: StudyRow, now: float) -> bool:
        """Whether a study is complete.

        Its objects are looked at where its quiet period hangs on them, once the shortest that it can have has passed.
        """
        periods = self._periods_s(row)
        if not is_complete(row, self.study, now, quiet_s=min(periods)):
            return False
        if self.rules is None or is_complete(row, self.study, now, quiet_s=max(periods)):
            return True
        quiet_s = self.rules.quiet_s(row.source, (row.key, row.arrivals), lambda: self.spool.files(row.key))
        return is_complete(row, self.study, now, quiet_s=quiet_s)

    def _settle(self, row: StudyRow, now: float) -> JobRow | None:
        fingerprint = self.spool.fingerprint(row.key) if self.spool.newest(row.key) is not None else None
        own_reports = self.spool.holds_own_reports(row.key)
        arrivals = self.ledger.arrivals
        stands = arrivals.report_stands(row)
        decision = self.rules.decide(row.source, self.spool.files(row.key)) if self.rules and fingerprint else None
        found = verdict(
            row, fingerprint=fingerprint, own_reports=own_reports, stands=stands, study=self.study, decision=decision
        )
        if found.action is Action.MEASURE and fingerprint is not None:
            if self._is_awaited(row, fingerprint, decision, now):
                return None
            decided = self._decided(row, decision)
            return arrivals.settle(row.id, fingerprint=fingerprint, now=now, read=row, decided=decided)
        if found.action is Action.IGNORE:
            holds = arrivals.ignore(row.id, rule=found.why, now=now, read=row)
        else:
            holds = arrivals.unchanged(row.id, now=now, why=found.why, read=row)
        if holds:
            log.info("nothing to measure", action="study_unchanged", study=row.key, why=found.why)
        return None

    def _is_awaited(self, row: StudyRow, fingerprint: str, decision: Decision | None, now: float) -> bool:
        """Whether its source's archive is asked first for what it lacks; not where somebody asked not to wait."""
        if decision is None or not decision.fetch or row.unsettled_since == AT_ONCE:
            return False
        in_time = row.unsettled_since is not None and now - row.unsettled_since < self.study.max_wait_s
        return not self.ledger.completions.is_done(
            row.id, fingerprint=fingerprint, wanted=decision.fetch, now=now, anew=in_time
        )

    def _decided(self, row: StudyRow, decision: Decision | None) -> Decided | None:
        """Return what is written down of a study that is taken; None where what was decided before holds."""
        if decision is None or self.rules is None:
            return None
        if not decision.take:
            if row.revision:
                return None
            decision = self.rules.asked_for(row.source)
        names = None if decision.destinations is None else ",".join(decision.destinations)
        return Decided(priority=PRIORITIES[decision.priority], destinations=names, said=decision.said)

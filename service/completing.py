"""Completing: before a study is measured, what its source's archive has of it is compared with the spool, and fetched.

    the archive has no more than is here      the study is settled
    it has more                               what is missing is fetched, then compared again
    it does not answer, or cannot send        asked again, later and later, for the patience of the site
    the patience has passed                   the study is measured as it is, and says so

Somebody who settles a study by hand does not wait for the archive.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from pydicom.dataset import Dataset

from service import peer
from service.arriving import SAY_AGAIN_S
from service.attributes import attributes_of_file
from service.config_peers import Archive
from service.errors import NotNow, PeerRefused, SpondylError, Unavailable
from service.ledger.completions import LONGEST_S, Completion
from service.ledger.moves import NODE
from service.ledger.rows import AT_ONCE
from service.ledger.switches import Paused
from service.logs import log
from service.retrieve import IntoSpool, Listed, as_peer, earlier_studies, find_contexts, get, move, objects_of, said
from service.spool import study_key
from service.states import FINAL
from service.storing import Counts, Storing
from service.wiring import Node

#: How often is looked for studies that wait, seconds.
LOOK_EVERY_S: Final = 1.0
#: The archive is asked again after so many seconds, the last one for ever.
_WAITS_S: Final = (2.0, 5.0, 10.0, 20.0, 30.0)
#: An archive that lists objects and does not send them is asked so often.
_MOST_TRIES: Final = 5
#: So many earlier studies are looked at, the newest first.
_MOST_PRIORS: Final = 20
_PATIENT_ID: Final = 0x0010_0020
_STUDY_DATE: Final = 0x0008_0020
_SEGMENTATIONS: Final = frozenset({"SEG", "RTSTRUCT"})


@dataclass
class _Seen:
    """What one look at the archive told."""

    #: How many objects it lists of the study, of those that are wanted.
    listed: int = 0
    #: How many of those are not in the spool.
    missing: int = 0
    #: How many were fetched, reports on earlier studies among them.
    fetched: int = 0
    #: Studies whose report was fetched and has not been read yet.
    unread: int = 0

    @property
    def complete(self) -> bool:
        return not self.missing and not self.unread


@dataclass(frozen=True, kw_only=True)
class Completer:
    """Completes studies, one after the other; any number of them may run."""

    node: Node
    metrics: Counts
    #: Seconds, not set back.
    timer: Callable[[], float] = time.monotonic
    #: Archives that did not answer, by their source: until when they are left in peace, and what was wrong.
    silent: dict[str, tuple[float, str]] = field(default_factory=dict)

    def run(self, now: float) -> int:
        """Ask the archives of all studies whose time has come; return how many that were."""
        done = 0
        while (held := self.node.ledger.completions.claim(now=now, lease_s=LONGEST_S)) is not None:
            self.complete(held)
            done += 1
        return done

    def complete(self, held: Completion) -> None:
        """Ask the archive of one study, fetch what is missing, and decide what follows."""
        archive = self._archive(held.source)
        if archive is None:
            self._end(held, complete=False, why=f"source {held.source} has no archive any more")
            return
        seen = _Seen()
        why, refused = self._tried(held, archive, seen)
        if not why and seen.complete:
            here = f"all {seen.listed} objects that {held.source}'s archive lists are here"
            self._end(held, complete=True, why=f"{here}, {seen.fetched} fetched" if seen.fetched else here)
            return
        why = why or _lacks(held, seen)
        over = self.node.clock() - held.since >= archive.patience_s
        lacked = held.lacked + bool(seen.missing)
        if over or refused or lacked >= _MOST_TRIES:
            self._end(held, complete=False, why=f"measured as it is: {why}")
        else:
            wait_s = min(_WAITS_S[min(held.tries, len(_WAITS_S)) - 1], archive.patience_s)
            self.node.ledger.completions.later(held, until=self.node.clock() + wait_s, lacked=lacked)
            log.info("archive asked again later", action="completing", study=held.key, why=why, retry_in_s=wait_s)

    def _tried(self, held: Completion, archive: Archive, seen: _Seen) -> tuple[str, bool]:
        """Look at the archive; return why that did not work, empty where it did, and whether it never will.

        One that gave no answer is left in peace for a while, or each study that waits would wait for its time-outs.
        """
        now = self.timer()
        until, why = self.silent.get(held.source, (0.0, ""))
        if now < until:
            return why, False
        if Paused.INTAKE in self.node.ledger.switches.paused():
            return "intake is paused", False
        try:
            self.node.spool.require_room()
            self._look(held, archive, seen)
        except SpondylError as error:
            if isinstance(error, Unavailable) and not isinstance(error, NotNow):
                self.silent[held.source] = self.timer() + _WAITS_S[-1], str(error)
            return str(error), isinstance(error, PeerRefused)
        return "", False

    def _archive(self, source: str) -> Archive | None:
        return next((each.archive for each in self.node.settings.sources if each.name == source), None)

    def _end(self, held: Completion, *, complete: bool, why: str) -> None:
        fingerprint = self.node.spool.fingerprint(held.key)
        now = self.node.clock()
        if self.node.ledger.completions.end(held, fingerprint=fingerprint, complete=complete, detail=why, now=now):
            say = log.info if complete else log.warning
            action = "study_completed" if complete else "study_incomplete"
            say("archive asked", action=action, study=held.key, source=held.source, why=why)

    def _look(self, held: Completion, archive: Archive, seen: _Seen) -> None:
        """Compare, fetch what is missing, and compare again."""
        end = self._end_of_look(held, archive)
        # Others wait meanwhile, and after its lease another node holds the study.
        wanted, priors = self._listed(held, archive, min(end, self.timer() + LONGEST_S))
        seen.listed = len(wanted)
        missing = [*self._missing(held.key, wanted), *filter(self._is_news, priors)]
        if missing:
            self._fetch(held, archive, missing, end)
            seen.missing = len(self._missing(held.key, wanted)) + sum(map(self._is_news, priors))
            seen.fetched = len(missing) - seen.missing
        seen.unread = sum(self._is_unread(one, held.since) for one in priors)

    def _end_of_look(self, held: Completion, archive: Archive) -> float:
        """Return until when an archive is listened to in one look."""
        left_s = held.since + archive.patience_s - self.node.clock()
        return self.timer() + max(archive.timeout_s, left_s)

    def _listed(self, held: Completion, archive: Archive, end: float) -> tuple[list[Listed], list[Listed]]:
        """Return what the archive lists of the study, and our reports on earlier studies of its patient."""
        called = as_peer(archive, held.source)
        our_ae = self.node.settings.node.ae_title
        with peer.calling(called, find_contexts(), calling_ae=our_ae) as association:
            ask = partial(objects_of, association, called.name, end)
            study: list[Listed] = []
            if {"study", "seg"} & set(held.wanted):
                every = "study" in held.wanted
                study = ask(
                    held.study_instance_uid, wanted=lambda one: every or said(one, "Modality") in _SEGMENTATIONS
                )
            priors: list[Listed] = []
            if "prior" in held.wanted:
                patient_id, until = self._patient(held.key)
                known = earlier_studies(association, called.name, end, patient_id=patient_id, until=until)
                for uid in [uid for uid in known if uid != held.study_instance_uid][:_MOST_PRIORS]:
                    priors += ask(uid, wanted=self._is_our_report)
        return study, priors

    def _patient(self, key: str) -> tuple[str, str]:
        """Return (Patient ID, Study Date) of a study, as an object of it says."""
        for path in self.node.spool.files(key):
            said = attributes_of_file(path, (_PATIENT_ID, _STUDY_DATE))
            if _PATIENT_ID in said:
                return said[_PATIENT_ID][0], said.get(_STUDY_DATE, ("",))[0]
        return "", ""

    def _is_our_report(self, series: Dataset) -> bool:
        ours = self.node.settings.report.sr_series_description
        return said(series, "Modality") == "SR" and said(series, "SeriesDescription") == ours

    def _missing(self, key: str, listed: Sequence[Listed]) -> list[Listed]:
        """Return what is not in the spool; what we made ourselves need not be there."""
        here = self.node.spool.among(key, [one.sop_instance_uid for one in listed])
        lacking = [one for one in listed if one.sop_instance_uid not in here]
        return [one for one in lacking if not self.node.ledger.admin.is_own_report(one.sop_instance_uid)]

    def _is_news(self, report: Listed) -> bool:
        """Whether a report on an earlier study is unknown here: its study is neither in the ledger nor in the spool."""
        key = study_key(report.study_instance_uid)
        if self.node.ledger.arrivals.by_key(key) is not None:
            return False
        return not self.node.spool.among(key, [report.sop_instance_uid])

    def _is_unread(self, report: Listed, since: float) -> bool:
        """Whether a report that was fetched has not been read yet; its study, of which nothing else comes, is settled.

        Only then is it a prior: the study that it was fetched for waits until a worker has read it.
        """
        row = self.node.ledger.arrivals.by_key(study_key(report.study_instance_uid))
        if row is None:
            return bool(self.node.spool.among(study_key(report.study_instance_uid), [report.sop_instance_uid]))
        if row.first_received_at < since or (row.state in FINAL and row.unsettled_since is None):
            return False
        if row.revision == 0 and row.unsettled_since not in {None, AT_ONCE}:
            self.node.ledger.admin.settle_now(row.key, now=self.node.clock(), actor=NODE)
        return True

    def _fetch(self, held: Completion, archive: Archive, missing: Sequence[Listed], end: float) -> None:
        settings = self.node.settings.node
        if archive.retrieve == "move":
            move(archive, held.source, missing, our_ae=settings.ae_title, end=end)
            return
        keep = IntoSpool(storing=self._storing(), metrics=self.metrics, source=held.source)
        try:
            get(archive, held.source, missing, keep, our_ae=settings.ae_title, end=end)
        finally:
            for key, uid in keep.arrived.items():
                self.node.ledger.arrivals.note(
                    key=key, study_instance_uid=uid, source=held.source, now=self.node.clock(), held_until=0.0
                )
            for key, why in keep.full.items():
                now = self.node.clock()
                self.node.ledger.arrivals.too_large(key, why=why, now=now, since=now - SAY_AGAIN_S)

    def _storing(self) -> Storing:
        node = self.node
        return Storing(settings=node.settings, spool=node.spool, reports=node.ledger.admin, metrics=self.metrics)


def _lacks(held: Completion, seen: _Seen) -> str:
    if seen.missing:
        return f"{seen.missing} of {seen.listed} objects of {held.source}'s archive are missing"
    return f"{seen.unread} report(s) on earlier studies were fetched and are not read yet"

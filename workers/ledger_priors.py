"""The prior of a study that the node measures: found in the ledger once a revision, and kept there.

A retry of a revision is set beside what its first try was set beside, whatever the ledger has learnt meanwhile: the
same revision gives the same bytes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from service.ledger import Claim, EarlierStudy, Priors
from service.study_identity import StudyIdentity
from sr_templates.comparison import PriorReport
from sr_templates.findings import StudyFindings
from workers.kept_json import dumped, loaded, of_findings
from workers.morphometry.kept import KeptStudy
from workers.prior import Prior, choose, from_text, to_text


@dataclass(frozen=True, kw_only=True)
class LedgerPriors:
    """A `Recall` for the study and revision that `claim` holds."""

    priors: Priors
    claim: Claim

    def __call__(self, identity: StudyIdentity, findings: StudyFindings, reports: Sequence[KeptStudy]) -> Prior:
        """Note whose study it is; return its prior."""
        study, revision = self.claim.study.id, self.claim.job.revision
        self.priors.identify(study, identity, own_report=_own(findings, reports), held=self.claim)
        text = self.priors.pinned(study, revision)
        if text is None:
            known = [_kept(earlier) for earlier in self.priors.earlier(study, identity)]
            earlier = [kept for kept in (*known, *reports) if kept is not None]
            prior = choose(findings, earlier, own=self._own_tracking(identity))
            text = self.priors.pin(study, revision, to_text(prior), held=self.claim)
        return from_text(text)

    def _own_tracking(self, identity: StudyIdentity) -> Prior:
        """Return the tracking UIDs of earlier revisions; none that came from a study which is no prior any more."""
        study, revision = self.claim.study.id, self.claim.job.revision
        tracking: dict[str, str] = {}
        origins: dict[str, str] = {}
        for said in self.priors.own(study, before_revision=revision):
            from_others = {} if said.prior is None else from_text(said.prior).origins
            withdrawn = self.priors.withdrawn(study, identity, set(from_others.values()))
            kept = of_findings(json.loads(said.findings), study_date="", study_time="", report=None)
            for vertebra in kept.vertebrae if kept else ():
                origin = from_others.get(vertebra.level)
                if vertebra.tracking_uid and vertebra.level not in tracking and origin not in withdrawn:
                    tracking[vertebra.level] = vertebra.tracking_uid
                    origins |= {vertebra.level: origin} if origin else {}
        return Prior(tracking=tracking, origins=origins)


def _own(findings: StudyFindings, reports: Sequence[KeptStudy]) -> str | None:
    """Return what a report of ours says of this study, where it is all that there is: later studies need it."""
    if findings.reason is None:
        return None
    mine = (kept for kept in reports if kept.study.study_instance_uid == findings.study_instance_uid)
    kept = next(mine, None)
    return None if kept is None else json.dumps(dumped(kept))


def _kept(earlier: EarlierStudy) -> KeptStudy | None:
    """Return what the ledger knows of an earlier study; None where nothing of it was measured."""
    found = None if earlier.findings is None else _of_findings(earlier, earlier.findings)
    if found is not None and found.has_numbers:
        return found
    return None if earlier.own_report is None else loaded(json.loads(earlier.own_report))


def _of_findings(earlier: EarlierStudy, findings: str) -> KeptStudy | None:
    made = earlier.report
    report = None
    if made is not None:
        report = PriorReport(
            sop_class_uid=made.sop_class_uid,
            sop_instance_uid=made.sop_instance_uid,
            series_instance_uid=made.series_instance_uid,
        )
    document = json.loads(findings)
    return of_findings(document, study_date=earlier.study_date, study_time=earlier.study_time, report=report)

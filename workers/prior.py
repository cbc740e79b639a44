"""Which earlier study a study is set beside, and which tracking UIDs its vertebrae keep (docs/morphometry 6.1).

Earlier studies come from the ledger, or from reports of ours among the files. The newest one that may be compared, and
shares a measured level, is compared; where none may, the newest one stands there with the reason. A vertebra keeps the
tracking UID that an earlier report on its own study gave it, else that of the newest earlier study that has its level,
whether it is compared or not: it is the same vertebra.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydicom.dataset import Dataset

from service.study_identity import StudyIdentity
from sr_templates import headers, uids
from sr_templates.findings import StudyFindings
from sr_templates.levels import LEVELS
from workers.inputs import REPORTS, Inputs
from workers.kept_json import dumped, loaded
from workers.morphometry.comparison import compare, why_not
from workers.morphometry.kept import KeptStudy
from workers.own_report import read_back
from workers.patient import identity_of, is_earlier, is_same_patient


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What of earlier studies goes into a report."""

    #: The one that the study is set beside; None where there is none.
    study: KeptStudy | None = None
    #: Tracking UID by level.
    tracking: Mapping[str, str] = field(default_factory=dict)
    #: Study Instance UID by level, of the earlier study that a tracking UID was taken from.
    origins: Mapping[str, str] = field(default_factory=dict)


#: Returns the prior of a study with these findings, of this patient, given what reports among its files tell.
Recall = Callable[[StudyIdentity, StudyFindings, Sequence[KeptStudy]], Prior]


def choose(findings: StudyFindings, earlier: Iterable[KeptStudy], *, own: Prior | None = None) -> Prior:
    """Return the prior among earlier studies; of two of the same study the first counts.

    `own` is what earlier reports on this very study gave: their tracking UIDs come first, or a reader who follows a
    vertebra would lose it where a prior became known between two of them.
    """
    by_study = {kept.study.study_instance_uid: kept for kept in reversed(list(earlier)) if kept.has_numbers}
    by_study.pop(findings.study_instance_uid, None)
    newest_first = sorted(by_study.values(), key=_age, reverse=True)
    comparable = [kept for kept in newest_first if why_not(findings, kept) is None]
    preferred = [*(kept for kept in comparable if _shares_a_level(findings, kept)), *comparable, *newest_first]
    tracking, origins = (dict(own.tracking), dict(own.origins)) if own else ({}, {})
    for kept in newest_first:
        for vertebra in kept.vertebrae:
            is_new = vertebra.level not in tracking and vertebra.tracking_uid not in tracking.values()
            if vertebra.tracking_uid and is_new:
                tracking[vertebra.level] = vertebra.tracking_uid
                origins[vertebra.level] = kept.study.study_instance_uid
    return Prior(study=next(iter(preferred), None), tracking=tracking, origins=origins)


def of_files(_: StudyIdentity, findings: StudyFindings, reports: Sequence[KeptStudy]) -> Prior:
    """Return the prior where there is no ledger: among the reports of the files."""
    mine = [kept for kept in reports if kept.study.study_instance_uid == findings.study_instance_uid]
    return choose(findings, reports, own=given_by(mine))


def given_by(own: Iterable[KeptStudy]) -> Prior:
    """Return the tracking UIDs of earlier reports on one study; the first that has a level counts."""
    tracking: dict[str, str] = {}
    for kept in own:
        for vertebra in kept.vertebrae:
            if vertebra.tracking_uid:
                tracking.setdefault(vertebra.level, vertebra.tracking_uid)
    return Prior(tracking=tracking)


def set_beside(findings: StudyFindings, prior: Prior, *, uid_root: str) -> StudyFindings:
    """Return the findings with the tracking UID of every level, and with the comparison."""
    tracking = _tracking(findings, prior.tracking, uid_root)
    tracked = tuple(
        replace(vertebra, tracking_uid=tracking[vertebra.level]) if vertebra.level in tracking else vertebra
        for vertebra in findings.vertebrae
    )
    tracked_findings = replace(findings, vertebrae=tracked)
    if prior.study is None or findings.reason is not None:
        return tracked_findings
    return replace(tracked_findings, comparison=compare(tracked_findings, prior.study))


def _tracking(findings: StudyFindings, given: Mapping[str, str], uid_root: str) -> dict[str, str]:
    """Return the tracking UID of every level, no two alike: TID 4108 has one for each thing that is tracked.

    A reader's tool may give two vertebrae one UID, or put a vertebra with its UID at another level.
    """
    levels = [vertebra.level for vertebra in findings.vertebrae if vertebra.level in LEVELS]
    found: dict[str, str] = {}
    for level in levels:
        uid = given.get(level)
        if uid and uid not in found.values():
            found[level] = uid
    for level in levels:
        # The second name is for a level whose own UID another vertebra already has.
        if level not in found:
            own, other = (
                uids.tracking_uid(uid_root, study_instance_uid=findings.study_instance_uid, level=name)
                for name in (level, f"{level}, another")
            )
            found[level] = other if own in found.values() else own
    return found


def told_by(inputs: Inputs, identity: StudyIdentity) -> list[KeptStudy]:
    """Return what reports of ours among the files say of earlier studies of this patient, and of this study.

    The newest report of each study comes first.
    """
    told = ((report, identity_of(report)) for report in inputs.other_reports)
    earlier = [report for report, of in told if is_earlier(of, identity) and is_same_patient(of, identity)]
    newest_first = sorted([*earlier, *inputs.of_classes(REPORTS)], key=_made, reverse=True)
    return [kept for report in newest_first if (kept := read_back(report)) is not None]


def to_text(prior: Prior) -> str:
    """Return a prior as JSON text: what a revision is pinned to. `rests_on` names the studies that it is made of."""
    rests_on = {*prior.origins.values(), *([] if prior.study is None else [prior.study.study.study_instance_uid])}
    found = {
        "study": None if prior.study is None else dumped(prior.study),
        "tracking": dict(prior.tracking),
        "origins": dict(prior.origins),
        "rests_on": sorted(rests_on),
    }
    return json.dumps(found, sort_keys=True)


def from_text(text: str) -> Prior:
    """Return what `to_text` was given."""
    found: dict[str, Any] = json.loads(text)
    study = None if found["study"] is None else loaded(found["study"])
    return Prior(study=study, tracking=found["tracking"], origins=found.get("origins", {}))


def _shares_a_level(findings: StudyFindings, kept: KeptStudy) -> bool:
    now = {vertebra.level for vertebra in findings.vertebrae if vertebra.measured is not None}
    return any(vertebra.is_measured and vertebra.level in now for vertebra in kept.vertebrae)


def _age(kept: KeptStudy) -> tuple[str, str, str]:
    return kept.study.study_date, kept.study_time, kept.study.study_instance_uid


def _made(report: Dataset) -> tuple[str, str, str, str]:
    """Return what sorts reports by when they were made; the UID only makes it the same every time."""
    number = headers.text(report, "InstanceNumber").strip().rjust(12, "0")
    date, time = headers.text(report, "ContentDate"), headers.text(report, "ContentTime")
    return date, time, number, headers.text(report, "SOPInstanceUID")

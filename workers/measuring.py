"""One measure job from claim to outcome: the study's files in, findings and objects into spool and ledger."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from service import trial
from service.dispatch import dispatch_all
from service.errors import BadLandmarks
from service.ledger import Claim, Earlier, NewReport, ReportRow
from service.logs import log
from service.states import StudyState
from service.wiring import Node
from sr_templates.context import Predecessor
from sr_templates.findings_json import to_json
from sr_templates.objects import ObjectKind
from workers.gate import Found, Gate
from workers.landmarks.document import LandmarksError
from workers.ledger_priors import LedgerPriors
from workers.pipeline import Outcome, StudyReason, measure_files
from workers.reporting import ReportFile


def measure_job(node: Node, claim: Claim) -> None:
    """Measure the study that `claim` holds, enter what came of it, and wake the deliveries.

    The objects' files are durable before the ledger names them. A claim that was lost meanwhile changes nothing. Where
    the report differs from what a destination has of this revision, the study gets a new revision instead, whose report
    names that one as its predecessor. Where the gate lets no report pass the study fails. Raises BadLandmarks where a
    document was handed in that cannot be used: a report on other points would pass for the one that was asked for.
    """
    node = trial.node_for(node, claim.study.source)
    wanted = _wanted(node, claim)
    earlier = node.ledger.admin.last_report(claim.study.id, before_revision=claim.job.revision, destinations=wanted)
    gate = Gate(node.spool, dciodvfy=node.settings.report.dciodvfy)
    outcome = _measured(node, claim, earlier, gate)
    if _differs(node, claim, outcome):
        _begin_another(node, claim)
        return
    objects = _objects(node, claim, outcome, earlier, gate)
    for why in gate.unchecked:
        log.error("objects not checked", action="object_not_checked", study=claim.study.key, why=why)
    jobs = node.ledger.jobs.finish_measure(
        claim,
        findings=json.dumps(to_json(outcome.findings)),
        reason=outcome.findings.reason,
        objects=objects,
        unchecked=gate.unchecked,
        wanted=wanted,
        now=node.clock(),
    )
    log.info(
        "study measured",
        action="study_measured",
        study=claim.study.key,
        revision=claim.job.revision,
        vertebrae=len(outcome.findings.vertebrae),
        graded=outcome.findings.summary.graded,
        reason=outcome.findings.reason,
    )
    node.ledger.jobs.enqueued(dispatch_all(node.dispatch, jobs), now=node.clock())
    if not jobs and any(each.finding for each in objects):
        _say_given_up(node, claim)


def _wanted(node: Node, claim: Claim) -> dict[str, tuple[str, ...]]:
    """Return what each destination gets that this study goes to; one that is no longer configured is none."""
    named = claim.study.destinations
    chosen = None if named is None else named.split(",")
    return {each.name: each.send for each in node.settings.destinations if chosen is None or each.name in chosen}


def _measured(node: Node, claim: Claim, earlier: Earlier | None, gate: Gate) -> Outcome:
    try:
        return measure_files(
            node.spool.files(claim.study.key),
            settings=node.settings,
            # In the site's own time, which a source without an offset from UTC keeps too.
            started_at=datetime.fromtimestamp(claim.started_at, UTC).astimezone(),
            supplied=_document(node, claim),
            supplied_at=_moment(claim.document_since),
            predecessors=[_predecessor(report) for report in earlier.arrived] if earlier else (),
            revision=claim.job.revision,
            recall=LedgerPriors(priors=node.ledger.priors, claim=claim),
            fit=lambda file, received: gate.examine(file, known=received) is None,
            sections=_sections(node, claim),
            reported=_reported(node, claim),
        )
    except LandmarksError as error:
        raise BadLandmarks(f"the landmarks that were put: {error}") from None


def _sections(node: Node, claim: Claim) -> list[Path]:
    """Return the sagittal sections that we made of the study: those that came back, then those kept, which count."""
    rows = node.ledger.admin.study(claim.study.key).reports
    made = [row.file_name for row in rows if row.kind == ObjectKind.SAGITTAL and row.finding is None]
    kept = (node.spool.report(claim.study.key, name) for name in made)
    return [*node.spool.own_files(claim.study.key), *filter(Path.is_file, kept)]


def _reported(node: Node, claim: Claim) -> list[str]:
    """Return the levels that the revision before spoke of."""
    said = node.ledger.priors.own(claim.study.id, before_revision=claim.job.revision)[:1]
    return [vertebra["level"] for one in said for vertebra in json.loads(one.findings)["vertebrae"]]


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _document(node: Node, claim: Claim) -> bytes | None:
    """Return the landmarks document that this revision is measured with, None where none was handed in."""
    if claim.document is None:
        return None
    try:
        return node.spool.document(claim.study.key, claim.document).read_bytes()
    except FileNotFoundError:
        raise BadLandmarks("the landmarks that were put are gone from the spool: put them again") from None


def _objects(node: Node, claim: Claim, outcome: Outcome, earlier: Earlier | None, gate: Gate) -> Sequence[NewReport]:
    """Write the objects; where late objects changed nothing that is reported, the earlier ones stand if they are there.

    That is what `late_instances = "replace"` means; "always" makes new ones of every revision.
    """
    # Another document is another report: it names who placed the points.
    digest = hashlib.sha256(f"{outcome.digest}{claim.document or ''}".encode()).hexdigest()
    may_stand = node.settings.study.late_instances == "replace" and not claim.anew
    if earlier and may_stand and _stand(node, claim, earlier, digest):
        return earlier.made
    return list(_kept(node, claim, outcome, digest, earlier, gate))


def _stand(node: Node, claim: Claim, earlier: Earlier, digest: str) -> bool:
    """Whether what an earlier revision was reported with says all that is to be said, and can be sent."""
    return all(
        each.findings_digest == digest
        and each.finding is None
        and node.spool.report(claim.study.key, each.file_name).is_file()
        for each in earlier.made
    )


def _differs(node: Node, claim: Claim, outcome: Outcome) -> bool:
    """Whether a destination has a report of this very revision which is none of those that came out now.

    So it is where none came out at all: numbers that hold no more must not stand.
    """
    newest = node.ledger.admin.last_report(claim.study.id, before_revision=claim.job.revision + 1)
    had = {each.sop_instance_uid for each in newest.arrived if each.revision == claim.job.revision} if newest else set()
    made = {each.sop_instance_uid for each in outcome.objects if each.kind == ObjectKind.SR}
    return bool(had) and not had & made and outcome.findings.reason != StudyReason.ONLY_OWN_REPORTS


def _begin_another(node: Node, claim: Claim) -> None:
    job = node.ledger.jobs.revise(claim, now=node.clock())
    if job is not None:
        log.info("another report", action="revision_begun", study=claim.study.key, revision=job.revision)
        node.ledger.jobs.enqueued(dispatch_all(node.dispatch, [job]), now=node.clock())


def _kept(
    node: Node, claim: Claim, outcome: Outcome, digest: str, earlier: Earlier | None, gate: Gate
) -> Iterator[NewReport]:
    """Keep each object in the spool, what must not be sent under another name and with what is wrong beside it."""
    known = {*outcome.received, *(each.sop_instance_uid for each in outcome.objects)}
    known |= {report.sop_instance_uid for report in earlier.arrived} if earlier else set()
    gate.examine_all(outcome.objects, known=known)
    for each in outcome.objects:
        found = gate.examine(each, known=known)
        # Named by its UID: an object that says something else never lies under the name of another.
        name = f"{each.kind}-{each.sop_instance_uid}.dcm"
        if found is not None:
            name = f"quarantined-{name}"
            node.spool.write_report(claim.study.key, f"{name}.txt", found.said.encode())
            _say_held_back(claim, each, found)
        node.spool.write_report(claim.study.key, name, each.data)
        yield NewReport(
            kind=each.kind,
            choice=each.choice,
            sop_instance_uid=each.sop_instance_uid,
            sop_class_uid=each.sop_class_uid,
            series_instance_uid=each.series_instance_uid,
            file_name=name,
            findings_digest=digest,
            predecessor_uid=each.predecessor_uid,
            finding=found.finding if found else None,
        )


def _say_given_up(node: Node, claim: Claim) -> None:
    """Say that the study failed, where it did, for what the gate held back."""
    study = node.ledger.arrivals.by_key(claim.study.key)
    if study is not None and study.state is StudyState.FAILED:
        about = {"study": study.key, "job": claim.job.id, "kind": claim.job.kind}
        log.error("job given up", action="job_given_up", **about, who=study.who, why=study.reason)


def _say_held_back(claim: Claim, file: ReportFile, found: Found) -> None:
    log.error(
        "object held back",
        action="object_quarantined",
        study=claim.study.key,
        revision=claim.job.revision,
        kind=file.kind.value,
        why=found.finding,
    )


def _predecessor(report: ReportRow) -> Predecessor:
    return Predecessor(
        sop_class_uid=report.sop_class_uid,
        sop_instance_uid=report.sop_instance_uid,
        series_instance_uid=report.series_instance_uid,
    )

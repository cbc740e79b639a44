"""One measure job from claim to outcome: the study's files in, findings and report into spool and ledger."""

import hashlib
import json
from datetime import UTC, datetime

from service.dispatch import dispatch_all
from service.errors import BadLandmarks
from service.ledger import Claim, NewReport, ReportRow
from service.logs import log
from service.wiring import Node
from sr_templates.context import Predecessor
from sr_templates.findings_json import to_json
from workers.landmarks.document import LandmarksError
from workers.pipeline import Outcome, measure_files


def measure_job(node: Node, claim: Claim) -> None:
    """Measure the study that `claim` holds, enter what came of it, and wake the deliveries.

    The report's file is durable before the ledger names it. A claim that was lost meanwhile changes nothing. Raises
    BadLandmarks where a document was handed in that cannot be used: a report on other points would pass for the one
    that was asked for.
    """
    earlier = node.ledger.admin.last_report(claim.study.id, before_revision=claim.job.revision)
    outcome = _measured(node, claim, earlier)
    findings = json.dumps(to_json(outcome.findings))
    jobs = node.ledger.jobs.finish_measure(
        claim,
        findings=findings,
        reason=outcome.findings.reason,
        report=_report(node, claim, outcome, findings, earlier),
        destinations=[destination.name for destination in node.settings.destinations],
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


def _measured(node: Node, claim: Claim, earlier: ReportRow | None) -> Outcome:
    try:
        return measure_files(
            node.spool.files(claim.study.key),
            settings=node.settings,
            started_at=datetime.fromtimestamp(claim.started_at, UTC),
            supplied=_document(node, claim),
            predecessor=_predecessor(earlier) if earlier else None,
            revision=claim.job.revision,
        )
    except LandmarksError as error:
        raise BadLandmarks(f"the landmarks that were put: {error}") from None


def _document(node: Node, claim: Claim) -> bytes | None:
    """Return the landmarks document that this revision is measured with, None where none was handed in."""
    if claim.document is None:
        return None
    try:
        return node.spool.document(claim.study.key, claim.document).read_bytes()
    except FileNotFoundError:
        raise BadLandmarks("the landmarks that were put are gone from the spool: put them again") from None


def _report(node: Node, claim: Claim, outcome: Outcome, findings: str, earlier: ReportRow | None) -> NewReport | None:
    """Write the report; where late objects changed nothing that is reported, the earlier report stands.

    That is what `late_instances = "replace"` means; "always" makes a report of every revision.
    """
    if outcome.report is None:
        return None
    replace = node.settings.study.late_instances == "replace"
    # Another document is another report: it names who placed the points.
    digest = hashlib.sha256(f"{findings}{claim.document or ''}".encode()).hexdigest()
    if earlier and replace and earlier.findings_digest == digest:
        return earlier
    # Named by its UID: a report that says something else never lies under the name of another.
    name = f"sr-{outcome.report.sop_instance_uid}.dcm"
    node.spool.write_report(claim.study.key, name, outcome.report.data)
    return NewReport(
        sop_instance_uid=outcome.report.sop_instance_uid,
        sop_class_uid=outcome.report.sop_class_uid,
        series_instance_uid=outcome.report.series_instance_uid,
        file_name=name,
        findings_digest=digest,
        predecessor_uid=outcome.report.predecessor_uid,
    )


def _predecessor(report: ReportRow) -> Predecessor:
    return Predecessor(
        sop_class_uid=report.sop_class_uid,
        sop_instance_uid=report.sop_instance_uid,
        series_instance_uid=report.series_instance_uid,
    )

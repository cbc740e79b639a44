"""One measure job from claim to outcome: the study's files in, findings and objects into spool and ledger."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from service.dispatch import dispatch_all
from service.errors import BadLandmarks, Quarantined
from service.ledger import Claim, Earlier, NewReport, ReportRow
from service.logs import log
from service.wiring import Node
from sr_templates.context import Predecessor
from sr_templates.findings_json import to_json
from sr_templates.objects import ObjectKind
from workers import gate
from workers.landmarks.document import LandmarksError
from workers.ledger_priors import LedgerPriors
from workers.pipeline import Outcome, measure_files
from workers.reporting import ReportFile


def measure_job(node: Node, claim: Claim) -> None:
    """Measure the study that `claim` holds, enter what came of it, and wake the deliveries.

    The objects' files are durable before the ledger names them. A claim that was lost meanwhile changes nothing. Raises
    BadLandmarks where a document was handed in that cannot be used: a report on other points would pass for the one
    that was asked for; Quarantined where the gate lets no report pass: the other objects are none.
    """
    earlier = node.ledger.admin.last_report(claim.study.id, before_revision=claim.job.revision)
    outcome = _measured(node, claim, earlier)
    jobs = node.ledger.jobs.finish_measure(
        claim,
        findings=json.dumps(to_json(outcome.findings)),
        reason=outcome.findings.reason,
        objects=_objects(node, claim, outcome, earlier),
        wanted={destination.name: destination.objects for destination in node.settings.destinations},
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


def _measured(node: Node, claim: Claim, earlier: Earlier | None) -> Outcome:
    try:
        return measure_files(
            node.spool.files(claim.study.key),
            settings=node.settings,
            started_at=datetime.fromtimestamp(claim.started_at, UTC),
            supplied=_document(node, claim),
            supplied_at=_moment(claim.document_since),
            predecessors=[_predecessor(report) for report in earlier.arrived] if earlier else (),
            revision=claim.job.revision,
            recall=LedgerPriors(priors=node.ledger.priors, claim=claim),
        )
    except LandmarksError as error:
        raise BadLandmarks(f"the landmarks that were put: {error}") from None


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


def _objects(node: Node, claim: Claim, outcome: Outcome, earlier: Earlier | None) -> Sequence[NewReport]:
    """Write the objects; where late objects changed nothing that is reported, the earlier ones stand.

    That is what `late_instances = "replace"` means; "always" makes new ones of every revision.
    """
    # Another document is another report: it names who placed the points.
    digest = hashlib.sha256(f"{outcome.digest}{claim.document or ''}".encode()).hexdigest()
    if earlier and node.settings.study.late_instances == "replace" and _stand(earlier, digest):
        return earlier.made
    made = list(_kept(node, claim, outcome, digest, earlier))
    reports = [each for each in made if each.kind == ObjectKind.SR]
    if reports and all(each.finding for each in reports):
        raise Quarantined(f"no report was sent; {reports[0].finding}")
    return made


def _stand(earlier: Earlier, digest: str) -> bool:
    """Whether what an earlier revision was reported with says all that is to be said, and is fit to be sent."""
    return all(each.findings_digest == digest and each.finding is None for each in earlier.made)


def _kept(node: Node, claim: Claim, outcome: Outcome, digest: str, earlier: Earlier | None) -> Iterator[NewReport]:
    """Keep each object in the spool, what must not be sent under another name and with what is wrong beside it."""
    known = {*outcome.received, *(each.sop_instance_uid for each in outcome.objects)}
    known |= {report.sop_instance_uid for report in earlier.arrived} if earlier else set()
    for each in outcome.objects:
        found = gate.examine(each, known=known, dciodvfy=node.settings.report.dciodvfy)
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


def _say_held_back(claim: Claim, file: ReportFile, found: gate.Found) -> None:
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

"""The node's priors: found in the ledger, kept for a retry, or read from a report that came alone."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from measuring_node import NOW, arrive, deliver, findings, measure, measuring_node, work, written
from pydicom.dataset import Dataset
from report_samples import STUDY, groups, named
from spooled import file_of
from two_studies import EARLIER, LOWER, SOUND, document, slice_of

from service.config import Settings
from service.landmarks import supply
from service.wiring import Node
from workers.document_format import FORMAT
from workers.pipeline import measure_files


@pytest.fixture
def node(sqlite_url: str, tmp_path: Path) -> Iterator[Node]:
    """Open a node."""
    with measuring_node(sqlite_url, tmp_path) as opened:
        yield opened


def trackings(data: bytes) -> list[str]:
    """Return the tracking UIDs of a report."""
    made: Dataset = pydicom.dcmread(BytesIO(data))
    return [str(named(group, "Tracking Unique Identifier")[0].UID) for group in groups(made)]


def test_the_ledger_knows_the_earlier_study(node: Node) -> None:
    """The report of the second study says what changed, names the first one's report, and keeps its UIDs."""
    measure(node, EARLIER, "20250304", SOUND)
    measure(node, STUDY, "20260304", LOWER)

    compared = findings(node, STUDY)["comparison"]
    first = pydicom.dcmread(BytesIO(written(node, EARLIER)))
    assert (EARLIER, "20250304", first.SOPInstanceUID) == (
        compared["prior"]["study_instance_uid"],
        compared["prior"]["study_date"],
        compared["prior"]["report"]["sop_instance_uid"],
    )
    l1 = next(level for level in compared["levels"] if level["level"] == "L1")
    assert -6.0 == pytest.approx(l1["heights"]["anterior"]["change_mm"])
    assert findings(node, EARLIER)["comparison"] is None
    assert trackings(written(node, EARLIER)) == trackings(written(node, STUDY))


def test_another_patient_is_no_prior(node: Node) -> None:
    """Same number, another issuer: another hospital's patient."""
    measure(node, EARLIER, "20250304", SOUND, IssuerOfPatientID="OTHER")
    measure(node, STUDY, "20260304", LOWER)
    assert findings(node, STUDY)["comparison"] is None


def test_a_retry_is_set_beside_the_same_prior(node: Node) -> None:
    """Another earlier study has become known meanwhile; the same revision still gives the same bytes."""
    measure(node, EARLIER, "20250304", SOUND)
    measure(node, STUDY, "20260304", LOWER)
    deliver(node, STUDY)
    before = written(node, STUDY)
    measure(node, f"{STUDY}.8", "20250604", LOWER)

    again = node.ledger.admin.retry(STUDY, now=NOW, measure=True)
    work(node, again[0])
    assert before == written(node, STUDY)


def test_a_retry_finds_no_prior_where_there_was_none(node: Node) -> None:
    """That there was none is kept as well."""
    measure(node, STUDY, "20260304", LOWER)
    deliver(node, STUDY)
    before = written(node, STUDY)
    measure(node, EARLIER, "20250304", SOUND)
    work(node, node.ledger.admin.retry(STUDY, now=NOW, measure=True)[0])
    assert before == written(node, STUDY)


def test_a_new_revision_looks_again(node: Node) -> None:
    """What was not known when the first revision was measured is compared in the second."""
    measure(node, STUDY, "20260304", LOWER)
    measure(node, EARLIER, "20250304", SOUND)
    work(node, supply(node, STUDY, document(STUDY, LOWER, observer="Reader"), check=FORMAT.check).job)
    assert EARLIER == findings(node, STUDY)["comparison"]["prior"]["study_instance_uid"]


def test_a_prior_that_becomes_known_takes_no_uid_away(node: Node) -> None:
    """A late slice comes after the earlier study: the second report compares, and its vertebrae keep their UIDs."""
    measure(node, STUDY, "20260304", LOWER)
    deliver(node, STUDY)
    before = trackings(written(node, STUDY))
    measure(node, EARLIER, "20250304", SOUND)
    late = slice_of(STUDY, "20260304", SOPInstanceUID=f"{STUDY}.2.9", InstanceNumber=9)
    work(node, arrive(node, STUDY, file_of(late)))
    assert EARLIER == findings(node, STUDY)["comparison"]["prior"]["study_instance_uid"]
    assert [before] == [trackings(written(node, STUDY))]
    assert set(before).isdisjoint(trackings(written(node, EARLIER)))


def test_a_wrong_prior_is_withdrawn(node: Node) -> None:
    """Its study is taken out: measured again, the later one is a new revision without its numbers or its UIDs."""
    measure(node, EARLIER, "20250304", SOUND)
    measure(node, STUDY, "20260304", LOWER)
    for uid in (EARLIER, STUDY):
        deliver(node, uid)
    wrong = pydicom.dcmread(BytesIO(written(node, STUDY)))

    assert [STUDY] == node.ledger.admin.ignore(EARLIER, why="wrong patient", now=NOW)
    work(node, node.ledger.admin.retry(STUDY, now=NOW, measure=True)[0])
    right = pydicom.dcmread(BytesIO(written(node, STUDY)))
    assert findings(node, STUDY)["comparison"] is None
    replaced = right.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert wrong.SOPInstanceUID == replaced.ReferencedSOPInstanceUID
    assert set(trackings(written(node, EARLIER))).isdisjoint(trackings(written(node, STUDY)))


def test_a_prior_of_a_corrected_patient_is_withdrawn(node: Node) -> None:
    """The earlier study turns out to be another patient's: measured again, the later one is not compared with it."""
    measure(node, EARLIER, "20250304", SOUND)
    measure(node, STUDY, "20260304", LOWER)
    deliver(node, STUDY)
    work(node, arrive(node, EARLIER, file_of(slice_of(EARLIER, "20250304", PatientID="OTHER"))))
    work(node, node.ledger.admin.retry(STUDY, now=NOW, measure=True)[0])
    assert findings(node, STUDY)["comparison"] is None


def test_the_report_and_its_prior_are_of_one_patient(node: Node) -> None:
    """A segmentation or another object that sorts first and names nobody takes the prior from no study."""
    measure(node, EARLIER, "20250304", SOUND)
    odd = slice_of(STUDY, "20260304", PatientID="", PatientBirthDate="", SeriesInstanceUID=f"{STUDY}.1")
    odd.SOPInstanceUID = f"{STUDY}.1.1"
    arrive(node, STUDY, file_of(odd))
    measure(node, STUDY, "20260304", LOWER)
    assert EARLIER == findings(node, STUDY)["comparison"]["prior"]["study_instance_uid"]


def test_a_study_of_two_patients_is_compared_with_neither(node: Node) -> None:
    """An object of another patient in it: the report says so, and the study is nobody's prior."""
    measure(node, EARLIER, "20250304", SOUND)
    measure(node, f"{EARLIER}.1", "20250305", SOUND, PatientID="OTHER")
    odd = slice_of(STUDY, "20260304", PatientID="OTHER", SeriesInstanceUID=f"{STUDY}.1", SOPInstanceUID=f"{STUDY}.1.1")
    arrive(node, STUDY, file_of(odd))
    measure(node, STUDY, "20260304", LOWER)
    found = findings(node, STUDY)
    assert (None, ["PATIENTS_DIFFER: 2"]) == (found["comparison"], found["notes"])
    measure(node, f"{STUDY}.8", "20260604", LOWER)
    assert EARLIER == findings(node, f"{STUDY}.8")["comparison"]["prior"]["study_instance_uid"]


def test_corrected_demographics_make_another_report(node: Node) -> None:
    """The same objects under the same UIDs, now of another patient: the report that says the old one is replaced."""
    measure(node, STUDY, "20260304", LOWER)
    deliver(node, STUDY)
    before = written(node, STUDY)
    work(node, arrive(node, STUDY, file_of(slice_of(STUDY, "20260304", PatientID="CORRECTED"))))
    made = pydicom.dcmread(BytesIO(written(node, STUDY)))
    assert "CORRECTED" == made.PatientID
    assert pydicom.dcmread(BytesIO(before)).SOPInstanceUID != made.SOPInstanceUID


def test_a_report_of_ours_that_came_alone_is_read_back(node: Node, tmp_path: Path) -> None:
    """Another node's report on the earlier study, without its images: its numbers are compared with.

    It gets no report on why it was not measured, where the site asks for such reports.
    """
    image = tmp_path / "image.dcm"
    image.write_bytes(file_of(slice_of(EARLIER, "20250304")))
    made = measure_files([image], settings=Settings(), supplied=document(EARLIER, SOUND)).report
    assert made is not None
    work(node, arrive(node, EARLIER, made.data))
    assert "ONLY_OWN_REPORTS" == findings(node, EARLIER)["reason"]
    assert () == node.ledger.admin.study(EARLIER).reports

    measure(node, STUDY, "20260304", LOWER)
    compared = findings(node, STUDY)["comparison"]
    assert (EARLIER, made.sop_instance_uid) == (
        compared["prior"]["study_instance_uid"],
        compared["prior"]["report"]["sop_instance_uid"],
    )
    assert 3 == len(compared["levels"])
    assert trackings(made.data) == trackings(written(node, STUDY))


def test_no_log_says_whose_study_it_is(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """Patient ID, issuer, dates and accession number go into ledger and report only."""
    measure(node, EARLIER, "20250304", SOUND)
    measure(node, STUDY, "20260304", LOWER)
    said = "".join(capsys.readouterr())
    assert [] == [word for word in ("P-4711", "HOSPITAL", "19500203", "A77", "20250304") if word in said]

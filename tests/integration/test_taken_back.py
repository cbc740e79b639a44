"""What a real Orthanc with its default settings holds after a change, a correction and a retraction.

Orthanc keeps the first object of a SOP Instance UID and answers success to a second one (OverwriteInstances false).
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom
import pytest
from ledgers import empty_sqlite, event_names, sqlite_url
from measuring_node import findings
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from servers import Orthanc, run_orthanc
from two_studies import LOWER, SOUND, document, slice_of
from web_client import Client, app_of
from whole_site import site

from service import sending
from service.rejection_titles import Title
from service.sop_classes import REJECTION_NOTE
from service.spool import study_key
from service.states import NotAllowed

if TYPE_CHECKING:
    pass

__all__ = ["empty_sqlite", "sqlite_url"]


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Start one Orthanc; each test has a study of its own."""
    with run_orthanc(tmp_path_factory.mktemp("pacs")) as server:
        yield server


def reports(orthanc: Orthanc, uid: str) -> list[Dataset]:
    """Return the structured reports of a study that Orthanc holds, in the order of their revisions."""
    found = [pydicom.dcmread(BytesIO(file)) for file in orthanc.instances(StudyInstanceUID=uid)]
    return sorted((one for one in found if one.Modality == "SR"), key=lambda one: int(one.InstanceNumber))


def predecessors(report: Dataset) -> list[str]:
    """Return the SOP Instance UIDs of the reports that one replaces."""
    return [
        str(item.ReferencedSOPInstanceUID)
        for study in report.get("PredecessorDocumentsSequence", [])
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    ]


def notes(orthanc: Orthanc, uid: str) -> list[Dataset]:
    """Return the Key Object Selections of a study that Orthanc holds."""
    return [pydicom.dcmread(BytesIO(file)) for file in orthanc.instances(StudyInstanceUID=uid, Modality="KO")]


def rejected(note: Dataset) -> set[str]:
    """Return the SOP Instance UIDs that a note names, in its content and as evidence alike."""
    content = {
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for item in note.ContentSequence
        if item.ValueType in {"IMAGE", "COMPOSITE"}
    }
    [study] = note.CurrentRequestedProcedureEvidenceSequence
    listed = {
        str(item.ReferencedSOPInstanceUID)
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert content == listed
    return content


# ---- changes


def test_changed_content_never_meets_an_archive_under_a_uid_that_it_has(
    orthanc: Orthanc, sqlite_url: str, tmp_path: Path
) -> None:
    """Other points, another configuration: Orthanc holds each report, whole, and each names the one before it.

    It would have kept the old one silently: an object that is changed under its UID is answered with success.
    """
    uid = "1.2.826.0.1.3680043.10.999.31"
    with site(sqlite_url, tmp_path, orthanc.port) as here:
        here.send(slice_of(uid, "20260301"))
        here.put(uid, document(uid, SOUND))
        here.work(uid)
        here.put(uid, document(uid, LOWER))
        here.work(uid)
        here.with_settings(measure={"severe_border_grade": 3})
        here.node.ledger.admin.retry(uid, now=here.now, measure=True)
        here.work(uid)

        first, second, third = reports(orthanc, uid)
        assert 3 == len({str(one.SOPInstanceUID) for one in (first, second, third)})
        assert [[], [first.SOPInstanceUID], [second.SOPInstanceUID]] == [*map(predecessors, (first, second, third))]
        made = {row.sop_instance_uid: row.file_name for row in here.node.ledger.admin.study(uid).reports}
        for held in (first, second, third):
            kept = pydicom.dcmread(here.node.spool.report(study_key(uid), made[held.SOPInstanceUID]))
            assert kept.ContentSequence == held.ContentSequence
        assert first.ContentSequence != second.ContentSequence
        assert second.ContentSequence != third.ContentSequence

        first.SeriesDescription = "changed under its UID"
        changed = tmp_path / "changed.dcm"
        first.save_as(changed)
        destination = here.node.settings.destinations[0]
        [sent] = sending.send(destination, [changed], calling_ae="SPONDYL")
        assert sent.problem is None
        assert "changed under its UID" not in {one.SeriesDescription for one in reports(orthanc, uid)}


def test_a_study_that_comes_again_with_corrected_demographics_is_reported_anew(
    orthanc: Orthanc, sqlite_url: str, tmp_path: Path
) -> None:
    """The same images under the same UIDs, another patient: a new revision whose report repeats the correction."""
    uid = "1.2.826.0.1.3680043.10.999.32"
    with site(sqlite_url, tmp_path, orthanc.port) as here:
        here.send(slice_of(uid, "20260301", PatientName="Wrong^Name", PatientID="W-1", AccessionNumber="A1"))
        here.put(uid, document(uid, LOWER))
        here.work(uid)
        before = findings(here.node, uid)

        right = {"PatientName": "Right^Name", "PatientID": "R-2", "PatientBirthDate": "19600102"}
        here.send(slice_of(uid, "20260301", AccessionNumber="A2", **right))
        here.work(uid)

        old, new = reports(orthanc, uid)
        assert ("Wrong^Name", "W-1", "A1") == (str(old.PatientName), old.PatientID, old.AccessionNumber)
        assert {**right, "AccessionNumber": "A2"} == {key: str(new[key].value) for key in (*right, "AccessionNumber")}
        assert [old.SOPInstanceUID] == predecessors(new)
        study = here.node.ledger.admin.study(uid).study
        assert (3, "reported") == (study.revision, study.state.value)
        assert before["vertebrae"] == findings(here.node, uid)["vertebrae"]
        # Both versions stay in the spool, and the one that came last counts.
        versions = [path for path in (tmp_path / "spool").rglob("*.dcm") if path.parent.name != "reports"]
        assert (2, 1) == (len(versions), len(here.node.spool.files(study.key)))


def test_a_correction_waits_for_an_administrator_where_the_site_wants_no_late_objects(
    orthanc: Orthanc, sqlite_url: str, tmp_path: Path
) -> None:
    """late_instances = "never": the report stands, the study says why, and `retry --measure` makes the new one."""
    uid = "1.2.826.0.1.3680043.10.999.35"
    with site(sqlite_url, tmp_path, orthanc.port, study={"late_instances": "never"}) as here:
        here.send(slice_of(uid, "20260301", PatientID="W-1"))
        here.put(uid, document(uid, LOWER))
        here.work(uid)
        here.bring(slice_of(uid, "20260301", PatientID="R-2"))
        here.node.ledger.admin.settle_now(uid, now=here.now)
        assert here.settle() == 0
        assert "late_instances = never" == here.node.ledger.admin.study(uid).events[-1].detail

        here.node.ledger.admin.retry(uid, now=here.now, measure=True)
        here.work(uid)
        old, new = reports(orthanc, uid)
        assert ("W-1", "R-2", [old.SOPInstanceUID]) == (old.PatientID, new.PatientID, predecessors(new))


# ---- retractions


def test_what_was_reported_is_taken_back_and_reported_anew(orthanc: Orthanc, sqlite_url: str, tmp_path: Path) -> None:
    """Orthanc gets one note that names all it has of ours; asked again nothing more; a new report has its own UID."""
    uid = "1.2.826.0.1.3680043.10.999.33"
    with site(sqlite_url, tmp_path, orthanc.port, send=("sr", "gsps", "summary")) as here:
        here.send(slice_of(uid, "20260301", PatientName="Taken^Back"))
        with pytest.raises(NotAllowed, match="nothing to take back"):
            here.retract(uid)
        here.put(uid, document(uid, LOWER))
        here.work(uid)
        ours = {row.sop_instance_uid for row in here.node.ledger.admin.study(uid).reports}

        told = here.retract(uid, title=Title.PATIENT_SAFETY, why="another patient's images").told
        here.work(uid)
        assert [("pacs0", len(ours))] == [(each.destination, each.objects) for each in told]
        assert () == here.retract(uid).told

        [note] = notes(orthanc, uid)
        assert (REJECTION_NOTE, "Taken^Back", ours) == (note.SOPClassUID, str(note.PatientName), rejected(note))
        assert "113037" == note.ConceptNameCodeSequence[0].CodeValue
        assert "another patient's images" in [item.get("TextValue") for item in note.ContentSequence]
        assert ["retracted", "rejected"] == event_names(here.node.ledger, uid)[-2:]
        assert "ignored" == here.node.ledger.admin.study(uid).study.state.value

        here.node.ledger.admin.retry(uid, now=here.now)
        here.work(uid)
        old, new = reports(orthanc, uid)
        assert (old.SOPInstanceUID != new.SOPInstanceUID, []) == (True, predecessors(new))
        here.retract(uid)
        here.work(uid)
        later = next(one for one in notes(orthanc, uid) if one.SOPInstanceUID != note.SOPInstanceUID)
        assert new.SOPInstanceUID in rejected(later)
        assert not rejected(later) & ours


def test_a_destination_that_takes_no_note_is_named_and_holds_up_no_other(
    orthanc: Orthanc, sqlite_url: str, tmp_path: Path
) -> None:
    """It keeps what it has, which the study says; the page asks for the same, and an account is needed."""
    uid = "1.2.826.0.1.3680043.10.999.34"
    refusing = AE(ae_title="PACS")
    for suffix in ("88.34", "11.1", "7"):
        refusing.add_supported_context(f"1.2.840.10008.5.1.4.1.1.{suffix}")
    server = refusing.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _: 0x0000)])
    assert server is not None
    with site(sqlite_url, tmp_path, orthanc.port, server.server_address[1]) as here:
        here.send(slice_of(uid, "20260301"))
        here.put(uid, document(uid, LOWER))
        here.work(uid)
        client = Client(app_of(here.node))
        assert 403 == client.post(f"/api/v1/studies/{uid}/retract").status_code

        assert {"pacs0", "pacs1"} == {each.destination for each in here.retract(uid).told}
        here.work(uid)

        detail = here.node.ledger.admin.study(uid)
        ended = {row.destination: row.state.value for row in detail.deliveries if row.kind == "rejection"}
        assert {"pacs0": "done", "pacs1": "declined"} == ended
        assert ["not taken by pacs1: rejection"] == [each.detail for each in detail.events if each.event == "not_taken"]
        assert 1 == len(notes(orthanc, uid))
    server.shutdown()

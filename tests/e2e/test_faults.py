"""What goes wrong at night, for real: each time exactly one report arrives and nothing acknowledged is missing."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from nodes import Running, pictures_in, reports_in, serving, storescu, wait_for_report, write_config
from pydicom.uid import CTImageStorage
from pynetdicom import AE
from servers import Orthanc, free_port, run_orthanc, wait_until
from small_study import make_small_study

from service.spool import study_key

#: Long enough for a lease to end, the study to be measured again and the report to be sent.
RECOVERY_S = 90.0
#: How long nothing more may arrive before "exactly one" is believed: several quiet periods and reconciler passes.
STILL_S = 8.0


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the phantom study."""
    folder = tmp_path_factory.mktemp("study")
    make_small_study(folder, patient_name="Fault^Finder", patient_id="FF-1", seed=1)
    return folder


@pytest.fixture(scope="module")
def files(study: Path) -> list[Path]:
    """Give its files."""
    return sorted(path for path in study.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def uid(files: list[Path]) -> str:
    """Give its Study Instance UID."""
    return str(pydicom.dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)


@pytest.fixture
def node(orthanc: Orthanc, tmp_path: Path) -> Iterator[Running]:
    """Run a node that reports to Orthanc."""
    with serving(write_config(tmp_path / "node", {"pacs": (orthanc.ae_title, orthanc.port)})) as running_node:
        yield running_node


def _exactly_one_report(orthanc: Orthanc, node: Running, uid: str, files: list[Path]) -> None:
    """One report and one picture are there and stay alone, and the spool holds every object that was acknowledged."""
    wait_for_report(orthanc, uid, seconds=RECOVERY_S)
    node.wait_for("reported", seconds=RECOVERY_S)
    end = time.monotonic() + STILL_S
    while time.monotonic() < end:
        assert (1, 1) == (len(reports_in(orthanc, uid)), len(pictures_in(orthanc, uid)))
        time.sleep(1)
    assert len(node.spool.files(study_key(uid))) == len(files)


def test_a_worker_killed_while_it_measures(
    orthanc: Orthanc, node: Running, study: Path, uid: str, files: list[Path]
) -> None:
    """A worker that is killed with -9 while it measures costs time, never the report."""
    assert storescu([study], node.port).returncode == 0
    wait_until(lambda: any(s.state == "measuring" for s in node.studies()), "the study is measured", step=0.01)

    assert node.kill("work")

    _exactly_one_report(orthanc, node, uid, files)


def test_the_listener_killed_inside_an_association(
    orthanc: Orthanc, node: Running, study: Path, uid: str, files: list[Path]
) -> None:
    """What the killed listener acknowledged is in the spool; the sender sends the rest and one report comes."""
    acknowledged = _send_until_killed(node, files)
    assert 0 < len(acknowledged) < len(files)
    held = {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in node.spool.files(study_key(uid))}
    assert acknowledged <= held

    wait_until(lambda: bool(node.pids("listen")), "the listener is started again")
    wait_until(lambda: storescu([study], node.port).returncode == 0, "the study is sent again", step=0.5)

    _exactly_one_report(orthanc, node, uid, files)


def _send_until_killed(node: Running, files: list[Path]) -> set[str]:
    """Send one object after the other and kill the listener half way; give the UIDs that were acknowledged."""
    entity = AE(ae_title="SENDER")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 3
    entity.add_requested_context(CTImageStorage)
    association = entity.associate("127.0.0.1", node.port, ae_title="SPONDYL")
    assert association.is_established
    connection = association.dul.socket and association.dul.socket.socket
    assert connection
    acknowledged = set()
    images = [dataset for dataset in map(pydicom.dcmread, files) if dataset.SOPClassUID == CTImageStorage]
    with contextlib.suppress(RuntimeError, ValueError):
        for number, dataset in enumerate(images):
            if number == len(images) // 2:
                assert node.kill("listen")
            status = association.send_c_store(dataset)
            if status and status.Status == 0:
                acknowledged.add(str(dataset.SOPInstanceUID))
    association.abort()
    # pynetdicom forgets a socket whose peer is gone without closing it.
    connection.close()
    return acknowledged


def test_the_broker_killed_and_its_data_lost(
    orthanc: Orthanc, node: Running, study: Path, uid: str, files: list[Path]
) -> None:
    """A broker that comes back empty is filled again from the ledger."""
    assert storescu([study], node.port).returncode == 0
    assert node.kill("valkey")
    shutil.rmtree(node.folder / "state" / "broker", ignore_errors=True)

    _exactly_one_report(orthanc, node, uid, files)


def test_a_destination_that_is_down_for_a_while(tmp_path: Path, study: Path, uid: str, files: list[Path]) -> None:
    """The report waits for its destination; another destination gets it at once."""
    late_port = free_port()
    with run_orthanc(tmp_path / "early") as early:
        destinations = {"early": ("PACS", early.port), "late": ("PACS", late_port)}
        with serving(write_config(tmp_path / "node", destinations)) as node:
            assert storescu([study], node.port).returncode == 0
            wait_for_report(early, uid)
            node.wait_for("delivering")

            with run_orthanc(tmp_path / "late", port=late_port) as late:
                _exactly_one_report(late, node, uid, files)
                assert 1 == len(reports_in(early, uid))


def test_the_same_study_sent_twice(orthanc: Orthanc, node: Running, study: Path, uid: str, files: list[Path]) -> None:
    """A study that comes again, object for object, is measured and reported once."""
    assert storescu([study], node.port).returncode == 0
    wait_for_report(orthanc, uid)
    node.wait_for("reported")

    assert storescu([study], node.port).returncode == 0

    _exactly_one_report(orthanc, node, uid, files)
    assert [1] == [row.revision for row in node.studies()]


#: The routing rule that people write first: everything goes on, our own report too.
ROUTE_EVERYTHING = """
function OnStableStudy(studyId, tags, metadata)
  for _, series in ipairs(ParseJson(RestApiGet('/studies/' .. studyId)).Series) do
    pcall(RestApiPost, '/modalities/spondyl/store', series, false)
  end
end
"""


def test_the_pacs_routes_our_report_back(tmp_path: Path, study: Path, uid: str, files: list[Path]) -> None:
    """A PACS that sends every stable study on, our report with it, makes no loop."""
    with contextlib.ExitStack() as stack:
        orthanc = stack.enter_context(run_orthanc(tmp_path / "orthanc", lua=ROUTE_EVERYTHING))
        node = stack.enter_context(serving(write_config(tmp_path / "node", {"pacs": ("PACS", orthanc.port)})))
        orthanc.add_modality("spondyl", "SPONDYL", node.port)
        assert storescu([study], orthanc.port, "-aec", "PACS").returncode == 0
        wait_for_report(orthanc, uid)
        wait_until(lambda: "own_report_ignored" in node.log, "the report is routed back")

        _exactly_one_report(orthanc, node, uid, files)
        assert [1] == [row.revision for row in node.studies()]


def test_all_roles_killed_at_once(orthanc: Orthanc, tmp_path: Path, study: Path, uid: str, files: list[Path]) -> None:
    """A machine that goes down with a study on board reports it after it comes back."""
    node = write_config(tmp_path / "node", {"pacs": (orthanc.ae_title, orthanc.port)})
    with serving(node):
        assert storescu([study], node.port).returncode == 0
        for process in node.processes:
            process.kill()
        wait_until(lambda: not node.pids("listen"), "the roles die with the supervisor")

    with serving(node):
        _exactly_one_report(orthanc, node, uid, files)

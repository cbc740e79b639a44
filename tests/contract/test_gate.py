"""The gate before sending: our check, then dciodvfy where it is installed; what fails is kept and never sent."""

import random
import re
from copy import deepcopy
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from ledgers import empty_sqlite, sqlite_url
from pydicom.dataset import Dataset
from pydicom.uid import UID
from report_samples import STUDY, context, report
from servers import program
from spooled import KEY, landmarks, store_slice
from structlog.testing import capture_logs

from service import summaries, tables
from service.already import NOTHING, Perhaps
from service.broker import celery_app
from service.config import Report, Settings, Storage
from service.config_peers import Destination
from service.dciodvfy import look
from service.deliver import Deliverer
from service.delivery import deliver
from service.dispatch import Dispatcher
from service.landmarks import supply
from service.ledger import Ledger
from service.messages import JobKind
from service.spool import Spool
from service.states import StudyState
from service.wiring import Node
from sr_templates.objects import ObjectKind
from workers.boundary import work_on
from workers.document_format import FORMAT
from workers.gate import Gate
from workers.measuring import measure_job
from workers.reporting import file_of

__all__ = ["empty_sqlite", "sqlite_url"]

NOW = 1000.0
KNOWN = frozenset(str(each.SOPInstanceUID) for each in context("patient").evidence)
#: Says of a summary picture (Secondary Capture) what dciodvfy says of a wrong value; copies what it reads.
STAND_IN = """#!/bin/sh
cp "$1" "{seen}"
if grep -qF 1.2.840.10008.5.1.4.1.1.7 "$1" && ! grep -qF 1.2.840.10008.5.1.4.1.1.88 "$1"; then
  echo 'Error - Unrecognized enumerated value <PLANTED> for value 1 of attribute <Conversion Type>' >&2
  echo 'Error - Dicom dataset contains invalid data values for Value Representations' >&2
  exit 1
fi
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for dciodvfy first on PATH; give it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "dciodvfy"
    script.write_text(STAND_IN.format(seen=tmp_path / "seen.dcm"), encoding="ascii")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return script


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have dciodvfy on PATH."""
    monkeypatch.setenv("PATH", f"{Path(program('dciodvfy')).parent}:/usr/bin:/bin")


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Give the gate of a study, with its spool; what is on PATH is looked up now."""
    return _gate(tmp_path)


def _gate(root: Path, *, dciodvfy: bool = True) -> Gate:
    spool = Spool(root)
    spool.prepare()
    return Gate(spool, dciodvfy=dciodvfy)


def _examined(gate: Gate, made: Dataset) -> tuple[str, str] | None:
    found = gate.examine(file_of(ObjectKind.SR, made), known=KNOWN)
    return None if found is None else (found.finding, found.said)


def _another(made: Dataset) -> Dataset:
    """Return the same object under another UID."""
    other = deepcopy(made)
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = UID(f"{made.SOPInstanceUID[:-2]}77")
    return other


# ---- who looks, and what is told


@pytest.mark.usefixtures("real")
@pytest.mark.filterwarnings("ignore:.*value length:UserWarning")
def test_dciodvfy_judges_what_is_ours(tmp_path: Path) -> None:
    """A value that our check does not know of is found; an odd patient of the source is none of it."""
    odd, broken = _another(report("patient")), deepcopy(report("patient"))
    odd.PatientSex, odd.StudyID = "MALE?", "x" * 40
    broken.PreliminaryFlag = "MAYBE"
    gate = _gate(tmp_path)
    found = _examined(gate, broken)

    assert (None, ()) == (_examined(gate, odd), gate.unchecked)
    assert found is not None
    assert found[0].startswith(
        "dciodvfy: 1 error; the first: Unrecognized enumerated value ... for value 1 of attribute"
    )
    assert "<MAYBE>" in found[1]
    assert _examined(_gate(tmp_path, dciodvfy=False), broken) is None


@pytest.mark.usefixtures("real")
@pytest.mark.filterwarnings("ignore:Invalid value for VR (UI|AS):UserWarning")
def test_a_malformed_uid_of_a_source_is_no_fault_of_ours(node: Node) -> None:
    """A scanner wrote a Frame of Reference UID that is none: the report repeats it, dciodvfy is quiet, it goes out."""
    network = _Network(node)
    _settled(node, FrameOfReferenceUID="1.2.03.4", PatientAge="24")
    _work(node, network)

    assert (StudyState.REPORTED, None, None) == _state(node)
    assert "1.2.03.4" in str(pydicom.dcmread(network.stored[0]))


def test_no_patient_is_shown_to_dciodvfy(stand_in: Path, gate: Gate, tmp_path: Path) -> None:
    """What is repeated of the source is left out of the copy that is looked at."""
    assert _examined(gate, deepcopy(report("patient"))) is None
    seen = pydicom.dcmread(tmp_path / "seen.dcm")

    assert ("", "", "") == (seen.PatientName, seen.PatientID, seen.PatientBirthDate)
    assert report("patient").SOPInstanceUID == seen.SOPInstanceUID
    assert stand_in.is_file()


#: How a program that did not look at an object ends, and what is said of it.
BROKEN_PROGRAMS = {
    "a library is missing": ("#!/bin/sh\necho 'error while loading shared libraries' >&2\nexit 127\n", "code 127"),
    "it crashes": ("#!/bin/sh\nkill -SEGV $$\n", "signal 11"),
    "it cannot read": ("#!/bin/sh\necho 'Cannot open' >&2\nexit 1\n", "code 1"),
    "no program": ("not of this machine", "it cannot be run: Exec format error"),
}


@pytest.mark.parametrize("name", BROKEN_PROGRAMS)
def test_a_dciodvfy_that_does_not_work_is_told_from_one_that_agrees(stand_in: Path, gate: Gate, name: str) -> None:
    """Another code than 0 without an error is no look: our own check decides alone, and the reason is kept."""
    program_text, why = BROKEN_PROGRAMS[name]
    stand_in.write_text(program_text, encoding="ascii")

    assert _examined(gate, report("patient")) is None
    assert 1 == len(gate.unchecked)
    assert why in gate.unchecked[0]


def test_a_dciodvfy_that_hangs_is_asked_once(
    stand_in: Path, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs a study its time limit once, whatever its objects; our own check looks at them all."""
    monkeypatch.setattr("workers.gate.look", partial(look, limit_s=0.1))
    stand_in.write_text(f"#!/bin/sh\necho >> {tmp_path}/asked\nexec sleep 60\n", encoding="ascii")
    broken = _another(report("patient"))
    del broken.CompletionFlag

    assert _examined(gate, report("patient")) is None
    assert str((_examined(gate, broken) or "")[0]).startswith("structure: 1 error")
    assert _examined(gate, _another(broken)) is not None
    assert ("dciodvfy: it did not end within 0.1 s",) == gate.unchecked
    assert 1 == len((tmp_path / "asked").read_text().splitlines())


def test_what_dciodvfy_reads_lies_in_the_spool(stand_in: Path, gate: Gate, tmp_path: Path) -> None:
    """A copy of an object never lies in a folder of everyone; it is gone when it was looked at."""
    stand_in.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/where\nstat -c %a "$1" >> {tmp_path}/where\n', "ascii")
    assert _examined(gate, report("patient")) is None
    where, mode = (tmp_path / "where").read_text().split()

    assert (tmp_path / "incoming", "600") == (Path(where).parent, mode)
    assert [] == list((tmp_path / "incoming").iterdir())


def test_without_dciodvfy_our_own_check_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is no dependency: where it is not installed the structure alone is looked at."""
    monkeypatch.setenv("PATH", str(tmp_path))
    broken = deepcopy(report("patient"))
    broken.PreliminaryFlag = "MAYBE"
    gate = _gate(tmp_path)
    assert (None, ()) == (_examined(gate, broken), gate.unchecked)

    worse = _another(broken)
    del worse.CompletionFlag
    assert (
        "structure: 1 error; the first: CompletionFlag: type 1, is missing or empty"
        == (_examined(gate, worse) or "")[0]
    )


# ---- a study whose objects do not pass


class _Network(Deliverer):
    """Stores everything."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.settings, node.spool, random.Random(1))
        self.stored: list[Path] = []

    def send(self, destination: Destination, *paths: Path, perhaps: Perhaps = NOTHING) -> Path:  # noqa: ARG002 - a stand-in
        """Store the first alternative."""
        assert destination.name == "pacs"
        self.stored.append(paths[0])
        return paths[0]


@pytest.fixture
def node(sqlite_url: str, tmp_path: Path) -> Node:
    """Open a node with one destination whose broker is away."""
    pacs = Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=104)
    settings = Settings(storage=Storage(root=tmp_path), destinations=(pacs,), report=Report())
    spool = Spool(tmp_path)
    spool.prepare()
    dispatch = Dispatcher(celery_app(settings))
    return Node(settings=settings, ledger=Ledger.open(sqlite_url), spool=spool, dispatch=dispatch, clock=lambda: NOW)


def _settled(node: Node, **changes: Any) -> None:
    """Store an image, hand in points on it, settle."""
    store_slice(node.spool, **changes)
    study = node.ledger.arrivals.note(key=KEY, study_instance_uid=STUDY, source="ct", now=NOW, held_until=0)
    supply(node, STUDY, landmarks(), check=FORMAT.check)
    node.ledger.arrivals.settle(study.id, fingerprint=node.spool.fingerprint(KEY), now=NOW)


def _work(node: Node, network: _Network) -> None:
    """Do all jobs that wait."""
    for _ in range(2):
        for job in node.ledger.admin.study(KEY).jobs:
            claim = node.ledger.jobs.claim(job.id, worker="w1", now=NOW, lease_s=60)
            if claim is not None and job.kind is JobKind.DELIVER:
                deliver(claim, node.ledger, network, node.settings, node.clock)
            elif claim is not None:
                node.ledger.jobs.postpone(claim, until=NOW, why="handed on", now=NOW)
                work_on(node, job.id, measure_job, worker="w1", rng=random.Random(1))


def _state(node: Node) -> tuple[StudyState, str | None, str | None]:
    study = node.ledger.admin.study(KEY).study
    return study.state, study.reason, study.who


def _quarantined(node: Node) -> list[str]:
    folder = node.spool.report(KEY, "x").parent
    return sorted(re.sub(r"-[0-9.]+\.dcm", ".dcm", path.name) for path in folder.glob("quarantined-*"))


#: Finds an error in every object, quoting it.
AGAINST_ALL = "#!/bin/sh\necho 'Error - Value is wrong = <1.2.03.4> - is no UID' >&2\nexit 1\n"


def test_a_report_that_is_not_valid_never_leaves(node: Node, stand_in: Path) -> None:
    """Where no report passes each is kept with its finding, and nothing is sent, whatever was made to go with it."""
    network = _Network(node)
    stand_in.write_text(AGAINST_ALL, encoding="ascii")
    _settled(node)
    with capture_logs() as said:
        _work(node, network)
    state, reason, who = _state(node)

    assert (StudyState.FAILED, "developers") == (state, who)
    assert "no report was sent; dciodvfy: 1 error" in str(reason)
    assert str(reason).endswith("is no UID")
    assert [] == network.stored
    assert ["sr.dcm"] * 3 + ["sr.dcm.txt"] * 3 + ["summary.dcm", "summary.dcm.txt"] == [
        name.removeprefix("quarantined-") for name in _quarantined(node)
    ]
    said_of = [line["kind"] for line in said if line.get("action") == "object_quarantined"]
    assert ["sr", "sr", "sr", "summary"] == said_of
    assert "1.2.03.4" not in str(said)


def test_a_corrected_image_is_reported(node: Node, stand_in: Path) -> None:
    """What the sender mended comes as a late object and is measured and sent like any."""
    network = _Network(node)
    stand_in.write_text(AGAINST_ALL, encoding="ascii")
    _settled(node)
    _work(node, network)
    stand_in.unlink()
    _settled(node, SeriesDescription="corrected")
    _work(node, network)

    assert StudyState.REPORTED is _state(node)[0]
    assert ["sr", "summary"] == [path.name.split("-")[0] for path in network.stored]


def test_what_goes_with_the_report_is_held_back_alone(node: Node, stand_in: Path) -> None:
    """The report arrives; the picture does not, the study says so by name of who must act, and both lists show it."""
    network = _Network(node)
    _settled(node)
    _work(node, network)

    finding = (
        "dciodvfy: 1 error; the first: Unrecognized enumerated value ... for value 1 of attribute <Conversion Type>"
    )
    assert (StudyState.FAILED, f"pacs: held back, summary: {finding}", "developers") == _state(node)
    assert ["sr"] == [path.name.split("-")[0] for path in network.stored]
    assert ["quarantined-summary.dcm", "quarantined-summary.dcm.txt"] == _quarantined(node)
    detail = summaries.detail(node.ledger.admin.study(KEY), None)
    assert [finding] == [each.finding for each in detail.reports if each.finding]
    shown = {table.title: table for table in tables.parts(detail)}
    assert finding in [row[shown["Reports"].columns.index("Held back")] for row in shown["Reports"].rows]
    assert stand_in.is_file()


@pytest.mark.parametrize("text", ["exit 127", "exec sleep 60"])
def test_a_study_is_reported_although_dciodvfy_does_not_work(
    node: Node, stand_in: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """A crash or a hang is no fault of the study: what our own check passes goes out; event and log say it once."""
    monkeypatch.setattr("workers.gate.look", partial(look, limit_s=0.1))
    stand_in.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
    network = _Network(node)
    _settled(node)
    with capture_logs() as said:
        _work(node, network)

    assert StudyState.REPORTED is _state(node)[0]
    assert ["sr", "summary"] == [path.name.split("-")[0] for path in network.stored]
    events = [each.detail for each in node.ledger.admin.study(KEY).events if each.event == "not_checked"]
    logged = [line["why"] for line in said if line.get("action") == "object_not_checked"]
    assert 1 == len(events)
    assert events == logged
    assert events[0].startswith("dciodvfy: it ")


def test_a_retry_makes_anew_what_was_held_back(node: Node, stand_in: Path) -> None:
    """Once the cause is mended a retry sends what is missing, and nothing twice."""
    network = _Network(node)
    _settled(node)
    _work(node, network)
    stand_in.unlink()
    node.ledger.admin.retry(KEY, now=NOW)
    _work(node, network)

    assert StudyState.REPORTED is _state(node)[0]
    assert ["sr", "summary"] == [path.name.split("-")[0] for path in network.stored]
    assert all(pydicom.dcmread(BytesIO(path.read_bytes())).StudyInstanceUID == STUDY for path in network.stored)

"""A site's finder under its limits: whatever it does, the study gets a coded reason and the worker goes on."""

import io
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from annotated import annotation, graphic, presentation
from finder_sites import install, settings
from report_samples import STUDY, ct_slice, dx_lateral, patient_points
from sample_finders import NAMES, PATIENT
from servers import wait_until
from spooled import write

from service import logs
from service.broker import celery_app
from service.checks.finder import finder as doctor
from service.dispatch import Dispatcher
from service.errors import Misconfigured
from service.ledger import Ledger, migrate
from service.spool import Spool, study_key
from service.states import StudyState
from service.wiring import Node
from sr_templates.findings import LandmarkSource
from workers.boundary import work_on
from workers.finders.reasons import FinderReason
from workers.measuring import measure_job
from workers.pipeline import Outcome, StudyReason, measure_files

TESTS = Path(__file__).resolve().parents[1]
MIDDLES = {"T12": 40.0, "L1": 0.0, "L2": -40.0}


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the sample finders."""
    install(tmp_path, monkeypatch, NAMES, TESTS)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Give what is logged."""
    stream = io.StringIO()
    logs.configure("debug", json=True, stream=stream)
    yield stream
    logs.configure()


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Write three CT slices of a patient whose name must not be said."""
    slices = [ct_slice(number) for number in (1, 2, 3)]
    for one in slices:
        one.PatientName = PATIENT
    return write(tmp_path / "images", *slices)


def _document(path: Path, **changes: Any) -> Path:
    vertebrae = [{"level": level, "points": patient_points(middle)} for level, middle in MIDDLES.items()]
    document = {
        "schema": "spondyl.landmarks/1",
        "study_instance_uid": STUDY,
        "sop_instance_uid": f"{STUDY}.2.1",
        "space": "patient",
        "source": "reviewed",
        "vertebrae": vertebrae,
    }
    path.write_text(json.dumps(document | changes), encoding="utf-8")
    return path


def _asked(images: list[Path], tmp_path: Path, *, supplied: bytes | None = None, **finder: Any) -> Outcome:
    (tmp_path / "state").mkdir(exist_ok=True)
    return measure_files(images, settings=settings(tmp_path / "state", **finder), supplied=supplied)


def _gone(process: int) -> bool:
    return not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_ZOMBIE


def test_points_of_a_model_are_measured_and_named(images: list[Path], tmp_path: Path) -> None:
    """Points of a finder go the way of supplied ones; findings and report say that a model placed them, and which.

    Where a finder answers the same, the report is the same bytes, whatever folder it worked in.
    """
    model = str(_document(tmp_path / "points.json"))
    outcome, again = (_asked(images, tmp_path, name="tells", model=model) for _ in range(2))
    l1 = {vertebra.level: vertebra for vertebra in outcome.findings.vertebrae}["L1"]

    assert l1.measured
    assert l1.measured.heights_mm
    assert (24.0, 25.0) == pytest.approx((l1.measured.heights_mm.anterior, l1.measured.heights_mm.posterior))
    assert LandmarkSource.MODEL is l1.landmark_source
    assert "finder tells: Tells 7" == outcome.findings.landmark_protocol
    assert outcome.report
    assert b"landmarks placed: finder tells: Tells 7" in outcome.report.data
    assert outcome == again


def test_a_review_of_some_of_its_points_has_the_model_asked_again(images: list[Path], tmp_path: Path) -> None:
    """A reader went over what one slice shows, L1: the other levels are the model's as before, as is the protocol."""
    drawn = [
        graphic((y + 100.5, 128.5 - z), TrackingID=f"L1 {name}")
        for name, (_, y, z) in patient_points(MIDDLES["L1"]).items()
    ]
    maker = {"Manufacturer": "Spondyl", "ManufacturerModelName": "Spondyl"}
    files = [*images, *write(tmp_path / "review", presentation(ct_slice(1), annotation(drawn), **maker))]
    findings = _asked(files, tmp_path, name="tells", model=str(_document(tmp_path / "points.json"))).findings

    assert {"T12": "model", "L1": "reviewed", "L2": "model"} == {v.level: v.landmark_source for v in findings.vertebrae}
    assert ("finder tells: Tells 7", ()) == (findings.landmark_protocol, findings.notes)


def test_a_finder_is_offered_no_section_of_ours(tmp_path: Path) -> None:
    """A sagittal section that we computed came back: nobody is to look for vertebrae in it, in place of the images."""
    acquired, section = ct_slice(1), ct_slice(2)
    acquired.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    section.Manufacturer = section.ManufacturerModelName = "Spondyl"
    files = write(tmp_path / "images", acquired, section)
    model = str(_document(tmp_path / "points.json"))
    assert FinderReason.HAS_NO_IMAGE == _asked(files, tmp_path, name="tells", model=model).findings.reason


@pytest.mark.parametrize(
    ("finder", "reason"),
    [
        ("crashes", FinderReason.FAILED),
        ("killsitself", FinderReason.FAILED),
        ("prints", FinderReason.FOUND_NOTHING),
        ("vanishes", FinderReason.ANSWER_UNUSABLE),
    ],
)
def test_a_finder_that_ends_badly_is_a_reason(
    images: list[Path], tmp_path: Path, log: io.StringIO, capfd: pytest.CaptureFixture[str], finder: str, reason: str
) -> None:
    """An error, a signal, no answer: the study has a coded reason, and what the finder printed is unheard."""
    findings = _asked(images, tmp_path, name=finder).findings

    assert (reason, ()) == (findings.reason, findings.vertebrae)
    assert PATIENT not in log.getvalue()
    assert PATIENT not in "".join(capfd.readouterr())
    assert [] == list((tmp_path / "state" / "finders").iterdir())


def test_the_log_says_how_it_ended(images: list[Path], tmp_path: Path, log: io.StringIO) -> None:
    """The log names the study by its key, the reason and the signal, and nothing of what the finder printed."""
    _asked(images, tmp_path, name="killsitself")
    (said,) = (json.loads(line) for line in log.getvalue().splitlines())

    assert {
        "action": "finder_ended",
        "study": study_key(STUDY),
        "reason": "FINDER_FAILED",
        "signal": 9,
    }.items() <= said.items()


def test_what_it_prints_can_be_kept(images: list[Path], tmp_path: Path) -> None:
    """With finder.output_file an administrator reads what the last run printed; nobody else may."""
    file = tmp_path / "output.txt"
    for _ in range(2):
        _asked(images, tmp_path, name="prints", output_file=str(file))

    assert 2 == file.read_text(encoding="utf-8").count(PATIENT)
    assert 0o600 == file.stat().st_mode & 0o777


def test_a_finder_that_takes_too_long_is_stopped(images: list[Path], tmp_path: Path) -> None:
    """After finder.time_limit_s the finder, which would take a minute, is stopped and the study says so."""
    started = time.monotonic()

    assert FinderReason.TIMED_OUT == _asked(images, tmp_path, name="sleeps", time_limit_s=0.5).findings.reason
    assert time.monotonic() - started < 30


def test_memory_is_counted_over_all_that_it_started(images: list[Path], tmp_path: Path) -> None:
    """A program that the finder started may not hold more than finder.memory_mb either."""
    assert FinderReason.OUT_OF_MEMORY == _asked(images, tmp_path, name="eats", memory_mb=200).findings.reason


def test_nothing_outlives_a_finder(images: list[Path], tmp_path: Path) -> None:
    """A program that the finder left behind in a session of its own is gone when the study has its reason."""
    pid = tmp_path / "pid"

    assert FinderReason.FOUND_NOTHING == _asked(images, tmp_path, name="leaves", model=str(pid)).findings.reason
    assert _gone(int(pid.read_text(encoding="ascii")))


def test_a_finder_whose_limiter_was_killed_does_not_go_on(images: list[Path], tmp_path: Path, log: io.StringIO) -> None:
    """Nobody holds it to its limits any more: it is ended, and the log says by which signal the limiter was."""
    pid = tmp_path / "pid"

    assert FinderReason.FAILED == _asked(images, tmp_path, name="orphaned", model=str(pid)).findings.reason
    wait_until(lambda: _gone(int(pid.read_text(encoding="ascii"))), "the finder is gone", seconds=5, step=0.02)
    assert signal.SIGKILL == json.loads(log.getvalue())["signal"]


@pytest.mark.parametrize("finder", ["tells", "shows", "points", "scribbles"])
def test_garbage_is_no_answer(images: list[Path], tmp_path: Path, finder: str) -> None:
    """A document that is none, an object that is no DICOM or lies elsewhere, another answer: all are unusable."""
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b'[{"status": "found"')

    assert FinderReason.ANSWER_UNUSABLE == _asked(images, tmp_path, name=finder, model=str(garbage)).findings.reason


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "found", "said": ["Scribbles"], "landmarks": None, "objects": ["answer.json"]},
        {"status": "found", "said": "Scribbles", "landmarks": ["answer.json"], "objects": []},
        {"status": "found", "said": "Scribbles", "landmarks": "../../spool", "objects": []},
        {"status": ["found"]},
    ],
)
def test_an_answer_of_another_form_is_unusable(images: list[Path], tmp_path: Path, answer: dict[str, object]) -> None:
    """Whatever stands where a text or a file was expected: no fault of ours, and not tried again."""
    scribbled = tmp_path / "answer.json"
    scribbled.write_text(json.dumps(answer), encoding="utf-8")

    assert (
        FinderReason.ANSWER_UNUSABLE == _asked(images, tmp_path, name="scribbles", model=str(scribbled)).findings.reason
    )


def test_an_answer_on_another_study_is_unusable(images: list[Path], tmp_path: Path) -> None:
    """Points and objects must be of the study that the finder was given."""
    other = _document(tmp_path / "points.json", study_instance_uid=f"{STUDY}.7")
    elsewhere = ct_slice(9)
    elsewhere.StudyInstanceUID = f"{STUDY}.7"
    (slice_,) = write(tmp_path / "elsewhere", elsewhere)

    reasons = [
        _asked(images, tmp_path, name=name, model=str(path)).findings.reason
        for name, path in (("tells", other), ("shows", slice_))
    ]

    assert [FinderReason.ANSWER_UNUSABLE] * 2 == reasons


def test_an_object_without_vertebrae_is_nothing(images: list[Path], tmp_path: Path) -> None:
    """A DICOM object of the study that names no vertebra is no finding."""
    (slice_,) = write(tmp_path / "more", ct_slice(9))

    assert FinderReason.FOUND_NOTHING == _asked(images, tmp_path, name="shows", model=str(slice_)).findings.reason


def test_a_finder_is_asked_about_its_images_only(tmp_path: Path) -> None:
    """A study without an image that the finder looks at is not shown to it."""
    (film,) = write(tmp_path / "images", dx_lateral())

    assert FinderReason.HAS_NO_IMAGE == _asked([film], tmp_path, name="crashes").findings.reason


def test_supplied_points_come_first(images: list[Path], tmp_path: Path) -> None:
    """Where points came with the study no finder is asked."""
    supplied = _document(tmp_path / "points.json").read_bytes()
    outcome = _asked(images, tmp_path, supplied=supplied, name="crashes")

    assert {LandmarkSource.REVIEWED} == {vertebra.landmark_source for vertebra in outcome.findings.vertebrae}
    assert () == outcome.findings.notes


def test_no_finder_is_no_landmarks(images: list[Path], tmp_path: Path) -> None:
    """Without a configured finder a study without points or masks ends as before."""
    assert StudyReason.NO_LANDMARKS == _asked(images, tmp_path).findings.reason


@pytest.mark.parametrize(
    ("finder", "message"),
    [
        ("unknown", "no finder called 'unknown' is installed here; installed: "),
        ("not-ready", "expected a licence, found 0"),
        ("not-there", "no_such_module:Finder cannot be imported: No module named 'no_such_module'"),
    ],
)
def test_a_finder_that_cannot_run_is_misconfigured(
    images: list[Path], tmp_path: Path, finder: str, message: str
) -> None:
    """What an administrator must mend is said in the finder's own words, with what is installed."""
    with pytest.raises(Misconfigured) as raised:
        _asked(images, tmp_path, name=finder)

    assert message in str(raised.value)


def test_doctor_shows_a_finder_what_a_worker_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of our settings, passwords among them."""
    monkeypatch.setenv("SPONDYL_QUEUE__BROKER", "redis://:secret@host/0")
    (check,) = doctor(settings(tmp_path, name="lists-settings"))

    assert (True, "settings: []") == (check.failed, check.found)


def test_it_works_in_a_folder_of_its_own(images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its working files lie in the scratch folder and are gone afterwards; of our settings it sees none."""
    monkeypatch.setenv("SPONDYL_QUEUE__BROKER", "redis://:secret@host/0")
    seen = tmp_path / "seen.json"
    _asked(images, tmp_path, name="environment", model=str(seen))
    found = json.loads(seen.read_text(encoding="utf-8"))

    assert [] == [name for name in found if name.startswith("SPONDYL_")]
    assert Path(found["scratch"]).parent == Path(found["TMPDIR"]).parent
    assert not Path(found["scratch"]).exists()
    assert Path(found["scratch"]).is_relative_to((tmp_path / "state" / "finders").resolve())


def test_a_finder_dies_with_its_worker(images: list[Path], tmp_path: Path) -> None:
    """A worker that is killed takes its finder along."""
    pid = tmp_path / "pid"
    code = (
        "import sys; from pathlib import Path; from finder_sites import settings; from workers.finders.run import *\n"
        f"finder = settings(Path({str(tmp_path)!r}), name='sleeps', model={str(pid)!r}).finder\n"
        f"images = [Image(path=Path({str(images[0])!r}), sop_class_uid='1.2.840.10008.5.1.4.1.1.2')]\n"
        f"run(finder, Path({str(tmp_path / 'run')!r}), study='x', study_instance_uid='1.2', images=images)\n"
    )
    (tmp_path / "run").mkdir()
    worker = subprocess.Popen([sys.executable, "-c", code])
    try:
        wait_until(lambda: pid.is_file() and pid.read_text(encoding="ascii") != "", "the finder runs", step=0.02)
        finder = int(pid.read_text(encoding="ascii"))
        assert not _gone(finder)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()

    wait_until(lambda: _gone(finder), "the finder is gone", seconds=10, step=0.02)


class TimeIsUp(Exception):
    """Raised from a signal handler, as Celery raises SoftTimeLimitExceeded."""


def test_a_task_whose_time_is_up_ends_its_finder(images: list[Path], tmp_path: Path) -> None:
    """An exception that strikes while the finder runs leaves no finder behind, and no folder."""
    pid = tmp_path / "pid"

    def strike(*_: object) -> None:
        if pid.is_file() and pid.read_text(encoding="ascii"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise TimeIsUp

    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        with pytest.raises(TimeIsUp):
            _asked(images, tmp_path, name="sleeps", model=str(pid))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert _gone(int(pid.read_text(encoding="ascii")))
    assert [] == list((tmp_path / "state" / "finders").iterdir())


def test_a_worker_goes_on_after_a_failing_finder(tmp_path: Path, images: list[Path]) -> None:
    """The study ends as not analysable with the finder's reason, after one try; nothing is left to be tried again."""
    configured = settings(tmp_path, name="killsitself")
    migrate(configured.storage.ledger_url)
    ledger = Ledger.open(configured.storage.ledger_url)
    spool = Spool(tmp_path)
    spool.prepare()
    node = Node(
        settings=configured,
        ledger=ledger,
        spool=spool,
        dispatch=Dispatcher(celery_app(configured)),
        clock=lambda: 200.0,
    )
    data = images[0].read_bytes()
    stored = spool.store(study_instance_uid=STUDY, sop_instance_uid="1.2", header=data[:132], data=data[132:])
    study = ledger.arrivals.note(key=stored.key, study_instance_uid=STUDY, source="ct", now=100.0, held_until=0)
    job = ledger.arrivals.settle(study.id, fingerprint=spool.fingerprint(stored.key), now=100.0)
    assert job is not None

    work_on(node, job.id, measure_job, worker="w", rng=random.Random(1))

    detail = ledger.admin.study(stored.key)
    ledger.close()
    assert (StudyState.NOT_ANALYSABLE, "FINDER_FAILED") == (detail.study.state, detail.study.reason)
    assert 1 == sum(one.attempts for one in detail.jobs)

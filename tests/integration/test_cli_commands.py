import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
import structlog
from contract_findings import contract_findings
from ledgers import arrive, claim, deliver, finish, measure, migrated, new_report, settle
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, RTDoseStorage
from servers import free_port
from small_study import LEVELS, make_small_study
from typer.testing import CliRunner

from service.config import load
from service.ledger import Ledger
from service.small_pacs import SmallPacs
from service.spool import study_key
from workers.cli import app


@pytest.fixture(autouse=True)
def _own_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let each command configure the log, and forget it afterwards; work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    yield
    structlog.reset_defaults()


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[SmallPacs]:
    """Give a small PACS, which is the one destination of the configuration in the working directory."""
    with SmallPacs(tmp_path / "pacs") as running:
        _configure(tmp_path, running.port)
        yield running


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Give the ledger of the configuration in the working directory."""
    _configure(tmp_path, 4242)
    url = load(tmp_path / "spondyl.toml", {}).storage.ledger_url
    opened = Ledger.open(migrated(url))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a phantom study of three levels."""
    folder = tmp_path_factory.mktemp("phantom")
    make_small_study(folder, patient_name="Phantom^Cli", patient_id="CLI-1", seed=4)
    return folder


def _configure(folder: Path, port: int) -> None:
    text = '[[destinations]]\nname = "pacs"\nae_title = "SMALLPACS"\nhost = "127.0.0.1"\ntimeout_s = 3\n'
    (folder / "spondyl.toml").write_text(f"{text}port = {port}\n", encoding="utf-8")


def _spondyl(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


# ---- studies


def test_no_study_is_no_error(ledger: Ledger) -> None:
    """An empty list is empty on stdout, and said on stderr; JSON is an empty list."""
    assert ledger.admin.studies() == []
    shown = _spondyl("studies")

    assert (0, "", "no studies\n") == (shown.exit_code, shown.stdout, shown.stderr)
    assert {"schema": "spondyl.studies/1", "studies": []} == json.loads(_spondyl("studies", "--json").stdout)


def test_the_list_says_state_reason_and_who_must_act(ledger: Ledger) -> None:
    """A failed study is listed with its reason and who must act; --state narrows the list."""
    claimed = claim(ledger, settle(ledger, "1.2.9"))
    ledger.jobs.give_up(claimed, who="developers", why="the worker died", now=200.0)
    arrive(ledger, "1.2.8", now=300.0)

    shown = _spondyl("studies").stdout
    for said in ("failed", "the worker died", "developers", "1.2.9", "receiving", "1.2.8", study_key("1.2.8")):
        assert said in shown
    assert "1.2.8" not in _spondyl("studies", "--state", "failed").stdout


def test_one_study_shows_each_object_with_its_delivery(ledger: Ledger) -> None:
    """`studies UID` says of each object what it is, in which SOP class it was stored, and what was not taken."""
    objects = [new_report("2.25.7"), new_report("2.25.8", choice=1), new_report("2.25.9", kind="gsps")]
    report, overlay = measure(ledger, objects=objects)
    held = claim(ledger, report, now=160.0)
    ledger.jobs.finish_delivery(held, detail="0x0000", stored=held.choices[1], now=160.0)
    ledger.jobs.decline(claim(ledger, overlay, now=161.0), why="no such class", now=161.0)

    shown = _spondyl("studies", "1.2.3").stdout
    for said in ("gsps", "Comprehensive 3D SR", "Comprehensive SR", "declined", "not taken by pacs: gsps"):
        assert said in shown
    found = json.loads(_spondyl("studies", "1.2.3", "--json").stdout)
    assert [("sr", 0), ("sr", 1), ("gsps", 0)] == [(each["kind"], each["choice"]) for each in found["reports"]]
    assert [("sr", "Comprehensive SR", "done"), ("gsps", "Grayscale Softcopy Presentation State", "declined")] == [
        (each["kind"], each["sop_class"], each["state"]) for each in found["deliveries"]
    ]


@pytest.mark.parametrize("by", ["uid", "key"])
def test_one_study_is_told_in_full(ledger: Ledger, by: str) -> None:
    """`studies UID` shows its jobs, reports, deliveries and events, by UID or by key."""
    jobs = finish(ledger, claim(ledger, settle(ledger)), report="2.25.7")
    deliver(ledger, jobs[0])
    name = "1.2.3" if by == "uid" else study_key("1.2.3")

    shown = _spondyl("studies", name).stdout
    for said in ("reported", "spondyl.measure", "2.25.7", "pacs", "Events"):
        assert said in shown
    assert "2.25.7" == json.loads(_spondyl("studies", name, "--json").stdout)["reports"][0]["sop_instance_uid"]


def test_one_study_shows_why_each_vertebra_was_not_measured(ledger: Ledger) -> None:
    """`studies UID` shows the findings as `measure` does: the numbers, and the reason where there are none."""
    claimed = claim(ledger, settle(ledger))
    ledger.jobs.finish_measure(
        claimed,
        findings=json.dumps(contract_findings()),
        reason=None,
        objects=[new_report("2.25.7")],
        wanted={"pacs": ["sr"]},
        now=150.0,
    )

    shown = _spondyl("studies", "1.2.3").stdout
    for said in ("Findings", "14.2 / 13.0 / 22.9", "not measured: CUT OFF", "1 graded; not gradable: L2"):
        assert said in shown
    assert contract_findings() == json.loads(_spondyl("studies", "1.2.3", "--json").stdout)["findings"]


def test_one_study_without_findings_has_none(ledger: Ledger) -> None:
    """Before the first measurement there is no table of findings."""
    arrive(ledger)

    assert "Findings" not in _spondyl("studies", "1.2.3").stdout
    assert json.loads(_spondyl("studies", "1.2.3", "--json").stdout)["findings"] is None


def test_one_study_shows_why_a_delivery_failed(ledger: Ledger) -> None:
    """`studies UID` names each destination with the error of its last try."""
    jobs = finish(ledger, claim(ledger, settle(ledger)), report="2.25.7")
    claimed = ledger.jobs.claim(jobs[0].id, worker="w", now=160.0, lease_s=60.0)
    assert claimed is not None
    ledger.jobs.give_up(claimed, who="the administrator of the destination", why="pacs answered 0xA900", now=170.0)

    deliveries = _spondyl("studies", "1.2.3").stdout.split("Deliveries")[1].split("Events")[0]
    assert "pacs answered 0xA900" in deliveries


@pytest.mark.parametrize("words", ["studies 9.9", "settle 9.9", "retry 9.9", "ignore 9.9 --why test"])
def test_an_unknown_study_is_told(ledger: Ledger, words: str) -> None:
    """A study that nobody sent fails with 1, and the caller must act."""
    assert ledger.admin.studies() == []
    shown = _spondyl(*words.split())

    assert (1, "") == (shown.exit_code, shown.stdout)
    assert "who must act: the caller" in shown.stderr


def test_settle_makes_the_next_pass_take_it(ledger: Ledger) -> None:
    """`settle` asks for the study to be taken at once."""
    arrive(ledger)
    assert _spondyl("settle", "1.2.3").exit_code == 0
    assert 0 == ledger.admin.study("1.2.3").study.unsettled_since


def test_retry_gives_a_failed_study_new_work(ledger: Ledger) -> None:
    """`retry` brings a failed study back to the queue; one that is on its way cannot be retried."""
    claimed = claim(ledger, settle(ledger))
    ledger.jobs.give_up(claimed, who="developers", why="a bug", now=200.0)

    assert "1 job(s)" in _spondyl("retry", "1.2.3").stdout
    assert "queued" == ledger.admin.study("1.2.3").study.state
    again = _spondyl("retry", "1.2.3")
    assert (1, True) == (again.exit_code, again.stderr.startswith("error: "))


@pytest.mark.parametrize(
    ("words", "kind", "state"),
    [([], "spondyl.deliver", "delivering"), (["--measure"], "spondyl.measure", "queued")],
)
def test_retry_sends_a_report_again_or_measures_again(ledger: Ledger, words: list[str], kind: str, state: str) -> None:
    """A reported study is sent again, the PACS may have lost it; only --measure measures it again."""
    jobs = finish(ledger, claim(ledger, settle(ledger)), report="2.25.7")
    deliver(ledger, jobs[0])

    assert "1 job(s)" in _spondyl("retry", "1.2.3", *words).stdout
    detail = ledger.admin.study("1.2.3")
    assert (kind, "waiting", state) == (detail.jobs[-1].kind, detail.jobs[-1].state, detail.study.state)


def test_retry_measures_what_was_not_analysable(ledger: Ledger) -> None:
    """Where there is no report there is nothing to send."""
    ledger.jobs.finish_measure(
        claim(ledger, settle(ledger)),
        findings="{}",
        reason="NO_LANDMARKS",
        objects=(),
        wanted={},
        now=150.0,
    )

    assert "1 job(s)" in _spondyl("retry", "1.2.3").stdout
    assert "queued" == ledger.admin.study("1.2.3").study.state


def test_ignore_takes_a_study_out_with_its_reason(ledger: Ledger) -> None:
    """`ignore` keeps the reason with the study."""
    arrive(ledger)
    assert _spondyl("ignore", "1.2.3", "--why", "a test object").exit_code == 0
    study = ledger.admin.study("1.2.3").study
    assert ("ignored", "a test object") == (study.state, study.reason)


def test_ignore_names_what_was_compared_with_it(ledger: Ledger) -> None:
    """The administrator is told which reports rest on the study, and the command that makes them anew."""
    arrive(ledger)
    settle(ledger, "1.2.4")
    ledger.priors.pin(ledger.admin.study("1.2.4").study.id, 1, '{"rests_on": ["1.2.3"]}')
    said = _spondyl("ignore", "1.2.3", "--why", "wrong patient").stdout
    assert ["ignored", "compared with it: 1.2.4: `spondyl retry 1.2.4 --measure`"] == said.splitlines()


def test_nobody_must_act_on_a_study_that_was_ignored(ledger: Ledger) -> None:
    """Who took a study out is no one who must act on it: list, detail and JSON name nobody."""
    arrive(ledger)
    _spondyl("ignore", "1.2.3", "--why", "a test object")

    listed = json.loads(_spondyl("studies", "--json").stdout)["studies"]
    assert [None] == [study["who_must_act"] for study in listed]
    assert "admin" not in _spondyl("studies").stdout
    assert "admin" not in _spondyl("studies", "1.2.3").stdout.split("Events")[0]


def test_migrate_may_be_run_again(ledger: Ledger) -> None:
    """The second migration finds nothing to do."""
    assert ledger.admin.studies() == []
    shown = _spondyl("migrate")

    assert (0, True) == (shown.exit_code, shown.stdout.startswith("the ledger is up to date"))


# ---- peers


def test_echo_says_how_long_it_took(pacs: SmallPacs) -> None:
    """`echo` names the destination and the milliseconds."""
    assert pacs.port
    assert "pacs (SMALLPACS at 127.0.0.1:" in _spondyl("echo", "pacs").stdout
    assert 0 < json.loads(_spondyl("echo", "pacs", "--json").stdout)["round_trip_ms"] < 3000


@pytest.mark.parametrize("words", ["echo pacs", "send . --to pacs"])
def test_a_destination_that_is_down_is_4(tmp_path: Path, words: str) -> None:
    """Nobody there: exit code 4, one error, nothing on stdout and nothing from the libraries."""
    _configure(tmp_path, free_port())
    _object(tmp_path / "a.dcm", CTImageStorage)
    shown = _spondyl(*words.split())

    assert (4, "") == (shown.exit_code, shown.stdout)
    errors = [line for line in shown.stderr.splitlines() if not line.startswith("passed over")]
    assert ["error", "who must act"] == [line.split(":")[0] for line in errors]
    assert "tried again" not in shown.stderr


def test_a_migration_that_cannot_be_made_is_4(tmp_path: Path) -> None:
    """`migrate` without its database: somebody must act, since a command that has ended does not try again."""
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/x"
    (tmp_path / "spondyl.toml").write_text(f'[storage]\nledger = "{url}"\n', encoding="utf-8")
    shown = _spondyl("migrate")

    assert (4, "") == (shown.exit_code, shown.stdout)
    assert "who must act: whoever looks after what does not answer" in shown.stderr


def _object(path: Path, sop_class: str, number: int = 1) -> None:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = UID(sop_class), f"1.2.3.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2", "1.2.3"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [([CTImageStorage], 0), ([CTImageStorage, RTDoseStorage], 5)],
)
def test_send_says_what_arrived(pacs: SmallPacs, tmp_path: Path, classes: list[str], expected: int) -> None:
    """0 where all was stored, 5 where only some was; each refused file is named."""
    (tmp_path / "out").mkdir()
    for number, sop_class in enumerate(classes, 1):
        _object(tmp_path / "out" / f"{sop_class}.dcm", sop_class, number)
    shown = _spondyl("send", str(tmp_path / "out"), "--to", "pacs", "--json")
    told = json.loads(shown.stdout)

    assert (expected, classes.count(CTImageStorage)) == (shown.exit_code, told["stored"])
    assert [str(tmp_path / "out" / f"{RTDoseStorage}.dcm")] * classes.count(RTDoseStorage) == [
        refused["path"] for refused in told["refused"]
    ]
    assert classes.count(CTImageStorage) == len(list(pacs.folder.iterdir()))


def test_a_destination_that_takes_nothing_of_it_is_4(pacs: SmallPacs, tmp_path: Path) -> None:
    """Where no kind of the files is accepted the destination has refused."""
    _object(tmp_path / "dose.dcm", RTDoseStorage)
    shown = _spondyl("send", "dose.dcm", "--to", "pacs")

    assert (4, "", []) == (shown.exit_code, shown.stdout, list(pacs.folder.iterdir()))
    assert "who must act: the administrator of the destination" in shown.stderr


# ---- measure


def test_measure_prints_and_writes_what_it_found(phantom: Path, tmp_path: Path) -> None:
    """Findings go to stdout, the objects to --out; a folder is walked, and what is no DICOM is named."""
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    shown = _spondyl("measure", str(phantom), str(tmp_path / "notes.txt"), "--out", "result", "--json")
    findings = json.loads(shown.stdout)

    assert (0, "spondyl.findings/1") == (shown.exit_code, findings["schema"])
    assert "notes.txt" in shown.stderr
    report = pydicom.dcmread(tmp_path / "result" / "sr.dcm")
    assert (findings["study_instance_uid"], "SR") == (report.StudyInstanceUID, report.Modality)
    assert ["gsps.dcm", "sr.dcm", "summary.dcm"] == sorted(path.name for path in (tmp_path / "result").iterdir())
    assert set(LEVELS) == {vertebra["level"] for vertebra in findings["vertebrae"]}


def test_measure_prints_a_table(phantom: Path) -> None:
    """Without --json there is a row a vertebra and the summary; without --out nothing is written, which is said."""
    shown = _spondyl("measure", str(phantom))

    assert shown.exit_code == 0
    for said in ("Height a/m/p mm", *LEVELS, "spinal deformity index"):
        assert said in shown.stdout
    assert "--out DIR keeps it" in shown.stderr


def test_measure_invents_nothing(phantom: Path, tmp_path: Path) -> None:
    """Images without landmarks are not analysable: exit 1 with the coded reason, findings without a vertebra."""
    shown = _spondyl("measure", str(phantom / "CT"), "--out", "result", "--json")
    findings = json.loads(shown.stdout)

    assert (1, "NO_LANDMARKS", []) == (shown.exit_code, findings["reason"], findings["vertebrae"])
    assert "not analysable: NO_LANDMARKS" in shown.stderr
    assert not (tmp_path / "result").exists()


def test_measure_takes_one_study(phantom: Path, tmp_path: Path) -> None:
    """Several studies in one call fail, and each is named."""
    _object(tmp_path / "other.dcm", CTImageStorage)
    shown = _spondyl("measure", str(phantom), str(tmp_path / "other.dcm"))

    assert (1, "") == (shown.exit_code, shown.stdout)
    assert "found 2: " in shown.stderr
    assert "1.2, " in shown.stderr


def test_measure_refuses_landmarks_that_it_does_not_understand(phantom: Path, tmp_path: Path) -> None:
    """A landmarks document that breaks the schema is an error of its author, named with the file."""
    (tmp_path / "points.json").write_text("{}", encoding="utf-8")
    shown = _spondyl("measure", str(phantom), "--landmarks", "points.json")

    assert (1, "") == (shown.exit_code, shown.stdout)
    assert "points.json" in shown.stderr
    assert "who must act: whoever supplied the landmarks" in shown.stderr


# ---- demo


def test_the_demo_keeps_out_of_a_folder_in_use(tmp_path: Path) -> None:
    """--keep refuses a folder that holds something: it would be mixed with the demo's."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("", encoding="utf-8")

    assert 2 == _spondyl("demo", "--keep", "mine").exit_code

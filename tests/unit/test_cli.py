import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer
from rich.text import Text
from typer.testing import CliRunner

from service import __version__
from service.checks.check import Check, bad, good
from service.cli import doctor
from service.cli.exits import ExitCode, exit_code, outcome, told
from service.cli.files import dicom_files
from service.cli.options import Options
from service.errors import Misconfigured, OutOfSpace, PeerRefused, Refused, SpondylError, Unavailable, Unknown
from service.states import NotAllowed
from workers.cli import app

#: The contract's commands, and those for people, alerts, rules, programs and developers.
COMMANDS = {
    *("demo", "serve", "listen", "work", "web", "measure", "send", "echo", "studies", "settle", "retry", "ignore"),
    *("retract", "send-test", "schema", "flower"),
    *("doctor", "conformance", "config", "migrate", "user", "alert", "audit", "rules", "version"),
}


@pytest.fixture(autouse=True)
def _own_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let each command configure the log, and forget it afterwards; work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    yield
    structlog.reset_defaults()


@pytest.fixture
def runner() -> CliRunner:
    """Give a runner that keeps stdout and stderr apart."""
    return CliRunner()


def test_the_commands_are_those_of_the_contract() -> None:
    """No command is missing and none is offered that does nothing yet."""
    named = {info.name or getattr(info.callback, "__name__", "") for info in app.registered_commands}
    groups = {group.name for group in app.registered_groups}

    assert named | groups == COMMANDS


@pytest.mark.parametrize("command", [*sorted(COMMANDS - {"config"}), "config check", "config show"])
def test_every_command_explains_itself(runner: CliRunner, command: str) -> None:
    """--help exits 0 and says more than the usage line."""
    shown = runner.invoke(app, [*command.split(), "--help"], prog_name="spondyl")

    assert shown.exit_code == ExitCode.OK
    assert f"Usage: spondyl {command}" in shown.stdout
    assert len(shown.stdout.splitlines()) > 5


def _helps(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """Give every help text of a command and of those below it, with where it stands."""
    yield name, command.help or ""
    yield name, command.epilog or ""
    for parameter in command.params:
        yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
    for each, below in getattr(command, "commands", {}).items():
        yield from _helps(below, f"{name} {each}")


def test_no_help_text_is_taken_for_markup() -> None:
    """A help text is shown as it was written: rich would take words in square brackets or colons out of it."""
    helps = list(_helps(typer.main.get_command(app), "spondyl"))

    assert len(helps) > 50
    assert [] == [(where, said) for where, said in helps if Text.from_markup(said).plain != said]


@pytest.mark.parametrize("command", ["echo", "send"])
def test_help_says_where_a_destination_gets_its_name(runner: CliRunner, command: str) -> None:
    """The name of a destination is one of the configuration; the sentence is whole."""
    shown = runner.invoke(app, [command, "--help"], terminal_width=200)

    assert "Name of a destination in the configuration." in shown.stdout


def test_help_names_the_exit_codes(runner: CliRunner) -> None:
    """The help of `spondyl` documents the exit codes."""
    shown = runner.invoke(app, ["--help"], terminal_width=200)

    assert all(f"{code.value} " in shown.stdout for code in ExitCode)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Misconfigured(), 3),
        (Unavailable(), 4),
        (PeerRefused(), 4),
        (Refused(), 1),
        (OutOfSpace(), 1),
        (Unknown(), 1),
        (SpondylError(), 1),
        (NotAllowed(), 1),
    ],
)
def test_each_family_of_errors_has_its_exit_code(error: Exception, expected: int) -> None:
    """0 ok, 1 failed, 2 usage, 3 configuration, 4 peer unreachable or refusing, 5 partly failed."""
    assert expected == exit_code(error)


def test_an_error_is_told_in_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """What went wrong and who must act go to stderr; stdout stays clean."""
    with pytest.raises(typer.Exit) as left, told():
        raise PeerRefused("pacs does not know us")
    said = capsys.readouterr()

    assert left.value.exit_code == 4
    assert said == ("", "error: pacs does not know us\nwho must act: the administrator of the destination\n")


def test_a_command_does_not_promise_to_try_again(capsys: pytest.CaptureFixture[str]) -> None:
    """A command runs once: where something does not answer somebody must act, and nothing tries again by itself."""
    with pytest.raises(typer.Exit) as left, told():
        raise Unavailable("pacs does not answer")
    said = capsys.readouterr().err

    assert left.value.exit_code == 4
    assert said == (
        "error: pacs does not answer\nwho must act: whoever looks after what does not answer; then try again\n"
    )


def test_a_bug_is_not_told_as_a_failure() -> None:
    """What is no error of ours keeps its traceback."""
    with pytest.raises(ZeroDivisionError), told():
        raise ZeroDivisionError


@pytest.mark.parametrize(("succeeded", "failed", "expected"), [(3, 0, 0), (0, 0, 0), (2, 1, 5), (0, 2, 4)])
def test_work_on_several_things_may_fail_partly(succeeded: int, failed: int, expected: int) -> None:
    """All well is 0, some failed is 5, all failed is the failure itself."""
    assert expected == outcome(succeeded=succeeded, failed=failed, failure=ExitCode.PEER)


@pytest.mark.parametrize(
    "words",
    [
        "nonsense",
        "--verbose --quiet version",
        "ignore 1.2.3",
        "measure no-such-file.dcm",
        "send spondyl.toml",
        "studies --state nonsense",
        "studies --limit 0",
    ],
)
def test_a_wrong_command_line_is_a_usage_error(runner: CliRunner, words: str) -> None:
    """Unknown commands, missing or contradicting options and paths that are not there exit with 2."""
    assert ExitCode.USAGE == runner.invoke(app, words.split()).exit_code


@pytest.mark.parametrize("order", ["before", "behind"])
def test_the_configuration_is_named_before_or_behind_the_command(runner: CliRunner, tmp_path: Path, order: str) -> None:
    """--config is understood in both places; a wrong key exits with 3 and is named."""
    (tmp_path / "own.toml").write_text("[node]\ncolour = 1\n", encoding="utf-8")
    option = ["--config", str(tmp_path / "own.toml")]
    shown = runner.invoke(app, [*option, "config", "check"] if order == "before" else ["config", "check", *option])

    assert shown.exit_code == ExitCode.CONFIGURATION
    assert "node.colour" in shown.stderr
    assert "who must act: the administrator of this node" in shown.stderr


def test_the_configuration_may_be_named_by_the_environment(runner: CliRunner, tmp_path: Path) -> None:
    """SPONDYL_CONFIG names the file where --config does not."""
    (tmp_path / "own.toml").write_text('[node]\nae_title = "ELSEWHERE"\n', encoding="utf-8")
    shown = runner.invoke(app, ["config", "show", "--json"], env={"SPONDYL_CONFIG": "own.toml"})

    assert json.loads(shown.stdout)["node"]["ae_title"] == "ELSEWHERE"


@pytest.mark.parametrize("named", ["by option", "by environment", "beside"])
def test_config_check_says_which_file_it_reads(runner: CliRunner, tmp_path: Path, named: str) -> None:
    """The file is told with its whole path, however it was found, and before anything that is wrong with it."""
    file = tmp_path / ("spondyl.toml" if named == "beside" else "own.toml")
    file.write_text("[node]\ncolour = 1\n", encoding="utf-8")
    words = ["--config", "own.toml"] if named == "by option" else []
    environment = {"SPONDYL_CONFIG": "own.toml"} if named == "by environment" else {}
    wrong = runner.invoke(app, ["config", "check", *words], env=environment)
    file.write_text("", encoding="utf-8")
    right = runner.invoke(app, ["config", "check", *words], env=environment)

    assert (ExitCode.CONFIGURATION, f"configuration: {file}\n") == (wrong.exit_code, wrong.stdout)
    assert f"configuration: {file}\nthe configuration is valid\n" == right.stdout


def test_config_check_says_that_there_is_no_file(runner: CliRunner) -> None:
    """Without a file somebody may think that theirs was read."""
    shown = runner.invoke(app, ["config", "check"])

    assert shown.stdout.startswith("configuration: no file; defaults and environment alone are in force\n")


def test_secrets_are_not_shown(runner: CliRunner, tmp_path: Path) -> None:
    """`config show` masks the passwords of broker and ledger."""
    (tmp_path / "spondyl.toml").write_text(
        '[queue]\nbroker = "redis://:hunter2@redis/0"\n[storage]\nledger = "postgresql://me:hunter2@db/x"\n',
        encoding="utf-8",
    )
    shown = runner.invoke(app, ["config", "show"])

    assert shown.exit_code == ExitCode.OK
    assert "hunter2" not in shown.stdout
    assert "db/x" in shown.stdout


def test_an_unknown_destination_is_a_matter_of_configuration(runner: CliRunner) -> None:
    """`echo` to a name that is not configured exits with 3 and says which names are."""
    shown = runner.invoke(app, ["echo", "pacs"])

    assert (ExitCode.CONFIGURATION, "") == (shown.exit_code, shown.stdout)
    assert "configured: none" in shown.stderr


def test_version_says_what_runs(runner: CliRunner) -> None:
    """One line for a reader, JSON with the libraries for a report of a fault."""
    assert f"spondyl {__version__}\n" == runner.invoke(app, ["version"]).stdout
    assert json.loads(runner.invoke(app, ["version", "--json"]).stdout).keys() >= {"schema", "spondyl", "pydicom"}


def test_the_command_line_starts_fast() -> None:
    """To say its version, the command loads no library that takes long: they are imported by what runs them."""
    slow = {"numpy", "pydicom", "pynetdicom", "celery", "sqlalchemy", "fastapi", "highdicom", "pydantic", "rich"}
    code = "import sys, workers.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_checkout())

    assert slow & set(loaded.stdout.split()) == set()


def _checkout() -> Path:
    return Path(__file__).resolve().parents[2]


def _dicom(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(128) + b"DICM")
    return path


def test_folders_are_walked_and_other_files_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """DICOM files are found at any depth, once, sorted; what is none is named on stderr, and so is a DICOMDIR."""
    deep, flat = _dicom(tmp_path / "a" / "b" / "2.dcm"), _dicom(tmp_path / "a" / "1")
    _dicom(tmp_path / "a" / "DICOMDIR")
    (tmp_path / "a" / "notes.txt").write_text("hello", encoding="utf-8")

    assert [flat, deep] == dicom_files([tmp_path / "a", deep])
    said = capsys.readouterr().err
    assert ["DICOMDIR", "notes.txt"] == [line.rsplit("/", 1)[1] for line in said.splitlines()]


def test_no_dicom_file_at_all_is_an_error(tmp_path: Path) -> None:
    """Nothing to work on is not silently nothing."""
    with pytest.raises(Unknown, match="no DICOM file"):
        dicom_files([tmp_path])


def test_our_own_processes_get_the_same_options(tmp_path: Path) -> None:
    """What was said before `serve` is said to its roles too, with an absolute path."""
    options = Options(config=Path("own.toml"), verbose=True)

    assert ["--config", str(tmp_path / "own.toml"), "--verbose"] == options.arguments()
    assert ["--config", "/etc/other.toml", "--verbose"] == options.arguments(Path("/etc/other.toml"))
    assert [] == Options().arguments()


_PEER_UP = good("destination a", "answers", peer=True)
_PEER_DOWN = bad("destination b", "silent", "look", peer=True)
_BROKER_DOWN = bad("broker", "silent", "look", peer=True)
_OURS_BAD = bad("spool", "full", "free space")


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ([_PEER_UP], 0),
        ([_PEER_UP, _PEER_DOWN], 5),
        ([_PEER_DOWN], 4),
        ([_BROKER_DOWN], 4),
        ([_PEER_UP, _PEER_DOWN, _OURS_BAD], 1),
    ],
)
def test_doctor_says_whose_fault_it_is(checks: list[Check], expected: int) -> None:
    """1 where something of this node failed, 4 where peers do not answer, 5 where only some of them do not."""
    assert expected == doctor.verdict(checks)

"""The operating guide names what an administrator can meet: every command, study state, log action and metric."""

import ast
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import typer
from typer.core import TyperGroup

from service.cli.exits import ExitCode
from service.config import Settings, Storage
from service.ledger import Ledger, migrate
from service.metrics import Metrics
from service.states import StudyState
from workers.cli import app
from workers.finders.reasons import FinderReason
from workers.pipeline import StudyReason

REPOSITORY = Path(__file__).resolve().parents[2]
GUIDE = (REPOSITORY / "docs" / "operating.md").read_text(encoding="utf-8")
SOURCES = [path for package in ("service", "workers", "sr_templates") for path in (REPOSITORY / package).rglob("*.py")]


def _first_cells(heading: str) -> list[str]:
    """Return the code words in the first column of the tables below a heading."""
    section = re.split(rf"^## \d+\. {re.escape(heading)}$", GUIDE, flags=re.MULTILINE)[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


def _commands(command: object, name: str) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for each, below in command.commands.items():
            yield from _commands(below, f"{name} {each}")
    else:
        yield name


def _texts(value: ast.expr) -> set[str]:
    """Return the texts that an expression can have: a constant, or either side of a condition."""
    if isinstance(value, ast.IfExp):
        return _texts(value.body) | _texts(value.orelse)
    return {value.value} if isinstance(value, ast.Constant) and isinstance(value.value, str) else set()


def _said(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what stands as an action here: by keyword, by a variable of that name, or by a key of a dict."""
    if isinstance(node, ast.keyword) and node.arg == "action":
        yield node.value
    elif isinstance(node, ast.Assign):
        yield from (node.value for target in node.targets if isinstance(target, ast.Name) and target.id == "action")
    elif isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        yield from (value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "action")


def _actions(path: Path) -> set[str]:
    """Return what a file logs as its actions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {text for node in ast.walk(tree) for value in _said(node) for text in _texts(value)}


def test_every_command_is_described() -> None:
    """The table of commands has a row for each command of the CLI, and for no other."""
    rows = [re.match(r"[a-z]+([ -][a-z]+)*", word) for word in _first_cells("Commands")]

    assert sorted(_commands(typer.main.get_command(app), "spondyl")) == sorted(row[0] for row in rows if row)


def test_every_exit_code_is_described() -> None:
    """The section on commands gives each exit code with its meaning, in order."""
    sentence = GUIDE.split("Exit codes: ")[1].split(".")[0]

    assert [code.value for code in ExitCode] == [int(number) for number in re.findall(r"(\d) [a-z]", sentence)]


def test_every_state_is_described() -> None:
    """The life of a study has a row for each state, in the order in which a study meets them."""
    assert [state.value for state in StudyState] == _first_cells("The life of a study")


def test_every_reason_of_a_study_is_described() -> None:
    """Why a study is not analysable stands where an administrator looks for it, a finder's reasons on its own page."""
    finders = (REPOSITORY / "docs" / "finders.md").read_text(encoding="utf-8")

    assert [] == [reason for reason in StudyReason if f"| `not_analysable` `{reason}` |" not in GUIDE]
    assert [] == [reason for reason in FinderReason if f"\n| `{reason}` |" not in finders]


def test_every_log_action_is_described() -> None:
    """The log vocabulary names each action that the source logs once, and no other."""
    logged = set().union(*(_actions(path) for path in SOURCES))

    assert sorted(logged) == sorted(_first_cells("Log vocabulary"))


def test_every_metric_is_described(tmp_path: Path) -> None:
    """The table of metrics has a row for each metric that a node with one listener shows, and for no other."""
    settings = Settings(storage=Storage(root=tmp_path))
    metrics = Metrics(settings)
    metrics.save(11112, free_bytes=1)
    migrate(settings.storage.ledger_url)
    with closing(Ledger.open(settings.storage.ledger_url)) as ledger:
        shown = re.findall(r"^# TYPE (\w+)", metrics.text(ledger), re.MULTILINE)

    assert sorted(shown) == sorted(_first_cells("Metrics"))

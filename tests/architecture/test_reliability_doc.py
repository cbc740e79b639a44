"""docs/reliability.md names, for every promise, what shows it; what it names exists, and no fault test is left out."""

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (?!---|promise|campaign)(.*?) \| ?(.*?) ?\|$", PAGE, re.MULTILINE)
#: `tests/faults/test_x.py::test_name`, `test_x.py::test_name` after such a one in the same cell, or a benchmark.
EVIDENCE = re.compile(r"`((?:tests|benchmarks)/[\w/]+\.py)(?:::(\w+))?`")
FAULTS = sorted((REPOSITORY / "tests" / "faults").glob("test_*.py"))


def _tests_of(path: Path) -> set[str]:
    """Return the names of the tests in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_the_page_has_promises() -> None:
    """The page is a table of promises: a page whose rows cannot be read would check nothing."""
    assert len(ROWS) > len(FAULTS)


@pytest.mark.parametrize(("promise", "shown"), ROWS, ids=lambda text: text[:48])
def test_every_promise_is_shown(promise: str, shown: str) -> None:
    """Each row names a test or a benchmark, in a column of its own."""
    assert EVIDENCE.search(shown), f"nothing shows that {promise}"


@pytest.mark.parametrize(("path", "name"), sorted(set(EVIDENCE.findall(PAGE))), ids="::".join)
def test_what_is_named_exists(path: str, name: str) -> None:
    """Each test and benchmark that is named is there under that name."""
    file = REPOSITORY / path

    assert file.is_file()
    assert not name or name in _tests_of(file)


@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.stem)
def test_no_fault_is_left_out(path: Path) -> None:
    """Each test of tests/faults stands in the page, by its name or by its whole file."""
    named = set(EVIDENCE.findall(PAGE))
    relative = path.relative_to(REPOSITORY).as_posix()

    assert (relative, "") in named or {(relative, name) for name in _tests_of(path)} <= named


def test_lines_are_short_enough_to_read() -> None:
    """A line of the page that is no row of a table has at most 140 characters."""
    assert [] == [line for line in PAGE.splitlines() if not line.startswith("|") and len(line) > 140]

"""The shape of the code: direction of imports, budgets, boundaries."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import program

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("service", "workers", "sr_templates")
SOURCES = sorted(path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py"))
TESTS = sorted((REPOSITORY / "tests").rglob("test_*.py"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
#: Where anything may be caught: the C-STORE handler, the task wrapper, the page's error 500.
BOUNDARIES = {"service/receive.py", "workers/boundary.py", "service/web/app.py"}


def _name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_imports_go_one_way() -> None:
    """Workers stand on service and sr_templates, these two know nothing of each other, and the core is pure."""
    checked = subprocess.run([program("lint-imports")], cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_file_is_one_idea(path: Path) -> None:
    """No source file is longer than 400 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_function_fits_a_glance(path: Path) -> None:
    """No function body is longer than 40 lines without its docstring."""
    assert [f.name for f in _functions(path) if _body_lines(f) > MAX_FUNCTION_LINES] == []


def test_anything_is_caught_at_the_three_boundaries_only() -> None:
    """A broad except stands in the C-STORE handler, the task wrapper and the page's error 500, nowhere else."""
    broad = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            caught = node.type if isinstance(node, ast.ExceptHandler) else ast.Name("-")
            if caught is None or (isinstance(caught, ast.Name) and caught.id in {"Exception", "BaseException"}):
                broad.add(_name(path))

    assert broad <= BOUNDARIES


def test_every_test_states_its_rule() -> None:
    """The docstring of a test is the rule that it checks."""
    silent = [
        f"{_name(p)}:{f.name}"
        for p in TESTS
        for f in _functions(p)
        if f.name.startswith("test_") and not ast.get_docstring(f)
    ]

    assert silent == []


def test_the_tests_shadow_no_package() -> None:
    """There is no __init__.py under tests: pytest would import it as one of our packages."""
    assert list((REPOSITORY / "tests").rglob("__init__.py")) == []


def test_test_modules_have_names_of_their_own() -> None:
    """No two test files have the same name, whatever their tier."""
    names = [path.name for path in TESTS]

    assert sorted(set(names)) == sorted(names)

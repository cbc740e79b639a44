"""docs/conformance.md is what the command prints for the defaults."""

from pathlib import Path

from service.config import Settings
from workers.conformance.document import statement

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_published_statement_is_the_one_that_is_made() -> None:
    """docs/conformance.md is the statement of the default configuration; `make conformance` writes it anew."""
    published = (REPOSITORY / "docs" / "conformance.md").read_text(encoding="utf-8")

    assert statement(Settings()) == published


def test_no_line_of_it_is_long() -> None:
    """It is read in a terminal and on paper: no line is longer than 140 characters."""
    assert [] == [line for line in statement(Settings()).splitlines() if len(line) > 140]

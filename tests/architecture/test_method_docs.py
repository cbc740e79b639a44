"""The documents of the method and of the report name every coded word, every private code, every section cited."""

import re
from pathlib import Path

import pytest
from pydicom.sr.coding import Code

from sr_templates import codes
from sr_templates.comparison import NotCompared, Remark
from workers.landmarks import claims, reasons
from workers.morphometry.flags import Flag

REPOSITORY = Path(__file__).resolve().parents[2]
METHOD = (REPOSITORY / "docs" / "morphometry.md").read_text(encoding="utf-8")
REPORT = (REPOSITORY / "docs" / "report.md").read_text(encoding="utf-8")
SECTION = r"[0-9](?:\.[0-9])?[a-z]?\b"
#: One or several sections after the name of the document, in either spelling, also across a line break of a docstring.
CITATION = re.compile(rf"docs/morphometry(?:\.md)?[\s#]+({SECTION}(?:, {SECTION})*)")
HEADINGS = set(re.findall(rf"^#+ ({SECTION})\.? ", METHOD, re.MULTILINE))
SOURCES = [
    path
    for folder in ("service", "workers", "sr_templates", "tests", "benchmarks")
    for path in sorted((REPOSITORY / folder).rglob("*.py"))
    if path != Path(__file__).resolve()
]


def _own(held: object) -> list[Code]:
    """Return the private codes that a name of the module holds."""
    if isinstance(held, Code):
        return [held] if held.scheme_designator == codes.SCHEME else []
    if isinstance(held, dict):
        held = tuple(held.values())
    return [code for item in held for code in _own(item)] if isinstance(held, tuple) else []


OWN = [code for held in vars(codes).values() for code in _own(held)]


def _cited() -> dict[str, list[str]]:
    """Return every section of the method that the code cites, with the files that cite it."""
    found: dict[str, list[str]] = {}
    for path in SOURCES:
        for sections in CITATION.findall(path.read_text(encoding="utf-8")):
            for section in sections.split(", "):
                found.setdefault(section, []).append(path.relative_to(REPOSITORY).as_posix())
    return found


@pytest.mark.parametrize("flag", Flag, ids=str)
def test_every_flag_is_explained(flag: Flag) -> None:
    """The method has a row with each coded word of morphometry, its effect and its meaning, as the code has them."""
    row = f"| `{flag.value}` | {flag.effect.value.replace('_', ' ')} | {flag.meaning} |"

    assert row in METHOD.splitlines()


@pytest.mark.parametrize(
    "word", [*reasons.Reason, *reasons.Flag, *claims.Reason, *claims.Flag], ids=lambda word: f"{word.name}"
)
def test_every_reason_is_explained(word: str) -> None:
    """The method has a row with each reason and each flag of the masks, and with each reason of supplied points."""
    assert re.search(rf"^\| `{word}` \| (?:rejects|warns) \| \S", METHOD, re.MULTILINE)


@pytest.mark.parametrize("word", [*NotCompared, *Remark], ids=str)
def test_every_word_of_a_comparison_is_explained(word: str) -> None:
    """The method has a row with each reason why something is not compared, and with each remark."""
    assert re.search(rf"^\| `{word}` \| \S", METHOD, re.MULTILINE)


@pytest.mark.parametrize("code", OWN, ids=lambda code: str(code.value))
def test_every_private_code_is_listed(code: Code) -> None:
    """The report's page has each value of the private scheme beside its meaning."""
    assert f"| `{code.value}` | {code.meaning} |" in REPORT


def test_the_report_lists_no_other_private_code() -> None:
    """What the report's page names as a private value is one: none is left over from an earlier version."""
    listed = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)`", REPORT))

    assert listed == {code.value for code in OWN}


def test_every_cited_section_exists() -> None:
    """A section of the method that code or tests cite is a heading of the page, and there are such citations."""
    cited = _cited()

    assert cited
    assert {} == {section: files for section, files in cited.items() if section not in HEADINGS}


def test_the_page_heads_a_section_once() -> None:
    """A section number of the method names one section, so a citation is unambiguous."""
    headed = re.findall(rf"^#+ ({SECTION})\.? ", METHOD, re.MULTILINE)

    assert sorted(set(headed)) == sorted(headed)


@pytest.mark.parametrize("spelling", ["docs/morphometry 3.5, 4, 4b)", "docs/morphometry 3.5, 4, 4b, rows 0 and 1"])
def test_citations_are_read(spelling: str) -> None:
    """A citation may name several sections; rows and steps after them are none."""
    assert CITATION.findall(spelling) == ["3.5, 4, 4b"]


@pytest.mark.parametrize("page", ["morphometry.md", "report.md"])
def test_lines_fit_a_screen(page: str) -> None:
    """No line of these pages is longer than 140 characters."""
    lines = (REPOSITORY / "docs" / page).read_text(encoding="utf-8").splitlines()

    assert [] == [line for line in lines if len(line) > 140]

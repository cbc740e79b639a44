"""The documents say what the code does: every setting, command and metric is described."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from service import __version__
from service.config import Finder, Measure, Queue, Report, Storage, Study, Web
from service.config_alerts import Alerts
from service.config_peers import Archive, Destination, Node, Source
from service.config_rules import Rule

REPOSITORY = Path(__file__).resolve().parents[2]
SECTIONS: dict[str, type[BaseModel]] = {
    "[node]": Node,
    "[[sources]]": Source,
    "[sources.archive]": Archive,
    "[[rules]]": Rule,
    "[[destinations]]": Destination,
    "[study]": Study,
    "[storage]": Storage,
    "[queue]": Queue,
    "[finder]": Finder,
    "[measure]": Measure,
    "[report]": Report,
    "[web]": Web,
    "[alerts]": Alerts,
}


def _text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_documented(section: str) -> None:
    """docs/configuration.md has a row for each key of each section, and for no other key."""
    part = _text("docs/configuration.md").split(f"## {section}")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]

    assert set(SECTIONS[section].model_fields) == {key for row in rows for key in re.findall(r"`(\w+)`", row)}


def test_the_changelog_knows_this_version() -> None:
    """The newest entry of the changelog is the version of the code."""
    newest = re.search(r"^## (\S+)", _text("CHANGELOG.md"), re.MULTILINE)

    assert newest
    assert __version__ == newest[1]


def test_links_lead_somewhere() -> None:
    """Every relative link of a document leads to a file of the repository."""
    pages = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "benchmarks").glob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))]

    broken = [f"{page.name}: {link}" for page, link in links if "://" not in link and not (page.parent / link).exists()]

    assert [] == broken


def test_every_decision_is_listed() -> None:
    """The index of the decision records names each of them."""
    index = _text("docs/decisions/README.md")

    assert [] == [p.name for p in (REPOSITORY / "docs" / "decisions").glob("0*.md") if p.name not in index]

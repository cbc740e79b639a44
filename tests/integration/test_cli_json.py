"""What programs and shells get of the command line: JSON as its schema says, completion in a real bash."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from ledgers import claim, deliver, measure, migrated, new_report, settle, study_of
from report_samples import findings
from sqlalchemy import update
from typer.testing import CliRunner

from service.config import load
from service.ledger import Ledger
from service.ledger.engine import writing
from service.ledger.people import Role
from service.ledger.tables import revisions
from service.shapes.answers import SHAPES, adapter
from service.small_pacs import SmallPacs
from sr_templates.findings_json import to_json
from workers.cli import app


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """Give the ledger of the working directory's configuration: a small PACS, a reported study, one that failed."""
    monkeypatch.chdir(tmp_path)
    with SmallPacs(tmp_path / "pacs") as pacs:
        text = f'[[destinations]]\nname = "pacs"\nae_title = "SMALLPACS"\nhost = "127.0.0.1"\nport = {pacs.port}\n'
        (tmp_path / "spondyl.toml").write_text(text, encoding="utf-8")
        url = load(tmp_path / "spondyl.toml", {}).storage.ledger_url
        migrated(url)
        ledger = Ledger.open(url)
        deliver(ledger, measure(ledger, objects=[new_report("2.25.1")])[0])
        with writing(ledger.engine) as connection:
            connection.execute(update(revisions).values(findings=json.dumps(to_json(findings("patient")))))
        held = claim(ledger, settle(ledger, "1.9"))
        ledger.jobs.give_up(held, who="developers", why="broken", now=160.0)
        ledger.people.put("anna", Role.OPERATOR, now=1.0, password="scrypt")
        ledger.people.put("gateway", Role.SENDER, now=1.0, token="digest")
        for now in (1.0, 2.0):
            ledger.audit.note(actor="anna", address="::1", what="login", now=now)
        yield ledger
        ledger.close()


def _json(*words: str, expected: frozenset[int] = frozenset({0})) -> Any:
    shown = CliRunner().invoke(app, [*words, "--json"])
    assert shown.exit_code in expected, shown.output
    return json.loads(shown.stdout)


def _fits(document: Any) -> None:
    """Fail where a document is not what the schema that it names says, key by key."""
    name = document["schema"].removeprefix("spondyl.").removesuffix("/1")
    read = adapter(name).validate_json(json.dumps(document), strict=True)
    if is_dataclass(SHAPES[name]):
        assert json.loads(json.dumps(asdict(read))) == document


@pytest.mark.parametrize(
    "words",
    [
        ("studies",),
        ("studies", "1.2.3"),
        ("settle", "1.2.3"),
        ("retry", "1.9"),
        ("retry", "--state", "failed"),
        ("ignore", "1.9", "--why", "a test"),
        ("echo", "pacs"),
        ("user", "list"),
        ("audit",),
        ("version",),
        ("conformance",),
        ("conformance", "--worksheet"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("ledger")
def test_what_is_printed_is_what_the_schema_says(words: tuple[str, ...]) -> None:
    """Each document names its schema, and has its keys and no other."""
    _fits(_json(*words))


@pytest.mark.usefixtures("ledger")
def test_what_is_wrong_is_printed_so_too() -> None:
    """What doctor examined, and what somebody would be told of: no node runs here."""
    _fits(_json("doctor"))
    _fits(_json("alert", "list", expected=frozenset({1})))


@pytest.mark.usefixtures("ledger")
def test_the_trail_is_read_a_part_at_a_time() -> None:
    """`next` of one answer is what the next one comes before; the last has none."""
    first = _json("audit", "--limit", "1")
    second = _json("audit", "--before", str(first["next"]))

    assert ["1970-01-01T00:00:02Z"] == [each["at"][:19] + "Z" for each in first["entries"]]
    assert (["login"], None) == ([each["action"] for each in second["entries"]], second["next"])


def test_many_are_retried_by_state(ledger: Ledger) -> None:
    """What failed is tried again, what is reported is left alone; without a state, or with both, it is no command."""
    assert {"schema": "spondyl.retried/1", "asked": 1, "refused": 0, "left": 0} == _json("retry", "--state", "failed")
    assert ("queued", "reported") == (study_of(ledger, "1.9").state, study_of(ledger).state)
    for words in ([], ["1.9", "--state", "failed"], ["--reason", "broken"]):
        assert 2 == CliRunner().invoke(app, ["retry", *words]).exit_code


#: What is typed, and what is offered then.
TYPED = {
    "spondyl ref": set(),
    "spondyl se": {"settle", "send", "send-test", "serve"},
    "spondyl studies --state f": {"failed"},
    "spondyl echo p": {"pacs"},
    "spondyl schema fin": {"findings"},
}


@pytest.mark.usefixtures("ledger")
def test_bash_completes(tmp_path: Path) -> None:
    """A bash that has read what `--show-completion` prints offers commands, options' values, and names of the site."""
    bash = shutil.which("bash")
    assert bash
    script = ['eval "$(env _SPONDYL_COMPLETE=source_bash spondyl)"']
    for typed in TYPED:
        script += [
            f"COMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))",
            "_spondyl_completion spondyl",
            'echo "${COMPREPLY[@]}"',
        ]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    said = subprocess.run(
        [bash, "--norc", "-c", "\n".join(script)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=tmp_path,
    )

    assert list(TYPED.values()) == [set(line.split()) for line in said.stdout.splitlines()]

import itertools
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from service.config import Settings, load
from service.config_peers import Destination, Source, Tls
from service.config_rules import Rule

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "spondyl.sample.toml"
#: Keys without a default in the file: there is none, or it is that nothing is set. Any value may illustrate them.
ILLUSTRATED = {
    ("node", "tls"),
    ("web", "token_file"),
    ("finder", "model"),
    ("finder", "output_file"),
    ("alerts", "smtp_password_file"),
}


def _uncommented() -> str:
    """Return the sample with every setting in force: a setting follows its '#' at once, an explanation does not."""
    return re.sub(r"^#(?=[a-z\[])", "", SAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.fixture(scope="module")
def sample() -> dict[str, Any]:
    """Give the sample's settings as they stand there."""
    return tomllib.loads(_uncommented())


def _tables() -> dict[str, BaseModel]:
    return {name: value for name, value in Settings() if isinstance(value, BaseModel)}


def test_as_it_is_the_sample_sets_nothing() -> None:
    """A copied sample changes nothing: every setting in it is commented out."""
    assert {} == tomllib.loads(SAMPLE.read_text(encoding="utf-8"))


def test_with_everything_in_force_the_sample_is_valid(tmp_path: Path) -> None:
    """Taking every '#' away gives a configuration that loads."""
    file = tmp_path / "spondyl.toml"
    file.write_text(_uncommented(), encoding="utf-8")

    assert ("pacs", "pacs") == (load(file, {}).sources[0].name, load(file, {}).destinations[0].name)


def test_the_sample_has_every_section(sample: dict[str, Any]) -> None:
    """No section is missing from the sample, and it has no other."""
    assert set(Settings.model_fields) == set(sample)


@pytest.mark.parametrize("name", _tables())
def test_each_key_is_there_with_its_default(name: str, sample: dict[str, Any]) -> None:
    """The sample names every key of a section, and the value it shows is the default."""
    defaults = _tables()[name].model_dump(mode="json")
    defaults |= {"broker": "embedded"} if name == "queue" else {"ledger": ""} if name == "storage" else {}
    illustrated = {key for key in defaults if (name, key) in ILLUSTRATED}

    assert set(defaults) == set(sample[name])
    assert {k: v for k, v in defaults.items() if k not in illustrated} == {
        k: v for k, v in sample[name].items() if k not in illustrated
    }


@pytest.mark.parametrize(("section", "model"), [("sources", Source), ("rules", Rule), ("destinations", Destination)])
def test_each_key_of_a_list_is_there(section: str, model: type[BaseModel], sample: dict[str, Any]) -> None:
    """The sample's one source names every key, and so do its one rule and its one destination; defaults are shown."""
    shown = sample[section][0]
    defaults = {k: f.get_default() for k, f in model.model_fields.items() if not f.is_required() and f.get_default()}

    assert set(model.model_fields) == set(shown)
    assert {k: v for k, v in defaults.items() if k in {"send", "timeout_s"}} == {
        k: tuple(shown[k]) if isinstance(shown[k], list) else shown[k] for k in defaults if k in {"send", "timeout_s"}
    }


@pytest.mark.parametrize("section", ["node", "destinations"])
def test_tls_is_shown_in_full(section: str, sample: dict[str, Any]) -> None:
    """Where TLS is shown, all three files are named."""
    shown = sample[section]["tls"] if section == "node" else sample[section][0]["tls"]

    assert set(Tls.model_fields) == set(shown)


def test_every_setting_is_explained() -> None:
    """Above a setting stands an explanation, or a setting that shares it."""
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    bare = [
        line
        for above, line in itertools.pairwise(lines)
        if re.match(r"#[a-z_]+ = ", line) and not above.startswith("#")
    ]

    assert [] == bare

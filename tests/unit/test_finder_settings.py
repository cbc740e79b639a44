"""[finder]: what is refused, what a report owes to it."""

from threading import Event
from typing import Any

import pytest
from pydantic import ValidationError

from service.config import Settings
from service.config_digest import config_digest
from service.errors import Misconfigured
from service.finders import installed, require_finder, why_of
from service.supervisor import serve
from workers.app import work


def _settings(**finder: Any) -> Settings:
    return Settings.model_validate({"finder": {"name": "totalsegmentator", **finder}})


def test_two_finders_come_with_spondyl() -> None:
    """The adapters of this distribution are installed with it, by the names that the documents use."""
    assert {"onnx-keypoints", "totalsegmentator"} <= set(installed())


def test_an_unknown_finder_is_refused_by_name() -> None:
    """The message names what was asked for and what is installed; no finder at all is no error."""
    require_finder(Settings())
    require_finder(_settings())
    with pytest.raises(Misconfigured, match=r"no finder called 'other' is installed here; .*totalsegmentator"):
        require_finder(_settings(name="other"))


def test_a_worker_does_not_start_without_its_finder() -> None:
    """A worker whose finder is not installed could measure nothing without it: it says so and ends, alone or served."""
    with pytest.raises(Misconfigured, match="no finder called 'other'"):
        work(_settings(name="other"))
    with pytest.raises(Misconfigured, match="no finder called 'other'"):
        serve(_settings(name="other"), [], told=Event())


def test_a_finder_must_end_before_its_task_does() -> None:
    """A task lasts 1.25 times its finder, so that what the finder found can still be measured."""
    message = "queue.time_limit_s is 300, expected 500 or more, 1.25 times finder.time_limit_s"
    with pytest.raises(ValidationError, match=message):
        _settings(time_limit_s=400)
    assert 400 == Settings.model_validate({"finder": {"time_limit_s": 400}}).finder.time_limit_s


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"why": "a key is wrong:\n model.name"}, "a key is wrong:\n model.name"),
        ({"why": "\0\x1b[2J"}, "??[2J"),
        ({"why": "x" * 100_000}, "x" * 500),
        ({}, "it cannot be set up, and does not say why"),
    ],
)
def test_a_finders_own_words_can_be_shown_and_kept(said: dict[str, object], shown: str) -> None:
    """They go to the ledger, the log, the page and a terminal: a text of some lines, without control characters."""
    assert shown == why_of(said)


@pytest.mark.parametrize(
    "changed", [{"name": "onnx-keypoints"}, {"command": "x"}, {"model": "/m.onnx"}, {"options": ["--fast"]}]
)
def test_what_a_finder_is_told_gives_reports_a_new_identity(changed: dict[str, Any]) -> None:
    """Name, command, model and options are part of the configuration digest."""
    assert config_digest(_settings()) != config_digest(_settings(**changed))


@pytest.mark.parametrize("changed", [{"time_limit_s": 9}, {"memory_mb": 99}, {"output_file": "/x"}])
def test_limits_of_a_finder_change_no_report(changed: dict[str, Any]) -> None:
    """What does not change the points does not change the digest; nor does a finder that is not asked."""
    assert config_digest(_settings()) == config_digest(_settings(**changed))
    assert config_digest(Settings()) == config_digest(_settings(name="", command="x"))

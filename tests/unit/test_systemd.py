"""The unit for systemd: an unprivileged user, one folder to write in, time to finish what runs."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from service.config import Settings

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "systemd" / "spondyl@.service"


@pytest.fixture(scope="module")
def unit() -> configparser.SectionProxy:
    """Give the section [Service]."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as the documentation of configparser has it
    parser.read(UNIT, encoding="utf-8")
    return parser["Service"]


def test_it_runs_as_a_user_of_its_own(unit: configparser.SectionProxy) -> None:
    """No root, no capability, and none to be had from a program with a mode of its own."""
    assert unit["User"] == unit["Group"] == "spondyl"
    assert (unit["NoNewPrivileges"], unit["CapabilityBoundingSet"], unit["AmbientCapabilities"]) == ("yes", "", "")


def test_its_own_folder_alone_can_be_written(unit: configparser.SectionProxy) -> None:
    """The rest of the disk is read-only, what is written is private, and nothing is dumped from memory."""
    assert (unit["ProtectSystem"], unit["ProtectHome"], unit["PrivateTmp"]) == ("strict", "yes", "yes")
    assert (unit["StateDirectory"], unit["StateDirectoryMode"], unit["UMask"]) == ("spondyl", "0700", "0077")
    assert "ReadWritePaths" not in unit
    assert unit["LimitCORE"] == "0"


def test_no_secret_stands_in_it(unit: configparser.SectionProxy) -> None:
    """Unit files can be read by everybody, and so can the words of a command."""
    assert unit["EnvironmentFile"] == "-/etc/spondyl/environment"
    assert unit["ExecStart"] == "/opt/spondyl/bin/spondyl --config /etc/spondyl/spondyl.toml %i"
    assert not re.search(r"SPONDYL_", unit["Environment"])


def test_a_running_measurement_may_finish(unit: configparser.SectionProxy) -> None:
    """Longer than a task may take."""
    assert int(unit["TimeoutStopSec"]) > Settings().queue.time_limit_s


def test_systemd_finds_little_exposed() -> None:
    """By its own measure, 0 to 10: below 2 is what it calls OK."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    command = [program, "security", "--offline=true", "--threshold=20", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd-analyze is too old to look at a file")
    assert done.returncode == 0, done.stdout[-500:] + done.stderr

"""A real node whose clock goes back by an hour, twice: nobody waits for that hour, and nothing comes twice."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from nodes import SPONDYL, UNTRACED, Running, storescu, write_config
from pydicom import dcmread
from servers import StoreScp, listens, run_storescp, running, wait_until
from small_study import make_small_studies

#: Runs before anything else in each process of the node. libfaketime will not do: under it, Python's sleeps fail.
STEPPING: Final = """
import time
from pathlib import Path

real, hours = time.time, Path(__file__).with_name("hours")
time.time = lambda: real() - 3600.0 * float(hours.read_text())
"""
#: Long enough for a lease, a hold and everything that a loaded machine does; the hour is 40 times as long.
RECOVERY_S: Final = 90.0


@dataclass(frozen=True)
class Clock:
    """The clock of a node's processes, whatever measures durations apart."""

    folder: Path

    def set_back(self, hours: int) -> None:
        """Have it so many hours behind the machine's."""
        new = self.folder / "new"
        new.write_text(f"{hours}", encoding="utf-8")
        new.rename(self.folder / "hours")

    def environment(self) -> dict[str, str]:
        """Return the environment of processes that go by this clock."""
        self.folder.mkdir()
        self.set_back(0)
        (self.folder / "sitecustomize.py").write_text(STEPPING, encoding="utf-8")
        path = os.pathsep.join(filter(None, [str(self.folder), UNTRACED.get("PYTHONPATH")]))
        return {**UNTRACED, "PYTHONPATH": path}


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[StoreScp]:
    """Run a destination."""
    with run_storescp(tmp_path / "pacs") as scp:
        yield scp


def _reports(pacs: StoreScp) -> list[str]:
    found = [dcmread(path, stop_before_pixels=True) for path in pacs.files()]
    return sorted(str(each.StudyInstanceUID) for each in found if each.Modality == "SR")


def test_the_clock_goes_back(pacs: StoreScp, tmp_path: Path) -> None:
    """While a study is quiet, and while a job is held by a worker that dies: both are reported, once."""
    clock = Clock(tmp_path / "clock")
    (first, one), (second, two) = make_small_studies(tmp_path / "studies", 2, name="Clock^Back").items()
    node = write_config(tmp_path / "node", {"pacs": ("PACS", pacs.port)}, quiet_s=2.0)
    command = [*SPONDYL, "--config", str(node.config), "serve"]
    with running(command, node.folder / "node.log", cwd=node.folder, env=clock.environment()) as process:
        node.processes.append(process)
        wait_until(lambda: listens(node.port), "the node accepts associations")
        assert storescu([one], node.port).returncode == 0
        clock.set_back(1)
        wait_until(lambda: _reports(pacs) == [first], "the first is reported", seconds=RECOVERY_S, step=0.3)

        assert storescu([two], node.port).returncode == 0
        wait_until(lambda: _is_measured(node), "the second is measured", step=0.01)
        clock.set_back(2)
        assert node.kill("work")
        wait_until(lambda: len(_reports(pacs)) == 2, "the second is reported", seconds=RECOVERY_S, step=0.3)
        node.wait_for("reported", count=2)

    assert sorted([first, second]) == _reports(pacs)
    assert '"action": "clock_set_back"' in node.log


def _is_measured(node: Running) -> bool:
    return any(study.state == "measuring" for study in node.studies())

import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from ledgers import arrive
from nodes import SPONDYL
from small_study import make_study_of

from service.config_peers import Destination
from service.ledger import Ledger
from workers.demo import DemoFailed, _finished, wait_for_node


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the phantom's images without its masks: a study in which nothing can be measured."""
    return make_study_of("binary masks", tmp_path_factory.mktemp("phantom"), 0, name="Phantom^Demo", first=1)[1]


def _demo(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SPONDYL, "demo", *words], cwd=folder, capture_output=True, text=True, check=False)


def test_a_study_that_cannot_be_analysed_is_told(images: Path, tmp_path: Path) -> None:
    """The demo of a study without landmarks exits 1 with the coded reason and no number, and keeps its log."""
    shown = _demo(tmp_path, str(images), "--keep", "kept")

    assert (1, True) == (shown.returncode, "not analysable: NO_LANDMARKS" in shown.stdout), shown.stderr
    assert f"log: {tmp_path / 'kept' / 'node.log'}" in shown.stderr
    assert (tmp_path / "kept" / "node.log").stat().st_size > 0
    assert "report:" not in shown.stdout


def test_a_study_that_takes_too_long_is_said_with_its_state(sqlite_url: str) -> None:
    """Beyond its patience the demo waits no longer, and names the state of the study."""
    with closing(Ledger.open(sqlite_url)) as ledger:
        arrive(ledger)
        with pytest.raises(DemoFailed, match=r"^not done after 0\.1 s: receiving$"):
            _finished(ledger, 0.1)


@pytest.mark.long
def test_a_demo_that_takes_too_long_says_how_far_it_came(images: Path, tmp_path: Path) -> None:
    """Beyond its patience the demo stops its node, exits 1, and says in which state the study was."""
    shown = _demo(tmp_path, str(images), "--keep", "kept", "--patience", "1")

    assert (1, "") == (shown.returncode, shown.stdout)
    assert "error: not done after 1 s: " in shown.stderr


def test_a_node_that_does_not_start_is_noticed() -> None:
    """A node that ends at once ends the wait for it."""
    nobody = Destination(name="node", ae_title="SPONDYL", host="127.0.0.1", port=1)
    with subprocess.Popen(["false"]) as process:
        process.wait()
        with pytest.raises(DemoFailed, match="ended at once, with exit code 1"):
            wait_for_node(nobody, process)

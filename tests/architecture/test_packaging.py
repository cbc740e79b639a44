"""The wheel: what is in it, and that it runs away from the checkout."""

import importlib.metadata
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("service", "workers", "sr_templates")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(REPOSITORY)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment of its own, which borrows the dependencies of ours; give its bin folder."""
    home = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    own = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    # A path line only: the .pth files in there, our editable install among them, are not followed.
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--ignore-installed", str(wheel)], check=True, capture_output=True)
    return home / "bin"


def _run(installed: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV"))}
    return subprocess.run(
        [str(installed / "python"), "-P", "-m", "workers", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_wheel_holds_our_packages_only(wheel: Path) -> None:
    """The wheel has three top-level packages and its metadata, nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}

    assert {*PACKAGES} == {name for name in top if not name.endswith(".dist-info")}


def test_the_wheel_holds_what_is_no_python(wheel: Path) -> None:
    """Migrations, templates, style sheet, tables of codes and type markers travel in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()

    assert any(name.startswith("service/ledger/migrations/versions/") for name in names)
    assert any(name.startswith("service/web/") and name.endswith(".html") for name in names)
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert {"sr_templates/published/codes.json", "sr_templates/published/CodeSystem-99SPONDYL.json"} <= set(names)


def test_each_package_has_one_owner(installed: Path, tmp_path: Path) -> None:
    """No other distribution that we install has files in service, workers or sr_templates."""
    ask = "import importlib.metadata, json; print(json.dumps(importlib.metadata.packages_distributions()))"
    command = [str(installed / "python"), "-P", "-c", ask]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    owners = json.loads(answer.stdout)

    assert {package: {"spondyl"} for package in PACKAGES} == {package: set(owners[package]) for package in PACKAGES}


def test_the_wheel_runs_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    """Installed and away from the checkout, the command says its version, and the code is the wheel's."""
    answer = _run(installed, tmp_path, "version")
    place = subprocess.run(
        [str(installed / "python"), "-P", "-c", "import service; print(service.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert (0, importlib.metadata.version("spondyl")) == (answer.returncode, answer.stdout.strip().split()[-1]), answer
    assert Path(place.stdout.strip()).is_relative_to(installed.parent)


def test_the_installed_wheel_migrates_a_ledger(installed: Path, tmp_path: Path) -> None:
    """The migrations are found from the installed wheel."""
    answer = _run(installed, tmp_path, "migrate")

    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "spondyl-data" / "ledger.sqlite").is_file()

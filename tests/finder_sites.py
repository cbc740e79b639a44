"""How a test installs finders, and the settings that name them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.config import Settings


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, names: dict[str, str], *paths: Path) -> None:
    """Make a distribution with these entry points, visible to this process and to those that it starts."""
    site = folder / "site"
    metadata = site / "sample_finders-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sample-finders\nVersion: 1\n", encoding="utf-8")
    lines = ["[spondyl.landmark_finders]", *(f"{name} = {where}" for name, where in names.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (site, *paths))))


def settings(root: Path, **finder: Any) -> Settings:
    """Return settings with this finder, its folder of state in `root`."""
    return Settings.model_validate({"storage": {"root": str(root)}, "finder": finder})


@contextmanager
def executable(path: Path, text: str) -> Iterator[Path]:
    """Give an executable file of this text."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    yield path

"""Flower over our queue: an extra for developers."""

import subprocess
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from nodes import SPONDYL, UNTRACED
from servers import free_port, wait_until
from typer.testing import CliRunner

from workers.cli import app


def test_without_it_it_is_said_how_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3, and what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    shown = CliRunner().invoke(app, ["flower"])

    assert 3 == shown.exit_code
    assert "spondyl[flower]" in shown.output


@pytest.mark.skipif(find_spec("flower") is None, reason="pip install 'spondyl[flower]'")
def test_it_shows_our_queue(tmp_path: Path, valkey: str) -> None:
    """It speaks to the broker of the configuration, on this machine alone, and answers."""
    port = free_port()
    (tmp_path / "spondyl.toml").write_text(f'[queue]\nbroker = "{valkey}"\n', encoding="utf-8")
    command = [*SPONDYL, "--config", str(tmp_path / "spondyl.toml"), "flower", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path, env=UNTRACED)
    try:
        wait_until(lambda: _answers(port), "Flower answers")
        assert {"data": []} == httpx.get(f"http://127.0.0.1:{port}/workers?json=1").json()
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthcheck").is_success
    except httpx.TransportError:
        return False

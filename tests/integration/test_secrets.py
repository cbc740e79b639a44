"""Secrets come from files or the environment, and nothing shows them: no command, log, error or list of processes."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from nodes import SPONDYL
from servers import free_port, running, wait_until
from typer.testing import CliRunner

from workers.cli import app

#: In the password of each URL and file.
PLANTED = "hunter2-planted"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a configuration whose servers are all away, with secrets in files."""
    folder = tmp_path_factory.mktemp("secrets")
    for name in ("token", "smtp", "pacs"):
        (folder / name).write_text(PLANTED, encoding="ascii")
    lines = [
        f"[node]\nport = {free_port()}",
        f'[web]\nport = {free_port()}\ntoken_file = "token"',
        '[storage]\nroot = "state"\nmin_free_gb = 0.01',
        f'[[destinations]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = {free_port()}',
        f'proof = "qido"\ndicomweb_url = "http://127.0.0.1:{free_port()}/d"\nuser = "u"\nsecret_file = "pacs"',
        "timeout_s = 1",
        '[alerts]\nmail_to = ["a@example.org"]\nmail_from = "b@example.org"',
        f'smtp_port = {free_port()}\nsmtp_user = "u"\nsmtp_security = "tls"\nsmtp_password_file = "smtp"',
    ]
    path = folder / "spondyl.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Give the passwords of broker and ledger by environment; nobody answers at either."""
    return {
        **os.environ,
        "SPONDYL_QUEUE__BROKER": f"redis://:{PLANTED}@127.0.0.1:{free_port()}/0",
        "SPONDYL_ALERTS__WEBHOOK": f"http://127.0.0.1:{free_port()}/{PLANTED}",
        "SPONDYL_STORAGE__LEDGER": f"postgresql://spondyl:{PLANTED}@127.0.0.1:{free_port()}/spondyl",
    }


@pytest.mark.parametrize(
    "command",
    [("config", "show"), ("doctor",), ("studies",), ("listen",), ("echo", "pacs"), ("conformance",), ("alert", "test")],
    ids=" ".join,
)
def test_no_command_says_a_secret(config: Path, environment: dict[str, str], command: tuple[str, ...]) -> None:
    """Whatever is asked, and although ledger, broker and destination do not answer."""
    done = CliRunner().invoke(app, ["--config", str(config), *command], env=environment)
    said = done.output + repr(done.exception)
    assert len(said) > len("None")
    assert PLANTED not in said


def test_no_list_of_processes_shows_one(config: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """A worker that looks for its broker has names and files among its words, no password; nor has its log."""
    local = environment | {"SPONDYL_STORAGE__LEDGER": ""}
    subprocess.run([*SPONDYL, "--config", str(config), "migrate"], env=local, check=True, timeout=60)
    log = tmp_path / "work.log"
    with running([*SPONDYL, "--config", str(config), "work"], log, env=local) as worker:
        wait_until(lambda: "broker_missing" in log.read_text("utf-8"), "it waits for its broker")
        top = psutil.Process(worker.pid)
        words = [" ".join(each.cmdline()) for each in [top, *top.children(recursive=True)]]
    assert PLANTED not in log.read_text("utf-8")
    assert words
    assert PLANTED not in " ".join(words)
    assert sys.executable in words[0]

"""The whole node as a user without rights, on a machine of which it may write its own folder and nothing else."""

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from nodes import SPONDYL, UNTRACED, Running, write_config
from raw_caller import calling_raw, ct_object, new_uid
from servers import listens, program, running, wait_until

#: Debian's nobody.
USER = 65534
REPOSITORY = Path(__file__).resolve().parents[2]
TOKEN = "planted-token-5d1f"

#: Arguments: the node's folder, what must be reached, a folder above that which is closed to others, the command.
SCRIPT = """
set -eu
mount --make-rprivate /
node="$1"; needed="$2"; closed="$3"; shift 3
mount --bind "$node" "$node"
if [ -n "$closed" ]; then
    aside="$node/aside"; mkdir "$aside"
    mount --bind "$needed" "$aside"
    mount -t tmpfs -o mode=755 none "$closed"
    mkdir -p "$needed"
    mount --bind "$aside" "$needed"
    umount "$aside"; rmdir "$aside"
    mount -o remount,ro "$closed"
fi
while read -r _ place kind _; do
    case "$kind" in proc|sysfs|cgroup*) continue ;; esac
    # One that lies under another, or is not ours to change, stays: the test looks for what can be written.
    [ "$place" = "$node" ] || mount -o remount,bind,ro "$place" 2>/dev/null || true
done </proc/self/mounts
# Celery's semaphores need a place: memory of the node's own, as a container has it.
mount -t tmpfs -o mode=1777,size=1m none /dev/shm
cd "$node"
exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


def _closed_above(path: Path) -> str:
    """Return the topmost folder above a path that others may not walk through, "" where there is none."""
    return next((str(each) for each in reversed(path.parents) if not each.stat().st_mode & stat.S_IXOTH), "")


def _refuse(reason: str) -> None:
    pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture(scope="module")
def node() -> Iterator[Running]:
    """Run `spondyl serve`."""
    if os.geteuid() != 0:
        _refuse("only root can take its rights away and keep a folder")
    tried = subprocess.run([program("unshare"), "-m", "true"], capture_output=True, check=False)
    if tried.returncode:
        _refuse(f"no mounts of our own: {tried.stderr.decode().strip()}")
    folder = Path(tempfile.mkdtemp(prefix="spondyl-unprivileged-"))
    try:
        configured = write_config(folder / "node", {})
        (configured.folder / "token").write_text(TOKEN, encoding="ascii")
        text = configured.config.read_text(encoding="utf-8").replace("[web]\n", '[web]\ntoken_file = "token"\n')
        configured.config.write_text(text, encoding="utf-8")
        for path in (folder, configured.folder, *configured.folder.iterdir()):
            os.chown(path, USER, USER)
            path.chmod(0o700 if path.is_dir() else 0o600)
        base = Path(sys.base_prefix).resolve()
        command = [program("unshare"), "-m", "sh", "-c", SCRIPT, "sh", str(configured.folder), str(base)]
        command += [_closed_above(base), *SPONDYL, "--config", str(configured.config), "serve"]
        environment = {**UNTRACED, "HOME": str(configured.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        with running(command, folder / "node.log", cwd=configured.folder, env=environment) as started:
            configured.processes.append(started)
            wait_until(lambda: listens(configured.port) or started.poll() is not None, "it listens or has ended")
            assert started.poll() is None, (folder / "node.log").read_text(encoding="utf-8")[-3000:]
            wait_until(lambda: listens(configured.web), "the page answers")
            yield configured
    finally:
        shutil.rmtree(folder)


def family(node: Running) -> list[psutil.Process]:
    """Return all processes of the node."""
    top = psutil.Process(node.processes[0].pid)
    return [top, *top.children(recursive=True)]


def test_it_receives_and_measures(node: Running) -> None:
    """An object is acknowledged, its study goes through the queue and a worker to its end; the page answers."""
    with calling_raw(node.port) as caller:
        instance = new_uid()
        assert caller.store(instance, ct_object(instance)) == 0x0000
    node.wait_for("not_analysable", "failed", seconds=60)
    assert [study.state for study in node.studies()] == ["not_analysable"]
    assert node.get("/healthz")[0] == 200


def test_no_process_has_rights(node: Running) -> None:
    """Every one of them, the broker too: no root, no capability, none to be gained."""
    for each in family(node):
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{each.pid}/status").read_text("utf-8").splitlines()
            if ":\t" in line
        )
        assert status["Uid"].split() == status["Gid"].split() == [str(USER)] * 4
        assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert (status["NoNewPrivs"], status["Groups"].strip()) == ("1", "")


def test_nothing_else_can_be_written(node: Running) -> None:
    """No file system takes a file of its user but that of its folder, and memory that goes with it and holds none."""
    top = node.processes[0].pid
    mounts = {
        line.split()[1]: line.split()[2:4] for line in Path(f"/proc/{top}/mounts").read_text("utf-8").splitlines()
    }
    assert mounts["/"][1].startswith("ro")
    # What the kernel shows of itself in /proc and /sys holds no file of anybody's.
    kept = {place: flags for place, (kind, flags) in mounts.items() if kind not in {"proc", "sysfs"}}
    looked_at = [place for place, flags in kept.items() if not flags.startswith("ro")]
    as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    find = ["find", *looked_at, "-xdev", "(", "-type", "d", "-o", "-type", "f", ")", "-writable"]
    command = [program("nsenter"), f"--mount=/proc/{top}/ns/mnt", *as_user, *find]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    assert {str(node.folder), "/dev/shm"} == {path for path in found if not path.startswith(f"{node.folder}/")}  # noqa: S108 - looked at


def test_all_that_it_keeps_is_private(node: Running) -> None:
    """Spool, ledger, counts, queue, sockets: no bit for group or others."""
    with calling_raw(node.port) as caller:
        instance = new_uid()
        assert caller.store(instance, ct_object(instance)) == 0x0000
    found = list((node.folder / "state").rglob("*"))
    assert {".sqlite", ".dcm"} <= {path.suffix for path in found}
    assert [] == [str(path) for path in found if path.lstat().st_mode & 0o077]
    sockets = [path for path in _opened(node) if path.exists() and stat.S_ISSOCK(path.stat().st_mode)]
    assert sockets
    for path in sockets:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def _opened(node: Running) -> set[Path]:
    """Return the Unix sockets that the node's processes listen on."""
    found = set()
    for each in family(node):
        with contextlib.suppress(psutil.Error):
            found |= {Path(str(one.laddr)) for one in each.net_connections("unix") if str(one.laddr)}
    return found


def test_no_secret_is_shown(node: Running) -> None:
    """The token that the page asks for is in no list of processes, no log and no page."""
    said = [" ".join(each.cmdline()) for each in family(node)]
    said += [node.get(path)[1] for path in ("/healthz", "/readyz", "/metrics", "/configuration", "/")]
    said += [(node.folder.parent / "node.log").read_text(encoding="utf-8", errors="replace")]
    assert [] == [text for text in said if TOKEN in text]

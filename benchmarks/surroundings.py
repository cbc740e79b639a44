"""What a figure was measured in: the line that every benchmark with peers begins with."""

import os
import platform
import re
import signal
import subprocess
import sys
from importlib.metadata import version

from servers import program

#: What says its version where, as its first number with dots.
_PEERS = {"dcmtk": ("storescu", "--version"), "Orthanc": ("Orthanc", "--version")}


def stop_in_order() -> None:
    """Have SIGTERM (a time limit) end the servers that a benchmark has started, too."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


def say(what: str) -> None:
    """Print `what`, how busy the machine is, who takes part in which version, and that Nagle's algorithm is off."""
    peers = ", ".join(f"{name} {_version(*command)}" for name, command in _PEERS.items())
    ours = ", ".join(f"{name} {version(name)}" for name in ("spondyl", "pynetdicom", "celery"))
    machine = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{what}; {machine}; {ours}; {peers}; TCP_NODELAY=1 everywhere", flush=True)


def _version(name: str, option: str) -> str:
    said = subprocess.run([program(name), option], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
    return found[0] if found else "of unknown version"

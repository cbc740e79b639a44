"""Finders that do what a finder can do, well or badly.

Each is imported by a process of its own, many times a run: nothing here imports what a finder has no use for.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from typing import Final

from workers.finders.protocol import CannotRun, FinderAnswer, FinderSetup, FinderTask, LandmarkFinder, NothingFound

CT: Final = "1.2.840.10008.5.1.4.1.1.2"
#: What no log may hold.
PATIENT: Final = "Planted^Patient"


class Finder:
    """What all of them have in common: they look at CT, and keep what they are told."""

    sop_classes: Collection[str] = frozenset({CT})

    def __init__(self, setup: FinderSetup) -> None:
        """Keep the setup."""
        self.setup = setup


class Tells(Finder):
    """Answers with the document that the model file is."""

    def find(self, task: FinderTask) -> FinderAnswer:
        """Read it."""
        assert task.images
        assert self.setup.model
        return FinderAnswer(said="Tells 7", landmarks=self.setup.model.read_bytes())


class Shows(Finder):
    """Answers with a copy of the model file as an object."""

    def find(self, task: FinderTask) -> FinderAnswer:
        """Copy it."""
        assert self.setup.model
        copy = task.scratch / "object.dcm"
        copy.write_bytes(self.setup.model.read_bytes())
        return FinderAnswer(said="Shows 7", objects=(copy,))


class Points(Finder):
    """Answers with the model file itself, which lies outside of the scratch folder."""

    def find(self, task: FinderTask) -> FinderAnswer:
        """Name it."""
        assert task.images
        assert self.setup.model
        return FinderAnswer(said="Points 7", objects=(self.setup.model,))


class Sleeps(Finder):
    """Takes its time, after it has written its process number to the model file where there is one."""

    def find(self, task: FinderTask) -> FinderAnswer:
        """Sleep."""
        assert task.images
        if self.setup.model:
            self.setup.model.write_text(str(os.getpid()), encoding="ascii")
        time.sleep(60)
        raise NothingFound


class Eats(Finder):
    """Holds more and more memory, in a process that it started, up to 1.5 GB."""

    def find(self, task: FinderTask) -> FinderAnswer:
        """Eat."""
        assert task.images
        eat = "import time\nheld = [b'x' * (1 << 25) for _ in range(45)]\ntime.sleep(60)"
        subprocess.run([sys.executable, "-c", eat], check=False)
        raise NothingFound


class Crashes(Finder):
    """Ends with an error that quotes a patient."""

    def find(self, task: FinderTask) -> FinderAnswer:
        """Crash."""
        raise ValueError(f"{PATIENT}: {len(task.images)} images")


class KillsItself(Finder):
    """Ends by a signal, as a program that the kernel kills."""

    def find(self, task: FinderTask) -> FinderAnswer:
        """Kill."""
        assert task.images
        os.kill(os.getpid(), signal.SIGKILL)
        raise NothingFound


class Prints(Finder):
    """Says the patient's name wherever it can, and finds nothing."""

    def find(self, task: FinderTask) -> FinderAnswer:
        """Print."""
        sys.stdout.write(f"{PATIENT} {len(task.images)}\n")
        sys.stderr.write(f"{PATIENT}\n")
        raise NothingFound


class Leaves(Finder):
    """Leaves a program behind, in a session of its own, whose process number it writes to the model file."""

    def find(self, task: FinderTask) -> FinderAnswer:
        """Leave."""
        assert task.images
        left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
        assert self.setup.model
        self.setup.model.write_text(str(left.pid), encoding="ascii")
        raise NothingFound


class Vanishes(Finder):
    """Ends at once, as if all were well, without an answer."""

    def find(self, task: FinderTask) -> FinderAnswer:
        """Vanish."""
        os._exit(len(task.images) * 0)


class Scribbles(Finder):
    """Writes an answer of its own making, the model file, past the protocol."""

    def find(self, task: FinderTask) -> FinderAnswer:
        """Scribble."""
        assert self.setup.model
        (task.scratch.parent / "answer.json").write_bytes(self.setup.model.read_bytes())
        os._exit(0)


class Orphaned(Finder):
    """Loses whoever keeps it to its limits, and goes on, after it has written its process number to the model file."""

    def find(self, task: FinderTask) -> FinderAnswer:
        """Kill its parent."""
        assert task.images
        assert self.setup.model
        self.setup.model.write_text(str(os.getpid()), encoding="ascii")
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
        raise NothingFound


def is_not_ready(setup: FinderSetup) -> LandmarkFinder:
    """Never give a finder: something is missing."""
    raise CannotRun(f"expected a licence, found {len(setup.options)}")


def lists_settings(_setup: FinderSetup) -> LandmarkFinder:
    """Never give a finder, and say which of our settings the environment holds."""
    raise CannotRun(f"settings: {[name for name in os.environ if name.startswith('SPONDYL_')]}")


class Environment(Finder):
    """Writes its environment to the model file, and finds nothing."""

    def find(self, task: FinderTask) -> FinderAnswer:
        """Write."""
        assert self.setup.model
        self.setup.model.write_text(json.dumps(dict(os.environ) | {"scratch": str(task.scratch)}), encoding="utf-8")
        (task.scratch / "left").write_text("behind", encoding="ascii")
        raise NothingFound


#: Name of the finder to what it is; a module that is not there is one, too.
NAMES: Final = {
    **{one.__name__.lower(): f"sample_finders:{one.__name__}" for one in Finder.__subclasses__()},
    "not-ready": "sample_finders:is_not_ready",
    "lists-settings": "sample_finders:lists_settings",
    "not-there": "no_such_module:Finder",
}

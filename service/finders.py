"""Which landmark finders are installed, by name alone: nothing of them is imported here.

A finder is an entry point of one group; it runs in a process of its own, which the worker starts.
"""

import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Final

from service.errors import Misconfigured

if TYPE_CHECKING:
    # A finder's process imports this module, and has no use for the configuration's.
    from service.config import Finder, Settings

#: The group of entry points (Python packaging specification, "Entry points"); permanent.
GROUP: Final = "spondyl.landmark_finders"
#: Started with the Python of this node, in an empty folder, with a task on its standard input.
MODULE: Final = "workers.finders.child"
#: What it writes into that folder.
ANSWER: Final = "answer.json"
#: Not for a finder: our own configuration, passwords among it.
_OURS: Final = "SPONDYL_"
#: Characters of the words in which it says that it cannot run.
_LONGEST_WHY: Final = 500


def installed() -> list[str]:
    """Return the names of the finders of this Python environment, each once."""
    return sorted(entry_points(group=GROUP).names)


def require_finder(settings: "Settings") -> None:
    """Raise Misconfigured where a finder is configured that is not installed here."""
    name = settings.finder.name
    if name and name not in (known := installed()):
        raise Misconfigured(f"finder.name: no finder called {name!r} is installed here; installed: {', '.join(known)}")


def setup_of(finder: "Finder") -> dict[str, object]:
    """Return what a finder's process is told of the configuration: the part of a task that no study changes."""
    return {
        "finder": finder.name,
        "command": finder.command,
        "model": None if finder.model is None else str(finder.model.absolute()),
        "options": list(finder.options),
    }


def environment(folder: Path) -> dict[str, str]:
    """Return this process's environment without our settings, with working files in `folder`, which is removed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return kept | {"TMPDIR": str(folder), "PYTHONHASHSEED": "0"}


def why_of(answer: Mapping[str, object]) -> str:
    """Return why a finder cannot run: its own words, where it has any, as far as they can be shown and kept."""
    said = str(answer.get("why") or "it cannot be set up, and does not say why")[:_LONGEST_WHY]
    return "".join(character if character.isprintable() or character == "\n" else "?" for character in said)

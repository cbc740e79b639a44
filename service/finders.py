"""Which landmark finders are installed, by name alone: nothing of them is imported here.

A finder is an entry point of one group; it runs in a process of its own, which the worker starts.
"""

from importlib.metadata import entry_points
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

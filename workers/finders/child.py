"""The process of a finder: the task on standard input, what came of it in answer.json of the working directory.

What the finder raises is not caught: its text may quote a patient's data, so it ends this process, and the worker
hears an exit code.
"""

import contextlib
import json
import sys
from collections.abc import Collection, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from service.finders import ANSWER, GROUP
from workers.finders.protocol import (
    CannotRun,
    FinderAnswer,
    FinderSetup,
    FinderTask,
    LandmarkFinder,
    NoSuitableImage,
    NothingFound,
)

LANDMARKS: Final = "landmarks.json"
#: Range of Linux: the first to go where the machine runs out of memory (proc(5), oom_score_adj).
_FIRST_TO_GO: Final = "1000"


def main() -> None:
    """Do the task."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
    (Path.cwd() / ANSWER).write_text(json.dumps(answer_to(json.load(sys.stdin), Path.cwd())), encoding="utf-8")


def answer_to(task: Mapping[str, Any], folder: Path) -> dict[str, object]:
    """Return what came of the task, as plain values; files lie in `folder`, named relative to it."""
    try:
        finder = load(task["finder"], _setup(task))
        images = _images(task["images"], finder.sop_classes)
        scratch = folder / "scratch"
        scratch.mkdir()
        answer = finder.find(FinderTask(study_instance_uid=task["study_instance_uid"], images=images, scratch=scratch))
    except CannotRun as error:
        return {"status": "cannot_run", "why": str(error)}
    except NoSuitableImage:
        return {"status": "no_image"}
    except NothingFound:
        return {"status": "nothing"}
    return _written(answer, folder)


def load(name: str, setup: FinderSetup) -> LandmarkFinder:
    """Return the installed finder of this name, set up; raises CannotRun."""
    named = entry_points(group=GROUP, name=name)
    if len(named) != 1:
        raise CannotRun(f"finder.name: expected one finder called {name!r} to be installed, found {len(named)}")
    (entry,) = named
    try:
        factory = entry.load()
    except (ImportError, AttributeError) as error:
        raise CannotRun(f"finder.name: {entry.value} cannot be imported: {error}") from error
    finder: LandmarkFinder = factory(setup)
    return finder


def _setup(task: Mapping[str, Any]) -> FinderSetup:
    model = task["model"]
    return FinderSetup(
        command=task["command"], model=None if model is None else Path(model), options=tuple(task["options"])
    )


def _images(images: Collection[Mapping[str, str]], sop_classes: Collection[str]) -> tuple[Path, ...]:
    suitable = tuple(Path(image["path"]) for image in images if image["sop_class_uid"] in sop_classes)
    if not suitable:
        raise NoSuitableImage
    return suitable


def _written(answer: FinderAnswer, folder: Path) -> dict[str, object]:
    """Write the document where there is one; an object outside of `folder` has a name that the worker refuses."""
    if answer.landmarks is not None:
        (folder / LANDMARKS).write_bytes(answer.landmarks)
    return {
        "status": "found",
        "said": answer.said,
        "landmarks": None if answer.landmarks is None else LANDMARKS,
        "objects": [str(path) for path in answer.objects],
    }


if __name__ == "__main__":
    main()

"""One run of the configured finder: started under its limits, and its answer read as that of a stranger."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from service.config import Finder
from service.errors import Misconfigured
from service.finders import ANSWER, MODULE, environment, setup_of, why_of
from service.logs import log
from workers.finders.protocol import FinderAnswer
from workers.finders.reasons import FinderReason
from workers.memory import limit_of_the_site

_LIMITER: Final = Path(__file__).with_name("limiter.py")
_BYTES_A_MB: Final = 1 << 20
#: How much longer than the finder its limiter may take: to start, and to wait for what it killed; seconds.
_LIMITERS_OWN_S: Final = 20.0
#: Largest answer: a document of a whole spine has a few kilobytes.
_LONGEST_BYTES: Final = 4 << 20
_BY_LIMIT: Final = {"time": FinderReason.TIMED_OUT, "memory": FinderReason.OUT_OF_MEMORY}
_BY_STATUS: Final = {"nothing": FinderReason.FOUND_NOTHING, "no_image": FinderReason.HAS_NO_IMAGE}


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of the study, as a finder is offered it."""

    path: Path
    sop_class_uid: str


def run(
    finder: Finder, folder: Path, *, study: str, study_instance_uid: str, images: Sequence[Image]
) -> FinderAnswer | FinderReason:
    """Run the finder on `images` in the empty `folder`; return its answer, whose files lie there, or why there is none.

    `study` is the key that may be logged. Raises Misconfigured where the finder cannot be set up.
    """
    if sys.platform != "linux":
        raise Misconfigured("finder.name: a finder needs Linux, which can hold it to its limits")
    task = setup_of(finder) | {
        "study_instance_uid": study_instance_uid,
        "images": [{"path": str(image.path.absolute()), "sop_class_uid": image.sop_class_uid} for image in images],
    }
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    (folder / "tmp").mkdir()
    ended, code = _limited(finder, folder)
    answer = _answer(folder) if (ended, code) == ("exit", 0) else _BY_LIMIT.get(ended, FinderReason.FAILED)
    said = {"exit_code": code} if ended == "exit" else {"signal": code} if ended == "signal" else {}
    reason = answer.value if isinstance(answer, FinderReason) else None
    log.info("finder ended", action="finder_ended", study=study, reason=reason, **said)
    return answer


def _limited(finder: Finder, folder: Path) -> tuple[str, int]:
    """Run the finder's process under its limiter; return how it ended, and the exit code or signal."""
    limits = (finder.time_limit_s, finder.memory_mb * _BYTES_A_MB, limit_of_the_site())
    limiter_of = [sys.executable, "-I", "-S", str(_LIMITER), str(os.getpid()), *map(str, limits)]
    command = [*limiter_of, sys.executable, "-P", "-m", MODULE]
    with (
        (folder / "task.json").open("rb") as task,
        _output(finder.output_file) as output,
        subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=task,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd=folder,
            env=environment(folder / "tmp"),
            start_new_session=True,
        ) as limiter,
    ):
        try:
            said, _ = limiter.communicate(timeout=finder.time_limit_s + _LIMITERS_OWN_S)
            how = json.loads(said)
        except subprocess.TimeoutExpired:
            return "time", 0
        except ValueError:  # it said nothing: somebody killed it
            return "signal", abs(limiter.returncode)
        finally:
            _end(limiter)
    return str(how["ended"]), int(how["code"])


def _end(limiter: subprocess.Popen[bytes]) -> None:
    """End the limiter, which ends all that it keeps; where it was killed, what is left in its session."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        limiter.terminate()
        limiter.wait(_LIMITERS_OWN_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(limiter.pid, signal.SIGKILL)
    limiter.wait()


@contextmanager
def _output(file: Path | None) -> Iterator[int]:
    """Give what the finder may print to: nothing, or the file of that name, emptied; Misconfigured where it cannot."""
    flags = os.O_WRONLY if file is None else os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    try:
        descriptor = os.open(file or os.devnull, flags, stat.S_IRUSR | stat.S_IWUSR)
    except OSError as error:
        raise Misconfigured(f"finder.output_file: cannot be written: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _answer(folder: Path) -> FinderAnswer | FinderReason:
    """Read what the process wrote; raises Misconfigured where it says that it could not be set up."""
    try:
        found = json.loads(_bytes(folder, ANSWER))
        if found["status"] == "cannot_run":
            raise Misconfigured(why_of(found))
        return _BY_STATUS[found["status"]] if found["status"] in _BY_STATUS else _found(found, folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return FinderReason.ANSWER_UNUSABLE


def _found(found: dict[str, Any], folder: Path) -> FinderAnswer:
    """Return an answer whose files are there; raises one of many errors where it is none."""
    return FinderAnswer(
        said=found["said"],
        landmarks=None if found["landmarks"] is None else _bytes(folder, found["landmarks"]),
        objects=tuple(_inside(folder, name) for name in found["objects"]),
    )


def _bytes(folder: Path, name: str) -> bytes:
    path = _inside(folder, name)
    if path.stat().st_size > _LONGEST_BYTES:
        raise ValueError("an answer that long is none")
    return path.read_bytes()


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not (path.is_relative_to(folder) and path.is_file()):
        raise ValueError("expected a file in the folder of this run")
    return path

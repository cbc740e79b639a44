"""The image model of the site: is its finder installed, and can it be set up."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from service.checks.check import Check, bad, good
from service.config import Settings
from service.finders import ANSWER, MODULE, environment, require_finder, setup_of, why_of

#: Longest time in which a model may load, seconds.
_TIMEOUT_S: Final = 60.0
_REMEDY: Final = "see [finder]; set finder.output_file and measure a study to see what it prints"


def finder(settings: Settings) -> Iterator[Check]:
    """Have the finder set up, in a process of its own, for a study without images; nothing where there is none."""
    if not settings.finder.name:
        return
    require_finder(settings)
    name = f"finder {settings.finder.name}"
    answer = _answer(settings)
    if answer.get("status") == "no_image":
        yield good(name, "installed, can be set up")
    else:
        yield bad(name, why_of(answer), _REMEDY)


def _answer(settings: Settings) -> dict[str, object]:
    """Return what the finder's process says; {} where it dies or takes too long."""
    task = setup_of(settings.finder) | {"study_instance_uid": "", "images": []}
    with tempfile.TemporaryDirectory(prefix="spondyl-doctor-") as folder:
        command = [sys.executable, "-P", "-m", MODULE]
        try:
            subprocess.run(  # noqa: S603 - our own program
                command,
                input=json.dumps(task).encode(),
                cwd=folder,
                env=environment(Path(folder)),
                capture_output=True,
                check=True,
                timeout=_TIMEOUT_S,
            )
            answer = json.loads((Path(folder) / ANSWER).read_bytes())
        except (OSError, ValueError, subprocess.SubprocessError):
            return {}
    return answer if isinstance(answer, dict) else {}

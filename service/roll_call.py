"""Which workers are there: each renews a small file under `storage.root`, so one that has no work is seen as well.

What a worker does stands in the ledger; that it is there, nobody else could tell. A file and no row, since a keeper
forks, and what forks holds no connection.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from service.private import make_folder

#: A keeper says so every 5 s (`workers.keeper.LOOK_EVERY_S`); it may miss two looks, and a look at a broker that does
#: not answer takes 4 s.
GONE_S: Final = 25.0
_SUFFIX: Final = ".json"


@dataclass(frozen=True, kw_only=True)
class Present:
    """A worker that is there."""

    #: Machine and process of its keeper.
    name: str
    #: How many jobs it does at once.
    processes: int
    #: Whether the broker answered it.
    broker: bool


def sign_in(root: Path, present: Present) -> None:
    """Say that a worker is there; raises OSError."""
    folder = _folder(root)
    make_folder(folder)
    file = _file(folder, present.name)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(present)), encoding="utf-8")
    fresh.replace(file)


def sign_out(root: Path, name: str) -> None:
    """Say that a worker is gone; raises OSError."""
    _file(_folder(root), name).unlink(missing_ok=True)


def present(root: Path, *, now: float | None = None) -> list[Present]:
    """Return the workers that are there, by name; `now` is compared with the times of the files."""
    moment = time.time() if now is None else now
    found = []
    for file in sorted(_folder(root).glob(f"*{_SUFFIX}")):
        try:
            # Dated later than now: by a clock that was set back. Who is there dates its file anew in a moment.
            if abs(moment - file.stat().st_mtime) > GONE_S:
                continue
            found.append(Present(**json.loads(file.read_text(encoding="utf-8"))))
        except (FileNotFoundError, ValueError, TypeError):
            continue  # it has just gone, or is of another version
    return found


def _folder(root: Path) -> Path:
    return root / "workers"


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name.replace('/', '_').replace(':', '-')}{_SUFFIX}"

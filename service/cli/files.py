"""The files that a command line names: folders are walked, what is no DICOM is set aside by name."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from service.cli.output import note
from service.errors import Unknown

#: PS3.10 7.1: 128 bytes of preamble, then the prefix.
_PREAMBLE_BYTES: Final = 128
_PREFIX: Final = b"DICM"
#: PS3.10 8.6: the directory of a medium lists objects; it is none of the study.
_DIRECTORY: Final = "DICOMDIR"
_NAMED: Final = 5


def dicom_files(paths: Iterable[Path]) -> list[Path]:
    """Return the DICOM files under `paths`, sorted; name the others on stderr. Unknown where there is none."""
    every = sorted({file for path in paths for file in _walk(path)})
    found = [file for file in every if _is_dicom(file)]
    _name(sorted(set(every) - set(found)))
    if not found:
        raise Unknown("there is no DICOM file under these paths")
    return found


def _walk(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (each for each in path.rglob("*") if each.is_file())
    else:
        yield path


def _is_dicom(path: Path) -> bool:
    if path.name == _DIRECTORY:
        return False
    try:
        with path.open("rb") as file:
            return file.read(_PREAMBLE_BYTES + len(_PREFIX))[_PREAMBLE_BYTES:] == _PREFIX
    except OSError:
        return False


def _name(others: Sequence[Path]) -> None:
    for path in others[:_NAMED]:
        note(f"passed over, no DICOM object: {path}")
    if len(others) > _NAMED:
        note(f"passed over, no DICOM object: {len(others) - _NAMED} more")

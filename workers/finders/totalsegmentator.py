"""TotalSegmentator on the received CT: its command writes a DICOM Segmentation, which is measured like any other.

The command line and the object are those of version 2.18 (`totalsegmentator/bin/TotalSegmentator.py`,
`dicom_io.save_mask_as_dicomseg`; `dicom_seg` exists since 2.12): one BINARY segmentation, segments labelled
`vertebrae_L1` with the codes of CID 7603, empty ones left out. Weights and licence are the site's. The command gets no
way out of this machine: it would send usage statistics, and fetch weights that are missing.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import pydicom
from pydicom.uid import CTImageStorage

from sr_templates import headers
from sr_templates.levels import LEVELS
from workers.finders.protocol import (
    CannotRun,
    FinderAnswer,
    FinderSetup,
    FinderTask,
    NoSuitableImage,
    NothingFound,
)
from workers.finders.series import best_series

COMMAND: Final = "TotalSegmentator"
#: Classes of the task `total` that are measured.
CLASSES: Final = tuple(f"vertebrae_{name}" for name in LEVELS if name[0] in "TL" and LEVELS[name].vertebra)
#: What it says where no segment has a voxel (ValueError in save_mask_as_dicomseg), and ends with an error.
_NOTHING: Final = b"No non-empty segments found to save"
#: The discard port of this machine (RFC 863): no proxy is there, so nothing goes out.
_NOWHERE: Final = "http://127.0.0.1:9"


class CommandFailed(Exception):
    """The command ended with an error; its own words are on the standard output of this process."""


class TotalSegmentator:
    """The finder `totalsegmentator`: `command` is its executable, `options` are further arguments of it."""

    sop_classes: Collection[str] = frozenset({str(CTImageStorage)})

    def __init__(self, setup: FinderSetup) -> None:
        """Look for the command; raises CannotRun where there is none, or where a setting has no meaning here."""
        named = setup.command or COMMAND
        found = shutil.which(named)
        if found is None:
            raise CannotRun(
                f"finder.command: expected an executable, found none called {named!r}; "
                "install spondyl[totalsegmentator], or name the one of another environment"
            )
        if setup.model is not None:
            raise CannotRun("finder.model: expected none, TotalSegmentator finds its weights by TOTALSEG_HOME_DIR")
        self._command = found
        self._options = setup.options

    def find(self, task: FinderTask) -> FinderAnswer:
        """Return the masks of the thoracic and lumbar vertebrae of the best series."""
        series = best_series(task.images)
        if series is None:
            raise NoSuitableImage
        written = task.scratch / "vertebrae.dcm"
        self._segment(_as_folder(series.files, task.scratch / "ct"), written)
        version = headers.text(pydicom.dcmread(written, stop_before_pixels=True), "SoftwareVersions") or "of no version"
        options = f", {' '.join(self._options)}" if self._options else ""
        return FinderAnswer(said=f"TotalSegmentator {version}, task total{options}", objects=(written,))

    def _segment(self, images: Path, written: Path) -> None:
        command = [
            self._command,
            *("-i", str(images), "-o", str(written), "--output_type", "dicom_seg", "--task", "total"),
            *("--roi_subset", *CLASSES),
            *("--nr_thr_resamp", "1", "--nr_thr_saving", "1", "--quiet"),
            *self._options,
        ]
        done = subprocess.run(  # noqa: S603 - the administrator's command
            command,
            cwd=written.parent,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        sys.stdout.buffer.write(done.stdout)
        if done.returncode and _NOTHING in done.stdout:
            raise NothingFound
        if done.returncode:
            raise CommandFailed(f"exit code {done.returncode}")


def _as_folder(files: Sequence[Path], folder: Path) -> Path:
    """Return a folder that shows these files alone, in their order, under names that end in .dcm; nothing is copied."""
    folder.mkdir()
    for number, file in enumerate(files, start=1):
        (folder / f"{number:05}.dcm").symlink_to(file)
    return folder


def _environment() -> dict[str, str]:
    """Return the environment without a way out: `requests` and urllib obey these variables."""
    names = ("http_proxy", "https_proxy", "all_proxy")
    kept = {name: value for name, value in os.environ.items() if name.lower() not in {*names, "no_proxy"}}
    return kept | dict.fromkeys((*names, *(name.upper() for name in names)), _NOWHERE)

"""When a disk is nearly full: the page, alerts and doctor judge alike."""

import shutil
from pathlib import Path
from typing import Final

#: A disk that is so full will be too full soon,
_NEARLY_FULL: Final = 0.9
#: unless so many times of what must stay free are left.
_AMPLE: Final = 10


def room(folder: Path, *, least_gb: float) -> tuple[float, float, bool]:
    """Return (free GB, share used 0 to 1, whether that is nearly too little) of a folder's disk; raises OSError."""
    usage = shutil.disk_usage(folder)
    free_gb, full = usage.free / 1e9, 1 - usage.free / usage.total
    return free_gb, full, full > _NEARLY_FULL and free_gb < _AMPLE * max(least_gb, 1)

"""What this node needs, each pinged: ready when all of it answers."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from service.config import Storage
from service.errors import OutOfSpace, SpondylError, Unavailable

if TYPE_CHECKING:
    from service.wiring import Node

Ping = Callable[[], None]


def ping_spool(storage: Storage) -> None:
    """Write one byte where the spool is; Unavailable where that fails, OutOfSpace below `min_free_gb`."""
    try:
        with tempfile.TemporaryFile(dir=storage.root) as probe:
            probe.write(b"x")
            probe.flush()
        free = shutil.disk_usage(storage.root).free
    except OSError as error:
        raise Unavailable(f"the spool in {storage.root} cannot be written: {error.strerror}") from None
    if free < storage.min_free_gb * 1e9:
        raise OutOfSpace(f"{free / 1e9:.1f} GB are free, storage.min_free_gb asks for {storage.min_free_gb}")


def pings(node: "Node") -> Mapping[str, Ping]:
    """Return what is pinged, by name."""
    return {
        "ledger": node.ledger.ping,
        "broker": node.dispatch.ping,
        "spool": lambda: ping_spool(node.settings.storage),
    }


def failures(pinged: Mapping[str, Ping]) -> dict[str, str]:
    """Ping everything; return what failed and why, by name."""
    failed = {}
    for name, ping in pinged.items():
        try:
            ping()
        except SpondylError as error:
            failed[name] = str(error)
    return failed

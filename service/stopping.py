"""How a role is told to stop: SIGTERM, Ctrl-C or the end of its terminal."""

import signal
import threading
from types import FrameType


def stop_when_told() -> threading.Event:
    """Return the event that is set when this process is told to stop; to be called from its main thread."""
    told = threading.Event()

    def tell(_number: int, _frame: FrameType | None) -> None:
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, tell)
    return told

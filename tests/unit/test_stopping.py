"""How a role is told to stop."""

import os
import signal
from collections.abc import Iterator

import pytest

from service.stopping import stop_when_told

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Put the handlers of this process back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_each_way_of_stopping_sets_the_event(number: signal.Signals) -> None:
    """SIGTERM, Ctrl-C and the end of the terminal mean the same, and end nothing by themselves."""
    told = stop_when_told()
    assert not told.is_set()
    os.kill(os.getpid(), number)

    assert told.wait(5)

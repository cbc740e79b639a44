"""What is tried until it went or is given up."""

import threading
from collections.abc import Callable

from service.tries import Tries


def giving(said: list[str], word: str, *answers: float | None, done: threading.Event) -> Callable[[], float | None]:
    """Return what says a word at each try, gives these answers, and ends with the last."""
    rest = list(answers)

    def attempt() -> float | None:
        said.append(word)
        answer = rest.pop(0)
        if not rest:
            done.set()
        return answer

    return attempt


def test_what_waits_for_its_next_try_keeps_nobody_waiting() -> None:
    """All in one thread: what is due goes before what is tried again later."""
    said: list[str] = []
    first, second = threading.Event(), threading.Event()
    tries = Tries(2)
    before = threading.active_count()
    assert tries.add(giving(said, "first", 0.3, None, done=first))
    assert tries.add(giving(said, "second", None, done=second))
    assert threading.active_count() - before == 1
    assert second.wait(10)
    assert first.wait(10)
    assert said == ["first", "second", "first"]


def test_so_many_wait_and_no_more() -> None:
    """While one is tried two may wait; a third is told so."""
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(10)

    tries = Tries(2)
    assert tries.add(slow)
    assert begun.wait(10)
    assert [True, True, False] == [tries.add(lambda: None) for _ in range(3)]
    go_on.set()

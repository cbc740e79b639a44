"""Who guesses waits."""

from service.web.throttle import FREE, FREE_OF_NAME, Throttle


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _failed(throttle: Throttle, times: int, *who: str) -> None:
    for _ in range(times):
        throttle.failed(*who)


def test_a_few_mistakes_cost_nothing() -> None:
    """People mistype: the first failures bring no wait, the next one does."""
    throttle = Throttle(_Clock())
    _failed(throttle, FREE - 1, "a")
    before = throttle.wait_s("a")
    throttle.failed("a")

    assert 0.0 == before
    assert throttle.wait_s("a") > 0


def test_each_failure_doubles_the_wait_up_to_five_minutes() -> None:
    """2, 4, 8 s and so on, never more than 300 s, after any number of failures."""
    throttle = Throttle(_Clock())
    waits = []
    for _ in range(FREE + 3000):
        throttle.failed("a")
        waits.append(throttle.wait_s("a"))

    assert [2.0, 4.0, 8.0] == waits[FREE - 1 : FREE + 2]
    assert 300.0 == max(waits) == waits[-1]


def test_the_wait_ends() -> None:
    """Once the time has passed another try is let through."""
    clock = _Clock()
    throttle = Throttle(clock)
    _failed(throttle, FREE, "a")
    clock.now += 2.0

    assert 0.0 == throttle.wait_s("a")


def test_the_strictest_of_several_counts() -> None:
    """A name that was guessed from elsewhere waits at this address, too; another name does not."""
    throttle = Throttle(_Clock())
    _failed(throttle, FREE, "address 1", "name a")

    assert throttle.wait_s("address 2", "name a") == throttle.wait_s("address 1", "name b") == 2.0
    assert 0.0 == throttle.wait_s("address 2", "name b")


def test_of_one_name_from_anywhere_more_failures_cost_nothing() -> None:
    """Fifty; then a name waits wherever it is tried, since many addresses guess."""
    throttle = Throttle(_Clock())
    waits = []
    for _ in range(50):
        waits.append(throttle.wait_s("name a"))
        throttle.failed("name a", free=FREE_OF_NAME)

    assert [0.0] * 50 == waits
    assert 2.0 == throttle.wait_s("name a")


def test_success_and_time_forget() -> None:
    """Who signed in begins anew; after an hour without a failure everybody does."""
    clock = _Clock()
    throttle = Throttle(clock)
    _failed(throttle, FREE + 5, "a", "b")
    throttle.succeeded("a")
    clock.now += 3601
    throttle.failed("b")

    assert 0.0 == throttle.wait_s("a") == throttle.wait_s("b")


def test_invented_names_do_not_fill_the_memory() -> None:
    """However many names are tried, so many are remembered at most, the newest."""
    throttle = Throttle(_Clock())
    for number in range(10_050):
        throttle.failed(f"name {number}")

    assert 10_000 == len(throttle)

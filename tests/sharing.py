"""Where pytest-xdist runs several processes: which tests run in one, one after the other, and what begins when.

Which tests stay together is for `--dist loadfile`.
"""

from collections import Counter
from collections.abc import Iterable

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

#: Here each test starts servers of its own, and what a file's tests share is cheap: whichever process is free takes
#: one. The tests of any other file stay together, and what they share is made once.
EACH_ALONE = (
    "tests/e2e/test_demo.py",
    "tests/integration/test_queue.py",
    "tests/integration/test_route.py",
    "tests/integration/test_supervisor.py",
)
#: What these share, the reports of tests/report_cases.py, takes as long as all else in one of them: they stay together.
TOGETHER = tuple(
    f"tests/contract/test_{name}.py" for name in ("cornerstone_adapters", "report_readers", "report_validators")
)


#: These compute, the others wait for servers and clocks: files of both kinds take turns, so that all the time there is
#: something to compute while others wait.
COMPUTING = ("tests/accuracy/", "tests/architecture/", "tests/contract/", "tests/unit/")
#: The longest of each kind, which come before the others of it: whatever begins last is short.
LONGEST = (
    "tests/accuracy/test_phantoms.py",
    TOGETHER[0],
    "tests/contract/test_segmented_studies.py",
    "tests/accuracy/test_picture_of_a_scoliosis.py",
    "tests/accuracy/test_real_masks.py",
    "tests/contract/test_finders.py",
    "tests/contract/test_measuring.py",
    "tests/architecture/test_packaging.py",
    "tests/faults/test_deaths.py",
    "tests/faults/test_servers.py",
    "tests/e2e/test_browser.py",
    "tests/faults/test_disks.py",
    "tests/e2e/test_demo.py",
    "tests/e2e/test_privacy.py",
    "tests/faults/test_destinations.py",
    "tests/integration/test_route.py",
    "tests/e2e/test_main_job.py",
    "tests/integration/test_supervisor.py",
    "tests/integration/test_queue.py",
    "tests/integration/test_unprivileged.py",
)


class Sharing(LoadFileScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Hands out files, and single tests of some."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = super()._split_scope(nodeid)
        if scope in TOGETHER:
            return TOGETHER[0]
        return nodeid if scope in EACH_ALONE else scope


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Sharing | None:
    """Have tests handed out by files and single tests (a hook of pytest-xdist)."""
    return Sharing(config, log) if config.getoption("dist") == "loadfile" else None


def taking_turns(files: Iterable[str]) -> list[str]:
    """Return each file once, in the order in which they begin."""
    ranks = {file: rank for rank, file in enumerate(LONGEST)}
    ordered = sorted(dict.fromkeys(files), key=lambda file: ranks.get(file, len(ranks)))
    all_of = Counter(map(_computes, ordered))
    places: Counter[bool] = Counter()
    begins = {}
    for file in ordered:
        places[_computes(file)] += 1
        begins[file] = places[_computes(file)] / all_of[_computes(file)]
    return sorted(ordered, key=begins.__getitem__)


def _computes(file: str) -> bool:
    return file.startswith(COMPUTING)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests of a process of pytest-xdist in the order in which their files begin (a hook of pytest)."""
    if hasattr(config, "workerinput"):
        places = {file: place for place, file in enumerate(taking_turns(map(_file, items)))}
        items.sort(key=lambda item: places[_file(item)])


def _file(item: pytest.Item) -> str:
    return item.nodeid.split("::", maxsplit=1)[0]

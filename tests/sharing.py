"""Which tests run in one process, one after the other, where pytest-xdist runs several (`--dist loadfile`)."""

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

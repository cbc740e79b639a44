"""What every tier of tests shares: where real data lies, and the worked vectors."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from accuracy_table import pytest_terminal_summary, tell
from hypothesis import settings
from ledgers import empty_sqlite, ledger, ledger_url, shared_postgres, sqlite_url
from servers import orthanc, postgres_server, postgres_url, storescp, valkey
from sharing import pytest_collection_modifyitems, pytest_xdist_make_scheduler

__all__ = [
    "empty_sqlite",
    "ledger",
    "ledger_url",
    "orthanc",
    "postgres_server",
    "postgres_url",
    "pytest_collection_modifyitems",
    "pytest_terminal_summary",
    "pytest_xdist_make_scheduler",
    "shared_postgres",
    "sqlite_url",
    "storescp",
    "tell",
    "valkey",
]

REPOSITORY = Path(__file__).resolve().parent.parent
#: Real data is never part of the repository; see CONTRIBUTING.
DATA = Path(os.environ.get("SPONDYL_TEST_DATA", REPOSITORY.parent / "shared" / "data"))

#: CI repeats what a desk has seen, half of it; a desk looks for new examples every time. `make coverage` takes twice as
#: many.
settings.register_profile("desk", max_examples=50)
settings.register_profile("ci", derandomize=True, max_examples=25)
settings.load_profile("ci" if os.environ.get("CI") else "desk")

for name in [name for name in os.environ if name.startswith("SPONDYL_") and not name.startswith("SPONDYL_TEST_")]:
    del os.environ[name]


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """Forget how a command configured the log: it writes to what that test captured."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Return the folder of real data; skip with the reason where it is absent, since it cannot be installed."""
    if not DATA.is_dir():
        pytest.skip(f"no real data in {DATA}: set SPONDYL_TEST_DATA")
    return DATA


@pytest.fixture(scope="session")
def vectors() -> list[dict[str, Any]]:
    """Return the 42 worked examples: landmarks in, expected values out."""
    text = (REPOSITORY / "tests" / "vectors.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)["vectors"]
    return found

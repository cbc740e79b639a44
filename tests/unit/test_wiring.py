"""The composition root: what is opened is usable, and closed again."""

from pathlib import Path

import pytest

from service.config import Settings, Storage
from service.errors import Misconfigured, Unavailable
from service.wiring import open_node


def settings_in(root: Path) -> Settings:
    """Return settings over a folder."""
    return Settings(storage=Storage(root=root, min_free_gb=0.5))


def test_an_open_node_answers(tmp_path: Path) -> None:
    """Ledger and spool can be used at once, with the clock that was passed in; the broker may come later."""
    with open_node(settings_in(tmp_path / "new"), migrated=True, clock=lambda: 5.0) as node:
        node.ledger.ping()

        assert list(node.spool.keys()) == []
        assert node.clock() == 5.0
        with pytest.raises(Unavailable):
            node.dispatch.ping()


def test_the_reserve_is_in_decimal_gigabytes(tmp_path: Path) -> None:
    """min_free_gb = 0.5 keeps 500 000 000 bytes free."""
    with open_node(settings_in(tmp_path), migrated=True) as node:
        kept = node.spool.free_bytes()
    with open_node(Settings(storage=Storage(root=tmp_path, min_free_gb=0))) as node:
        free = node.spool.free_bytes()

    assert free - kept == pytest.approx(500_000_000, abs=50_000_000)


def test_a_ledger_that_was_not_migrated_is_refused(tmp_path: Path) -> None:
    """Only who asks for it changes the ledger's schema; others are told what to run."""
    with pytest.raises(Misconfigured, match="spondyl migrate"), open_node(settings_in(tmp_path)):
        pass


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """The spool's folder is tried before anything is accepted."""
    (tmp_path / "file").touch()

    with pytest.raises(Misconfigured, match=r"storage\.root"), open_node(settings_in(tmp_path / "file")):
        pass

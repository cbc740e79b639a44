"""Who may associate, and with what: a real listener with sources, asked by dcmtk and by pynetdicom."""

import errno
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from ears import Counting
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    CTImageStorage,
    MRImageStorage,
    Verification,
)
from raw_caller import associate_rq
from servers import program

from service import conformance
from service.associations import Associations
from service.config import Settings
from service.receive import Listener
from service.slots import Shared, Slots
from service.spool import Spool

SOURCES = [
    {"name": "ct", "ae_titles": ["CT1", "CT2"], "max_associations": 2, "sop_classes": ["CTImageStorage"]},
    {"name": "mr", "ae_titles": ["MR1"], "networks": ["127.0.0.0/8"]},
]
Start = Callable[..., "Ear"]


class Ear:
    """A listener without a ledger, and what it counted."""

    def __init__(self, listener: Listener, counted: Counting) -> None:
        self.listener = listener
        self.counted = counted

    def rejections(self) -> list[tuple[str, str]]:
        """Return cause and source of each rejection."""
        return [values for name, values in self.counted.said if name == "association_rejected"]

    def echo(self, calling: str, called: str = "SPONDYL") -> str:
        """Ask with dcmtk's echoscu; return what it says, empty where it was answered."""
        asked = [program("echoscu"), "-aet", calling, "-aec", called, "127.0.0.1", str(self.listener.port)]
        return subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False).stderr

    def rejection(self, calling: str) -> tuple[int, ...]:
        """Return result, source and reason of the A-ASSOCIATE-RJ that is sent (PS3.8 table 9-21)."""
        with socket.create_connection(("127.0.0.1", self.listener.port), timeout=10) as connection:
            connection.sendall(associate_rq(calling=calling))
            answer = connection.makefile("rb").read(10)
        assert b"\x03\x00\x00\x00\x00\x04\x00" == answer[:7]
        return tuple(answer[7:])

    @contextmanager
    def calling(self, title: str) -> Iterator[Association]:
        """Hold an association, or what became of it."""
        entity = AE(ae_title=title)
        for wanted in (Verification, CTImageStorage, MRImageStorage):
            entity.add_requested_context(wanted)
        association = entity.associate("127.0.0.1", self.listener.port, ae_title="SPONDYL")
        try:
            yield association
        finally:
            if association.is_established:
                association.release()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a listener."""
    with ExitStack() as stack:

        def listen(*, shared: Shared | None = None, port: int = 0) -> Ear:
            spool = Spool(tmp_path)
            spool.prepare()
            node = {"port": port, "max_associations": 3}
            document = {"node": node, "sources": SOURCES, "storage": {"root": tmp_path}}
            ledger = SimpleNamespace(
                arrivals=SimpleNamespace(
                    note=lambda **_: None, hold=lambda *_, **__: None, release=lambda *_, **__: None
                ),
                admin=SimpleNamespace(is_own_report=lambda _: False),
            )
            ear = Ear(
                Listener(
                    settings=Settings.model_validate(document),
                    spool=spool,
                    ledger=ledger,
                    metrics=(counted := Counting()),
                    shared=shared,
                ),
                counted,
            )
            ear.listener.start()
            stack.callback(ear.listener.stop)
            return ear

        yield listen


def test_an_unknown_caller_is_rejected_for_good(start: Start) -> None:
    """Rejected-permanent, by the service user, calling AE title not recognised: trying again cannot help."""
    ear = start()

    said = ear.echo("STRANGER")
    assert (0x01, 0x01, 0x03) == ear.rejection("STRANGER")
    assert "Rejected Permanent" in said
    assert "Calling AE Title Not Recognized" in said
    assert [("calling_ae_title", "unlisted")] * 2 == ear.rejections()


def test_a_source_that_calls_us_wrongly_is_counted_by_its_name(start: Start) -> None:
    """Rejected-permanent, called AE title not recognised: somebody must change that source's configuration."""
    ear = start()

    assert "Called AE Title Not Recognized" in ear.echo("CT1", called="NOBODY")
    assert [("called_ae_title", "ct")] == ear.rejections()


def test_a_source_has_so_many_associations_and_no_more(start: Start) -> None:
    """Rejected-transient, local limit exceeded, over all its titles; others pass, and it again once one has ended."""
    ear = start()
    with ear.calling("CT1"), ExitStack() as second:
        second.enter_context(ear.calling("CT2"))
        said = ear.echo("CT1")
        assert (0x02, 0x03, 0x02) == ear.rejection("CT2")
        assert "" == ear.echo("MR1")
        second.close()
        assert "" == ear.echo("CT1")

    assert "Rejected Transient" in said
    assert "Local Limit Exceeded" in said
    assert [("too_many_of_source", "ct")] * 2 == ear.rejections()


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE], ids=errno.errorcode.get)
def test_who_comes_when_no_file_can_be_opened_any_more_is_to_come_again(
    start: Start, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """Rejected-transient, local limit exceeded: a limit that cannot be looked at does not let everybody in."""
    ear = start()
    monkeypatch.setattr(Slots, "take", Mock(side_effect=OSError(error, "no more files")))

    assert (0x02, 0x03, 0x02) == ear.rejection("CT1")
    assert [("too_many_associations", "ct")] == ear.rejections()


def test_a_fault_of_ours_lets_nobody_in(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is unforeseen while a caller is looked at rejects it, temporary congestion; so does one while it is said."""
    ear = start()
    with monkeypatch.context() as faulty:
        faulty.setattr(Associations, "source", Mock(side_effect=ZeroDivisionError))
        assert (0x02, 0x03, 0x01) == ear.rejection("CT1")
    monkeypatch.setattr(Associations, "_say_rejected", Mock(side_effect=ZeroDivisionError))
    assert (0x01, 0x01, 0x03) == ear.rejection("NOBODY")


def test_the_limit_of_the_node_holds_for_all_sources(start: Start) -> None:
    """Rejected-transient as well; who is rejected by it gives back the slot of its source."""
    ear = start()
    with ear.calling("MR1"), ear.calling("MR1"):
        with ear.calling("MR1"):
            assert "Local Limit Exceeded" in ear.echo("CT1")
            assert "Local Limit Exceeded" in ear.echo("CT1")
        with ear.calling("CT1") as association:
            assert association.is_established

    assert [("too_many_associations", "ct")] * 2 == ear.rejections()


def test_several_processes_share_the_limit_of_a_source(start: Start, tmp_path: Path) -> None:
    """Two listeners over one folder of slots, as the processes of one port are: two associations in all, not each."""
    first, other = start(), start()
    with first.calling("CT1"), other.calling("CT1"):
        assert [(0x02, 0x03, 0x02)] * 2 == [first.rejection("CT1"), other.rejection("CT1")]
    assert Slots(tmp_path / "slots" / "source-ct", 2).take("another")


def test_a_source_is_offered_its_own_sop_classes(start: Start) -> None:
    """Decided when it associates: other contexts are refused, and counted by their names; as the statement says."""
    ear = start()
    ct, mr = conformance.network(Settings.model_validate({"sources": SOURCES})).senders

    def offered(title: str) -> set[str]:
        with ear.calling(title) as association:
            return {str(context.abstract_syntax) for context in association.accepted_contexts}

    assert {Verification, CTImageStorage} == offered("CT1")
    assert {Verification, CTImageStorage, MRImageStorage} == offered("MR1")
    assert ["MR Image Storage"] == ear.counted.of("context_refused")
    assert [((CTImageStorage,), 2), (("*",), 32)] == [(each.sop_classes, each.max_associations) for each in (ct, mr)]

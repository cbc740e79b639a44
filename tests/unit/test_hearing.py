"""Who may report on storage commitment, and what is read of a report."""

import socket
import threading
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from pynetdicom.dimse_primitives import N_EVENT_REPORT

from service import hearing
from service.config import Settings
from service.hearing import Hearing

HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give the name server's table; it does not answer for what is not in it."""
    table: dict[str, str] = {}

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        if host not in table:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (table[host], port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    class AtOnce(threading.Thread):
        def start(self) -> None:
            self.run()

    monkeypatch.setattr(hearing, "threading", SimpleNamespace(Thread=AtOnce, Lock=threading.Lock))
    return table


def heard(time: list[float], *, known: object = None) -> Hearing:
    """Return the ear of a node with one destination that may report."""
    where = {"name": "pacs", "ae_title": "PACS", "host": "pacs.example", "port": 104, "proof": "commitment"}
    proofs = SimpleNamespace(of_transaction=lambda _: known, is_settled=lambda _: False)
    settings = Settings.model_validate({"destinations": [where]})
    decisions: Any = SimpleNamespace(settings=settings, ledger=SimpleNamespace(proofs=proofs))
    return Hearing(decisions, clock=lambda: time[0])


def test_a_destination_is_found_once_the_name_server_answers(names: dict[str, str]) -> None:
    """Without an answer at the start it is looked up again, at most every 10 s, by who calls; the old answer holds."""
    time = [0.0]
    ear = heard(time)
    names["pacs.example"] = HERE
    assert not ear.may_connect(HERE)
    time[0] = 10.0
    ear.may_connect(HERE)
    assert ear.may_connect(HERE)
    names["pacs.example"] = THERE
    assert not ear.may_report(calling_ae="PACS", address=THERE)
    time[0] = 20.0
    assert ear.may_report(calling_ae="PACS", address=THERE)
    names.clear()
    time[0] = 30.0
    assert not ear.may_connect(HERE)
    assert ear.may_connect(THERE)


class Report:
    """An N-EVENT-REPORT-RQ that may not be decoded."""

    def __init__(self, information: bytes) -> None:
        self.request = N_EVENT_REPORT()
        self.request.EventInformation = BytesIO(information)
        self.assoc = SimpleNamespace(requestor=SimpleNamespace(address=HERE, ae_title="PACS"))
        self.context = SimpleNamespace(transfer_syntax="1.2.840.10008.1.2")
        self.event_type = 1

    @property
    def event_information(self) -> None:
        """Fail."""
        raise AssertionError("the report was decoded")


@pytest.mark.parametrize("information", [b"\x08\x00\x95\x11\x04\x00\x00\x001.2\0", b"\x08", b""])
@pytest.mark.usefixtures("names")
def test_of_a_report_that_nobody_asked_for_only_the_transaction_is_read(information: bytes) -> None:
    """Invalid argument (0x0115), and nothing is decoded: it may be made to cost a thousand times its bytes."""
    event: Any = Report(information)
    assert heard([0.0]).on_report(event) == (0x0115, None)

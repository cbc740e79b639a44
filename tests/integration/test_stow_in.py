"""STOW-RS in: the same spool and the same guarantees as C-STORE, by real senders and by such that misbehave."""

import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import psutil
import pytest
from fastapi import FastAPI
from ledgers import empty_sqlite, sqlite_url
from nodes import UNTRACED
from pydantic import SecretStr
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid
from servers import free_port, listens, run_orthanc, wait_until
from spooled import file_of
from stowing import BOUNDARY, KIND, STUDY, a_file, an_object, body, pieces, reasons, stored
from structlog.testing import capture_logs
from web_client import Client, app_of

from service import slots
from service.callers import Admitted
from service.config import Settings
from service.durable import write_all
from service.intake import Sender
from service.ledger import Ledger
from service.ledger.people import Role
from service.ledger.switches import Paused
from service.passwords import digest
from service.spool import Spool, study_key
from service.web import connections
from service.wiring import Node, open_node

__all__ = ["empty_sqlite", "sqlite_url"]

TOKEN = "planted-token-0123456789"
STUDIES = "/dicom-web/studies"
REPOSITORY = Path(__file__).resolve().parents[2]
#: Of the large object, MB.
LARGE_MB = int(os.environ.get("SPONDYL_TEST_STOW_MB", "40"))


@dataclass(frozen=True)
class Posting:
    """A node, and a sender that posts to it."""

    node: Node
    app: FastAPI

    def post(self, content: bytes, path: str = STUDIES, **headers: str) -> httpx.Response:
        """Post a body."""
        said = {"Content-Type": KIND, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return Client(self.app).post_bytes(path, content, headers=said)

    def files(self, study: str = STUDY) -> list[Path]:
        """Return what the spool holds of a study."""
        return self.node.spool.files(study_key(study))

    def left_over(self) -> list[Path]:
        """Return unfinished files."""
        return list((self.node.settings.storage.root / "incoming").iterdir())


@contextmanager
def opened(sqlite_url: str, root: Path, **sections: Any) -> Iterator[Posting]:
    """Open a node with sections of the configuration."""
    storage = {"root": root, "ledger": SecretStr(sqlite_url), "min_free_gb": 0, **sections.pop("storage", {})}
    with open_node(Settings.model_validate({"storage": storage, **sections})) as node:
        yield Posting(node, app_of(node))


@pytest.fixture
def posting(sqlite_url: str, tmp_path: Path) -> Iterator[Posting]:
    """Open a node with the defaults."""
    with opened(sqlite_url, tmp_path / "state") as found:
        yield found


def _person(posting: Posting, name: str, role: Role) -> dict[str, str]:
    token = f"{TOKEN}-{name}"
    posting.node.ledger.people.put(name, role, now=1.0, token=digest(token))
    return {"Authorization": f"Bearer {token}"}


# ---- what is stored


def test_what_is_stored_is_named_durable_and_known_to_the_ledger(posting: Posting) -> None:
    """200 names every object; each lies in the spool byte for byte, and the study is settled like any other."""
    objects = [an_object(InstanceNumber=number) for number in range(3)]
    answer = posting.post(body([file_of(each) for each in objects]))

    assert (200, "application/dicom+json") == (answer.status_code, answer.headers["content-type"])
    assert [each.SOPInstanceUID for each in objects] == stored(answer.json())
    assert {"vr": "UR"} == answer.json()["00081190"]
    assert 3 == len(posting.files())
    [study] = posting.node.ledger.admin.studies()
    assert (STUDY, "receiving", "this machine") == (study.study_instance_uid, study.state, study.source)
    assert study.held_until <= time.time()


def test_a_study_is_held_as_long_as_a_request_delivers_it(posting: Posting) -> None:
    """While the body still comes the ledger holds the study open; when it ends, not any more."""
    held: list[float] = []

    def blocks() -> Iterator[bytes]:
        for piece in pieces([a_file(), a_file()]):
            yield piece
            held.extend(each.held_until for each in posting.node.ledger.admin.studies())

    sender, source = Sender(name="ct", address="::1"), Admitted(name="ct")
    taken = posting.app.state.intake.take(sender, source, blocks(), boundary=BOUNDARY, study="")
    assert 2 == len(taken.stored)
    assert held[-1] > time.time() + 5
    assert posting.node.ledger.admin.studies()[0].held_until <= time.time()


def test_it_is_the_same_object_whichever_way_it_came(posting: Posting) -> None:
    """The file has the name and the bytes that the listener gives it, so sent by both ways it is there once."""
    file = a_file()
    posting.post(body([file]))
    [kept] = posting.files()
    before = kept.stat().st_mtime_ns

    assert 200 == posting.post(body([file]), f"{STUDIES}/{STUDY}").status_code
    assert [kept] == posting.files()
    assert kept.stat().st_mtime_ns >= before
    start = 144 + int.from_bytes(file[140:144], "little")
    assert kept.read_bytes().endswith(file[start:])


def test_a_deflated_object_is_kept_as_it_came(posting: Posting) -> None:
    """Bytes are not decoded: whatever a listener negotiates is taken."""
    ds = an_object()
    file = file_of(ds)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    assert 200 == posting.post(body([file])).status_code
    assert posting.node.spool.holds_own_reports(study_key(STUDY)) is False


def test_a_report_of_ours_that_comes_back_is_kept_apart(posting: Posting, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stored, and measured never."""
    monkeypatch.setattr(type(posting.node.ledger.admin), "is_own_report", lambda *_: True)
    report = a_file(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.34", PixelData=None)
    assert 200 == posting.post(body([report])).status_code
    assert posting.node.spool.holds_own_reports(study_key(STUDY))
    assert [] == posting.files()
    assert [] == posting.node.ledger.admin.studies()


# ---- what is not


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"StudyInstanceUID": "1.2.3"}, 0xA900),
        ({"StudyInstanceUID": None}, 0xC000),
        ({"study": "../../../etc"}, 0xC000),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.9.1.1"}, 0x0122),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.34", "syntax": "1.2.840.10008.1.2.4.90"}, 0xC122),
        ({"syntax": "1.2.3.4"}, 0xC122),
        ({"announced": "1.2.3.4"}, 0xA900),
    ],
)
def test_an_object_that_is_refused_is_named_with_its_reason(
    posting: Posting, changes: dict[str, Any], reason: int
) -> None:
    """Alone it is 409 and leaves nothing; beside a good one 202, and the good one is stored."""
    syntax, announced, study = (changes.get(name) for name in ("syntax", "announced", "study"))
    ds = an_object(**{name: value for name, value in changes.items() if name[0].isupper()})
    file = file_of(ds)
    if study:
        file = file.replace(STUDY.encode() + b"\0", study.encode().ljust(len(STUDY) + 1, b"\0"))
    if syntax:
        file = file.replace(b"1.2.840.10008.1.2.1\0", syntax.encode().ljust(20, b"\0"))
    if announced:
        uid = ds.SOPInstanceUID.encode()
        file = file.replace(uid, announced.encode().ljust(len(uid), b"\0"), 1)
    answer = posting.post(body([file]), f"{STUDIES}/{STUDY}")
    assert (409, [reason]) == (answer.status_code, reasons(answer.json()))
    assert [] == posting.files()
    assert [] == posting.left_over()

    good = an_object()
    answer = posting.post(body([file, file_of(good)]), f"{STUDIES}/{STUDY}")
    assert (202, [reason], [good.SOPInstanceUID]) == (
        answer.status_code,
        reasons(answer.json()),
        stored(answer.json()),
    )


def test_a_uid_that_is_none_is_not_said_again(posting: Posting) -> None:
    """What the File Meta Information says is malformed: refused, and the answer does not repeat it."""
    ds = an_object(SOPInstanceUID="1.2.3.4.5.6.7.8")
    file = file_of(ds).replace(b"1.2.3.4.5.6.7.8", b"1.2.../../<b>'\"", 1)
    answer = posting.post(body([file]))
    assert (409, [0xA900]) == (answer.status_code, reasons(answer.json(), "0008119A"))
    assert "<b>" not in answer.text


@pytest.mark.parametrize("junk", [b"", b"no DICOM", bytes(500), a_file()[:160]])
def test_what_is_no_object_is_another_failure(posting: Posting, junk: bytes) -> None:
    """Without UIDs of its own it stands in Other Failures Sequence (0008,119A)."""
    answer = posting.post(body([junk]))
    assert (409, [0xC000]) == (answer.status_code, reasons(answer.json(), "0008119A"))
    assert [] == posting.left_over()


@pytest.mark.parametrize(
    ("content", "headers", "path", "status"),
    [
        (b"", {}, STUDIES, 400),
        (body([]), {}, STUDIES, 400),
        (b"--other--", {}, STUDIES, 400),
        (body([a_file()], closed=False), {}, STUDIES, 400),
        (body([a_file()])[:900], {}, STUDIES, 400),
        (body([a_file()]), {"Content_Type": "application/dicom"}, STUDIES, 415),
        (body([a_file()]), {"Content_Type": KIND.replace("application/dicom", "application/dicom+json")}, STUDIES, 415),
        (body([a_file()]), {"Content_Encoding": "gzip"}, STUDIES, 415),
        (body([a_file()]), {"Content_Type": 'multipart/related; type="application/dicom"'}, STUDIES, 400),
        (body([a_file()]), {"Accept": "application/dicom+xml"}, STUDIES, 406),
        (body([a_file()]), {"Accept": "application/dicom+xml, application/dicom+json;q=0.5"}, STUDIES, 200),
        (body([a_file()]), {}, f"{STUDIES}/1.2.x", 400),
        (body([a_file()]), {}, f"{STUDIES}/{'1' * 65}", 400),
        (body([a_file()]), {}, "/dicom-web/studies/1.2/series", 404),
        (body([a_file()]), {"Origin": "https://elsewhere.example"}, STUDIES, 403),
    ],
)
def test_a_request_that_is_none_is_told_so(
    posting: Posting, content: bytes, headers: dict[str, str], path: str, status: int
) -> None:
    """The status is that of PS3.18 10.5.3 and RFC 9110; an object without its boundary is never named as stored."""
    answer = posting.post(content, path, **headers)
    assert status == answer.status_code
    assert "json" in answer.headers["content-type"]
    if status >= 400:
        assert [] == posting.files()
    assert [] == posting.left_over()


def test_of_a_body_that_is_cut_off_what_is_whole_is_stored(posting: Posting) -> None:
    """202 names the whole ones, and says that something else failed; the cut one leaves nothing."""
    whole, cut = an_object(), a_file(size=200_000)
    answer = posting.post(body([file_of(whole), cut])[:-100_000])
    assert (202, [whole.SOPInstanceUID], [0xC000]) == (
        answer.status_code,
        stored(answer.json()),
        reasons(answer.json(), "0008119A"),
    )
    assert 1 == len(posting.files())
    assert [] == posting.left_over()


def test_too_large_paused_and_full_say_what_to_do(sqlite_url: str, tmp_path: Path) -> None:
    """413 to send less; 503 and 507 with Retry-After to come again; one object that is too large stops no other."""
    with opened(sqlite_url, tmp_path / "state", node={"max_object_mb": 0.1}) as posting:
        large, small = an_object(size=200_000), an_object()
        answer = posting.post(body([file_of(large)]))
        assert (413, [0xA701]) == (answer.status_code, reasons(answer.json()))
        answer = posting.post(body([file_of(large), file_of(small)]))
        assert (202, [small.SOPInstanceUID]) == (answer.status_code, stored(answer.json()))
        posting.node.ledger.switches.pause(Paused.INTAKE, actor="a", address="", why="w", now=1.0)
        time.sleep(1.1)  # the door asks once a second
        answer = posting.post(body([file_of(small)]))
        assert (503, "30") == (answer.status_code, answer.headers["retry-after"])
        assert "paused" in answer.json()["error"]
    with opened(sqlite_url, tmp_path / "full", storage={"min_free_gb": 0}) as posting:
        posting.node.ledger.switches.resume(Paused.INTAKE, actor="a", address="", now=2.0)
        posting.node.spool._min_free_bytes = 10**18  # noqa: SLF001 - a disk that is full
        answer = posting.post(body([a_file()]))
        assert (507, [0xA700], "30") == (answer.status_code, reasons(answer.json()), answer.headers["retry-after"])
        assert [] == posting.left_over()


@pytest.mark.parametrize("reason", [0xA701, 0xA700])
def test_an_object_that_is_refused_in_its_middle_costs_no_other(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    """Too large, or the disk is full for a moment: its rest is passed over, and what stands behind it is stored."""
    large, small = an_object(size=1_500_000), an_object()
    content = body([file_of(large), file_of(small)])
    full = [reason == 0xA700]

    def write(descriptor: int, data: bytes | memoryview) -> None:
        if full[0] and os.fstat(descriptor).st_size > 500_000:
            full[0] = False
            raise OSError(errno.ENOSPC, "No space left on device")
        write_all(descriptor, data)

    monkeypatch.setattr("service.part.write_all", write)
    with opened(sqlite_url, tmp_path / "state", node={} if full[0] else {"max_object_mb": 1}) as posting:
        blocks = (content[start : start + 65536] for start in range(0, len(content), 65536))
        sender, source = Sender(name="ct", address="::1"), Admitted(name="ct")
        taken = posting.app.state.intake.take(sender, source, blocks, boundary=BOUNDARY, study="")
        assert ([reason], "") == ([each.reason for each in taken.failed], taken.broken)
        assert [small.SOPInstanceUID] == [each.sop_instance_uid for each in taken.stored]
        assert [] == posting.left_over()


# ---- who may


def test_a_sender_sends_and_sees_nothing(posting: Posting) -> None:
    """The role sender stores, under its name; it sees no page; a viewer looks and does not store; nobody else may."""
    gateway, viewer = _person(posting, "gateway", Role.SENDER), _person(posting, "viewer", Role.VIEWER)
    basic = {"Authorization": httpx.BasicAuth("x", f"{TOKEN}-gateway")._auth_header}  # noqa: SLF001
    assert 401 == posting.post(body([a_file()])).status_code
    assert 403 == posting.post(body([a_file()]), **viewer).status_code
    assert [200, 200] == [posting.post(body([a_file()]), **who).status_code for who in (gateway, basic)]
    assert ["gateway"] == [each.source for each in posting.node.ledger.admin.studies()]
    client = Client(posting.app)
    for page in ("/", "/studies", "/api/v1/studies", "/metrics", "/configuration"):
        assert 403 == client.get(page, headers=gateway).status_code
    assert 405 == client.get(STUDIES, headers=gateway).status_code
    shown = client.get("/", headers={**gateway, "Accept": "text/html"})
    assert (403, True) == (shown.status_code, "may send, and sees nothing" in shown.text)


def test_more_requests_than_places_come_again(sqlite_url: str, tmp_path: Path) -> None:
    """503 with Retry-After to who finds no place; a place is free again when its request has ended."""
    with opened(sqlite_url, tmp_path / "state", node={"max_associations": 1}) as posting:
        places = posting.app.state.intake.places
        for _ in range(3):
            assert 200 == posting.post(body([a_file()])).status_code
            assert 400 == posting.post(b"no body").status_code
        assert places.acquire(blocking=False)
        answer = posting.post(body([a_file()]))
        assert (503, "30") == (answer.status_code, answer.headers["retry-after"])


def test_a_source_has_so_many_at_once_whichever_way_it_sends(sqlite_url: str, tmp_path: Path) -> None:
    """A request takes a slot that an association of its source would take: 503 where all are taken, and counted."""
    sources = [{"name": name, "ae_titles": [name.upper()], "max_associations": 2} for name in ("gateway", "other")]
    with opened(sqlite_url, tmp_path / "state", sources=sources) as posting:
        who = {name: _person(posting, name, Role.SENDER) for name in ("gateway", "other")}
        # What a listener holds on to: an association of the same source, in another process.
        elsewhere = slots.of_sources(posting.node.settings)["gateway"]
        assert elsewhere.take("an association")
        under_way: list[bool] = []

        def blocks() -> Iterator[bytes]:
            under_way.append(elsewhere.take("one more"))
            answer = posting.post(body([a_file()]), **who["gateway"])
            assert (503, "30") == (answer.status_code, answer.headers["retry-after"])
            assert "its max_associations" in answer.json()["error"]
            assert 200 == posting.post(body([a_file()]), **who["other"]).status_code
            yield from pieces([a_file()])

        sender = Sender(name="gateway", address="127.0.0.1")
        source = posting.app.state.intake.admit(sender)
        with capture_logs() as said:
            taken = posting.app.state.intake.take(sender, source, blocks(), boundary=BOUNDARY, study="")
        assert ([False], 1) == (under_way, len(taken.stored))
        assert [("gateway", "too_many_of_source")] == [
            (each["source"], each["cause"]) for each in said if each["action"] == "sender_rejected"
        ]
        posting.app.state.intake.tick()
        rejected = [(each.calling_ae, each.cause) for each in posting.node.ledger.callers.latest()]
        assert [("gateway", "too_many_of_source")] == rejected
        counted = posting.app.state.metrics.text(posting.node.ledger)
        assert re.search(r'cause="too_many_of_source",listener="[^"]+",source="gateway"\} 1.0', counted)
        assert [200, 200] == [posting.post(body([a_file()]), **who["gateway"]).status_code for _ in range(2)]
        assert elsewhere.take("one more"), "nothing is kept of a request that has ended"


def test_a_limit_that_cannot_be_kept_hides_no_disk(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without room for a slot's file the objects are tried, and say what is wrong; without a file left nobody comes."""
    sources = [{"name": "gateway", "ae_titles": [], "max_associations": 2}]
    with opened(sqlite_url, tmp_path / "state", sources=sources) as posting:
        gateway = _person(posting, "gateway", Role.SENDER)
        answers = []
        for number in (errno.ENOSPC, errno.EMFILE):
            monkeypatch.setattr(slots, "make_folder", Mock(side_effect=OSError(number, "planted")))
            answers.append(posting.post(body([a_file()]), **gateway).status_code)
        assert [200, 503] == answers


def test_where_sources_are_configured_the_account_is_one_of_them(sqlite_url: str, tmp_path: Path) -> None:
    """By name, from its networks, with its SOP classes; anybody else is turned away, and that is said."""
    sources = [
        {"name": "gateway", "ae_titles": [], "sop_classes": ["CTImageStorage"]},
        {"name": "far", "ae_titles": [], "networks": ["192.0.2.0/24"]},
    ]
    with opened(sqlite_url, tmp_path / "state", sources=sources) as posting:
        who = {name: _person(posting, name, Role.SENDER) for name in ("gateway", "far", "other")}
        with capture_logs() as said:
            answers = {name: posting.post(body([a_file()]), **header) for name, header in who.items()}
        assert {"gateway": 200, "far": 403, "other": 403} == {k: v.status_code for k, v in answers.items()}
        assert "[[sources]] needs one with the account's name" in answers["other"].json()["error"]
        assert {("far", "address"), ("other", "account")} == {
            (each["source"], each["cause"]) for each in said if each["action"] == "sender_rejected"
        }
        posting.app.state.intake.tick()
        rejected = {each.calling_ae: each.cause for each in posting.node.ledger.callers.latest()}
        assert {"far": "account_network", "other": "account"} == rejected
        counted = posting.app.state.metrics.text(posting.node.ledger)
        assert re.search(
            r'rejected_associations_total\{cause="account",listener="[^"]+",source="unlisted"\} 1.0', counted
        )
        segmentation = a_file(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")
        assert [0x0122] == reasons(posting.post(body([segmentation]), **who["gateway"]).json())
        posting.app.state.intake.tick()
        viewer = _person(posting, "viewer", Role.VIEWER)
        page = Client(posting.app).get("/sources", headers=viewer).text
        assert ["1", "0"] == re.findall(r'data-label="Objects refused">(\d+)<', page)


def test_who_sent_how_much_stands_in_the_trail_and_is_counted(posting: Posting) -> None:
    """An entry for all that came in an hour, what is left at the end; the metrics add what the listeners counted."""
    gateway = _person(posting, "gateway", Role.SENDER)
    with capture_logs() as said:
        posting.post(body([a_file(), a_file(), b"junk"]), **gateway)
        posting.post(body([a_file()]), **gateway)
    posting.app.state.intake.tick()
    entries = [each for each in posting.node.ledger.audit.latest() if each.action == "stow"]
    assert [("gateway", "3 objects stored, 1 refused")] == [(each.actor, each.detail) for each in entries]
    posting.post(body([a_file()]), **gateway)
    posting.app.state.intake.tick()
    assert entries == posting.node.ledger.audit.latest(), "an hour has not passed"
    posting.app.state.intake.run()()
    assert "1 objects stored, 0 refused" == posting.node.ledger.audit.latest()[0].detail
    page = posting.app.state.metrics.text(posting.node.ledger)
    assert re.search(r'spondyl_received_objects_total\{listener="[^"]+",source="unlisted"\} 4.0', page)
    assert 'cause="cannot_understand"' in page
    assert "spondyl_listener_timestamp_seconds{" not in page
    assert not {"Planted^Name", "PLANTED-ID", STUDY, TOKEN} & set(re.findall(r"[\w^.-]+", str(said)))


# ---- the role itself


@dataclass(frozen=True)
class WebRole:
    """A running `spondyl web`."""

    port: int
    folder: Path
    ledger: str
    process: subprocess.Popen[bytes]

    def post(self, content: bytes | Iterator[bytes], who: Mapping[str, str] | None = None) -> httpx.Response:
        """Post a body."""
        url = f"http://127.0.0.1:{self.port}{STUDIES}"
        return httpx.post(url, content=content, headers={"Content-Type": KIND, **(who or {})}, timeout=60)

    def writing(self) -> int:
        """Return how many objects are being written."""
        return len(list((self.folder / "state" / "incoming").iterdir()))


@contextmanager
def role(empty: Path, folder: Path) -> Iterator[WebRole]:
    """Run one in a folder of its own."""
    shutil.copy(empty, folder / "ledger.sqlite")
    port, ledger = free_port(), f"sqlite:///{folder / 'ledger.sqlite'}"
    config = folder / "own.toml"
    config.write_text(
        f'[node]\nidle_timeout_s = 1.5\n[storage]\nroot = "state"\nledger = "{ledger}"\nmin_free_gb = 0\n'
        f'[web]\nport = {port}\n[queue]\nbroker = "redis://127.0.0.1:1/0"\n',
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "workers", "--config", str(config), "web"]
    environment = {**UNTRACED, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: listens(port), "the page answers")
            yield WebRole(port, folder, ledger, process)
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def web(empty_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebRole]:
    """Run one for several tests."""
    with role(empty_sqlite, tmp_path_factory.mktemp("role")) as found:
        yield found


def test_senders_that_stop_hang_up_or_drip_cost_a_place_for_a_while(web: WebRole) -> None:
    """408 to who falls silent, also by a byte a time; a hung-up body leaves nothing; others are served meanwhile."""
    head = f"POST {STUDIES} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {KIND}\r\nContent-Length: 9000000\r\n\r\n"
    began = next(pieces([a_file(size=200_000)]))[:100_000]
    silent, dripping, gone = (socket.create_connection(("127.0.0.1", web.port)) for _ in range(3))
    for each in (silent, dripping, gone):
        each.sendall(head.encode() + began)
    wait_until(lambda: web.writing() == 3, "three are being written")
    gone.close()
    wait_until(lambda: web.writing() == 2, "what hung up leaves nothing")
    start = time.monotonic()
    assert 200 == web.post(body([a_file(StudyInstanceUID="1.2.3")])).status_code
    assert time.monotonic() - start < 1.0
    for _ in range(10):
        dripping.sendall(b"x")
        time.sleep(0.1)
    for each in (silent, dripping):
        each.settimeout(10)
        assert b" 408 " in each.recv(100)
        each.close()
    wait_until(lambda: web.writing() == 0, "nothing is left over")
    assert [] == Spool(web.folder / "state").files(study_key(STUDY))


def test_silent_connections_keep_no_sender_out(web: WebRole) -> None:
    """More than there may be: the oldest is closed, and a sender is served."""
    with ExitStack() as open_ones:
        silent = [
            open_ones.enter_context(socket.create_connection(("127.0.0.1", web.port), timeout=10))
            for _ in range(connections.MOST + 20)
        ]
        assert 200 == web.post(body([a_file(StudyInstanceUID="1.2.5")])).status_code
        with suppress(ConnectionResetError):
            assert b"" == silent[0].recv(1)


def test_a_large_object_takes_the_memory_of_its_blocks(web: WebRole) -> None:
    """However large it is, the role has no more than some MB beyond what it had."""
    memory = psutil.Process(web.process.pid)
    before, most = memory.memory_info().rss, [0]

    def large() -> Iterator[bytes]:
        yield next(pieces([a_file(StudyInstanceUID="1.2.4")]))[: -len(b"\r\n")]
        for _ in range(LARGE_MB):
            most[0] = max(most[0], memory.memory_info().rss)
            yield bytes(1_000_000)
        yield b"\r\n" + b"".join(pieces([]))

    answer = web.post(large())
    assert (200, 1) == (answer.status_code, len(stored(answer.json())))
    assert most[0] - before < 20_000_000


def test_orthancs_own_client_sends_to_us(web: WebRole, tmp_path: Path) -> None:
    """Its DICOMweb plugin stores here with user and token, several objects a request, and takes our answer."""
    uids, study = [str(generate_uid()) for _ in range(5)], str(generate_uid())
    with closing(Ledger.open(web.ledger)) as ledger:
        ledger.people.put("orthanc", Role.SENDER, now=1.0, token=digest(TOKEN))
        us = {"Url": f"http://127.0.0.1:{web.port}/dicom-web/", "Username": "orthanc", "Password": TOKEN}
        servers = {"Enable": True, "Root": "/dicom-web/", "Servers": {"spondyl": us}}
        with run_orthanc(tmp_path / "orthanc", dicomweb=True, DicomWeb=servers) as orthanc:
            for uid in uids:
                orthanc.store(a_file(SOPInstanceUID=uid, StudyInstanceUID=study, size=300_000))
            [resource] = orthanc.find("Study", StudyInstanceUID=study)
            orthanc.call("/dicom-web/servers/spondyl/stow", {"Resources": [resource], "Synchronous": True}, "POST")
        spool = Spool(web.folder / "state")
        assert [] == [uid for uid in uids if spool.instance(study_key(study), uid) is None]
        assert ["orthanc"] == [each.source for each in ledger.admin.studies() if each.study_instance_uid == study]


def test_nothing_that_was_acknowledged_is_missing_after_kill_9(web: WebRole) -> None:
    """The role dies while it stores: each object that an answer named is in the spool, and no half one.

    The last of this file: it ends the role that the others share.
    """
    acknowledged: list[str] = []
    gateway = {"Authorization": f"Bearer {TOKEN}-gateway"}

    def send() -> None:
        while True:
            try:
                answer = web.post(body([a_file(size=50_000) for _ in range(3)]), gateway)
            except httpx.HTTPError:
                return
            acknowledged.extend(stored(answer.json()))

    with closing(Ledger.open(web.ledger)) as ledger:
        ledger.people.put("gateway", Role.SENDER, now=1.0, token=digest(f"{TOKEN}-gateway"))
    senders = [threading.Thread(target=send) for _ in range(3)]
    for sender in senders:
        sender.start()
    wait_until(lambda: len(acknowledged) > 20, "some are acknowledged", step=0.002)
    web.process.kill()
    for sender in senders:
        sender.join()
    spool = Spool(web.folder / "state")
    spool.prepare()
    assert len(acknowledged) > 20
    assert [] == [uid for uid in acknowledged if spool.instance(study_key(STUDY), uid) is None]
    assert [] == list((web.folder / "state" / "incoming").iterdir())

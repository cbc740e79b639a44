"""STOW-RS to a destination: the guarantees of C-STORE, at Orthanc and at an archive that misbehaves."""

import ssl
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ledgers import empty_sqlite, sqlite_url, study_of
from proving import REPORT, Proving, proving, report_bytes
from pydicom.uid import generate_uid
from servers import free_port, run_orthanc
from sinks import make_certificate
from structlog.testing import capture_logs
from web_archive import WebArchive, module, web_archive

from service import sending, stow
from service.config_peers import Destination
from service.errors import NotNow, NotReached, NotTaken, PeerRefused, SpondylError, Unavailable
from service.listed import FILING_S

__all__ = ["empty_sqlite", "sqlite_url"]

SECRET = "planted-secret-0123456789"


def over_web(url: str, **more: Any) -> dict[str, Any]:
    """Return a destination that is reached by DICOMweb."""
    return {"protocol": "dicomweb", "dicomweb_url": url, "timeout_s": 2.0, **more}


@pytest.fixture
def archive() -> Iterator[WebArchive]:
    """Run an archive."""
    with web_archive() as found:
        yield found


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """Write a report."""
    (tmp_path / "report.dcm").write_bytes(report_bytes())
    return tmp_path / "report.dcm"


def at(archive: WebArchive, **more: Any) -> Destination:
    """Return the archive as a destination that stands alone."""
    return Destination.model_validate({"name": "pacs", **over_web(archive.url, **more)})


@contextmanager
def delivering(archive: WebArchive, sqlite_url: str, root: Path, **more: Any) -> Iterator[Proving]:
    """Give a study whose report is to go to the archive."""
    with proving(sqlite_url, root, over_web(archive.url, **more)) as node:
        yield node


# ---- Orthanc


def test_orthanc_gets_it_and_proves_it(sqlite_url: str, tmp_path: Path) -> None:
    """Stored by STOW-RS byte for byte, proven by QIDO-RS; what it lost is sent again; with a password or not at all."""
    password = tmp_path / "password"
    password.write_text(f"{SECRET}\n", encoding="utf-8")
    web = {"Enable": True, "Root": "/dicom-web/"}
    with run_orthanc(tmp_path / "orthanc", dicomweb=True, user=("spine", SECRET), DicomWeb=web) as orthanc:
        where = over_web(f"{orthanc.url}/dicom-web/", user="spine", secret_file=password)
        with proving(sqlite_url, tmp_path / "state", where) as node:
            assert sending.echo(node.settings.destinations[0], calling_ae="SPONDYL") < 5.0
            node.step()
            assert ("stored", "delivering") == node.state
            assert [report_bytes()[132:]] == [each[132:] for each in orthanc.instances(SOPInstanceUID=REPORT)]
            for identifier in orthanc.find(SOPInstanceUID=REPORT):
                orthanc.call(f"/instances/{identifier}", method="DELETE")
            node.later_s += FILING_S
            assert ("waiting", "pacs does not know the object (QIDO-RS)") == (node.step().state, node.row.error)
            node.wait()
            node.step()
            node.step()
            assert ("done", "reported") == node.state
            assert node.proof.endswith("; proven by QIDO-RS")
        password.write_text("another one", encoding="utf-8")
        with pytest.raises(Unavailable, match="401"):
            sending.echo(node.settings.destinations[0], calling_ae="SPONDYL")


# ---- what an answer means


def test_a_lost_answer_is_unknown_and_settled_by_proof(archive: WebArchive, sqlite_url: str, tmp_path: Path) -> None:
    """It stored and hung up: the same UID again, which this one refuses as a duplicate; the query finds it."""
    archive.answers = ["store and hang up", (409, b"already here")]
    with delivering(archive, sqlite_url, tmp_path / "state") as node:
        assert ("waiting", None) == (node.step().state, node.row.delivered_at)
        node.wait()
        assert "stored" == node.step().state
        node.step()
        assert ("done", "reported") == node.state
        assert [REPORT] * 2 == archive.came


@pytest.mark.parametrize(("proof", "search_status"), [("qido", 503), ("qido", 403), ("status", 0)])
def test_what_may_be_there_already_is_not_sent_under_another_uid(
    archive: WebArchive, report: Path, tmp_path: Path, proof: str, search_status: int
) -> None:
    """After a lost answer 409 may mean "here already": where nobody tells, no other SOP class goes, a second report."""
    other = tmp_path / "other.dcm"
    other.write_bytes(report.read_bytes())
    archive.answers, archive.search_status = ["store and hang up", (409, b"already here")], search_status
    destination = at(archive, proof=proof)
    with pytest.raises(Unavailable):
        stow.send(destination, [report, other])
    with pytest.raises(NotNow if search_status == 503 else NotTaken):
        stow.send(destination, [report, other], perhaps={report.name: 0.0})
    assert [REPORT] * 2 == archive.came
    if proof == "status":
        # Nothing went before: it does not take this SOP class.
        archive.answers = [(409, b"")]
        assert other == stow.send(destination, [report, other])


def test_a_delivery_knows_that_it_was_tried(archive: WebArchive, sqlite_url: str, tmp_path: Path) -> None:
    """The second try says so: the refusal names what may be there."""
    archive.answers = ["store and hang up", (409, b"already here")]
    with delivering(archive, sqlite_url, tmp_path / "state", proof="status") as node:
        node.step()
        node.wait()
        assert "failed" == node.step().state
        assert "it may have the object, of an earlier try" in (node.row.error or "")


@pytest.mark.parametrize(
    "answer",
    [
        (200, module(stored=REPORT)),
        (202, module(stored=REPORT)),
        # A warning, and "it is here" in the words of PS3.7 and of one archive.
        (202, module(failed=REPORT, reason=0xB006)),
        (409, module(failed=REPORT, reason=0x0111)),
        (409, module(failed=REPORT, reason=0xB00E)),
    ],
)
def test_stored_is_what_the_answer_says_of_the_object(
    archive: WebArchive, report: Path, answer: tuple[int, bytes]
) -> None:
    """Named among the stored, with a warning or not, or known to be there."""
    archive.answers = [answer]
    assert report == stow.send(at(archive, proof="status"), [report])


@pytest.mark.parametrize(
    ("answer", "family", "words"),
    [
        ((200, b""), NotNow, "without a word on the object"),
        ((200, b"<html>Please log in</html>"), NotNow, "without a word on the object"),
        ((200, b"[" * 200_000), NotNow, "without a word on the object"),
        ((202, module(stored="1.2.3.4")), NotNow, "without a word on the object"),
        ((200, module(failed=REPORT, reason=0xA700)), NotNow, "status 0xA700: out of resources"),
        ((202, module(failed=REPORT, reason=0x0110)), NotNow, "status 0x0110"),
        ((202, module(failed="", reason=0)), NotNow, "without a word on the object"),
        ((507, b""), NotNow, "HTTP status 507"),
        ((503, b""), Unavailable, "HTTP status 503: nobody is there"),
        ((429, b""), NotNow, "HTTP status 429"),
        ((401, b""), NotReached, "does not accept what stands in user and secret_file"),
        ("hang up", Unavailable, "does not answer at its dicomweb_url: RemoteProtocolError"),
        ((403, b""), PeerRefused, "HTTP status 403"),
        ((404, b""), PeerRefused, "HTTP status 404"),
        ((302, b""), PeerRefused, "it wants another dicomweb_url"),
        ((409, module(failed=REPORT, reason=0xC122)), NotTaken, "status 0xC122"),
        ((409, module(failed=REPORT, reason=0x0122)), NotTaken, "SOP class not supported"),
        ((200, module(failed="1.9", reason=0xC000, tag="0008119A")), NotTaken, "status 0xC000"),
        ((415, b""), NotTaken, "HTTP status 415"),
        ((413, b""), NotTaken, "HTTP status 413"),
        ((400, b"{"), NotTaken, "HTTP status 400"),
    ],
)
def test_what_is_not_stored_is_tried_again_or_somebody_must_act(
    archive: WebArchive, report: Path, answer: Any, family: type[SpondylError], words: str
) -> None:
    """What passes is told from what a refusal is, and who is well from who is not there; nothing else is success."""
    archive.answers = [answer]
    with pytest.raises(SpondylError) as told:
        stow.send(at(archive, proof="status"), [report])
    assert (family, True) == (type(told.value), words in str(told.value))


@pytest.mark.parametrize(
    ("answer", "unsure"),
    [
        ("hang up", True),
        ((200, b""), True),
        ((500, b""), True),
        ((504, b""), True),
        ((200, module(failed=REPORT, reason=0x0110)), False),
        ((507, b""), False),
        ((401, b""), False),
    ],
)
def test_whether_it_may_be_there_is_known(archive: WebArchive, report: Path, answer: Any, unsure: bool) -> None:
    """It may where nobody said that it is not: then it is a predecessor, and a rejection note names it."""
    other = report.with_name("other.dcm")
    other.write_bytes(report.read_bytes())
    archive.answers = [(409, module(failed=REPORT, reason=0x0122)), answer]
    with pytest.raises(Unavailable) as told:
        stow.send(at(archive, proof="status"), [report, other])
    assert (unsure, "other.dcm") == (told.value.unsure, told.value.of)


def test_what_reached_nobody_is_not_there(archive: WebArchive, report: Path) -> None:
    """No connection, no object."""
    nobody = at(archive, proof="status").model_copy(update={"dicomweb_url": f"http://127.0.0.1:{free_port()}/"})
    with pytest.raises(NotReached):
        stow.send(nobody, [report])


@pytest.mark.parametrize(("answer", "state"), [((507, b""), "waiting"), ("hang up", "waiting"), ((400, b""), "failed")])
def test_a_delivery_waits_under_its_uid_or_says_who_must_act(
    archive: WebArchive, sqlite_url: str, tmp_path: Path, answer: Any, state: str
) -> None:
    """As after C-STORE."""
    archive.answers = [answer]
    with delivering(archive, sqlite_url, tmp_path / "state") as node:
        assert state == node.step().state.value
        if state == "waiting":
            node.wait()
            assert "stored" == node.step().state
            assert [REPORT] * 2 == archive.came
        else:
            assert "the administrator of the destination" == study_of(node.ledger).who


def test_of_alternatives_the_first_that_is_taken_goes(archive: WebArchive, report: Path, tmp_path: Path) -> None:
    """FailedSOPSequence with 0122 leads to the next SOP class; where none is taken the reasons are said."""
    other = tmp_path / "other.dcm"
    other.write_bytes(report.read_bytes())
    archive.answers = [(409, module(failed=REPORT, reason=0x0122)), (200, module(stored=REPORT))]
    assert other == stow.send(at(archive, proof="status"), [report, other])
    archive.answers = [(409, module(failed=REPORT, reason=0x0122))] * 2
    with pytest.raises(NotTaken, match=r"does not take this object: .*0x0122"):
        stow.send(at(archive, proof="status"), [report, other])


def test_one_that_is_down_holds_the_destination_and_one_that_answers_does_not(
    archive: WebArchive, sqlite_url: str, tmp_path: Path
) -> None:
    """No answer counts against the destination; 507, which is one, against the object alone."""
    archive.answers = ["hang up", (507, b"")]
    with delivering(archive, sqlite_url, tmp_path / "state") as node:
        node.step()
        assert 1 == node.ledger.jobs.destination("pacs")[0]
        node.wait()
        node.step()
        assert ("waiting", 0) == (node.row.state.value, node.ledger.jobs.destination("pacs")[0])


# ---- who we are


@pytest.mark.parametrize("kind", ["Basic", "Bearer"])
def test_who_we_are_is_said_to_both_services_and_to_nobody_else(
    archive: WebArchive, sqlite_url: str, tmp_path: Path, kind: str
) -> None:
    """Every request carries the header; no log line, no ledger entry and no page of the configuration does."""
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n", encoding="utf-8")
    ours = {"user": "spine", "secret_file": secret} if kind == "Basic" else {"secret_file": secret}
    with capture_logs() as said, delivering(archive, sqlite_url, tmp_path / "state", **ours) as node:
        archive.answers = ["hang up"]
        node.step()
        node.wait()
        node.step()
        node.step()
        assert ("done", "reported") == node.state
        everything = f"{said} {node.settings!r} {node.settings.model_dump_json()} {node.row} {study_of(node.ledger)}"
    expected = {"Basic": "Basic c3BpbmU6cGxhbnRlZC1zZWNyZXQtMDEyMzQ1Njc4OQ==", "Bearer": f"Bearer {SECRET}"}[kind]
    assert [expected] * 3 == [each["Authorization"] for each in archive.headers]
    assert SECRET not in everything


def test_a_secret_that_was_renewed_is_used_at_once(archive: WebArchive, report: Path, tmp_path: Path) -> None:
    """The file is read for each call; one that is missing, empty or has two lines is named, never quoted."""
    token = tmp_path / "token"
    token.write_text("first", encoding="utf-8")
    destination = at(archive, secret_file=token)
    stow.send(destination, [report])
    token.write_text("second", encoding="utf-8")
    stow.send(destination, [report])
    assert ["Bearer first", "Bearer second"] == [each["Authorization"] for each in archive.headers]
    for wrong in (f"{SECRET}\nX-Other: 1", "", "žeton"):
        token.write_text(wrong, encoding="utf-8")
        with pytest.raises(Unavailable, match="expected one line") as told:
            stow.send(destination, [report])
        assert SECRET not in str(told.value)
    token.unlink()
    with pytest.raises(Unavailable, match=r"secret_file = .*FileNotFoundError"):
        stow.send(destination, [report])


def test_over_tls_both_sides_show_a_certificate(report: Path, tmp_path: Path) -> None:
    """One that is not of our CA is not spoken to, and gets no token; ours is shown to it."""
    ours, theirs = make_certificate(tmp_path, "ours"), make_certificate(tmp_path, "theirs")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*theirs)
    context.load_verify_locations(ours[0])
    context.verify_mode = ssl.CERT_REQUIRED
    token = tmp_path / "token"
    token.write_text(SECRET, encoding="utf-8")
    with web_archive(tls=context) as archive:
        tls = {"cert_file": ours[0], "key_file": ours[1], "ca_file": theirs[0]}
        assert report == stow.send(at(archive, tls=tls, secret_file=token), [report])
        with pytest.raises(Unavailable, match="certificate verify failed"):
            stow.send(at(archive, tls=tls | {"ca_file": ours[0]}, secret_file=token), [report])
        with pytest.raises(Unavailable):
            stow.send(at(archive, secret_file=token), [report])
        assert 1 == len(archive.headers)


def test_who_has_another_name_gets_neither_report_nor_secret(report: Path, tmp_path: Path) -> None:
    """A certificate of `ca_file` that names another host than `dicomweb_url` does is somebody else's."""
    mine, other = make_certificate(tmp_path, "mine"), make_certificate(tmp_path, "other", of="DNS:other.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*other)
    token = tmp_path / "token"
    token.write_text(SECRET, encoding="utf-8")
    with web_archive(tls=context) as archive:
        tls = {"cert_file": mine[0], "key_file": mine[1], "ca_file": other[0]}
        with pytest.raises(Unavailable, match="IP address mismatch"):
            stow.send(at(archive, tls=tls, secret_file=token), [report])
        assert [] == archive.headers


def test_no_proxy_of_the_environment_gets_a_patients_report(
    archive: WebArchive, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP_PROXY names somebody else; the destination alone is called."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert report == stow.send(at(archive), [report])


# ---- the command, and memory


def test_files_go_as_they_are_and_each_has_its_outcome(archive: WebArchive, report: Path, tmp_path: Path) -> None:
    """`spondyl send`: byte for byte; one that is refused or is no DICOM file stops no other."""
    (tmp_path / "none.dcm").write_bytes(b"no DICOM")
    archive.answers = [(409, b""), (200, module(stored=REPORT))]
    files = [report, tmp_path / "none.dcm", report]
    found = [each.problem for each in sending.send(at(archive), files, calling_ae="SPONDYL")]
    assert ["pacs answered STOW-RS with HTTP status 409", "it does not say what it is", None] == found
    assert report.read_bytes() == archive.bodies[-1]


def test_one_that_only_stores_is_there_all_the_same(archive: WebArchive) -> None:
    """Where the status is trusted nobody need search: 405 is an answer; where QIDO-RS is the proof it is a fault."""
    archive.search_status = 405
    assert sending.echo(at(archive, proof="status"), calling_ae="SPONDYL") < 2.0
    with pytest.raises(PeerRefused, match="405"):
        sending.echo(at(archive), calling_ae="SPONDYL")


def test_a_large_object_is_streamed(tmp_path: Path) -> None:
    """The body is given in blocks: 64 MB are sent with less than 1 MB of ours in memory."""
    file = tmp_path / "large.dcm"
    with file.open("wb") as sparse:
        sparse.truncate(64_000_000)
    tracemalloc.start()
    given = sum(map(len, stow.body(b"head", file, b"tail")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 64_000_008 == given
    assert peak < 1_000_000


def test_an_answer_without_an_end_is_not_waited_for(archive: WebArchive, report: Path) -> None:
    """More than a million bytes are no answer about one object."""
    archive.answers = [(200, b" " * 2_000_000)]
    with pytest.raises(Unavailable, match="has no end"):
        stow.send(at(archive, proof="status"), [report])


def test_uids_of_the_played_archive_are_those_of_the_objects(archive: WebArchive, report: Path) -> None:
    """What is asked for afterwards is what was sent: study, series and object."""
    stow.send(at(archive), [report])
    archive.answers = [(409, b"")]
    archive.stored.clear()
    archive.stored.add(str(generate_uid()))
    with pytest.raises(NotTaken):
        stow.send(at(archive), [report], perhaps={report.name: FILING_S})
    assert f"/dicom-web/studies/1.2.3/series/{REPORT}.1/instances?SOPInstanceUID={REPORT}" == archive.paths[-1]

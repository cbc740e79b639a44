"""TLS per BCP 195 (RFC 9325, PS3.15 B.12) against openssl and dcmtk, and certificates renewed while all goes on."""

import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from authority import Authority, authority, dcmtk_options, handshake, modality, put
from ears import QuietEar, quiet_ear
from pynetdicom import build_context
from raw_caller import VERIFICATION
from servers import free_port, program, run_orthanc, run_storescp
from structlog.testing import capture_logs

from service import peer
from service.acceptor import Waiting
from service.config_peers import Destination, Tls
from service.errors import Misconfigured, Unavailable

__all__ = ["authority", "modality"]


@pytest.fixture(scope="module")
def node(authority: Authority) -> Tls:
    """Make the node's certificate."""
    return authority.sign("node")


@pytest.fixture(scope="module")
def renewed(authority: Authority) -> Tls:
    """Make the node's next certificate."""
    return authority.sign("renewed")


@pytest.fixture
def files(node: Tls, tmp_path: Path) -> Tls:
    """Give a copy of the node's files, to be replaced."""
    copied = Tls(cert_file=tmp_path / "node.pem", key_file=tmp_path / "node.key", ca_file=tmp_path / "ca.pem")
    put(node, copied)
    return copied


@pytest.fixture
def ear(files: Tls, tmp_path: Path) -> Iterator[QuietEar]:
    """Run a listener with TLS."""
    with quiet_ear(tmp_path / "state", tls=files.model_dump()) as ear:
        yield ear


def to(ear: QuietEar, tls: Tls) -> Destination:
    """Return the listener as somewhere to call, with the files of the caller."""
    return Destination(name="node", ae_title="SPONDYL", host="127.0.0.1", port=ear.port, timeout_s=5, tls=tls)


def echoes(ear: QuietEar, tls: Tls) -> bool:
    """Whether dcmtk's echoscu gets an answer."""
    command = [program("echoscu"), *dcmtk_options(tls), "-aec", "SPONDYL", "-to", "5", "-ta", "5"]
    done = subprocess.run(
        [*command, "127.0.0.1", str(ear.port)], capture_output=True, check=False, timeout=30, env={**os.environ}
    )
    return done.returncode == 0


# ---- what is negotiated


def test_tls_1_2_and_1_3_are_spoken(ear: QuietEar, modality: Tls) -> None:
    """The newer one where the caller leaves the choice; each with forward secrecy and an authenticated cipher."""
    assert "New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384" in handshake(ear.port, modality)
    assert "New, TLSv1.2, Cipher is ECDHE-RSA-AES256-GCM-SHA384" in handshake(ear.port, modality, "-tls1_2")


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_older_versions_are_refused(ear: QuietEar, modality: Tls, version: str) -> None:
    """RFC 9325 3.1.1, RFC 8996: TLS 1.0 and 1.1 are answered with an alert."""
    said = handshake(ear.port, modality, version, "-cipher", "ALL:@SECLEVEL=0")
    assert "alert protocol version" in said
    assert "Cipher is (NONE)" in said


@pytest.mark.parametrize(
    "cipher",
    ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA256", "DHE-RSA-AES256-GCM-SHA384", "AECDH-AES256-SHA"],
)
def test_weak_ciphers_are_refused(ear: QuietEar, modality: Tls, cipher: str) -> None:
    """RFC 9325 4.1, 4.2: without forward secrecy, CBC, finite-field groups, or nobody's certificate."""
    said = handshake(ear.port, modality, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert "alert handshake failure" in said
    assert "Cipher is (NONE)" in said


def test_no_session_outlives_its_connection(ear: QuietEar, modality: Tls, tmp_path: Path) -> None:
    """A caller that hung up, and kept its session, shows its certificate again."""
    for version in ("-tls1_2", "-tls1_3"):
        kept = tmp_path / version
        handshake(ear.port, modality, version, "-sess_out", str(kept))
        again = handshake(ear.port, modality, version, *(("-sess_in", str(kept)) if kept.exists() else ()))
        assert "Reused" not in again


def test_a_caller_without_a_certificate_is_refused(ear: QuietEar, authority: Authority) -> None:
    """In TLS 1.3 the caller hears of it after its own side of the handshake."""
    with capture_logs() as said:
        assert "alert handshake failure" in handshake(ear.port, None, "-tls1_2", authority=authority.file)
        handshake(ear.port, None, "-tls1_3", authority=authority.file)
    refused = [line["why"] for line in said if line["action"] == "tls_refused"]
    assert refused == ["PEER_DID_NOT_RETURN_A_CERTIFICATE"] * 2


def test_the_oldest_of_those_silent_in_the_handshake_gives_way(ear: QuietEar, monkeypatch: pytest.MonkeyPatch) -> None:
    """With TLS too so many may wait: one more, and the first is hung up on before its handshake is overdue."""
    monkeypatch.setattr(ear.listener._server, "waiting", Waiting(most=2))  # noqa: SLF001 - nobody configures it
    with ExitStack() as stack:
        callers = []
        for _ in range(3):
            callers.append(stack.enter_context(socket.create_connection(("127.0.0.1", ear.port), timeout=3)))
            time.sleep(0.2)  # its thread is in the handshake
        assert callers[0].recv(1) == b""
        for caller in callers[1:]:
            caller.setblocking(False)
            with pytest.raises(BlockingIOError):
                caller.recv(1)
        assert ear.counted.of("association_rejected") == ["gave_way"]


def test_orthanc_is_called_and_calls_over_tls(
    ear: QuietEar, authority: Authority, modality: Tls, renewed: Tls, tmp_path: Path
) -> None:
    """A PACS with a certificate of its own, both ways; plain text on its port gets no answer."""
    secured: dict[str, Any] = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(modality.cert_file),
        "DicomTlsPrivateKey": str(modality.key_file),
        "DicomTlsTrustedCertificates": str(authority.file),
        "DicomModalities": {
            "node": {"AET": "SPONDYL", "Host": "127.0.0.1", "Port": ear.port, "UseDicomTls": True, "Timeout": 5}
        },
    }
    with run_orthanc(tmp_path / "orthanc", **secured) as orthanc:
        place = to(ear, renewed).model_copy(update={"port": orthanc.port, "ae_title": orthanc.ae_title})
        with peer.calling(place, [build_context(VERIFICATION)], calling_ae="SPONDYL") as association:
            assert association.send_c_echo().Status == 0x0000
        plain = place.model_copy(update={"tls": None, "timeout_s": 1})
        with pytest.raises(Unavailable):
            peer.call(plain, [build_context(VERIFICATION)], calling_ae="SPONDYL")
        assert orthanc.call("/modalities/node/echo", {}) == {}


# ---- renewal


def test_no_session_outlives_the_files(ear: QuietEar, files: Tls, modality: Tls, renewed: Tls, tmp_path: Path) -> None:
    """While its connection is open, TLS 1.2 resumes it by its ID; under new files nobody's: the CA of now decides."""
    caller = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    caller.check_hostname, caller.verify_mode = False, ssl.CERT_NONE
    caller.maximum_version = ssl.TLSVersion.TLSv1_2
    caller.load_cert_chain(modality.cert_file, modality.key_file)
    with ExitStack() as stack:

        def call(session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
            plain = socket.create_connection(("127.0.0.1", ear.port), timeout=5)
            return stack.enter_context(caller.wrap_socket(plain, session=session))

        first = call()
        assert (call(first.session).session_reused, first.version()) == (True, "TLSv1.2")
        put(renewed, files)
        assert not call(first.session).session_reused
        put(Authority.made(tmp_path, "other").sign("of-other"), files)
        with pytest.raises(OSError, match="alert"):
            call(first.session)


def test_a_certificate_is_renewed_under_an_open_association(
    ear: QuietEar, files: Tls, modality: Tls, renewed: Tls
) -> None:
    """New connections see the new one at once; the association that is open goes on."""
    assert "subject=CN = node" in handshake(ear.port, modality)
    with peer.calling(to(ear, modality), [build_context(VERIFICATION)], calling_ae="STAYS") as association:
        put(renewed, files)
        assert "subject=CN = renewed" in handshake(ear.port, modality)
        assert association.send_c_echo().Status == 0x0000


def test_broken_files_leave_the_old_certificate_in_force(ear: QuietEar, files: Tls, modality: Tls) -> None:
    """A key that does not fit is said in the log, without a call; callers are served with what there was."""
    with capture_logs() as said:
        files.key_file.write_bytes(modality.key_file.read_bytes())
        assert echoes(ear, modality)
        assert "subject=CN = node" in handshake(ear.port, modality)
    [line] = [line for line in said if line["action"] == "tls_not_renewed"]
    assert (line["file"], "KEY_VALUES_MISMATCH" in line["why"] or "mismatch" in line["why"]) == ("node.pem", True)


def test_a_listener_does_not_start_with_files_that_cannot_be_used(files: Tls, tmp_path: Path) -> None:
    """There are no older ones: a configuration error, which names them."""
    files.cert_file.unlink()
    with pytest.raises(Misconfigured, match=r"node\.pem"), quiet_ear(tmp_path / "state", tls=files.model_dump()):
        pass


def test_who_has_a_certificate_of_the_old_ca_is_out(ear: QuietEar, files: Tls, modality: Tls, tmp_path: Path) -> None:
    """Another CA in the place of the old: its callers are served, those of the old one no longer."""
    assert echoes(ear, modality)
    other = Authority.made(tmp_path, "other")
    put(other.sign("of-other"), files)
    caller = other.sign("caller")
    assert echoes(ear, caller)
    assert not echoes(ear, modality)


def test_a_destination_gets_the_renewed_certificate(node: Tls, tmp_path: Path) -> None:
    """A storescp that trusts another CA refuses us; with a certificate of that CA put there, the same process sends."""
    files = Tls(cert_file=tmp_path / "n.pem", key_file=tmp_path / "n.key", ca_file=tmp_path / "n-ca.pem")
    put(node, files)
    other = Authority.made(tmp_path, "theirs")
    theirs, ours = other.sign("scp"), other.sign("ours")
    port = free_port()
    place = Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=port, timeout_s=5, tls=files)
    with run_storescp(tmp_path / "scp", *dcmtk_options(theirs), "--require-peer-cert", port=port):
        with pytest.raises(Unavailable), peer.calling(place, [build_context(VERIFICATION)], calling_ae="SPONDYL"):
            pass
        put(ours, files)
        with peer.calling(place, [build_context(VERIFICATION)], calling_ae="SPONDYL") as association:
            assert association.send_c_echo().Status == 0x0000


def test_a_destination_silent_in_the_handshake_is_not_waited_for(modality: Tls) -> None:
    """Its timeout bounds the handshake as it bounds every other answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        place = Destination(name="silent", ae_title="PACS", host="127.0.0.1", port=port, timeout_s=1, tls=modality)
        start = time.monotonic()
        with pytest.raises(Unavailable, match="over TLS"):
            peer.call(place, [build_context(VERIFICATION)], calling_ae="SPONDYL")
        assert time.monotonic() - start < 4


def test_a_destination_that_speaks_old_tls_alone_is_not_talked_to(node: Tls, modality: Tls) -> None:
    """The calling side refuses what the listening side refuses."""
    port = free_port()
    old = ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    files = ("-cert", str(node.cert_file), "-key", str(node.key_file))
    command = [program("openssl"), "s_server", "-accept", str(port), *files, *old, "-quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        time.sleep(0.5)
        place = Destination(name="old", ae_title="PACS", host="127.0.0.1", port=port, timeout_s=3, tls=modality)
        with pytest.raises(Unavailable, match="over TLS"):
            peer.call(place, [build_context(VERIFICATION)], calling_ae="SPONDYL")
        server.terminate()
        assert server.stdout is not None
        assert b"unsupported protocol" in server.stdout.read()

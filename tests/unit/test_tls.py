"""TLS files that change under a running node; what is negotiated is asked of real peers in tests/integration."""

import os
import ssl
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service import tls
from service.config_peers import Tls
from service.errors import Misconfigured, Unavailable
from service.tls import Renewed, calling_context


@pytest.fixture
def files(tmp_path: Path) -> Tls:
    """Give three files."""
    for name in ("cert", "key", "ca"):
        (tmp_path / name).write_text("1", encoding="ascii")
    return Tls(cert_file=tmp_path / "cert", key_file=tmp_path / "key", ca_file=tmp_path / "ca")


class Making:
    """Makes contexts of whatever lies there, but of "broken"."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, given: Tls) -> ssl.SSLContext:
        """Make one."""
        if "broken" in {given.cert_file.read_text("ascii"), given.key_file.read_text("ascii")}:
            raise Misconfigured("tls: broken")
        self.made += 1
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def put(path: Path, text: str) -> None:
    """Put another file under a name, as a renewal does."""
    aside = path.with_suffix(".new")
    aside.write_text(text, encoding="ascii")
    aside.replace(path)


@pytest.mark.parametrize("changed", ["cert_file", "key_file", "ca_file"])
def test_any_file_that_changed_is_read_again(files: Tls, changed: str) -> None:
    """Once; as long as nothing changes nothing is read. It is said."""
    making = Making()
    renewed = Renewed(making, files)
    old = renewed.context()
    with capture_logs() as said:
        assert renewed.context() is old
        put(getattr(files, changed), "2")
        new = renewed.context()
        assert renewed.context() is new
    assert (new is not old, making.made, [line["action"] for line in said]) == (True, 2, ["tls_renewed"])


def test_a_file_that_was_touched_is_read_again(files: Tls) -> None:
    """Of the same name, size and number, with another time."""
    making = Making()
    renewed = Renewed(making, files)
    os.utime(files.cert_file, ns=(1, 1))
    renewed.context()
    assert making.made == 2


def test_broken_files_leave_the_old_ones_in_force(files: Tls) -> None:
    """Said once, by the file's name and without its folder; the next that can be used are taken."""
    renewed = Renewed(Making(), files)
    old = renewed.context()
    with capture_logs() as said:
        put(files.key_file, "broken")
        assert [renewed.context() for _ in range(3)] == [old] * 3
        files.cert_file.rename(files.cert_file.with_suffix(".old"))
        put(files.key_file, "3")
        put(files.cert_file, "3")
        assert renewed.context() is not old
    assert [(line["action"], line["file"]) for line in said] == [("tls_not_renewed", "cert"), ("tls_renewed", "cert")]


def test_the_first_files_must_be_good(files: Tls) -> None:
    """There are no older ones: a node does not start with them."""
    put(files.cert_file, "broken")
    with pytest.raises(Misconfigured):
        Renewed(Making(), files)


def test_a_call_waits_for_files_that_cannot_be_used(files: Tls) -> None:
    """What is to be sent is put off, not given up: the files may be half way through their renewal."""
    with pytest.raises(Unavailable, match=r"^tls: .*cert_file"):
        calling_context(files)


def test_calls_share_a_side_by_what_is_spoken(files: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library sets on its context what HTTPS says in the handshake; DICOM must not say it."""
    for side in ("client_context", "web_context"):
        monkeypatch.setattr(tls, side, Making())
    dicom, https = calling_context(files), calling_context(files, over="https")
    assert calling_context(files) is dicom
    assert dicom is not https

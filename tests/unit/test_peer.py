"""TLS contexts, our identity, and words for what was not accepted."""

import ssl
from pathlib import Path

import pytest
from pynetdicom import build_context

from service import peer
from service.config_peers import Tls
from service.errors import Misconfigured
from service.identity import is_uid
from service.storing import OWN_NAME
from service.tls import client_context, server_context
from sr_templates import identity


@pytest.mark.parametrize("make", [server_context, client_context])
def test_missing_certificates_are_a_configuration_error(tmp_path: Path, make: object) -> None:
    """The files are named."""
    assert callable(make)
    tls = Tls(cert_file=tmp_path / "none.pem", key_file=tmp_path / "none.key", ca_file=tmp_path / "ca.pem")
    with pytest.raises(Misconfigured, match=r"^tls: No such file .*none\.pem"):
        make(tls)


def test_files_that_are_no_certificates_are_a_configuration_error(tmp_path: Path) -> None:
    """OpenSSL's own words would not name the file."""
    (tmp_path / "x.pem").write_text("no certificate", encoding="ascii")
    tls = Tls(cert_file=tmp_path / "x.pem", key_file=tmp_path / "x.pem", ca_file=tmp_path / "x.pem")
    with pytest.raises(Misconfigured, match=r"^tls: .*x\.pem") as refusal:
        server_context(tls)
    assert isinstance(refusal.value.__cause__, ssl.SSLError)


def test_our_identity_is_well_formed() -> None:
    """PS3.7 D.3.3.2: a UID, and at most 16 characters."""
    assert is_uid(peer.IMPLEMENTATION_CLASS_UID)
    assert peer.IMPLEMENTATION_VERSION_NAME.startswith("SPONDYL_")
    assert len(peer.IMPLEMENTATION_VERSION_NAME) <= 16


def test_listener_and_reports_name_one_implementation() -> None:
    """The two packages know nothing of each other; what they both say must not drift."""
    assert identity.IMPLEMENTATION_CLASS_UID == peer.IMPLEMENTATION_CLASS_UID
    assert (identity.MANUFACTURER, identity.MODEL) == (OWN_NAME, OWN_NAME)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (1, "user rejection"),
        (2, "no reason given"),
        (3, "SOP class not supported"),
        (4, "transfer syntaxes not supported"),
        (None, "no reason given"),
    ],
)
def test_refused_contexts_are_told_by_name_and_reason(result: int | None, reason: str) -> None:
    """PS3.8 9.3.3.2: result and reason of a presentation context."""
    context = build_context("1.2.840.10008.5.1.4.1.1.88.33")
    context.result = result
    assert peer.refusals([context]) == {f"Comprehensive SR Storage: {reason}"}


def test_a_class_that_nobody_knows_is_named_by_its_uid() -> None:
    """Its UID is all there is."""
    assert peer.name_of(build_context("1.2.3.4")) == "1.2.3.4"

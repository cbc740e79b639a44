"""When certificates expire, against what openssl says of them."""

import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from servers import program
from sinks import make_certificate

from service.certificates import certificates, expiries, unusable
from service.config import Settings
from service.config_peers import Archive, Destination, Node, Source, Tls
from service.errors import Misconfigured


def _by_openssl(file: Path) -> float:
    command = [program("openssl"), "x509", "-in", str(file), "-noout", "-enddate"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return datetime.strptime(f"{said.removeprefix('notAfter=')}+0000", "%b %d %H:%M:%S %Y GMT%z").timestamp()


@pytest.mark.parametrize("days", [0, 2, 20_000])
def test_the_end_is_the_one_that_openssl_reads(tmp_path: Path, days: int) -> None:
    """Past, near, and beyond 2050, where the encoding of the time is another (RFC 5280 4.1.2.5)."""
    file, _ = make_certificate(tmp_path, days=days)

    assert [_by_openssl(file)] == expiries(file)


def test_each_owner_is_named(tmp_path: Path) -> None:
    """Of a chain the certificate that ends first counts, of a CA file the one that ends last."""
    first, key = make_certificate(tmp_path, "first", days=5)
    second, _ = make_certificate(tmp_path, "second", days=9)
    both = tmp_path / "both.pem"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    tls = Tls(cert_file=both, key_file=key, ca_file=both)
    found = certificates(
        Settings(
            destinations=(Destination(name="pacs", ae_title="PACS", host="h", port=104, tls=tls),),
            sources=(
                Source(name="ct1", ae_titles=("CT1",), archive=Archive(ae_title="A", host="h", port=104, tls=tls)),
            ),
        )
    )

    assert {each.owner: each.expires_at for each in found} == {
        "destination pacs": _by_openssl(first),
        "destination pacs, CA": _by_openssl(second),
        "archive of ct1": _by_openssl(first),
        "archive of ct1, CA": _by_openssl(second),
    }


def test_files_that_cannot_be_used_are_told_by_owner(tmp_path: Path) -> None:
    """A key that does not fit is no certificate that cannot be read; an owner whose files are good is left out."""
    file, key = make_certificate(tmp_path, "good")
    _, other = make_certificate(tmp_path, "other")
    good = Tls(cert_file=file, key_file=key, ca_file=file)
    wrong = Tls(cert_file=file, key_file=other, ca_file=file)
    pacs = Destination(name="pacs", ae_title="PACS", host="h", port=104, tls=wrong)
    settings = Settings(node=Node(tls=good), destinations=(pacs,))

    assert ["destination pacs"] == list(unusable(settings))
    assert str(file) in unusable(settings)["destination pacs"]
    assert 4 == len(list(certificates(settings)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ("", "found none"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "cannot be read"),
    ],
)
def test_a_file_that_is_none_is_said(tmp_path: Path, content: str | None, said: str) -> None:
    """A file that is missing, holds nothing or is damaged is named, with what was expected."""
    file = tmp_path / "node.pem"
    if content is not None:
        file.write_text(content, encoding="ascii")
    with pytest.raises(Misconfigured, match=said) as error:
        expiries(file)

    assert str(file) in str(error.value)

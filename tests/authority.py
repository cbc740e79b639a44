"""A certificate authority for tests: certificates of a CA of their own, made by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers import program

from service.config_peers import Tls


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run([program("openssl"), *arguments], check=True, capture_output=True, cwd=folder)


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A CA, and what it has signed, in one folder."""

    folder: Path
    name: str

    @classmethod
    def made(cls, folder: Path, name: str = "ca") -> "Authority":
        """Make a CA that signs itself, good for two days."""
        key = ("-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key")
        _openssl(folder, "req", "-x509", *key, "-out", f"{name}.pem", "-days", "2", "-subj", f"/CN={name}")
        return cls(folder=folder, name=name)

    @property
    def file(self) -> Path:
        """Its own certificate."""
        return self.folder / f"{self.name}.pem"

    def sign(self, name: str, *, days: int = 2) -> Tls:
        """Make a key and a certificate of this CA; return them as the files of one side."""
        request = ("-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        _openssl(self.folder, "req", *request, "-subj", f"/CN={name}")
        signed = ("-CA", f"{self.name}.pem", "-CAkey", f"{self.name}.key", "-CAcreateserial", "-days", str(days))
        _openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
        return Tls(cert_file=self.folder / f"{name}.pem", key_file=self.folder / f"{name}.key", ca_file=self.file)


def put(new: Tls, old: Tls) -> None:
    """Put new files in the place of the old ones, each at once, as a renewal does."""
    for part in ("key_file", "cert_file", "ca_file"):
        source, target = getattr(new, part), getattr(old, part)
        aside = target.with_suffix(".new")
        aside.write_bytes(source.read_bytes())
        aside.replace(target)


def dcmtk_options(tls: Tls) -> tuple[str, ...]:
    """Return dcmtk's options for this side."""
    return ("+tls", str(tls.key_file), str(tls.cert_file), "--add-cert-file", str(tls.ca_file))


def handshake(port: int, tls: Tls | None, *options: str, authority: Path | None = None) -> str:
    """Return what openssl's client says of a handshake; it hangs up once that is done."""
    ours = ("-cert", str(tls.cert_file), "-key", str(tls.key_file)) if tls else ()
    ca = authority or (tls.ca_file if tls else None)
    trusted = ("-CAfile", str(ca)) if ca else ()
    command = [program("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", *ours, *trusted, *options]
    done = subprocess.run(command, input=b"", capture_output=True, check=False, timeout=30)
    return (done.stdout + done.stderr).decode(errors="replace")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make the CA of a site."""
    return Authority.made(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def modality(authority: Authority) -> Tls:
    """Make the certificate of somebody who may call."""
    return authority.sign("modality")

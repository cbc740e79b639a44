"""[node], [[sources]], [[destinations]]: this node on the network, who may send to it, and where its reports go."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.types import StringConstraints

from service.config_fields import (
    AeTitle,
    BindPort,
    File,
    Name,
    Network,
    ObjectWord,
    Port,
    ProofWord,
    Table,
    each_once,
    matching,
    with_the_report,
)


class Tls(Table):
    """Certificates of one side, PEM files; TLS 1.2 or newer, the peer must present a certificate of `ca_file`."""

    cert_file: File
    key_file: File
    ca_file: File


class Node(Table):
    """[node]: this node on the network."""

    ae_title: AeTitle = "SPONDYL"
    bind: str = "127.0.0.1"
    port: BindPort = 11112
    max_associations: Annotated[int, Field(ge=1, le=1000)] = 32
    #: Largest P-DATA-TF PDU we take, bytes (PS3.8 D.1).
    max_pdu: Annotated[int, Field(ge=4096, le=1_048_576)] = 131_072
    #: Seconds without a byte after which an association is aborted.
    idle_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    #: How many processes receive on the one port; more than one where several modalities send at once.
    processes: Annotated[int, Field(ge=1, le=16)] = 1
    #: Whether senders may ask for storage commitment: the spool answers. It is no archive (storage.retention_days).
    storage_commitment: bool = False
    #: Largest data set of an object that is taken, MB of a million bytes.
    max_object_mb: Annotated[float, Field(gt=0, le=1_000_000)] = 4000.0
    tls: Tls | None = None

    @property
    def max_object_bytes(self) -> int:
        """Largest data set of an object that is taken, bytes."""
        return int(self.max_object_mb * 1_000_000)


class Source(Table):
    """[[sources]]: who may send. Without any, every caller that can reach `bind` may."""

    name: Name
    ae_titles: Annotated[tuple[AeTitle, ...], Field(min_length=1)]
    networks: tuple[Network, ...] = ()


class Destination(Table):
    """[[destinations]]: where reports go."""

    name: Name
    ae_title: AeTitle
    host: Annotated[str, StringConstraints(min_length=1)]
    port: Port
    #: The report always; of the rest what the destination is to get.
    send: Annotated[tuple[ObjectWord, ...], AfterValidator(each_once), AfterValidator(with_the_report)] = (
        "sr",
        "gsps",
        "summary",
    )
    #: The same as proof = "commitment".
    storage_commitment: bool = False
    #: What closes a delivery: storage commitment, C-FIND, QIDO-RS, or the site's trust in the status of the C-STORE.
    proof: ProofWord | None = None
    #: The service root of DICOMweb, which QIDO-RS is asked under.
    dicomweb_url: Annotated[str, matching(r"(https?://[!-~]+)?", "empty or a URL of http or https")] = ""
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 15.0
    tls: Tls | None = None

    @model_validator(mode="after")
    def _proof_can_be_had(self) -> Self:
        if self.storage_commitment and self.proof not in {None, "commitment"}:
            raise ValueError(f'storage_commitment = true is proof = "commitment", found proof = "{self.proof}"')
        if self.proof == "qido" and not self.dicomweb_url:
            raise ValueError('proof = "qido" needs dicomweb_url')
        return self

    @property
    def proven_by(self) -> ProofWord:
        """What closes a delivery; where nothing is said, the status."""
        return "commitment" if self.storage_commitment else self.proof or "status"

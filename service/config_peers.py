"""[node], [[sources]], [[destinations]]: this node on the network, who may send to it, and where its reports go."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.types import StringConstraints

from service.config_fields import (
    SOP_CLASS_WORDS,
    AeTitle,
    AeTitleOrNone,
    BindPort,
    FetchWord,
    File,
    Name,
    Network,
    ObjectWord,
    Port,
    PriorityWord,
    ProofWord,
    ServiceRoot,
    SopClassWord,
    Table,
    each_once,
    matching,
    none_twice,
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
    #: An association ends after so long, seconds, whatever it is at: one that drips must not hold its slot for ever.
    max_association_s: Annotated[float, Field(gt=0)] = 14_400.0
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


class Archive(Table):
    """archive of [[sources]]: where the source's studies lie, to be completed from there before they are measured."""

    ae_title: AeTitle
    host: Annotated[str, StringConstraints(min_length=1)]
    port: Port
    #: C-GET brings objects over our own association; C-MOVE has them sent to our listener, which must know the sender.
    retrieve: Literal["get", "move"] = "get"
    #: Where no rule says otherwise: the whole study, its segmentations alone, our reports on earlier studies.
    fetch: Annotated[tuple[FetchWord, ...], AfterValidator(none_twice)] = ("study",)
    #: So long a study waits for what the archive has; then it is measured as it is.
    patience_s: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 30.0
    tls: Tls | None = None


class Source(Table):
    """[[sources]]: who may send. Without any, every caller that can reach `bind` may."""

    name: Name
    #: Empty for one that sends by STOW-RS alone: the account there has the name of its source.
    ae_titles: tuple[AeTitle, ...]
    networks: tuple[Network, ...] = ()
    #: How many associations and requests by STOW-RS it may have at once, over all processes; without it only the
    #: limits of the node hold.
    max_associations: Annotated[int, Field(ge=1, le=1000)] | None = None
    #: The storage SOP classes that it may send, by keyword of PS3.6 A.1; all that we take where none is named.
    sop_classes: Annotated[tuple[SopClassWord, ...], AfterValidator(each_once)] | None = None
    #: Whether its studies are measured where no rule says otherwise.
    process: bool = True
    #: What its studies get where the rule that decides says nothing.
    priority: PriorityWord = "medium"
    destinations: Annotated[tuple[Name, ...], AfterValidator(each_once)] | None = None
    quiet_s: Annotated[float, Field(ge=0)] | None = None
    archive: Archive | None = None

    @property
    def sop_class_uids(self) -> tuple[str, ...]:
        """The storage SOP classes that it may send; none where it may send all."""
        return tuple(SOP_CLASS_WORDS[word] for word in self.sop_classes or ())


class Destination(Table):
    """[[destinations]]: where reports go."""

    name: Name
    #: How objects go there: C-STORE to AE title, host and port, or STOW-RS under `dicomweb_url`.
    protocol: Literal["dimse", "dicomweb"] = "dimse"
    ae_title: AeTitleOrNone = ""
    host: str = ""
    port: BindPort = 0
    #: The report always; of the rest what the destination is to get.
    send: Annotated[tuple[ObjectWord, ...], AfterValidator(each_once), AfterValidator(with_the_report)] = (
        "sr",
        "gsps",
        "summary",
    )
    #: The same as proof = "commitment".
    storage_commitment: bool = False
    #: What closes a delivery: storage commitment, C-FIND, QIDO-RS, or the site's trust in the status of the C-STORE, or
    #: in the answer to STOW-RS.
    proof: ProofWord | None = None
    #: The service root of DICOMweb: STOW-RS and QIDO-RS go there.
    dicomweb_url: ServiceRoot = ""
    #: Who we are there: a user (HTTP Basic); without one `secret_file` holds a token (Bearer).
    user: Annotated[str, matching(r"[ -9;-~]*", "printable ASCII without ':'")] = ""
    #: One line: the password, or the token.
    secret_file: File | None = None
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 15.0
    tls: Tls | None = None

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        dimse = [key for key in ("ae_title", "host", "port") if getattr(self, key)]
        if self.protocol == "dimse" and len(dimse) < 3:  # noqa: PLR2004 - all three of them
            missing = [key for key in ("ae_title", "host", "port") if key not in dimse]
            raise ValueError(f'{", ".join(missing)} is required, or protocol = "dicomweb" with dicomweb_url')
        if self.protocol == "dicomweb" and not self.dicomweb_url:
            raise ValueError('protocol = "dicomweb" needs dicomweb_url')
        if self.protocol == "dicomweb" and dimse:
            raise ValueError(f'protocol = "dicomweb" goes to dicomweb_url alone: take {", ".join(dimse)} out')
        return self

    @model_validator(mode="after")
    def _says_who_we_are(self) -> Self:
        if self.user and self.secret_file is None:
            raise ValueError("user needs secret_file, the file of the password")
        if self.secret_file and not self.dicomweb_url:
            raise ValueError("secret_file is for dicomweb_url, which is missing")
        return self

    @model_validator(mode="after")
    def _proof_can_be_had(self) -> Self:
        if self.storage_commitment and self.proof not in {None, "commitment"}:
            raise ValueError(f'storage_commitment = true is proof = "commitment", found proof = "{self.proof}"')
        if self.proof == "qido" and not self.dicomweb_url:
            raise ValueError('proof = "qido" needs dicomweb_url')
        if self.protocol == "dicomweb" and self.proven_by not in {"qido", "status"}:
            raise ValueError(f'protocol = "dicomweb" is proven by "qido" or "status", found proof = "{self.proven_by}"')
        return self

    @property
    def proven_by(self) -> ProofWord:
        """What closes a delivery; where nothing is said, QIDO-RS after STOW-RS and the status after C-STORE."""
        if self.storage_commitment:
            return "commitment"
        return self.proof or ("qido" if self.protocol == "dicomweb" else "status")

    @property
    def where(self) -> str:
        """Where it is, for people."""
        return self.dicomweb_url if self.protocol == "dicomweb" else f"{self.ae_title} at {self.host}:{self.port}"

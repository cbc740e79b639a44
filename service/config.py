"""The configuration: one TOML file, overridden by SPONDYL_<SECTION>__<KEY>, valid once constructed.

Every table refuses unknown keys. `load` is the only reader of files and environment and is called by the
composition root; nothing is read at import.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.types import StringConstraints

from service.config_reading import PREFIX, explain, overlay, read_toml
from service.errors import Misconfigured


def _matching(pattern: str, words: str) -> AfterValidator:
    """Return a validator for text; `words` say what is allowed to somebody who does not read patterns."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {words}")
        return text

    return AfterValidator(check)


#: PS3.5 6.2, VR AE: at most 16 characters of the default repertoire, no backslash, not only spaces.
AeTitle = Annotated[
    str,
    _matching(
        r"(?=.*[!-\[\]-~])[ -\[\]-~]{1,16}", "an AE title: 1 to 16 ASCII characters, no backslash, not only spaces"
    ),
]
#: A name we give ourselves; it appears in queue names, metrics and on the command line.
Name = Annotated[
    str,
    _matching(r"[a-z0-9][a-z0-9_-]{0,31}", "a name: 1 to 32 of a-z, 0-9, '-' and '_', the first a letter or digit"),
]
Port = Annotated[int, Field(ge=1, le=65535)]
#: Port 0 lets the system choose; only a server may ask for it.
BindPort = Annotated[int, Field(ge=0, le=65535)]


def _network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


Network = Annotated[str, AfterValidator(_network)]


def _not_empty(value: object) -> object:
    if value == "":
        raise ValueError("must name a file or folder")
    return value


def _anchored(path: Path, info: ValidationInfo) -> Path:
    """Resolve a relative path against the folder of the configuration file, where there is one."""
    path = path.expanduser()
    return (info.context or Path()) / path


File = Annotated[Path, BeforeValidator(_not_empty), AfterValidator(_anchored)]


#: A task must have time for a delivery that waits for its timeout at every step (connection, association, response,
#: release), and to go on with the next ones for as long as one step: then its limit never strikes inside an answer.
LONGEST_DELIVERY: Final = 6
#: A task must be so many times as long as a finder: it is told that its time is up after 0.9 of it, and reading the
#: study and measuring the masks must fit in as well.
FINDER_IN_A_TASK: Final = 1.25


def is_loopback(host: str) -> bool:
    """Whether `host` is an address or name of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Tls(_Table):
    """Certificates of one side, PEM files; TLS 1.2 or newer, the peer must present a certificate of `ca_file`."""

    cert_file: File
    key_file: File
    ca_file: File


class Node(_Table):
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
    #: Largest data set of an object that is taken, MB of a million bytes.
    max_object_mb: Annotated[float, Field(gt=0, le=1_000_000)] = 4000.0
    tls: Tls | None = None

    @property
    def max_object_bytes(self) -> int:
        """Largest data set of an object that is taken, bytes."""
        return int(self.max_object_mb * 1_000_000)


class Source(_Table):
    """[[sources]]: who may send. Without any, every caller that can reach `bind` may."""

    name: Name
    ae_titles: Annotated[tuple[AeTitle, ...], Field(min_length=1)]
    networks: tuple[Network, ...] = ()


class Destination(_Table):
    """[[destinations]]: where reports go."""

    name: Name
    ae_title: AeTitle
    host: Annotated[str, StringConstraints(min_length=1)]
    port: Port
    send: Annotated[tuple[Literal["sr"], ...], Field(min_length=1)] = ("sr",)
    #: Not available in this version: a delivery is closed by the C-STORE status.
    storage_commitment: Literal[False] = False
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 15.0
    tls: Tls | None = None


class Study(_Table):
    """[study]: when a study is complete, and what late objects do."""

    quiet_s: Annotated[float, Field(ge=0)] = 30.0
    max_wait_s: Annotated[float, Field(gt=0)] = 3600.0
    late_instances: Literal["never", "replace", "always"] = "replace"

    @model_validator(mode="after")
    def _limit_is_longer(self) -> Self:
        if self.max_wait_s < self.quiet_s:
            raise ValueError(f"max_wait_s ({self.max_wait_s}) must not be shorter than quiet_s ({self.quiet_s})")
        return self


class Storage(_Table):
    """[storage]: the spool and the ledger."""

    root: Annotated[File, Field(validate_default=True)] = Path("spondyl-data")
    #: SQLAlchemy URL; empty means SQLite in `root`. It may hold a password, so it is never shown.
    ledger: SecretStr = SecretStr("")
    retention_days: Annotated[float, Field(gt=0)] = 30.0
    min_free_gb: Annotated[float, Field(ge=0)] = 1.0

    @property
    def ledger_url(self) -> str:
        """The ledger's URL, with the default filled in."""
        return self.ledger.get_secret_value() or f"sqlite:///{self.root.absolute() / 'ledger.sqlite'}"


def _broker(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if text != "embedded" and not re.match(r"[a-z][a-z0-9+.-]*://", text):
        raise ValueError('must be "embedded" or the URL of a Celery broker')
    return secret


class Queue(_Table):
    """[queue]: Celery's broker and the limits of a task."""

    #: "embedded" or any Celery broker URL; may hold a password, so it is never shown.
    broker: Annotated[SecretStr, AfterValidator(_broker)] = SecretStr("embedded")
    concurrency: Annotated[int, Field(ge=1, le=64)] = 2
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    time_limit_s: Annotated[float, Field(ge=10)] = 300.0
    #: A running job whose worker has not been heard of for so long is given to another.
    lease_s: Annotated[float, Field(ge=2)] = 15.0
    #: A waiting job whose message has not been taken for so long is sent to the broker again.
    requeue_s: Annotated[float, Field(ge=1)] = 20.0
    #: A destination that stays unreachable for so long is given up, and somebody must act.
    delivery_patience_h: Annotated[float, Field(gt=0)] = 72.0

    @property
    def embedded(self) -> bool:
        """Whether the private Valkey is the broker."""
        return self.broker.get_secret_value() == "embedded"


class Finder(_Table):
    """[finder]: an image model of the site, asked where a study brings neither points nor usable masks."""

    #: Name of an installed entry point of the group spondyl.landmark_finders; empty means none.
    name: Annotated[
        str, _matching(r"([a-z0-9][a-z0-9_-]{0,31})?", "empty or 1 to 32 of a-z, 0-9, '-' and '_', as it is installed")
    ] = ""
    #: A finder that takes longer is stopped.
    time_limit_s: Annotated[float, Field(gt=0)] = 240.0
    #: A finder that holds more memory, with all programs it started, is stopped; MiB.
    memory_mb: Annotated[int, Field(ge=64)] = 8192
    #: What these three mean is the finder's to say.
    command: str = ""
    model: File | None = None
    options: tuple[str, ...] = ()
    #: Gets what the finder prints, which may quote a patient's data; without one it is thrown away.
    output_file: File | None = None


#: A vertebra that is graded; a limit of another one would never act.
GradedLevel = Annotated[str, _matching(r"T([1-9]|1[0-3])|L[1-6]", "a graded level: T1 to T13, L1 to L6")]


class WedgingLimit(_Table):
    """Posterior wedging of one level: mean and upper limit, percent, and where they come from."""

    mean_percent: float
    upper_percent: Annotated[float, Field(gt=0, lt=100)]
    source: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class KyphosisLimit(_Table):
    """Segmental kyphosis above which it is flagged: degrees, and where that comes from."""

    upper_deg: Annotated[float, Field(gt=0, lt=180)]
    source: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Measure(_Table):
    """[measure]: borders, limits, protocol. All of it is part of the configuration digest of a report."""

    #: Which grade a loss of exactly the severe border has: 2 (Genant's "over 40 %") or 3 (data-set practice).
    severe_border_grade: Literal[2, 3] = 2
    wedging_limits: Mapping[GradedLevel, WedgingLimit] = {
        "L4": WedgingLimit(mean_percent=4.8, upper_percent=8.3, source="project default; no primary source found"),
    }
    kyphosis_limit: KyphosisLimit = KyphosisLimit(upper_deg=20.0, source="project default; no primary source found")
    protocol: Annotated[
        str, _matching(r"[a-z0-9][a-z0-9./_-]{0,63}", "1 to 64 of a-z, 0-9 and './_-', the first a letter or digit")
    ] = "spondyl-six-point/1"


class Report(_Table):
    """[report]: identity of what is written."""

    #: Root of our UIDs; empty means UUID-derived UIDs (2.25).
    uid_root: Annotated[
        str, _matching(r"(?!.{25})([0-2](\.(0|[1-9][0-9]*))+)?", "empty or a UID root of at most 24 characters")
    ] = ""
    sr_series_number: Annotated[int, Field(ge=1, le=2**31 - 1)] = 9001
    #: "by_points": Comprehensive SR for image points, Comprehensive 3D SR for patient points.
    sop_class: Literal["by_points", "comprehensive_3d"] = "by_points"
    institution_name: Annotated[str, StringConstraints(max_length=64)] = ""


class Web(_Table):
    """[web]: the page and the probes."""

    bind: str = "127.0.0.1"
    port: BindPort = 8080
    token_file: File | None = None
    #: Networks of reverse proxies that sign people in; nobody else is believed.
    proxies: tuple[Network, ...] = ()
    #: The header in which they name who has signed in.
    proxy_user_header: Annotated[str, _matching(r"[A-Za-z][A-Za-z0-9-]{0,63}", "the name of an HTTP header")] = (
        "X-Forwarded-User"
    )

    @model_validator(mode="after")
    def _token_beyond_loopback(self) -> Self:
        if not is_loopback(self.bind) and self.token_file is None and not self.proxies:
            raise ValueError(f"bind = {self.bind!r} is not a loopback address: token_file is required, or proxies")
        return self


class Settings(_Table):
    """The whole configuration."""

    node: Node = Node()
    sources: tuple[Source, ...] = ()
    destinations: tuple[Destination, ...] = ()
    study: Study = Study()
    storage: Storage = Storage()
    queue: Queue = Queue()
    finder: Finder = Finder()
    measure: Measure = Measure()
    report: Report = Report()
    web: Web = Web()

    @model_validator(mode="after")
    def _a_delivery_fits_into_a_task(self) -> Self:
        for destination in self.destinations:
            least_s = LONGEST_DELIVERY * destination.timeout_s
            if self.queue.time_limit_s < least_s:
                expected = f"expected {least_s:g} or more, {LONGEST_DELIVERY} times timeout_s of {destination.name!r}"
                raise ValueError(f"queue.time_limit_s is {self.queue.time_limit_s:g}, {expected}")
        return self

    @model_validator(mode="after")
    def _a_finder_fits_into_a_task(self) -> Self:
        least_s = FINDER_IN_A_TASK * self.finder.time_limit_s
        if self.finder.name and self.queue.time_limit_s < least_s:
            expected = f"expected {least_s:g} or more, {FINDER_IN_A_TASK:g} times finder.time_limit_s"
            raise ValueError(f"queue.time_limit_s is {self.queue.time_limit_s:g}, {expected}")
        return self

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for kind, names in (
            ("sources", [s.name for s in self.sources]),
            ("destinations", [d.name for d in self.destinations]),
        ):
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise ValueError(f"{kind}: the name {twice[0]!r} is used twice")
        return self

    def destination(self, name: str) -> Destination:
        """Return the destination called `name`; Misconfigured where there is none."""
        for destination in self.destinations:
            if destination.name == name:
                return destination
        known = ", ".join(d.name for d in self.destinations) or "none"
        raise Misconfigured(f"no destination is called {name!r}; configured: {known}")


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the configuration: `path`, else SPONDYL_CONFIG, else ./spondyl.toml where there is one, else defaults.

    Relative paths are taken from the file's folder, without a file from the working directory. Raises Misconfigured
    with a line for each problem: the key or the variable, the value (never a secret), what is allowed.
    """
    file = file_in_force(path, environ)
    document, origins = overlay(read_toml(file) if file else {}, environ, Settings)
    document.setdefault("storage", {})  # its default is relative, so it must pass through validation
    try:
        return Settings.model_validate(document, context=(file or Path("spondyl.toml")).absolute().parent)
    except ValidationError as error:
        raise Misconfigured(explain(error, origins, Settings)) from None


def file_in_force(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file that `load` reads; None where defaults and environment alone are in force."""
    if path is not None:
        return path
    if named := environ.get(f"{PREFIX}CONFIG"):
        return Path(named)
    beside = Path("spondyl.toml")
    return beside if beside.is_file() else None

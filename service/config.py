"""The configuration: one TOML file, overridden by SPONDYL_<SECTION>__<KEY>, valid once constructed.

Every table refuses unknown keys. `load` is the only reader of files and environment and is called by the
composition root; nothing is read at import.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.types import StringConstraints

from service.config_alerts import Alerts
from service.config_fields import (
    BindPort,
    File,
    Network,
    ObjectWord,
    SeriesDescription,
    SeriesNumber,
    Table,
    each_once,
    matching,
)
from service.config_peers import Destination, Node, Source
from service.config_reading import PREFIX, explain, overlay, read_toml
from service.config_rules import Rule, require_known_names
from service.errors import Misconfigured

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


class Study(Table):
    """[study]: when a study is complete, and what late objects do."""

    quiet_s: Annotated[float, Field(ge=0)] = 30.0
    max_wait_s: Annotated[float, Field(gt=0)] = 3600.0
    late_instances: Literal["never", "replace", "always"] = "replace"
    #: A study with so many objects, or so many GB, takes no more: they are refused, and the study says so.
    max_objects: Annotated[int, Field(ge=1)] = 50_000
    max_gb: Annotated[float, Field(gt=0)] = 100.0

    @model_validator(mode="after")
    def _limit_is_longer(self) -> Self:
        if self.max_wait_s < self.quiet_s:
            raise ValueError(f"max_wait_s ({self.max_wait_s}) must not be shorter than quiet_s ({self.quiet_s})")
        return self


class Storage(Table):
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


class Queue(Table):
    """[queue]: Celery's broker and the limits of a task."""

    #: "embedded" or any Celery broker URL; may hold a password, so it is never shown.
    broker: Annotated[SecretStr, AfterValidator(_broker)] = SecretStr("embedded")
    concurrency: Annotated[int, Field(ge=1, le=64)] = 2
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    time_limit_s: Annotated[float, Field(ge=10)] = 300.0
    #: A measurement that asks for more memory than this beyond what its process has at the start fails; MiB. A study of
    #: 1,000 slices asked for 135, of 3,000 for 340: this stops one gone wrong, not a large one.
    memory_mb: Annotated[int, Field(ge=512)] = 4096
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


class Finder(Table):
    """[finder]: an image model of the site, asked where a study brings neither points nor usable masks."""

    #: Name of an installed entry point of the group spondyl.landmark_finders; empty means none.
    name: Annotated[
        str, matching(r"([a-z0-9][a-z0-9_-]{0,31})?", "empty or 1 to 32 of a-z, 0-9, '-' and '_', as it is installed")
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
GradedLevel = Annotated[str, matching(r"T([1-9]|1[0-3])|L[1-6]", "a graded level: T1 to T13, L1 to L6")]


class WedgingLimit(Table):
    """Posterior wedging of one level: mean and upper limit, percent, and where they come from."""

    mean_percent: float
    upper_percent: Annotated[float, Field(gt=0, lt=100)]
    source: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class KyphosisLimit(Table):
    """Segmental kyphosis above which it is flagged: degrees, and where that comes from."""

    upper_deg: Annotated[float, Field(gt=0, lt=180)]
    source: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Measure(Table):
    """[measure]: borders, limits, protocol. All of it is part of the configuration digest of a report."""

    #: Which grade a loss of exactly the severe border has: 2 (Genant's "over 40 %") or 3 (data-set practice).
    severe_border_grade: Literal[2, 3] = 2
    wedging_limits: Mapping[GradedLevel, WedgingLimit] = {
        "L4": WedgingLimit(mean_percent=4.8, upper_percent=8.3, source="project default; no primary source found"),
    }
    kyphosis_limit: KyphosisLimit = KyphosisLimit(upper_deg=20.0, source="project default; no primary source found")
    protocol: Annotated[
        str, matching(r"[a-z0-9][a-z0-9./_-]{0,63}", "1 to 64 of a-z, 0-9 and './_-', the first a letter or digit")
    ] = "spondyl-six-point/1"


class Report(Table):
    """[report]: identity of what is written."""

    #: Root of our UIDs; empty means UUID-derived UIDs (2.25).
    uid_root: Annotated[
        str, matching(r"(?!.{25})([0-2](\.(0|[1-9][0-9]*))+)?", "empty or a UID root of at most 24 characters")
    ] = ""
    sr_series_number: SeriesNumber = 9001
    gsps_series_number: SeriesNumber = 9002
    summary_series_number: SeriesNumber = 9003
    pdf_series_number: SeriesNumber = 9004
    sagittal_series_number: SeriesNumber = 9005
    sr_series_description: SeriesDescription = "Vertebral morphometry (unverified)"
    gsps_series_description: SeriesDescription = "Vertebral morphometry overlay (unverified)"
    summary_series_description: SeriesDescription = "Vertebral morphometry summary (unverified)"
    pdf_series_description: SeriesDescription = "Vertebral morphometry page (unverified)"
    sagittal_series_description: SeriesDescription = "Vertebral morphometry reformat (unverified)"
    #: SOP classes of the structured report, best first; a destination gets the first one that it takes.
    sop_classes: Annotated[
        tuple[Literal["comprehensive_3d", "comprehensive", "enhanced"], ...],
        AfterValidator(each_once),
    ] = ("comprehensive_3d", "comprehensive", "enhanced")
    #: Whether a study of which nothing could be measured gets a report that says so.
    not_analysable: bool = False
    #: Whether what is to be sent is looked at by dciodvfy, where that is installed.
    dciodvfy: bool = True
    institution_name: Annotated[str, StringConstraints(max_length=64)] = ""

    @model_validator(mode="after")
    def _series_of_their_own(self) -> Self:
        numbers = [getattr(self, f"{word}_series_number") for word in get_args(ObjectWord)]
        if twice := sorted({number for number in numbers if numbers.count(number) > 1}):
            raise ValueError(f"series number {twice[0]} is used twice: each kind of object has its own series")
        return self


class Web(Table):
    """[web]: the page and the probes."""

    bind: str = "127.0.0.1"
    port: BindPort = 8080
    token_file: File | None = None
    #: Networks of our reverse proxies; what anybody else forwards is not believed.
    proxies: tuple[Network, ...] = ()
    #: The header in which they name who has signed in; "": they sign nobody in, and no such header is read.
    proxy_user_header: Annotated[str, matching(r"([A-Za-z][A-Za-z0-9-]{0,63})?", "the name of an HTTP header")] = ""

    @model_validator(mode="after")
    def _token_beyond_loopback(self) -> Self:
        if not is_loopback(self.bind) and self.token_file is None and not self.proxies:
            raise ValueError(f"bind = {self.bind!r} is not a loopback address: token_file is required, or proxies")
        return self


class Settings(Table):
    """The whole configuration."""

    node: Node = Node()
    sources: tuple[Source, ...] = ()
    rules: tuple[Rule, ...] = ()
    destinations: tuple[Destination, ...] = ()
    study: Study = Study()
    storage: Storage = Storage()
    queue: Queue = Queue()
    finder: Finder = Finder()
    measure: Measure = Measure()
    report: Report = Report()
    web: Web = Web()
    alerts: Alerts = Alerts()

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

    @model_validator(mode="after")
    def _rules_name_what_is_there(self) -> Self:
        require_known_names(self.rules, self.sources, self.destinations, longest_quiet_s=self.study.max_wait_s)
        return self

    @property
    def cites_sections(self) -> bool:
        """Whether objects may refer to the sagittal sections: every destination, which gets the report, has them."""
        return all("sagittal" in destination.send for destination in self.destinations)

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

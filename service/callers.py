"""Who may open an association. An AE title is a name, not a proof: only TLS certificates are one."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from service.config_peers import Source
from service.rules import TESTS

#: What a caller is called in metrics where no source is configured: titles that anyone may choose are no label.
UNLISTED: Final = "unlisted"


@dataclass(frozen=True, kw_only=True)
class NotAdmitted(Exception):
    """This caller is not one of the configured sources."""

    #: What did not match: "calling_ae_title", "account" or "address".
    cause: str


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """Who calls."""

    #: Of the configured source; where none are configured, the calling AE title, which poses as no test of ours.
    name: str
    configured: Source | None = None

    @property
    def counted_as(self) -> str:
        """What it is called in metrics."""
        return self.configured.name if self.configured else UNLISTED


def admit(sources: Sequence[Source], *, calling_ae: str, address: str) -> Admitted:
    """Return who calls; raise NotAdmitted."""
    if not sources:
        return Admitted(name=_claimed(calling_ae))
    titled = [source for source in sources if calling_ae in source.ae_titles]
    if not titled:
        raise NotAdmitted(cause="calling_ae_title")
    for source in titled:
        if not source.networks or _is_in(address, source.networks):
            return Admitted(name=source.name, configured=source)
    raise NotAdmitted(cause="address")


def admit_account(sources: Sequence[Source], *, account: str, address: str) -> Admitted:
    """Return who sends by STOW-RS; raise NotAdmitted: the account has the name of its source."""
    if not sources:
        return Admitted(name=_claimed(account))
    for source in sources:
        if source.name == account:
            if source.networks and not _is_in(address, source.networks):
                raise NotAdmitted(cause="address")
            return Admitted(name=account, configured=source)
    raise NotAdmitted(cause="account")


def may_connect(sources: Sequence[Source], address: str) -> bool:
    """Whether a connection from here could become an association: False where every source has networks, none this."""
    callers = [source for source in sources if source.ae_titles]
    return not sources or any(not source.networks or _is_in(address, source.networks) for source in callers)


def _claimed(name: str) -> str:
    """Return what a study stands under whose sender chose its name: never that of a test report of ours."""
    return f"caller {name}" if name.startswith(TESTS) else name


def address_of(text: str) -> str:
    """Return an address as it is compared: of IPv4 mapped into IPv6 the IPv4 address."""
    return str(_host(text))


def _is_in(address: str, networks: Sequence[str]) -> bool:
    return any(_host(address) in ipaddress.ip_network(network) for network in networks)


def _host(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    host = ipaddress.ip_address(address)
    return host.ipv4_mapped or host if isinstance(host, ipaddress.IPv6Address) else host

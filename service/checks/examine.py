"""All checks in the order in which an administrator would look."""

from collections.abc import Iterator
from pathlib import Path

from service.checks import archives, clocks, finder, machine, peers, servers, tls
from service.checks.check import Check, tried
from service.config import Settings


def examine(settings: Settings, file: Path | None) -> Iterator[Check]:
    """Give every check as soon as it is known; `file` is where the settings were read from."""
    yield machine.configuration(file)
    yield from machine.packages()
    yield from machine.decoders()
    yield machine.gate(settings)
    yield from machine.storage(settings)
    yield from tried("TLS", tls.certificates_of, settings, "see the PEM files that the configuration names")
    yield from tried("DICOM port", machine.dicom_port, settings, "see node.bind, node.port and node.tls")
    yield from machine.web_port(settings)
    yield from tried("ledger", servers.ledger, settings, "see storage.ledger; run `spondyl migrate`")
    yield from tried("broker", servers.broker, settings, "see queue.broker, and that its server runs")
    yield from clocks.clocks(settings)
    yield from tried("finder", finder.finder, settings, "install it in this environment, or set finder.name")
    yield from tried("destinations", peers.destinations, settings, "see [[destinations]]")
    yield from tried("archives", archives.archives, settings, "see archive of [[sources]]")

"""The destinations: do they answer, and do they take what we write."""

from collections.abc import Iterator
from pathlib import Path

from service import peer, sending, sop_classes
from service.checks.check import Check, bad, good, noted
from service.config import Destination, Settings
from service.errors import SpondylError


def destinations(settings: Settings) -> Iterator[Check]:
    """Ask every destination for a C-ECHO, and whether it takes the SOP classes that our reports can have."""
    if not settings.destinations:
        yield noted("destinations", "none: reports stay in the spool", "add [[destinations]]")
    for destination in settings.destinations:
        yield from _destination(destination, settings)


def _destination(destination: Destination, settings: Settings) -> Iterator[Check]:
    name = f"destination {destination.name}"
    where = f"{destination.ae_title} at {destination.host}:{destination.port}"
    try:
        seconds = sending.echo(destination, calling_ae=settings.node.ae_title)
        refused = sending.refused_classes(destination, _written(settings), calling_ae=settings.node.ae_title)
    except SpondylError as error:
        yield bad(name, str(error), f"see that {where} runs and knows {settings.node.ae_title} as a caller", peer=True)
        return
    if refused:
        named = ", ".join(f"{sop_classes.ACCEPTED[uid]} ({uid})" for uid in refused)
        yield bad(name, f"answers, and does not take: {named}", "allow what is missing there", peer=True)
    else:
        yield good(name, f"answers in {seconds * 1000:.1f} ms and takes our reports", peer=True)


def _written(settings: Settings) -> tuple[str, ...]:
    """Return the SOP classes that this configuration writes."""
    return sop_classes.REPORTS if settings.report.sop_class == "by_points" else (sop_classes.COMPREHENSIVE_3D_SR,)


def certificates(settings: Settings) -> Iterator[Check]:
    """Load the TLS files of the node and of every destination."""
    if settings.node.tls:
        peer.server_context(settings.node.tls)
        yield good("TLS of the node", _named(settings.node.tls.cert_file))
    for destination in settings.destinations:
        if destination.tls:
            peer.client_context(destination.tls)
            yield good(f"TLS of {destination.name}", _named(destination.tls.cert_file))


def _named(path: Path) -> str:
    return f"{path.name} and its key can be loaded"

"""The certificates: can they be loaded, and for how long are they good."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from service import peer
from service.certificates import certificates
from service.checks.check import Check, bad, good, noted
from service.config import Settings

_DAY_S: Final = 86_400.0


def certificates_of(settings: Settings) -> Iterator[Check]:
    """Load the TLS files of the node and of every destination; say when each certificate ends."""
    if settings.node.tls:
        peer.server_context(settings.node.tls)
    for destination in settings.destinations:
        if destination.tls:
            peer.client_context(destination.tls)
    now = time.time()
    for each in certificates(settings):
        name, day = f"TLS of {each.owner}", datetime.fromtimestamp(each.expires_at, UTC).date().isoformat()
        remedy = "have a new one made, put it in the place of the old, and start the node again"
        if each.expires_at <= now:
            yield bad(name, f"{each.file.name} has expired on {day}: every peer refuses it", remedy)
        elif each.expires_at - now < settings.alerts.certificate_days * _DAY_S:
            yield noted(name, f"{each.file.name} can be loaded, and expires on {day}", remedy)
        else:
            yield good(name, f"{each.file.name} can be loaded, good until {day}")

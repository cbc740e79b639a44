"""The certificates: can they be loaded, and for how long are they good."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from service.certificates import certificates, unusable
from service.checks.check import Check, bad, good, noted
from service.config import Settings

_DAY_S: Final = 86_400.0


def certificates_of(settings: Settings) -> Iterator[Check]:
    """Load the TLS files of the node, of every destination and archive; say when each certificate ends."""
    kept = "mend the files; a node that runs goes on with the old ones until it is started again"
    for owner, why in unusable(settings).items():
        yield bad(f"TLS files of {owner}", why, kept)
    now = time.time()
    for each in certificates(settings):
        name, day = f"TLS of {each.owner}", datetime.fromtimestamp(each.expires_at, UTC).date().isoformat()
        remedy = "have a new one made, put it in the place of the old: a node that runs takes it by itself"
        if each.expires_at <= now:
            yield bad(name, f"{each.file.name} has expired on {day}: every peer refuses it", remedy)
        elif each.expires_at - now < settings.alerts.certificate_days * _DAY_S:
            yield noted(name, f"{each.file.name} can be loaded, and expires on {day}", remedy)
        else:
            yield good(name, f"{each.file.name} can be loaded, good until {day}")

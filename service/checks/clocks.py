"""Do the clocks agree: leases, waits and certificates are judged by those of several machines."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

import redis
from sqlalchemy import text

from service.broker import broker_url
from service.checks.check import Check, bad, good
from service.checks.servers import redis_client
from service.config import Settings
from service.errors import SpondylError
from service.ledger import Ledger
from service.ledger.engine import reading

#: A third of a lease: whoever is further ahead takes jobs from workers that are well.
_OF_A_LEASE: Final = 1 / 3


def clocks(settings: Settings, clock: Callable[[], float] = time.time) -> Iterator[Check]:
    """Compare our clock with the broker's, the ledger's and that of the disk; who does not answer is left out."""
    most_s = settings.queue.lease_s * _OF_A_LEASE
    for name, ask in {"disk": _disk, "broker": _broker, "ledger": _ledger}.items():
        before = clock()
        try:
            theirs = ask(settings)
        except (SpondylError, redis.RedisError, OSError):
            continue  # other checks say so
        if theirs is None:
            continue
        after = clock()
        # What lies between our two looks is no difference.
        skew = theirs - after if theirs > after else min(0.0, theirs - before)
        found = f"our clock and that of the {name} differ by {abs(skew):.1f} s"
        if abs(skew) < most_s:
            yield good(f"clock, {name}", found)
        else:
            remedy = (
                "set both by NTP (timedatectl, chrony): jobs are taken from workers that are well, or never given back"
            )
            yield bad(f"clock, {name}", f"{found}, {most_s:g} s are borne", remedy)


def _disk(settings: Settings) -> float:
    """Return what time the disk gives to a file: on a network file system that of its server."""
    with tempfile.NamedTemporaryFile(dir=settings.storage.root) as probe:
        probe.write(b"x")
        probe.flush()
        return settings.storage.root.joinpath(probe.name).stat().st_mtime


def _broker(settings: Settings) -> float | None:
    if not broker_url(settings).startswith(("redis", "valkey", "unix")):
        return None
    with closing(redis_client(settings)) as client:
        seconds, micro = client.time()
        return float(seconds) + float(micro) / 1e6


def _ledger(settings: Settings) -> float | None:
    """Return PostgreSQL's time; SQLite has none of its own."""
    if not settings.storage.ledger_url.startswith("postgresql"):
        return None
    with closing(Ledger.open(settings.storage.ledger_url)) as ledger, reading(ledger.engine) as connection:
        return float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0.0)

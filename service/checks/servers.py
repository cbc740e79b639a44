"""What this node needs to run: ledger and broker."""

from collections.abc import Iterator
from contextlib import closing
from typing import Final

import redis

from service.broker import broker_url, celery_app
from service.checks.check import Check, bad, good, noted
from service.config import Settings
from service.dispatch import Dispatcher
from service.embedded import EmbeddedBroker, find_server, socket_path
from service.ledger import Ledger

_TIMEOUT_S: Final = 3.0
#: What a broker must be set to, and why.
_WANTED: Final = {
    "appendonly": ("yes", "messages do not survive a restart of the broker"),
    "maxmemory-policy": ("noeviction", "a full memory may drop the whole queue"),
}


def ledger(settings: Settings) -> Iterator[Check]:
    """Ask whether the ledger answers and its schema is the current one."""
    with closing(Ledger.open(settings.storage.ledger_url)) as opened:
        opened.ping()
        yield good("ledger", "answers, schema is current")


def broker(settings: Settings) -> Iterator[Check]:
    """Ask whether the broker answers and keeps what it is given."""
    if settings.queue.embedded and not EmbeddedBroker(settings).alive():
        yield noted("broker", f"embedded, not running; `spondyl serve` starts {find_server()}")
        return
    with closing(Dispatcher(celery_app(settings))) as dispatcher:
        dispatcher.ping()
    yield good("broker", "embedded, answers" if settings.queue.embedded else "answers", peer=True)
    if broker_url(settings).startswith(("redis", "valkey")):
        yield from _persistence(redis_client(settings))


def redis_client(settings: Settings) -> redis.Redis:
    """Return a client of the broker, which is a Redis or Valkey."""
    if settings.queue.embedded:
        return redis.Redis(unix_socket_path=str(socket_path(settings)), socket_timeout=_TIMEOUT_S)
    return redis.Redis.from_url(broker_url(settings), socket_timeout=_TIMEOUT_S)


def _persistence(client: redis.Redis) -> Iterator[Check]:
    with closing(client):
        for key, (wanted, danger) in _WANTED.items():
            name = f"broker {key}"
            try:
                answer = client.config_get(key)
            except redis.RedisError:
                yield noted(name, "the broker does not tell", f"see to it that it is {wanted}", peer=True)
                continue
            found = str(dict(answer).get(key))
            if found == wanted:
                yield good(name, found, peer=True)
            else:
                yield bad(name, f"{found}: {danger}", f"set {key} {wanted}", peer=True)

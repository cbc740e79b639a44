"""How many messages wait in the broker: asked anew each time, so whoever asks finds the broker of that moment."""

from typing import Any

from kombu.connection import Connection
from kombu.entity import Queue as KombuQueue
from kombu.exceptions import OperationalError

from service.broker import broker_url, transport_options
from service.config import Settings
from service.messages import JobKind

#: A broker that has not answered after so long is not there, seconds.
TIMEOUT_S = 4.0
#: What Redis and AMQP call the limit of a single answer.
_LIMITS = {"visibility_timeout": ("socket_timeout",), "confirm_publish": ("read_timeout", "write_timeout")}


def waiting_messages(settings: Settings) -> int | None:
    """Return how many messages no worker has taken yet; None where the broker does not answer within seconds."""
    url = broker_url(settings)
    options: dict[str, Any] = transport_options(url, settings)
    options |= {limit: TIMEOUT_S for known, limits in _LIMITS.items() if known in options for limit in limits}
    connection = Connection(url, connect_timeout=TIMEOUT_S, transport_options=options)
    try:
        connection.ensure_connection(max_retries=1, interval_start=0.0, timeout=TIMEOUT_S)
        with connection.channel() as channel:
            # Declared as a worker declares them: kombu's mere look (`passive`) forgets the prefix of our keys in Redis.
            queues = [KombuQueue(kind.value, channel=channel) for kind in JobKind]
            return sum(int(queue.queue_declare().message_count) for queue in queues)
    except (OperationalError, *connection.connection_errors, *connection.channel_errors):
        return None
    finally:
        connection.release()

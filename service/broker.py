"""The queue as Celery sees it: one application, built from the settings, never at import.

The broker is a wake-up call. What must not be lost stands in the ledger, so a message may be lost, doubled or late.
"""

from typing import Any
from urllib.parse import quote

from celery import Celery
from kombu.entity import Queue as KombuQueue

from service.config import Settings
from service.embedded import socket_path
from service.errors import Misconfigured
from service.messages import JobKind

#: A task is told that its time is up this share of its limit before it is killed.
SOFT_SHARE = 0.9
#: Prefix of every key in a Redis that others may use too.
KEY_PREFIX = "spondyl:"
#: A worker that is told to stop at once (SIGQUIT) gives running tasks so long, seconds.
SOFT_SHUTDOWN_S = 20.0
#: A worker process is replaced after so many tasks: pixel libraries leak.
TASKS_PER_PROCESS = 200


def broker_url(settings: Settings) -> str:
    """Return the URL that Celery connects to. It may hold a password: never log it."""
    if settings.queue.embedded:
        return f"redis+socket://{quote(str(socket_path(settings)))}?virtual_host=0"
    return settings.queue.broker.get_secret_value()


def celery_app(settings: Settings) -> Celery:
    """Return the Celery application of these settings; nothing connects before the first message.

    Raises Misconfigured where no transport speaks the broker's URL.
    """
    url = broker_url(settings)
    app = Celery("spondyl", set_as_current=False)
    app.conf.update(broker_url=url, broker_transport_options=transport_options(url, settings), **_conf(settings))
    try:
        app.connection_for_write().get_transport_cls()
    except (KeyError, ImportError):
        scheme = url.partition("://")[0]
        raise Misconfigured(f"queue.broker: no Celery transport for {scheme}:// is installed") from None
    return app


def _conf(settings: Settings) -> dict[str, Any]:
    limit_s = settings.queue.time_limit_s
    return {
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_queues": [KombuQueue(kind.value, routing_key=kind.value) for kind in JobKind],
        "task_default_queue": JobKind.MEASURE.value,
        "task_create_missing_queues": False,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_time_limit": limit_s,
        "task_soft_time_limit": limit_s * SOFT_SHARE,
        "worker_prefetch_multiplier": 1,
        # A delivery waits for its destination, one at a time each: it must not keep a measurement waiting.
        "worker_concurrency": settings.queue.concurrency + len(settings.destinations),
        "worker_max_tasks_per_child": TASKS_PER_PROCESS,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_soft_shutdown_timeout": SOFT_SHUTDOWN_S,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_timeout": 4.0,
        # A worker that loses its broker ends, and a fresh one starts once the broker answers (decision 0012).
        "broker_connection_retry": False,
        "broker_connection_retry_on_startup": False,
        "timezone": "UTC",
    }


def transport_options(url: str, settings: Settings) -> dict[str, Any]:
    """Return what the transport of `url` needs to know.

    Redis returns a message that nobody acknowledged after `visibility_timeout`: twice the time limit, so a running
    task is never given to a second worker; by default it looks every 100 s (interval x throttle), here every 5 s.
    """
    fast_failure = {"max_retries": 1, "interval_start": 0.0, "interval_step": 0.2, "interval_max": 0.2}
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme in {"redis", "rediss", "valkey", "valkeys", "sentinel"}:
        return fast_failure | {
            "visibility_timeout": settings.queue.time_limit_s * 2,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "global_keyprefix": KEY_PREFIX,
            "socket_timeout": 30.0,
            "socket_connect_timeout": 4.0,
            "socket_keepalive": True,
            "health_check_interval": 25,
        }
    if scheme in {"amqp", "amqps", "pyamqp"}:
        return fast_failure | {"confirm_publish": True}
    return fast_failure

"""Ledger -> queue: wake a worker for a job. The only producer of messages."""

from collections.abc import Callable, Iterable

from celery import Celery
from kombu.exceptions import OperationalError

from service.errors import Unavailable
from service.ledger.rows import JobRow
from service.logs import log

#: A broker that has not answered a ping after so long is not there, seconds.
TIMEOUT_S = 4.0


class Dispatcher:
    """Sends one message a job: the task's name and the job's id, nothing else."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        connection = app.connection_for_write()
        self._failures = (OperationalError, *connection.connection_errors, *connection.channel_errors)

    def __call__(self, job: JobRow) -> None:
        """Enqueue `job`; raises Unavailable within seconds where the broker does not take it."""
        try:
            self._app.send_task(job.kind.value, args=[job.id], queue=job.kind.value, retry=False, ignore_result=True)
        except self._failures as error:
            raise Unavailable(f"the broker did not take the message ({type(error).__name__})") from error

    def ping(self) -> None:
        """Ask the broker whether it is there; raises Unavailable where it does not answer."""
        connection = self._app.connection_for_write()
        try:
            connection.ensure_connection(max_retries=1, interval_start=0.0, timeout=TIMEOUT_S)
        except self._failures as error:
            raise Unavailable(f"the broker does not answer ({type(error).__name__})") from error
        finally:
            connection.release()

    def close(self) -> None:
        """Close the connections to the broker."""
        self._app.close()


def dispatch_all(dispatch: Callable[[JobRow], None], jobs: Iterable[JobRow]) -> list[int]:
    """Wake a worker for each job; returns the ids that the broker took. The reconciler wakes one for the others."""
    taken: list[int] = []
    for job in jobs:
        try:
            dispatch(job)
        except Unavailable as error:
            log.warning("jobs left to the reconciler", action="not_dispatched", job=job.id, why=str(error))
            break
        taken.append(job.id)
    return taken

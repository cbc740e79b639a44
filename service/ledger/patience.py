"""A PostgreSQL connection that does not wait for ever: a server may take what is sent and never answer.

The limits that libpq and the server keep (see `engine`) do not help where the server itself hangs: its machine takes
the bytes, so the connection looks well, and nobody is left who would cancel a statement.
"""

import time
from collections.abc import Generator
from typing import Any, Final, TypeVar

import psycopg

#: A server that has said nothing for so long does not answer, seconds; it cancels what takes longer than
#: `engine.STATEMENT_S` itself.
ANSWER_S: Final = 4.0

_Result = TypeVar("_Result")


class Patient(psycopg.Connection[Any]):
    """Gives up, and is closed, where a single exchange with the server takes longer than ANSWER_S."""

    def wait(self, gen: Generator[Any, Any, _Result], *args: Any, **kwargs: Any) -> _Result:  # noqa: ANN401 - as psycopg's, which differ by version
        """Run one exchange with the server."""
        return super().wait(self._bounded(gen), *args, **kwargs)

    def _bounded(self, gen: Generator[Any, Any, _Result]) -> Generator[Any, Any, _Result]:
        """Pass on what `gen` waits for; psycopg asks again and again while nothing comes."""
        end = time.monotonic() + ANSWER_S
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > end:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"nothing came from the server for {ANSWER_S:g} s")
                wanted = gen.send(ready)
        except StopIteration as done:
            result: _Result = done.value
            return result

"""What the node says, on stderr: one stable vocabulary, and nothing that could be a patient's.

    log.info("study settled", action="study_settled", study=key, revision=1)

The text is constant; what varies stands in keys. Only keys of ALLOWED pass; any other is dropped and its name listed
in `dropped`. An exception passes as its type and the lines it went through, never as its text: pydicom's, for one,
quotes values. Libraries that log through `logging` are heard from WARNING on, those that handle data sets by
location only.
"""

import contextlib
import logging
import re
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final, TextIO

import structlog
from structlog.typing import Processor

log: structlog.stdlib.BoundLogger = structlog.get_logger("spondyl")

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

#: Keys that may be said. None of them ever holds a patient's name, identifier, date or UID.
ALLOWED: Final = frozenset(
    {
        # what happened, and to whom; `study` is the spool's folder name, `document` a digest
        *("event", "level", "timestamp", "action", "study", "revision", "document", "job", "kind"),
        # `file` is the name of one that the configuration names, of a certificate
        *("role", "worker", "pid", "file"),
        # where from and where to; AE titles and addresses are the peers', not a patient's
        *("source", "destination", "calling_ae", "called_ae", "address", "bind", "port", "sop_class", "status"),
        # why
        *("cause", "reason", "rule", "why", "who", "error", "where", "caused_by", "category", "logger"),
        # how many, how long
        *("attempt", "attempts", "count", "objects", "size_bytes", "free_bytes", "seconds", "retry_in_s"),
        # what proves an arrival; how many objects were committed to, and how many were not
        *("proof", "committed", "failed"),
        # repairs of a reconciliation, and what runs
        *("noted", "supplied", "lost", "enqueued", "removed"),
        *("vertebrae", "graded", "version", "exit_code", "signal", "url"),
    }
)
#: Loggers whose text can quote what a peer sent or an exception says; of these the location alone is kept.
QUOTING: Final = frozenset({"pydicom", "pynetdicom", "highdicom", "celery.app.trace", "sqlalchemy.pool"})
#: How `logging.captureWarnings`, which Celery turns on, writes a warning: file, line, category; then its text.
_CAPTURED: Final = re.compile(r"(?P<path>.+?):(?P<line>\d+): (?P<category>\w+):")
_LONGEST: Final = 300


def configure(level: str = "info", *, json: bool | None = None, stream: TextIO | None = None) -> None:
    """Send everything that is logged to `stream` (stderr): as JSON lines, or for a reader where it is a terminal."""
    output = stream or sys.stderr
    as_json = not output.isatty() if json is None else json
    renderer: Processor = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_allowed,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: _Lines(output),
        cache_logger_on_first_use=False,
    )
    logging.root.handlers[:] = [LibraryHandler()]
    logging.root.setLevel(logging.WARNING)
    warnings.showwarning = _log_warning
    threading.excepthook = _log_thread_death


def only_allowed(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep allowed keys with plain, short values; replace an exception by its description (a structlog processor)."""
    failure = event.pop("exc_info", None)
    if failure:
        event.update(described(failure if isinstance(failure, BaseException) else sys.exc_info()[1]))
    dropped = sorted(key for key in event if key not in ALLOWED)
    kept: dict[str, Any] = {key: _plain(value) for key, value in event.items() if key in ALLOWED}
    return kept | ({"dropped": dropped} if dropped else {})


def described(error: BaseException | None) -> Mapping[str, object]:
    """Return what may be said of an exception: its type, the lines it went through, the types it was caused by."""
    if error is None:
        return {}
    lines = [f"{_tail(frame.filename)}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    causes: list[str] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(causes) < len(ALLOWED):
        causes.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    said: dict[str, object] = {"error": type(error).__name__, "where": lines}
    return said | ({"caused_by": causes} if causes else {})


class _Lines(structlog.WriteLogger):
    """Writes lines. One that cannot be written (a full disk, a reader that is gone) is lost: it must stop nobody."""

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError):
            super().msg(message)

    debug = info = warning = error = msg


class LibraryHandler(logging.Handler):
    """Where records of `logging` enter our vocabulary."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record: its text, or its location alone where the text could quote a data set."""
        if record.levelno < logging.WARNING:
            return
        said: dict[str, Any] = {"action": "library", "logger": record.name}
        if record.name == "py.warnings":
            said |= _captured(_text(record))
        elif _quoting(record.name):
            said["where"] = f"{_tail(record.pathname)}:{record.lineno}"
        else:
            said["why"] = _text(record)
        if record.exc_info:
            said["exc_info"] = record.exc_info[1]
        speak = log.error if record.levelno >= logging.ERROR else log.warning
        speak("library says", **said)


def _log_warning(
    message: Warning | str,  # noqa: ARG001 - the signature of warnings.showwarning; the text may quote a data set
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - as above
    line: str | None = None,  # noqa: ARG001 - as above
) -> None:
    log.warning("warning", action="warning", category=category.__name__, where=f"{_tail(filename)}:{lineno}")


def _log_thread_death(death: threading.ExceptHookArgs) -> None:
    log.error("thread died", action="thread_died", exc_info=death.exc_value)


def _quoting(name: str) -> bool:
    return any(name == quoting or name.startswith(f"{quoting}.") for quoting in QUOTING)


def _captured(text: str) -> dict[str, str]:
    match = _CAPTURED.match(text)
    return {"category": match["category"], "where": f"{_tail(match['path'])}:{match['line']}"} if match else {}


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return "a message that does not fit its arguments"


def _tail(path: str) -> str:
    """Return the last two parts of a path: enough to find the file, nothing of this machine."""
    return "/".join(Path(path).parts[-2:])


def _plain(value: object) -> object:
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable if len(printable) <= _LONGEST else printable[:_LONGEST] + "..."

"""What may be logged: allowed keys, plain values, no text of exceptions, no patient."""

import ast
import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from service import logs

#: Planted where patient data could be.
PATIENT = "MUSTERMANN^ERIKA"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Log JSON into a text; leave the process as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    hooks = warnings.showwarning, threading.excepthook
    output = io.StringIO()
    logs.configure("debug", json=True, stream=output)
    yield output
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    warnings.showwarning, threading.excepthook = hooks
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return what was logged, parsed."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_text_action_and_allowed_keys(stream: io.StringIO) -> None:
    """An allowed key passes as it is; time and level are added."""
    logs.log.info("study settled", action="study_settled", study="ab12", revision=3, seconds=1.5)
    (line,) = lines(stream)

    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "study settled",
        "level": "info",
        "action": "study_settled",
        "study": "ab12",
        "revision": 3,
        "seconds": 1.5,
    }


def test_any_other_key_is_dropped_and_named(stream: io.StringIO) -> None:
    """A key that is not on the list does not pass; its name says what is missing."""
    logs.log.info("received", action="received", patient_name=PATIENT, dataset={"PatientID": PATIENT})

    assert PATIENT not in stream.getvalue()
    assert lines(stream)[0]["dropped"] == ["dataset", "patient_name"]


@pytest.mark.parametrize("key", ["patient", "patient_id", "name", "birth_date", "study_instance_uid", "uid", "path"])
def test_identifying_keys_are_not_on_the_list(key: str) -> None:
    """No key that would hold who a patient is may ever be allowed."""
    assert key not in logs.ALLOWED


def test_an_exception_is_its_type_and_its_way(stream: io.StringIO) -> None:
    """An exception's text and arguments do not pass, of its causes neither; types and lines do."""
    try:
        try:
            int(PATIENT)
        except ValueError as error:
            raise RuntimeError(f"cannot read {PATIENT}") from error
    except RuntimeError:
        logs.log.error("job failed", action="job_failed", exc_info=True)
    (line,) = lines(stream)

    assert PATIENT not in stream.getvalue()
    assert (line["error"], line["caused_by"]) == ("RuntimeError", ["ValueError"])
    assert [place.rsplit(":")[0] for place in line["where"]] == ["unit/test_logs.py"]


def test_an_exception_may_be_given_itself(stream: io.StringIO) -> None:
    """`exc_info` takes an exception too, and nothing is added where none is being handled."""
    logs.log.error("a", action="a", exc_info=KeyError(PATIENT))
    logs.log.error("b", action="b", exc_info=True)
    first, second = lines(stream)

    assert (first["error"], first["where"]) == ("KeyError", [])
    assert "error" not in second
    assert PATIENT not in stream.getvalue()


def test_causes_that_form_a_circle_end(stream: io.StringIO) -> None:
    """Two exceptions that name each other as cause are described in finite text."""
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    logs.log.error("a", action="a", exc_info=one)

    assert lines(stream)[0]["caused_by"][:2] == ["KeyError", "ValueError"]


def test_pydicom_is_heard_by_location_only(stream: io.StringIO) -> None:
    """A warning that pydicom raises about a value names category and place, never the value."""
    dataset = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = logs._log_warning  # noqa: SLF001 - catch_warnings put the default back
        dataset.PatientBirthDate = PATIENT
        dataset.PatientID = PATIENT * 9
    logging.getLogger("pydicom").error("cannot decode %s", PATIENT)
    logging.getLogger("pynetdicom.acse").warning("from %s", PATIENT)
    found = lines(stream)

    assert PATIENT not in stream.getvalue()
    assert {line["category"] for line in found if line["action"] == "warning"} == {"UserWarning"}
    assert all("pydicom/" in line["where"] for line in found if line["action"] == "warning")
    assert {line["logger"] for line in found if line["action"] == "library"} == {"pydicom", "pynetdicom.acse"}


def test_a_warning_that_went_through_logging_is_heard_by_location_only(stream: io.StringIO) -> None:
    """Celery sends warnings to `logging`, which writes out their text: of that too only category and place pass."""
    logging.captureWarnings(capture=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn(f"invalid value for PN: {PATIENT}", RuntimeWarning, stacklevel=1)
    finally:
        logging.captureWarnings(capture=False)
    logging.getLogger("py.warnings").warning("no place: %s", PATIENT)
    first, second = lines(stream)

    assert PATIENT not in stream.getvalue()
    assert first["category"] == "RuntimeWarning"
    assert first["where"].startswith("unit/test_logs.py:")
    assert "where" not in second


@pytest.mark.parametrize("name", ["celery.worker", "sqlalchemy.engine", "alembic", "uvicorn.error", "kombu"])
def test_other_libraries_are_heard_from_warning_on(stream: io.StringIO, name: str) -> None:
    """Libraries that never hold a data set may say what is wrong; what is only informative is not heard."""
    logger = logging.getLogger(name)
    logger.info("GET /studies/%s", PATIENT)
    logger.warning("connection lost: %s", "broker")
    (line,) = lines(stream)

    assert (line["logger"], line["why"], line["level"]) == (name, "connection lost: broker", "warning")


def test_a_library_exception_is_described(stream: io.StringIO) -> None:
    """A traceback that a library logs is reduced like our own: SQL parameters are in its text."""
    try:
        dict[str, int]()[PATIENT]
    except LookupError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    (line,) = lines(stream)

    assert PATIENT not in stream.getvalue()
    assert (line["error"], line["level"]) == ("KeyError", "error")


def test_a_record_that_does_not_fit_its_arguments_is_heard(stream: io.StringIO) -> None:
    """A library's own mistake in a log call does not raise here."""
    record = logging.LogRecord("kombu", logging.WARNING, __file__, 1, "%d things", ("many",), None)
    logs.LibraryHandler().emit(record)  # not through a logger: pytest's own handler would raise

    assert lines(stream)[0]["why"] == "a message that does not fit its arguments"


def test_a_thread_that_dies_says_so_without_values(stream: io.StringIO) -> None:
    """An exception that ends a thread is logged as a type and a place."""

    def die() -> None:
        raise ValueError(PATIENT)

    hook = threading.excepthook
    thread = threading.Thread(target=die)
    threading.excepthook = hook
    thread.start()
    thread.join()

    assert lines(stream)[0]["error"] == "ValueError"
    assert PATIENT not in stream.getvalue()


def test_a_level_hides_what_is_below(stream: io.StringIO) -> None:
    """From level "warning" on, information is not said."""
    logs.configure("warning", json=True, stream=stream)
    logs.log.info("a", action="a")
    logs.log.warning("b", action="b")

    assert [line["event"] for line in lines(stream)] == ["b"]


@pytest.mark.parametrize("where", ["/dev/full", "a pipe without a reader"])
def test_a_log_that_cannot_be_written_stops_nobody(where: str) -> None:
    """Its disk is full, or its reader is gone: the line is lost, ours and a library's, and the process goes on."""
    if where.startswith("/"):
        stderr = os.open(where, os.O_WRONLY)
    else:
        reader, stderr = os.pipe()
        os.close(reader)
    says = "logs.configure(); logs.log.info('a', action='a'); logging.getLogger('kombu').warning('b')"
    code = f"import logging; from service import logs; {says}; print('goes on', flush=True)"
    try:
        told = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=stderr, check=False)
    finally:
        os.close(stderr)

    assert b"goes on\n" == told.stdout


def test_a_reader_gets_plain_lines(stream: io.StringIO) -> None:
    """Where a person reads, a line is text with its keys; a peer's control characters cannot start a line."""
    logs.configure("info", json=False, stream=stream)
    logs.log.info("association rejected", action="association_rejected", calling_ae="A\n\x1b[31mX")

    assert len(stream.getvalue().splitlines()) == 1
    assert "A??[31mX" in stream.getvalue()


@settings(max_examples=200, deadline=None)
@given(st.text() | st.binary() | st.lists(st.text()) | st.dictionaries(st.text(), st.integers()) | st.floats())
def test_any_value_becomes_short_printable_text(value: object) -> None:
    """Whatever is logged under an allowed key is a number, or printable text of bounded length, or a list of these."""
    kept = logs.only_allowed(None, "info", {"event": "x", "why": value})["why"]
    texts = [text for text in (kept if isinstance(kept, list) else [kept]) if isinstance(text, str)]

    assert all(text.isprintable() and len(text) <= 303 for text in texts)


SOURCES = sorted(
    path for package in ("service", "workers") for path in (Path(__file__).parents[2] / package).rglob("*.py")
)


def calls(path: Path) -> list[ast.Call]:
    """Return the places of a file where something is logged."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    found = [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return [call for call in found if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "log"]


@pytest.mark.parametrize("path", [path for path in SOURCES if calls(path)], ids=lambda path: path.name)
def test_every_line_of_ours_is_constant_text_action_and_allowed_keys(path: Path) -> None:
    """What we say ourselves is never dropped, always has an action, and has no value inside its text."""
    for call in calls(path):
        keys = {keyword.arg for keyword in call.keywords}
        (text,) = call.args

        assert isinstance(text, ast.Constant), f"line {call.lineno}"
        assert "action" in keys or None in keys, f"line {call.lineno}"
        assert keys - {None, "exc_info"} <= logs.ALLOWED, f"line {call.lineno}"

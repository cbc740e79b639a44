"""From text to values for the configuration: the TOML file, the environment laid over it, and errors in plain words.

Knows nothing of our tables: `model` is any pydantic model whose fields are tables, or tuples of tables.
pydantic-settings is not used: it ignores an unknown variable and cannot name the variable that a wrong value came from.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from service.errors import Misconfigured

PREFIX = "SPONDYL_"
#: Not settings: the name of the file, and what only our tests read.
_FOREIGN = re.compile(r"^SPONDYL_(CONFIG$|TEST_)")
#: Longer values are cut in a message.
_SHOWN_CHARACTERS = 80

Document = dict[str, Any]
#: Where a value stands: ("destinations", 0, "port").
Key = tuple[int | str, ...]


def read_toml(path: Path) -> Document:
    """Return the content of a TOML file; Misconfigured where it cannot be read or is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path}: is not TOML: {error}") from None


def overlay(document: Document, environ: Mapping[str, str], model: type[BaseModel]) -> tuple[Document, dict[Key, str]]:
    """Return `document` with the environment laid over it, and which variable each such value came from.

    SPONDYL_<SECTION>__<KEY> sets one key; a list of tables is set as a whole, SPONDYL_<SECTION>, as JSON. Other
    variables without a double underscore are left alone: Kubernetes makes some of its own (SPONDYL_PORT). Raises
    Misconfigured, naming every variable that is no setting or whose JSON is broken.
    """
    merged = {key: dict(value) if isinstance(value, dict) else value for key, value in document.items()}
    origins: dict[Key, str] = {}
    problems: list[str] = []
    for name in sorted(environ):
        try:
            path = _path(name, model)
            if path is None:
                continue
            _put(merged, path, _value(name, environ[name], _field(path, model)))
        except Misconfigured as problem:
            problems.append(str(problem))
        else:
            origins[path] = name
    if problems:
        raise Misconfigured("\n".join(problems))
    return merged, origins


def explain(error: ValidationError, origins: Mapping[Key, str], model: type[BaseModel]) -> str:
    """Return one line for each problem: the key as it was written, the value found, what is allowed."""
    return "\n".join(_line(dict(problem), origins, model) for problem in error.errors(include_url=False))


def _path(name: str, model: type[BaseModel]) -> Key | None:
    """Return the key that variable `name` sets, None where it is not ours."""
    if not name.startswith(PREFIX) or _FOREIGN.match(name):
        return None
    section, separator, key = name.removeprefix(PREFIX).lower().partition("__")
    table = model.model_fields.get(section)
    if not separator:
        return (section,) if table and _tables(table) and not _table(table) else None
    if table is None:
        raise Misconfigured(f"{name}: there is no section [{section}]; known: {_listed(model.model_fields)}")
    keys = _table(table)
    if keys is None:
        raise Misconfigured(f"{name}: [[{section}]] is a list of tables; set {PREFIX}{section.upper()} to JSON")
    if key not in keys.model_fields:
        raise Misconfigured(f"{name}: there is no such key in [{section}]; known: {_listed(keys.model_fields)}")
    return (section, key)


def _value(name: str, text: str, field: FieldInfo | None) -> object:
    """Return the value in a variable: text for a scalar (pydantic turns it into its type), JSON for anything else."""
    if field is None or not _takes_json(field):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise Misconfigured(f"{name}: must be JSON: {error}") from None


def _put(document: Document, path: Key, value: object) -> None:
    *tables, last = path
    for table in tables:
        held = document.setdefault(str(table), {})
        if not isinstance(held, dict):
            return  # the file has no table here: validation says so
        document = held
    document[str(last)] = value


def _line(problem: dict[str, Any], origins: Mapping[Key, str], model: type[BaseModel]) -> str:
    path: Key = problem["loc"]
    if problem["type"] == "extra_forbidden":
        table = _model(path[:-1], model)
        known = f"; known: {_listed(table.model_fields)}" if table else ""
        return f"{_written(path, origins)}: unknown key{known}"
    return f"{_written(path, origins)}{_found(problem, model)}: {_allowed(problem)}"


def _written(path: Key, origins: Mapping[Key, str]) -> str:
    """Return the key as its author wrote it: dotted, or the variable's name."""
    for length in range(len(path), 0, -1):
        if path[:length] in origins:
            return origins[path[:length]] + _dotted(path[length:], leading=True)
    return _dotted(path) or "configuration"


def _dotted(path: Key, *, leading: bool = False) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text if leading else text.removeprefix(".")


def _found(problem: dict[str, Any], model: type[BaseModel]) -> str:
    """Return " = <value>"; nothing for a whole table, and nothing of a secret."""
    value = problem["input"]
    field = _field(problem["loc"], model)
    if isinstance(value, dict | BaseModel) or problem["type"] == "missing":
        return ""
    if field is None or field.annotation is SecretStr or _tables(field):
        return f" = <{type(value).__name__}>"
    text = repr(value)
    return " = " + (text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...")


def _allowed(problem: dict[str, Any]) -> str:
    """Return what may stand here, in pydantic's words or in those of the type that was not met."""
    if problem["type"] == "missing":
        return "is required"
    message = str(problem["msg"])
    return message.removeprefix("Value error, ").replace("Input should be", "must be").replace("Input should", "must")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _field(path: Key, model: type[BaseModel]) -> FieldInfo | None:
    """Return the declaration of the value at `path`: that of its nearest named key."""
    names = [index for index, step in enumerate(path) if isinstance(step, str)]
    for last in reversed(names):
        table = _model(path[:last], model)
        if table is not None:
            return table.model_fields.get(str(path[last]))
    return None


def _model(path: Key, model: type[BaseModel]) -> type[BaseModel] | None:
    """Return the table that stands at `path`, None where no table stands there."""
    found: type[BaseModel] | None = model
    for step in path:
        if isinstance(step, int):
            continue
        field = found.model_fields.get(step) if found else None
        found = _tables(field)[0] if field and _tables(field) else None
    return found


def _table(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field that is one table; None for a list of them and for scalars."""
    annotation = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _tables(field: FieldInfo) -> list[type[BaseModel]]:
    """Return the models inside a field's type: itself, in `X | None`, in `tuple[X, ...]`, in `Mapping[str, X]`."""
    candidates = (field.annotation, *get_args(field.annotation))
    return [each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)]


def _takes_json(field: FieldInfo) -> bool:
    """Whether text alone cannot be the value: tables, lists, and choices that are not words."""
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    words = all(isinstance(choice, str) for choice in choices)
    return bool(_tables(field)) or get_origin(field.annotation) is tuple or not words

"""The configuration in force, as an administrator reads it."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from service.config import Settings

#: What stands in the place of a secret.
MASK = "***"


def source(file: Path | None) -> str:
    """Return where the configuration comes from, in words; environment variables go over a file in any case."""
    return str(file.absolute()) if file else "no file; defaults and environment alone are in force"


def shown(settings: Settings) -> str:
    """Return the configuration in force as TOML, defaults included, secrets masked."""
    blocks = []
    for section, value in settings.model_dump(mode="json", exclude_none=True).items():
        if isinstance(value, list):
            blocks += [_block(f"[[{section}]]", table) for table in value]
        else:
            blocks.append(_block(f"[{section}]", value | _masked(settings, section)))
    return "\n\n".join(blocks) + "\n"


def without_secret(url: str) -> str:
    """Return `url` with user, password and query masked; a word that is no URL is returned as it is.

    All before the last @ is masked, since a password may hold any character.
    """
    match = re.fullmatch(r"([a-z][a-z0-9+.-]*://)(.*@)?([^?]*)(\?.*)?", url, re.DOTALL)
    if match is None:
        return url
    scheme, user, place, query = match.groups()
    return f"{scheme}{MASK + '@' if user else ''}{place}{'?' + MASK if query else ''}"


def _masked(settings: Settings, section: str) -> dict[str, str]:
    secrets = {
        "queue": {"broker": settings.queue.broker},
        "storage": {"ledger": settings.storage.ledger},
    }
    shown = {key: without_secret(secret.get_secret_value()) for key, secret in secrets.get(section, {}).items()}
    if section == "alerts":
        shown["webhook"] = _host_alone(settings.alerts.webhook.get_secret_value())
    return shown


def _host_alone(url: str) -> str:
    """Return a URL whose path, too, is a secret; empty where there is none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}/{MASK}" if url else ""


def _block(header: str, table: dict[str, Any]) -> str:
    return "\n".join([header, *(f"{key} = {_toml(value)}" for key, value in table.items())])


def _toml(value: object) -> str:
    """Return a TOML value: written as in JSON, but TOML knows no surrogates and wants DEL escaped."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

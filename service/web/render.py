"""Templates into pages: what every page knows, and how times and numbers are written."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fastapi import Request, Response
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup, escape

from service import __version__

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_FOLDER: Final = Path(__file__).parent / "templates"
_templates: Final = Jinja2Templates(
    env=Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
    )
)

#: The pages, in the order of the navigation.
NAVIGATION: Final = (
    ("/", "Overview"),
    ("/studies", "Studies"),
    ("/failures", "Failures"),
    ("/destinations", "Destinations"),
    ("/sources", "Sources"),
    ("/configuration", "Configuration"),
)


def page(request: Request, template: str, shown: Mapping[str, Any], *, status: int = 200) -> Response:
    """Return a template filled in with `shown`, and with who looks at it."""
    visitor = getattr(request.state, "visitor", None)
    everywhere = {"visitor": visitor, "navigation": NAVIGATION, "path": request.url.path, "version": __version__}
    answer: Response = _templates.TemplateResponse(request, template, {**everywhere, **shown}, status_code=status)
    return answer


def words(code: object) -> str:
    """Return a code as words."""
    return str(code).replace("_", " ")


def moment(seconds: float | None) -> str:
    """Return a time as a reader's words, UTC; "-" where there is none."""
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def machine(seconds: float) -> str:
    """Return a time as the attribute of a `time` element."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def lasting(seconds: float | None) -> str:
    """Return a length of time in one or two units; "-" where there is none."""
    if seconds is None:
        return "-"
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def ago(seconds: float | None) -> str:
    """Return how long ago a time was."""
    return "-" if seconds is None else f"{lasting(time.time() - seconds)} ago"


def code(text: str) -> Markup:
    """Return a text in which what stands between backticks is shown as code."""
    pieces = text.split("`")
    shown = (Markup("<code>{}</code>").format(piece) if n % 2 else escape(piece) for n, piece in enumerate(pieces))
    return Markup("").join(shown)


_templates.env.filters.update(code=code, words=words, moment=moment, machine=machine, lasting=lasting, ago=ago)

"""What the shell may complete beside commands and options: names that only the configuration knows.

`spondyl --install-completion` sets the shell up; `spondyl --show-completion bash` prints what that would add.
"""

from collections.abc import Iterator
from pathlib import Path

import typer


def destinations(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the destinations of the configuration that is named, or in force, which begin so; none where it fails."""
    from service.config import load
    from service.errors import Misconfigured

    try:
        settings = load(next(_said(ctx), None))
    except Misconfigured:
        return []
    return [each.name for each in settings.destinations if each.name.startswith(incomplete)]


def schemas(incomplete: str) -> list[str]:
    """Return the schemas that begin so."""
    from service.shapes.answers import SHAPES

    return [name for name in SHAPES if name.startswith(incomplete)]


def _said(ctx: typer.Context) -> Iterator[Path]:
    """Yield --config as it was said: behind the command, then before it."""
    at: typer.Context | None = ctx
    while at is not None:
        if found := at.params.get("config"):
            yield Path(found)
        at = at.parent  # type: ignore[assignment]  # typer's own Context is this one's child

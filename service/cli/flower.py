"""`spondyl flower`: Celery's own web view over our queue, for developers; what studies do stands on our page."""

import importlib.util
from typing import Annotated

import typer

from service.cli.options import ConfigPath, options_of


def flower(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Where Flower listens.")] = 5555,
    address: Annotated[str, typer.Option(help="Its address; it asks nobody who they are.")] = "127.0.0.1",
    config: ConfigPath = None,
) -> None:
    """Show workers and tasks of the queue in Flower, beside a running node; needs the extra `flower`.

    It knows tasks and job numbers, no studies, and forgets them when it ends. It may stop workers: it listens on this
    machine alone, and FLOWER_BASIC_AUTH=name:password gives it a password.
    """
    from service.broker import celery_app
    from service.errors import Misconfigured

    settings = options_of(ctx).settings(config)
    if importlib.util.find_spec("flower") is None:
        raise Misconfigured("Flower is not installed here: pip install 'spondyl[flower]'")
    app = celery_app(settings)
    # Tornado would take our log for its own.
    app.start(["flower", f"--address={address}", f"--port={port}", "--logging=warning"])

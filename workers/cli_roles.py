"""The roles that need the workers: work; web, which must tell what landmarks are; and serve, which is all of them."""

import sys
from contextlib import closing

import typer

from service.cli.options import ConfigPath, options_of


def work(ctx: typer.Context, config: ConfigPath = None) -> None:
    """Measure and deliver: take jobs from the queue until SIGTERM, which lets the running ones finish.

    One of the three roles apart; run `spondyl migrate` first, and as many workers as you like.
    """
    from service.ledger import Ledger
    from workers.app import work as run

    settings = options_of(ctx).settings(config, serving=True)
    # Each process of the pool opens its own; here it is only asked whether the first job could.
    with closing(Ledger.open(settings.storage.ledger_url)) as ledger:
        ledger.ping()
    raise typer.Exit(run(settings))


def web(ctx: typer.Context, config: ConfigPath = None) -> None:
    """Serve the list of studies, /healthz, /readyz, /metrics and the API, which takes landmarks.

    One of the three roles apart; run `spondyl migrate` first.
    """
    from service.web.run import web as run
    from workers.document_format import FORMAT
    from workers.on_demand import PAPERS, make_note

    raise typer.Exit(run(options_of(ctx).settings(config, serving=True), FORMAT, PAPERS, make_note))


def serve(ctx: typer.Context, config: ConfigPath = None) -> None:
    """Run the whole node on this machine: listener, worker, web page and, unless another is configured, the broker.

    The ledger is migrated first. Roles that die are started again; SIGTERM and Ctrl-C stop all of them in order.
    """
    from service.supervisor import serve as run

    options = options_of(ctx)
    settings = options.settings(config, serving=True)
    command = [sys.executable, "-m", "workers", *options.arguments(config)]
    raise typer.Exit(run(settings, command))

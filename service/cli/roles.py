"""The roles of the node that need no worker: listen and web. Each runs until SIGTERM or Ctrl-C."""

import typer

from service.cli.options import ConfigPath, options_of


def listen(ctx: typer.Context, config: ConfigPath = None) -> None:
    """Receive studies by C-STORE, find out when each is complete, and hand out the work.

    One of the three roles apart; run `spondyl migrate` first, and one `listen` for each DICOM port.
    """
    from service.listening import listen as run

    raise typer.Exit(run(options_of(ctx).settings(config, serving=True)))


def web(ctx: typer.Context, config: ConfigPath = None) -> None:
    """Serve the list of studies, /healthz, /readyz, /metrics and the API.

    One of the three roles apart; run `spondyl migrate` first.
    """
    from service.web.run import web as run

    raise typer.Exit(run(options_of(ctx).settings(config, serving=True)))

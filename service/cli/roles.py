"""The role of the node that needs no worker: listen. It runs until SIGTERM or Ctrl-C."""

import typer

from service.cli.options import ConfigPath, options_of


def listen(ctx: typer.Context, config: ConfigPath = None) -> None:
    """Receive studies by C-STORE, find out when each is complete, and hand out the work.

    One of the three roles apart; run `spondyl migrate` first, and one `listen` for each DICOM port.
    """
    from service.listening import listen as run

    raise typer.Exit(run(options_of(ctx).settings(config, serving=True)))

"""Options that commands share: where the configuration lies, how much is said, and in which form."""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from service.config import Settings

ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="PATH",
        show_default=False,
        help="Configuration file; else SPONDYL_CONFIG, else ./spondyl.toml where there is one, else the defaults.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
StudyName = Annotated[str, typer.Argument(metavar="UID", help="Study Instance UID, or the study's key.")]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was said before the command's name; it hangs on the context."""

    config: Path | None = None
    verbose: bool = False
    quiet: bool = False

    def settings(self, config: Path | None = None, *, serving: bool = False) -> "Settings":
        """Start the log and load the configuration; a `--config` behind the command wins. Misconfigured."""
        from service.config import load

        self.start_log(serving=serving)
        return load(config or self.config)

    def file(self, config: Path | None = None) -> Path | None:
        """Return the configuration file that `settings` reads, None where there is none."""
        from service.config import file_in_force

        return file_in_force(config or self.config)

    def start_log(self, *, serving: bool = False) -> None:
        """Log to stderr. A role that is `serving` says what it does; any other command says only what is wrong."""
        from service import logs

        usual = "info" if serving else "warning"
        logs.configure("debug" if self.verbose else "error" if self.quiet else usual)
        if serving:
            sys.excepthook = _log_fault
        elif not self.verbose:
            # What a library says of a failure, our own error says better.
            logging.root.handlers[:] = [logging.NullHandler()]

    def arguments(self, config: Path | None = None) -> list[str]:
        """Return these options as a command line gives them, for a process of our own."""
        path = config or self.config
        flags = ["--verbose"] * self.verbose + ["--quiet"] * self.quiet
        return [*(["--config", str(path.absolute())] if path else []), *flags]


def _log_fault(_kind: type[BaseException], fault: BaseException, _trace: TracebackType | None) -> None:
    """Log what ends a role without its text, which may quote a patient's data: stderr of a role is a log."""
    from service.logs import log

    log.error("role failed", action="role_failed", exc_info=fault)


def options_of(ctx: typer.Context) -> Options:
    """Return the options that the root command left on the context."""
    return ctx.find_object(Options) or Options()

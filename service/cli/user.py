"""Who may sign in: `spondyl user`. Nobody can at first: there is no default password."""

import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.options import AsJson, ConfigPath, options_of
from service.cli.output import note, write, write_json, write_table

if TYPE_CHECKING:
    from service.ledger import Ledger
    from service.ledger.people import Role

user_app = typer.Typer(no_args_is_help=True, help="People and programs that may use the page and the API.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name: a-z, 0-9, '.', '_', '-', '@'.")]
_ROLE: Final = "viewer sees every page; operator acts as well; sender stores objects by STOW-RS, and sees nothing."
RoleName = Annotated[
    str | None, typer.Option("--role", help=f"{_ROLE} Without it a role stays as it is; a new name is a viewer.")
]
_NAME: Final = r"[a-z0-9][a-z0-9._@-]{0,63}"
#: These stand for others in what is written down.
_TAKEN: Final = frozenset({"node", "api", "token", "admin"})


def _checked(name: str) -> str:
    import re

    if not re.fullmatch(_NAME, name) or name in _TAKEN:
        words = f"1 to 64 of a-z, 0-9, '.', '_', '-' and '@', and none of {', '.join(sorted(_TAKEN))}"
        raise typer.BadParameter(f"a name: {words}", param_hint="NAME")
    return name


def _role(role: str | None) -> "Role | None":
    from service.ledger.people import Role

    try:
        return Role(role) if role is not None else None
    except ValueError:
        raise typer.BadParameter(f"expected {', '.join(Role)}", param_hint="--role") from None


@user_app.command()
def add(
    ctx: typer.Context,
    name: Name,
    role: RoleName = None,
    password_stdin: Annotated[bool, typer.Option(help="Read the password from stdin, one line.")] = False,
    no_password: Annotated[bool, typer.Option(help="A reverse proxy signs this one in.")] = False,
    config: ConfigPath = None,
) -> None:
    """Add somebody who signs in at the page, or give a new password; their sessions end with the old one.

    The password is asked for, 10 characters or more.
    """
    from service.ledger import Ledger
    from service.passwords import hashed

    settings = options_of(ctx).settings(config)
    person, wanted = _checked(name), _role(role)
    password = None if no_password else hashed(_password(from_stdin=password_stdin))
    with closing(Ledger.open(settings.storage.ledger_url)) as ledger:
        its_role = ledger.people.put(person, wanted, now=time.time(), password=password)
        _enter(ledger, "user_add", f"{person}: {its_role}")
    write(f"{person}: {its_role}")


@user_app.command()
def token(ctx: typer.Context, name: Name, role: RoleName = None, config: ConfigPath = None) -> None:
    """Make a token for a program, and print it: it is shown this once. An old one of this name ends."""
    from service.ledger import Ledger
    from service.passwords import digest, new_token

    settings = options_of(ctx).settings(config)
    person, wanted, made = _checked(name), _role(role), new_token()
    with closing(Ledger.open(settings.storage.ledger_url)) as ledger:
        its_role = ledger.people.put(person, wanted, now=time.time(), token=digest(made))
        _enter(ledger, "user_token", f"{person}: {its_role}")
    note(f"{person}: {its_role}; send it as Authorization: Bearer")
    write(made)


@user_app.command()
def remove(ctx: typer.Context, name: Name, config: ConfigPath = None) -> None:
    """Remove somebody; their sessions and token end at once."""
    from service.ledger import Ledger

    with closing(Ledger.open(options_of(ctx).settings(config).storage.ledger_url)) as ledger:
        ledger.people.remove(name)
        _enter(ledger, "user_remove", name)
    write("removed")


@user_app.command("list")
def list_users(ctx: typer.Context, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """List who may sign in, and with what."""
    from service.ledger import Ledger
    from service.summaries import utc
    from service.tables import Table

    with closing(Ledger.open(options_of(ctx).settings(config).storage.ledger_url)) as ledger:
        people = ledger.people.everybody()
    rows = [
        {
            "name": each.name,
            "role": each.role.value,
            "password": each.password is not None,
            "token": each.token is not None,
            "since": utc(each.created_at),
        }
        for each in people
    ]
    if as_json:
        write_json({"schema": "spondyl.users/1", "users": rows})
    elif rows:
        cells = [tuple("yes" if v is True else "-" if v is False else str(v) for v in row.values()) for row in rows]
        write_table(Table(title="", columns=("Name", "Role", "Password", "Token", "Since"), rows=cells))
    else:
        note("nobody; spondyl user add NAME --role operator")


def _enter(ledger: "Ledger", what: str, detail: str) -> None:
    """Enter in the trail what was done at the command line of this machine."""
    from service.ledger.moves import ADMIN

    ledger.audit.note(actor=ADMIN, address="", what=what, detail=detail, now=time.time())


def _password(*, from_stdin: bool) -> str:
    """Return a password that was typed twice, or read from stdin; typer.BadParameter where it is too short."""
    from service.passwords import LONGEST_PASSWORD, SHORTEST_PASSWORD

    said = (
        sys.stdin.readline().rstrip("\r\n")
        if from_stdin
        else typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    )
    if not SHORTEST_PASSWORD <= len(said) <= LONGEST_PASSWORD:
        raise typer.BadParameter(f"the password: expected {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return str(said)

"""`spondyl user`: how somebody gets an account, a program a token, and how both end."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from ledgers import migrated
from typer.testing import CliRunner, Result

from service import passwords
from service.config import load
from service.ledger import Ledger
from service.ledger.people import Person, Role
from workers.cli import app

PASSWORD = "a long password"


@pytest.fixture(autouse=True)
def _place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Work in an empty folder with a ledger; let each command configure the log, and forget it afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(passwords, "_N", 2)
    migrated(load(None, {}).storage.ledger_url)
    yield
    structlog.reset_defaults()


def _run(*words: str, said: str = "") -> Result:
    return CliRunner().invoke(app, ["user", *words], input=said)


def _people() -> list[Person]:
    with closing(Ledger.open(load(None, {}).storage.ledger_url)) as ledger:
        return ledger.people.everybody()


def test_a_password_is_asked_for_twice_and_kept_as_a_digest() -> None:
    """The account is there with its role; the password stands nowhere, neither in the answer nor in the ledger."""
    answer = _run("add", "anna", "--role", "operator", said=f"{PASSWORD}\n{PASSWORD}\n")
    (anna,) = _people()

    assert (0, "anna: operator") == (answer.exit_code, answer.stdout.strip().splitlines()[-1])
    assert (Role.OPERATOR, True) == (anna.role, passwords.matches(PASSWORD, anna.password or ""))
    assert PASSWORD not in answer.stdout + str(anna.password)


def test_a_script_gives_the_password_by_stdin() -> None:
    """One line, without its end; the role is viewer where none is said."""
    answer = _run("add", "otto", "--password-stdin", said=f"{PASSWORD}\r\n")
    (otto,) = _people()

    assert (0, Role.VIEWER, True) == (
        answer.exit_code,
        otto.role,
        passwords.matches(PASSWORD, otto.password or ""),
    )


def test_a_new_password_or_token_leaves_the_role() -> None:
    """Who forgot a password is what they were; only `--role` changes that, and the answer says what they are."""
    _run("add", "anna", "--role", "operator", "--password-stdin", said=f"{PASSWORD}\n")
    answers = [_run("add", "anna", "--password-stdin", said=f"{PASSWORD} 2\n"), _run("token", "anna")]
    (anna,) = _people()
    _run("token", "anna", "--role", "viewer")

    assert (Role.OPERATOR, True) == (anna.role, passwords.matches(f"{PASSWORD} 2", anna.password or ""))
    assert ["anna: operator"] * 2 == [
        answers[0].stdout.strip().splitlines()[-1],
        answers[1].stderr.strip().splitlines()[-1].partition(";")[0],
    ]
    assert [Role.VIEWER] == [each.role for each in _people()]


def test_whom_a_proxy_signs_in_needs_no_password() -> None:
    """The account has a role and nothing to sign in with."""
    assert 0 == _run("add", "eve", "--no-password").exit_code
    (eve,) = _people()

    assert (None, None) == (eve.password, eve.token)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "anna", "--password-stdin"), "short\n"),
        (("add", "anna", "--password-stdin"), f"{'x' * 257}\n"),
        (("add", "anna", "--password-stdin", "--role", "king"), f"{PASSWORD}\n"),
        (("add", "Anna Müller", "--password-stdin"), f"{PASSWORD}\n"),
        (("add", "token", "--password-stdin"), f"{PASSWORD}\n"),
        (("add", "node", "--no-password"), ""),
        (("add", "admin", "--no-password"), ""),
        (("token", "x y"), ""),
    ],
)
def test_what_cannot_be_an_account_is_a_usage_error(words: tuple[str, ...], said: str) -> None:
    """A short or endless password, an unknown role, a name with blanks or one that means another: 2."""
    assert 2 == _run(*words, said=said).exit_code
    assert [] == _people()


def test_a_token_is_printed_once_and_kept_as_a_digest() -> None:
    """The token stands alone on stdout; a second one of the same name ends the first, and a password stays."""
    _run("add", "program", "--password-stdin", said=f"{PASSWORD}\n")
    tokens = [_run("token", "program", "--role", "operator").stdout.strip() for _ in range(2)]
    (program,) = _people()

    assert tokens[0] != tokens[1]
    assert (passwords.digest(tokens[1]), Role.OPERATOR) == (program.token, program.role)
    assert passwords.matches(PASSWORD, program.password or "")


def test_the_list_names_everybody_and_no_secret() -> None:
    """As a table and as JSON; nobody is said as such."""
    empty = _run("list")
    token = _run("token", "program").stdout.strip()
    table, listed = _run("list"), json.loads(_run("list", "--json").stdout)

    assert (0, "") == (empty.exit_code, empty.stdout)
    assert "program" in table.stdout
    assert ("spondyl.users/1", "program", False, True) == (
        listed["schema"],
        listed["users"][0]["name"],
        listed["users"][0]["password"],
        listed["users"][0]["token"],
    )
    assert token not in table.stdout + str(listed)


def test_what_is_done_here_stands_in_the_trail() -> None:
    """Who was given which role, and who was removed: as the administrator of this machine, without a secret."""
    _run("add", "anna", "--role", "operator", "--no-password")
    _run("token", "program", "--role", "sender")
    _run("remove", "anna")
    with closing(Ledger.open(load(None, {}).storage.ledger_url)) as ledger:
        trail = [(each.actor, each.action, each.detail) for each in reversed(ledger.audit.latest())]

    assert [
        ("admin", "user_add", "anna: operator"),
        ("admin", "user_token", "program: sender"),
        ("admin", "user_remove", "anna"),
    ] == trail


def test_who_is_removed_is_gone() -> None:
    """Removed once; a second time nobody of that name is there (1)."""
    _run("token", "program")

    assert [0, 1] == [_run("remove", "program").exit_code for _ in range(2)]
    assert [] == _people()

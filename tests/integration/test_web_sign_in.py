"""Who may look and who may act: passwords, sessions, tokens, proxies, pages of other sites."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from ledgers import arrive
from pydantic import SecretStr
from starlette.routing import BaseRoute
from web_client import Client, app_of

from service import passwords
from service.config import Settings, Storage, Web
from service.ledger.people import Role
from service.passwords import digest
from service.web.throttle import FREE
from service.wiring import Node, open_node

TOKEN = "0123456789abcdef-token"
PASSWORD = "a long password"
BASE = "http://127.0.0.1:8080"
HTML = {"Accept": "text/html"}


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give the node's clock."""
    return Clock()


@pytest.fixture
def node(sqlite_url: str, tmp_path: Path, clock: Clock) -> Iterator[Node]:
    """Open a node over a real SQLite ledger; its broker does not run."""
    storage = Storage(root=tmp_path / "state", ledger=SecretStr(sqlite_url), min_free_gb=0)
    with open_node(Settings(storage=storage), clock=clock) as opened:
        yield opened


@pytest.fixture(scope="module")
def kept() -> str:
    """Give what is kept of PASSWORD, made with the least work: scrypt is slow on purpose."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_N", 2)
        return passwords.hashed(PASSWORD)


@pytest.fixture
def people(node: Node, kept: str) -> Node:
    """Give the node with a viewer, an operator and a program."""
    node.ledger.people.put("otto", Role.VIEWER, now=1.0, password=kept)
    node.ledger.people.put("anna", Role.OPERATOR, now=1.0, password=kept)
    node.ledger.people.put("prometheus", Role.VIEWER, now=1.0, token=digest("spo_program"))
    return node


@pytest.fixture
def client(people: Node) -> Client:
    """Give a client on this machine that has not signed in."""
    return Client(app_of(people))


def _with(node: Node, **web: object) -> Node:
    return replace(node, settings=node.settings.model_copy(update={"web": Web.model_validate(web)}))


def _sign_in(client: Client, name: str = "anna", password: str = PASSWORD, to: str = "/") -> httpx.Response:
    form = {"name": name, "password": password, "to": to}
    return client.post("/login", form, headers={"Origin": BASE, **HTML})


def _cookie(answer: httpx.Response) -> dict[str, str]:
    """Return the headers of a browser that got this answer."""
    cookie = answer.headers["set-cookie"].partition(";")[0]
    return {"Cookie": cookie, "Origin": BASE, **HTML}


# ---- passwords and sessions


def test_a_browser_is_led_to_the_login(client: Client) -> None:
    """Who has not signed in is sent to the form, which leads back to the page that was asked for, without its query."""
    answer = client.get("/studies", params={"name": "1.2.3"}, headers=HTML)

    assert (303, "/login?to=/studies") == (answer.status_code, answer.headers["location"])
    assert 'value="/studies"' in client.get("/login", params={"to": "/studies"}).text


def test_the_password_begins_a_session(client: Client) -> None:
    """The cookie is for us alone: no script reads it, other sites' forms do not bring it, and it ends with a shift."""
    answer = _sign_in(client, to="/studies")
    said = answer.headers["set-cookie"].lower()

    assert (303, "/studies") == (answer.status_code, answer.headers["location"])
    for word in ("httponly", "samesite=lax", "path=/", f"max-age={12 * 3600}"):
        assert word in said
    page = client.get("/", headers=_cookie(answer))
    assert (200, True) == (page.status_code, "anna" in page.text)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("anna", "wrong"),
        ("anna", ""),
        ("nobody", PASSWORD),
        ("prometheus", ""),
        ("prometheus", "spo_program"),
        ("", ""),
    ],
)
def test_anything_else_begins_none(client: Client, name: str, password: str) -> None:
    """A wrong name and a wrong password are answered alike; a program's token is no password."""
    answer = _sign_in(client, name, password)

    assert (401, True) == (answer.status_code, "Name or password is wrong." in answer.text)
    assert "set-cookie" not in answer.headers


def test_a_cookie_that_was_made_up_is_nobody(client: Client) -> None:
    """A cookie that we did not give opens nothing."""
    answer = client.get("/", headers={"Cookie": "spondyl_session=guess", **HTML})

    assert 303 == answer.status_code


def test_a_session_ends(client: Client, people: Node, clock: Clock, kept: str) -> None:
    """By signing out, by time, with the person, and with the password it was begun with."""
    headers = [_cookie(_sign_in(client)) for _ in range(4)]

    def open_pages() -> list[bool]:
        return [client.get("/studies", headers=each).status_code == 200 for each in headers]

    at_first = open_pages()
    client.post("/logout", headers=headers[0])
    signed_out = open_pages()
    people.ledger.people.put("anna", Role.OPERATOR, now=1.0, password=kept.replace("scrypt", "other"))
    new_password = open_pages()
    people.ledger.people.put("anna", Role.OPERATOR, now=1.0, password=kept)
    clock.now += 12 * 3600
    late = open_pages()
    people.ledger.people.remove("anna")

    assert ([True] * 4, [False, True, True, True]) == (at_first, signed_out)
    assert ([False] * 4, [False] * 4, [False] * 4) == (new_password, late, open_pages())


def test_guessing_is_slowed_down(client: Client, clock: Clock) -> None:
    """After some failures even the right password waits, and the answer says how long; then it is taken."""
    for _ in range(FREE):
        _sign_in(client, password="wrong")
    refused = _sign_in(client)
    clock.now += float(refused.headers["retry-after"])

    assert (429, True) == (refused.status_code, "Too many tries." in refused.text)
    assert 303 == _sign_in(client).status_code


def test_guessing_keeps_nobody_else_out(people: Node) -> None:
    """Whoever guesses anna's password from one address makes that one wait; from her own she signs in."""
    client = _behind(people)

    def sign_in(address: str, password: str) -> int:
        headers = {"Origin": "https://spondyl.example", "X-Forwarded-For": address}
        return client.post("/login", {"name": "anna", "password": password}, headers=headers).status_code

    guessed = [sign_in("192.0.2.66", f"guess {number}") for number in range(FREE + 1)]
    assert ([401] * FREE + [429], 303) == (guessed, sign_in("192.0.2.1", PASSWORD))


def test_tries_at_the_same_time_do_not_all_pass(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A try counts before its password is looked at, which takes long: while one is, the next ones wait already."""
    begun, answers = [], []

    def slow(*_: object) -> bool:
        begun.append(True)
        if len(begun) <= FREE:
            answers.append(_sign_in(client, password="wrong").status_code)
        return False

    monkeypatch.setattr(passwords, "matches", slow)
    _sign_in(client, password="wrong")

    assert (FREE, 429) == (len(begun), answers[0])


def test_guessing_tokens_is_slowed_down(client: Client, people: Node, clock: Clock) -> None:
    """Each wrong token is written down; after some even a right one waits; an old one that comes all day is one."""
    said = [{"Authorization": httpx.BasicAuth("x", f"guess {n}")._auth_header} for n in range(FREE)]  # noqa: SLF001
    right = {"Authorization": "Bearer spo_program"}
    again = [client.get("/studies", headers=said[0]).status_code for _ in range(2 * FREE)]
    known = client.get("/studies", headers=right).status_code
    guessed = [client.get("/studies", headers=each).status_code for each in said]
    refused = client.get("/studies", headers=right)
    clock.now += float(refused.headers["retry-after"])

    assert ({401}, 200, {401}) == ({*again}, known, {*guessed})
    assert (429, 200) == (refused.status_code, client.get("/studies", headers=right).status_code)
    assert [("login_failed", "-")] * FREE == [(each.action, each.actor) for each in people.ledger.audit.latest()]
    assert 303 == _sign_in(client).status_code


def test_the_login_leads_to_pages_of_ours_only(client: Client) -> None:
    """A link that would lead to another site after signing in leads to the first page."""
    for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", "evil", "/a\nb"):
        assert "/" == _sign_in(client, to=elsewhere).headers["location"]


def test_signing_in_is_written_down(client: Client, people: Node) -> None:
    """Success with the name, and the end; failure without: people type their password there."""
    client.post("/logout", headers=_cookie(_sign_in(client)))
    _sign_in(client, name="my secret password", password="x")
    trail = [(each.action, each.actor) for each in people.ledger.audit.latest()]

    assert [("login_failed", "-"), ("logout", "anna"), ("login", "anna")] == trail


def test_nobody_has_a_password_at_first(node: Node) -> None:
    """A fresh node has no account and no default: the form says how one is made, and no word is taken."""
    client = Client(app_of(node))

    assert "spondyl user add NAME --role operator" in client.get("/login").text
    assert 401 == _sign_in(client, "admin", "admin").status_code


def test_at_a_fresh_node_everybody_here_may_look_and_nobody_act(node: Node) -> None:
    """Without an account whoever is at this machine sees the pages; a button is refused, and says what to do."""
    client = Client(app_of(node))
    key = arrive(node.ledger).key
    refused = client.post(f"/studies/{key}/settle", headers={"Origin": BASE})

    assert 200 == client.get("/").status_code
    assert (403, True) == (refused.status_code, "spondyl user add" in refused.text)
    assert "<button" not in client.get(f"/studies/{key}").text


def test_the_probes_stay_open_at_this_machine(client: Client, people: Node) -> None:
    """A supervisor and a Prometheus beside the node need no account; everything else does now."""
    assert (200, 503) == (client.get("/metrics").status_code, client.get("/readyz").status_code)
    assert [401, 401] == [client.get(path).status_code for path in ("/api/v1/studies", "/studies")]
    foreign = Client(app_of(people), "http://evil.example:8080")
    assert 421 == foreign.get("/metrics").status_code


# ---- roles


ACTIONS = (
    "/studies/{key}/settle",
    "/studies/{key}/measure",
    "/studies/{key}/retry",
    "/studies/{key}/ignore",
    "/failures/retry",
    "/studies/{key}/retract",
    "/studies/search",
    "/destinations/pacs/echo",
    "/destinations/pacs/test",
    "/pause/intake",
    "/resume/intake",
    "/callers/forget",
    "/alerts/test",
    "/rules/try",
)
API_ACTIONS = (
    "/api/v1/studies/{key}/settle",
    "/api/v1/studies/{key}/retry",
    "/api/v1/studies/{key}/ignore",
    "/api/v1/retry",
    "/api/v1/pause/intake",
    "/api/v1/resume/intake",
    "/api/v1/destinations/pacs/echo",
    "/api/v1/destinations/pacs/test",
    "/api/v1/studies/search",
    "/api/v1/studies/{key}/retract",
    "/api/v1/rules/try",
)


#: Whoever may sign in, the senders of test_stow_in, and landmarks, below.
OTHERS = {
    "/login",
    "/logout",
    "/dicom-web/studies",
    "/dicom-web/studies/{study}",
    "/api/v1/studies/{uid}/landmarks",
}


def _routes(routes: Iterable[BaseRoute]) -> Iterator[APIRoute]:
    """Yield the routes of an application, also those of the routers that it includes, whether in its schema or not."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from _routes(getattr(getattr(route, "original_router", None), "routes", ()))


def test_these_are_all_the_actions(people: Node) -> None:
    """Every route that changes something is in the lists that the next tests go through, but those of OTHERS."""
    unsafe = {
        each.path for each in _routes(app_of(people).routes) if (each.methods or set()) - {"GET", "HEAD", "OPTIONS"}
    }
    ours = {path.replace("pacs", "{name}").replace("intake", "{what}") for path in (*ACTIONS, *API_ACTIONS)}

    assert unsafe - OTHERS == {path.replace("{key}", "{uid}") if "/api/" in path else path for path in ours}


@pytest.mark.parametrize("path", ACTIONS)
def test_a_viewer_changes_nothing(client: Client, people: Node, path: str) -> None:
    """The role viewer sees every page and presses no button; nothing is changed or written down."""
    key = arrive(people.ledger).key
    headers = _cookie(_sign_in(client, "otto"))
    events = len(people.ledger.admin.study(key).events)
    answer = client.post(path.format(key=key), {"why": "x", "state": "failed"}, headers=headers)

    assert 403 == answer.status_code
    assert (events, {}) == (len(people.ledger.admin.study(key).events), people.ledger.switches.paused())
    assert ["login"] == [each.action for each in people.ledger.audit.latest()]


@pytest.mark.parametrize("path", API_ACTIONS)
def test_a_viewers_token_changes_nothing(client: Client, people: Node, path: str) -> None:
    """The same for programs."""
    key = arrive(people.ledger).key
    headers = {"Authorization": "Bearer spo_program"}

    assert 403 == client.post(path.format(key=key), json={"why": "x"}, headers=headers).status_code
    assert 401 == client.post(path.format(key=key), json={"why": "x"}).status_code


def test_a_viewer_puts_no_landmarks(client: Client, people: Node) -> None:
    """What changes the next report is an operator's."""
    key = arrive(people.ledger).key
    answer = client.put(f"/api/v1/studies/{key}/landmarks", b"{}", headers={"Authorization": "Bearer spo_program"})

    assert 403 == answer.status_code


def test_a_viewer_sees_no_people(client: Client) -> None:
    """Who may sign in, and what was done, are an operator's to see."""
    pages = [client.get("/configuration", headers=_cookie(_sign_in(client, name))).text for name in ("otto", "anna")]

    assert [False, True] == ["prometheus" in page for page in pages]


def test_the_trail_is_shown_a_page_at_a_time(client: Client, people: Node) -> None:
    """100 entries, and a link to what is older."""
    for number in range(100):
        people.ledger.audit.note(actor="anna", address="::1", what="echo", detail=f"old{number}.", now=1.0)
    headers = _cookie(_sign_in(client))
    newest = client.get("/configuration", headers=headers).text
    link = re.search(r'href="(/configuration\?before=\d+)#trail">Older', newest)
    older = client.get(link[1] if link else "", headers=headers).text

    assert (False, True) == ("old0." in newest, "old0." in older)
    assert (True, False) == ("old1." in newest, "old1." in older)


def test_a_token_reads_page_and_api(client: Client) -> None:
    """A program's token opens both, and is no secret of the ledger: a digest is kept."""
    headers = {"Authorization": "Bearer spo_program"}

    assert [200, 200] == [client.get(path, headers=headers).status_code for path in ("/api/v1/studies", "/")]
    assert (
        401 == client.get("/api/v1/studies", headers={"Authorization": f"Bearer {digest('spo_program')}"}).status_code
    )


def test_the_token_file_signs_in_as_operator(node: Node, tmp_path: Path) -> None:
    """With the token as password any name signs in, and may act; another token in the file ends the session."""
    (tmp_path / "token").write_text(TOKEN, encoding="ascii")
    client = Client(app_of(_with(node, token_file=tmp_path / "token")))
    key = arrive(node.ledger).key
    headers = _cookie(_sign_in(client, "whoever", TOKEN))
    settled = client.post(f"/studies/{key}/settle", headers=headers)
    (tmp_path / "token").write_text(f"{TOKEN}-new", encoding="ascii")
    later = Client(app_of(_with(node, token_file=tmp_path / "token")))

    assert (303, "token") == (settled.status_code, node.ledger.admin.study(key).events[-1].actor)
    assert 303 == later.get("/", headers=headers).status_code
    assert 401 == _sign_in(client, "whoever", f"{TOKEN}x").status_code


# ---- other sites


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999", None])
@pytest.mark.parametrize("path", ACTIONS)
def test_a_page_of_another_site_presses_no_button(client: Client, people: Node, path: str, origin: str | None) -> None:
    """With the operator's cookie and a foreign origin, or none, which no browser leaves out, nothing is changed."""
    key = arrive(people.ledger).key
    headers = {name: value for name, value in _cookie(_sign_in(client)).items() if name != "Origin"}
    headers |= {"Origin": origin} if origin else {}
    answer = client.post(path.format(key=key), {"why": "x", "state": "failed"}, headers=headers)

    assert 403 == answer.status_code
    assert ["received"] == [each.event for each in people.ledger.admin.study(key).events]
    assert {} == people.ledger.switches.paused()


def test_a_form_says_that_it_is_one(client: Client, people: Node) -> None:
    """A body of another kind, or one that is too large, is refused."""
    headers = _cookie(_sign_in(client))
    path = f"/studies/{arrive(people.ledger).key}/ignore"

    assert 415 == client.post(path, json={"why": "x"}, headers=headers).status_code
    assert 413 == client.post(path, {"why": "x" * 20_000}, headers=headers).status_code
    assert 400 == client.post(path, {f"f{number}": "x" for number in range(30)}, headers=headers).status_code


# ---- proxies


@pytest.fixture
def behind(people: Node) -> Client:
    """Give a client whose requests come from a proxy that signs people in; httpx's transport says 127.0.0.1."""
    return _behind(people, proxy_user_header="X-Forwarded-User")


def _behind(node: Node, **web: object) -> Client:
    return Client(app_of(_with(node, bind="0.0.0.0", proxies=["127.0.0.1/32"], **web)), "https://spondyl.example")  # noqa: S104


def test_a_trusted_proxy_says_who_it_is(behind: Client) -> None:
    """The named person looks and acts with the role that we know; somebody we do not know is told so."""
    page = behind.get("/", headers={"X-Forwarded-User": "otto", **HTML})
    unknown = behind.get("/", headers={"X-Forwarded-User": "eve", **HTML})

    assert (200, True) == (page.status_code, bool(re.search(r"otto\s*<small>viewer", page.text)))
    assert (403, True) == (unknown.status_code, "spondyl user add" in unknown.text)


def test_without_the_header_nobody_is_here(behind: Client) -> None:
    """A request that the proxy did not sign in has to sign in, the probes too."""
    assert [401, 401] == [behind.get(path).status_code for path in ("/studies", "/metrics")]


def test_anybody_elses_header_is_not_believed(people: Node) -> None:
    """From an address that is no trusted proxy the header says nothing."""
    client = Client(app_of(_with(people, proxies=["10.0.0.0/8"], proxy_user_header="X-Forwarded-User")))

    assert 401 == client.get("/studies", headers={"X-Forwarded-User": "anna"}).status_code


def test_a_proxy_for_tls_alone_signs_nobody_in(people: Node) -> None:
    """By default no header names anybody: a proxy that passes on what it does not know would let anyone be anna."""
    client = _behind(people)

    assert 401 == client.get("/studies", headers={"X-Forwarded-User": "anna"}).status_code


def test_a_name_that_came_twice_is_refused(people: Node) -> None:
    """One of the two is the caller's own: neither counts, and the answer says what the proxy must do."""
    twice = httpx.Headers([("X-Forwarded-User", "anna"), ("X-Forwarded-User", "otto")])
    app = app_of(_with(people, proxies=["127.0.0.1/32"], proxy_user_header="X-Forwarded-User"))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
            return await client.get("/studies", headers=twice)

    answer = asyncio.run(ask())
    assert (400, True) == (answer.status_code, "came twice" in answer.text)


def test_whom_the_proxy_names_counts_before_what_it_passes_on(behind: Client) -> None:
    """A proxy that asks for a password itself, and passes it on as Authorization, signs in all the same."""
    basic = {"Authorization": "Basic YW5uYTpodW50ZXIy", "X-Forwarded-User": "otto", **HTML}

    assert 200 == behind.get("/studies", headers=basic).status_code


def test_a_session_lasts_behind_a_proxy_that_asks_for_a_password(client: Client) -> None:
    """What the proxy passes on is no token of ours: whoever has signed in at the page stays so."""
    headers = _cookie(_sign_in(client)) | {"Authorization": "Basic YW5uYTpodW50ZXIy"}

    assert 200 == client.get("/studies", headers=headers).status_code


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via", "X-Real-IP"])
def test_whom_a_proxy_brings_is_not_at_this_machine(node: Node, header: str) -> None:
    """A proxy beside the node that asks for 127.0.0.1 gives nobody what only who is at this machine has."""
    client = Client(app_of(node))

    assert [200, 401] == [client.get("/studies", headers=each).status_code for each in ({}, {header: "x"})]


def test_the_trail_has_the_address_behind_a_trusted_proxy(people: Node) -> None:
    """The last address in X-Forwarded-For, which is the proxy's own word; from anybody else's it is not believed."""
    forwarded = {"X-Forwarded-For": "198.51.100.1, 192.0.2.7"}
    form = {"name": "anna", "password": "x"}
    _behind(people).post("/login", form, headers=forwarded)
    Client(app_of(people)).post("/login", form, headers=forwarded)

    assert ["127.0.0.1", "192.0.2.7"] == [each.address for each in people.ledger.audit.latest()]


def test_over_tls_the_cookie_stays_on_tls(behind: Client, client: Client) -> None:
    """Where the browser speaks TLS the cookie is secure; a stranger cannot say so."""
    form = {"name": "anna", "password": PASSWORD}
    answer = behind.post("/login", form, headers={"Origin": "https://spondyl.example"})
    plain = client.post("/login", form, headers={"Origin": BASE, "X-Forwarded-Proto": "https"})

    assert "; secure" in answer.headers["set-cookie"].lower()
    assert "; secure" not in plain.headers["set-cookie"].lower()

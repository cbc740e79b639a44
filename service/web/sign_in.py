"""Signing in and out, and the middleware that lets nobody else pass."""

import math
import secrets
from typing import Annotated, Final, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from service import passwords
from service.errors import SpondylError, Unavailable
from service.ledger.people import Session
from service.logs import log
from service.web import render
from service.web.access import TheForm, TheNode, TheVisitor
from service.web.front import without_answer
from service.web.guard import DICOMWEB, Middleware, Next, problem, told, wants_html
from service.web.guesses import Guesses
from service.web.throttle import FREE_OF_NAME, Throttle
from service.web.visitor import COOKIE, Reception
from service.wiring import Node

router: Final = APIRouter(include_in_schema=False)
_LONGEST_NAME: Final = 64
#: A session ends after so long, whatever is done in it: a shift and its handover.
SESSION_S: Final = 12 * 3600
#: What anybody may have: that the process lives, how to sign in, and what the pages look like.
_OPEN: Final = frozenset({"/healthz", "/login"})
_NEEDED: Final = "the token in web.token_file, or one of `spondyl user token`, is required: Authorization: Bearer"


def only_visitors(guesses: Guesses) -> Middleware:
    """Return the middleware that finds out who asks; who has not signed in is asked to."""

    async def guard(request: Request, call_next: Next) -> Response:
        request.state.visitor = None
        if request.url.path in _OPEN or request.url.path.startswith("/static/"):
            return await call_next(request)
        try:
            visitor = await run_in_threadpool(guesses.visitor, request)
        except SpondylError as error:
            return await run_in_threadpool(_not_known, request, error)
        if visitor is None:
            return _asked(request)
        if visitor.only_sends and not request.url.path.startswith((DICOMWEB, "/logout")):
            return problem(request, 403, f"{visitor.name} may send, and sees nothing: the role viewer is needed")
        request.state.visitor = visitor
        return await call_next(request)

    return guard


def _not_known(request: Request, error: SpondylError) -> Response:
    if isinstance(error, Unavailable) and request.url.path == "/":
        return without_answer(request, request.app.state.node, error)
    return told(request, error)


def _asked(request: Request) -> Response:
    """Return the way to the login for a browser, 401 for a program."""
    if wants_html(request) and request.method == "GET":
        # What was asked for comes back after signing in; its query may name a study, so it stays out of the URL.
        return RedirectResponse(f"/login?to={request.url.path}", status_code=303)
    refusal = problem(request, 401, _NEEDED)
    if request.headers.get("hx-request"):
        refusal.headers["HX-Redirect"] = "/login"
    else:
        refusal.headers["WWW-Authenticate"] = 'Basic realm="spondyl"'
    return refusal


def _reception(request: Request) -> Reception:
    return cast("Reception", request.app.state.reception)


def _throttle(request: Request) -> Throttle:
    return cast("Throttle", request.app.state.throttle)


TheReception = Annotated[Reception, Depends(_reception)]
TheThrottle = Annotated[Throttle, Depends(_throttle)]


@router.get("/login")
def login_page(request: Request, reception: TheReception, to: str = "/") -> Response:
    """Show the form, or how an account is made where there is none."""
    return render.page(request, "login.html", {"to": _own(to), "anybody": reception.anybody()})


@router.post("/login")
def login(request: Request, node: TheNode, reception: TheReception, throttle: TheThrottle, form: TheForm) -> Response:
    """Begin a session for who has the password; whoever guesses waits."""
    name, password, address = form.get("name", ""), form.get("password", ""), reception.address(request)
    shown = {"to": _own(form.get("to", "/")), "anybody": True, "name": name[:_LONGEST_NAME]}
    anywhere = f"name {name[:_LONGEST_NAME].lower()}"
    who = (f"address {address}", f"{anywhere} at {address}")
    wait_s = math.ceil(throttle.wait_s(*who, anywhere))
    if wait_s > 0:
        shown["problem"] = f"Too many tries. Wait {wait_s} s, then try again."
        answer = render.page(request, "login.html", shown, status=429)
        answer.headers["Retry-After"] = str(wait_s)
        return answer
    # Counted before it is looked at, which takes long: of tries at the same time not all pass.
    throttle.failed(*who)
    throttle.failed(anywhere, free=FREE_OF_NAME)
    found = reception.signs_in(name, password) if 0 < len(password) <= passwords.LONGEST_PASSWORD else None
    if found is None:
        # Not the name: people type their password there.
        node.ledger.audit.note(actor="-", address=address, what="login_failed", now=node.clock())
        log.warning("nobody was signed in", action="login_failed", address=address)
        shown["problem"] = "Name or password is wrong."
        return render.page(request, "login.html", shown, status=401)
    throttle.succeeded(*who, anywhere)
    return _signed_in(request, node, reception, found, str(shown["to"]))


@router.post("/logout")
def logout(request: Request, node: TheNode, visitor: TheVisitor) -> Response:
    """End the session."""
    if cookie := request.cookies.get(COOKIE, ""):
        node.ledger.people.end_session(passwords.digest(cookie))
    if visitor.session:
        node.ledger.audit.note(actor=visitor.name, address=visitor.address, what="logout", now=node.clock())
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def _signed_in(request: Request, node: Node, reception: Reception, found: tuple[str, str], to: str) -> RedirectResponse:
    name, credential = found
    now = node.clock()
    cookie = secrets.token_urlsafe(32)
    session = Session(person=name, credential=credential, expires_at=now + SESSION_S)
    node.ledger.people.begin_session(passwords.digest(cookie), session, now=now)
    node.ledger.audit.note(actor=name, address=reception.address(request), what="login", now=now)
    answer = RedirectResponse(to, status_code=303)
    # Lax: a link in a mail leads to the page; what changes anything is a POST, whose origin is looked at.
    answer.set_cookie(
        COOKIE,
        cookie,
        max_age=SESSION_S,
        path="/",
        httponly=True,
        samesite="lax",
        secure=reception.through_tls(request),
    )
    return answer


def _own(to: str) -> str:
    """Return a path of ours; anything else leads to the first page (no redirect to another site)."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable() else "/"

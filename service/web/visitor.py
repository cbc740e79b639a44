"""Who asks: by a token, by a name that a trusted proxy vouches for, by a session, or somebody at this machine.

Where nobody could sign in yet (no token file, no proxy, no people) whoever is at this machine may look, send, try rules
and put landmarks, as at the DICOM port, and nothing else: there is no default password that somebody forgets to change.
Whom a proxy brings is not at this machine; one that says nothing of it (no X-Forwarded-For) cannot be told from them.
"""

import hmac
import ipaddress
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from service import passwords
from service.config import Web, is_loopback
from service.ledger.people import People, Person, Role
from service.web.guard import Rejected, read_token, said_token

#: The session's cookie.
COOKIE: Final = "spondyl_session"
#: Who signs in with the token of web.token_file.
TOKEN_NAME: Final = "token"  # noqa: S105 - a name
#: Somebody at this machine.
HERE: Final = "this machine"
_PROBES: Final = frozenset({"/readyz", "/metrics"})
#: What tells of a proxy, whoever it is, besides X-Forwarded-*.
_BROUGHT: Final = frozenset({"forwarded", "via", "x-real-ip"})


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who asks, and what they may do. `name` is the actor of what they do."""

    name: str
    role: Role
    #: Where the request came from, as a proxy says that we trust; behind another one, the proxy's address.
    address: str
    #: By a session: then there is something to sign out of.
    session: bool = False

    @property
    def may_act(self) -> bool:
        """Whether they may change anything."""
        return self.role is Role.OPERATOR

    @property
    def sees_patients(self) -> bool:
        """Whether they may see what shows a patient: pictures, reports, the search by patient."""
        return self.role is Role.OPERATOR

    @property
    def only_sends(self) -> bool:
        """Whether they may store objects, and nothing else."""
        return self.role is Role.SENDER

    @property
    def may_send(self) -> bool:
        """Whether they may store objects: where nobody could sign in, whoever is here, as at the DICOM port."""
        return self.only_sends or self.may_act or self.is_here

    @property
    def is_here(self) -> bool:
        """Whether nobody has signed in, and nobody could."""
        return self.name == HERE


class Reception:
    """Tells who asks. Safe in several threads."""

    def __init__(self, web: Web, people: People) -> None:
        self._people = people
        self._token = read_token(web.token_file)
        self._networks = [ipaddress.ip_network(network) for network in web.proxies]
        self._header = web.proxy_user_header

    def visitor(self, request: Request, *, now: float) -> Visitor | None:
        """Return who asks, None where they must sign in first; a token is not looked at (`with_token`).

        Rejected where a proxy vouches for somebody unknown, or the page was asked for under a foreign name.
        """
        address = self.address(request)
        if name := self._vouched_name(request):
            return self._vouched_for(name, address)
        if cookie := request.cookies.get(COOKIE, ""):
            visitor = self._with_session(cookie, address, now=now)
            if visitor is not None:
                return visitor
        return None if "authorization" in request.headers else self._from_here(request, address)

    def with_token(self, request: Request) -> Visitor | None:
        """Return whose token the request brings, None where it is nobody's."""
        said, address = said_token(request.headers.get("authorization", "")), self.address(request)
        if self._token is not None and hmac.compare_digest(said, self._token.encode("ascii")):
            return Visitor(name=TOKEN_NAME, role=Role.OPERATOR, address=address)
        person = self._people.with_token(passwords.digest(said.decode("latin-1"))) if said else None
        return None if person is None else _visitor(person, address)

    def address(self, request: Request) -> str:
        """Return where a request came from: what a proxy that we trust names last in X-Forwarded-For, else the peer."""
        address = _peer(request)
        hops = [hop.strip() for line in request.headers.getlist("x-forwarded-for") for hop in line.split(",")]
        while hops and self._trusts(address) and _is_address(hops[-1]) and "%" not in hops[-1]:
            address = hops.pop()
        return address

    def signs_in(self, name: str, password: str) -> tuple[str, str] | None:
        """Return (name, credential digest) of who has this password, None where nobody of that name has."""
        if self._token is not None and hmac.compare_digest(password.encode(), self._token.encode()):
            return TOKEN_NAME, passwords.digest(self._token)
        # Whatever is typed: of what cannot be printed PostgreSQL holds no NUL.
        person = self._people.named(name) if name.isprintable() else None
        kept = person.password if person is not None and person.password else passwords.NOBODYS
        if not passwords.matches(password, kept) or person is None or person.password is None:
            return None
        return person.name, passwords.digest(kept)

    def anybody(self) -> bool:
        """Whether somebody could sign in."""
        return bool(self._token is not None or (self._networks and self._header) or self._people.any())

    def through_tls(self, request: Request) -> bool:
        """Whether the browser speaks TLS: to us, or to a proxy that we trust."""
        forwarded = request.headers.get("x-forwarded-proto", "") if self._trusts(_peer(request)) else ""
        return request.url.scheme == "https" or forwarded == "https"

    def _vouched_name(self, request: Request) -> str:
        """Return whom a proxy has signed in, "" where none has; Rejected where two are named: one is the caller's."""
        if not self._header or not self._trusts(_peer(request)):
            return ""
        names = request.headers.getlist(self._header)
        if len(names) > 1:
            words = f"{self._header} came twice: the proxy must set it, and take away the caller's"
            raise Rejected(words, status=400)
        return names[0].strip() if names else ""

    def _vouched_for(self, name: str, address: str) -> Visitor:
        person = self._people.named(name)
        if person is None:
            words = "the proxy has signed you in, and this node does not know you: spondyl user add"
            raise Rejected(words, status=403)
        return _visitor(person, address)

    def _with_session(self, cookie: str, address: str, *, now: float) -> Visitor | None:
        session = self._people.session(passwords.digest(cookie), now=now)
        if session is None:
            return None
        if session.person == TOKEN_NAME:
            same = self._token is not None and session.credential == passwords.digest(self._token)
            return Visitor(name=TOKEN_NAME, role=Role.OPERATOR, address=address, session=True) if same else None
        person = self._people.named(session.person)
        if person is None or person.password is None or session.credential != passwords.digest(person.password):
            return None
        return _visitor(person, address, session=True)

    def _from_here(self, request: Request, address: str) -> Visitor | None:
        """Return who is at this machine, where nobody could sign in; probes are answered there in any case."""
        if self._token is not None or self._networks or _is_brought(request):
            return None
        if request.url.path not in _PROBES and self._people.any():
            return None
        # A site that rebinds its own name to this machine could read the page else.
        if not is_loopback(request.url.hostname or ""):
            raise Rejected("without web.token_file only names of this machine are answered", status=421)
        return Visitor(name=HERE, role=Role.VIEWER, address=address)

    def _trusts(self, address: str) -> bool:
        return _is_address(address) and any(ipaddress.ip_address(address) in each for each in self._networks)


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_brought(request: Request) -> bool:
    """Whether a proxy says that it passes on somebody else's request."""
    return any(name in _BROUGHT or name.startswith("x-forwarded-") for name in request.headers)


def _visitor(person: Person, address: str, *, session: bool = False) -> Visitor:
    return Visitor(name=person.name, role=person.role, address=address, session=session)

"""The page of sources: who may send, what a day brought, and who was rejected, with a line that would let them in."""

import ipaddress
import json
import re
from typing import Final

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from service.callers import UNLISTED
from service.config_peers import Source
from service.ledger.callers import Caller
from service.overview import DAY_S
from service.web import render
from service.web.access import TheNode

router: Final = APIRouter(include_in_schema=False)

_CAUSES: Final = {
    "calling_ae_title": "no source has this AE title",
    "address": "no source has this network",
    "account": "no source has the name of this account",
    "account_network": "the source of this account has not this network",
    "called_ae_title": "it calls us by another AE title than ours",
    "too_many_associations": "too many associations at once ([node] max_associations)",
    "too_many_of_source": "too many associations of this source at once (its max_associations)",
    "tls": "its TLS handshake was refused: no TLS, an old version, or no certificate of our CA",
    "other": "what it asked for is no association of ours",
}


@router.get("/sources")
def page_of_sources(request: Request, node: TheNode) -> Response:
    """Show who sends and who was rejected."""
    day = node.ledger.watch.by_source(since=node.clock() - DAY_S)
    received = {name: sum(by_state.values()) for name, by_state in day.items()}
    taken = {source.name for source in node.settings.sources}
    shown = {
        "sources": node.settings.sources,
        "received": received,
        "refused": request.app.state.metrics.refused_by_source(),
        "unlisted": UNLISTED,
        "others": sorted(set(received) - taken),
        "callers": [(each, _why(each, node.settings.node.ae_title), line(each, taken)) for each in _callers(node)],
        "own_title": node.settings.node.ae_title,
    }
    return render.page(request, "sources.html", shown)


def _callers(node: TheNode) -> list[Caller]:
    return node.ledger.callers.latest(limit=100)


def _why(caller: Caller, own_title: str) -> str:
    why = _CAUSES.get(caller.cause, caller.cause)
    return f"{why}: it called {caller.called_ae!r}, we are {own_title!r}" if caller.cause == "called_ae_title" else why


def line(caller: Caller, taken: set[str]) -> str:
    """Return the lines of a configuration that would admit a caller, empty where that is not what it needs."""
    if caller.cause == "account":
        return _line_of_account(caller)
    if caller.cause not in {"calling_ae_title", "address"}:
        return ""
    title = caller.calling_ae or "ITS-AE-TITLE"
    name = re.sub(r"[^a-z0-9_-]+", "-", title.lower()).strip("-_")[:28] or "source"
    number = next(n for n in range(1, len(taken) + 2) if (name if n == 1 else f"{name}-{n}") not in taken)
    name = name if number == 1 else f"{name}-{number}"
    # JSON's strings of these characters are TOML's.
    titles, networks = json.dumps([title]), json.dumps([_network(caller.address)])
    return f'[[sources]]\nname = "{name}"\nae_titles = {titles}\nnetworks = {networks}'


def _line_of_account(caller: Caller) -> str:
    """Return the lines for a sender by STOW-RS, whose source has its name; empty where no source can have it."""
    networks = [_network(caller.address)]
    try:
        Source.model_validate({"name": caller.calling_ae, "ae_titles": [], "networks": networks})
    except ValidationError:
        return ""
    return f'[[sources]]\nname = "{caller.calling_ae}"\nae_titles = []\nnetworks = {json.dumps(networks)}'


def _network(address: str) -> str:
    try:
        host = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped:
        host = host.ipv4_mapped
    return f"{host}/{host.max_prefixlen}"

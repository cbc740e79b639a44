"""Who guesses tokens waits, as who guesses passwords does; what does not fit is written down without the token."""

import math
import threading
from collections import OrderedDict
from typing import Final

from fastapi import Request

from service import passwords
from service.logs import log
from service.web.guard import Rejected, said_token
from service.web.throttle import Throttle
from service.web.visitor import Reception, Visitor
from service.wiring import Node

#: So many wrong tokens are remembered, by digest.
_MOST: Final = 10_000


class Guesses:
    """Counts wrong tokens by address. Safe in several threads; forgotten when the process ends."""

    def __init__(self, node: Node, reception: Reception, throttle: Throttle) -> None:
        self._node = node
        self._reception = reception
        self._throttle = throttle
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, None] = OrderedDict()

    def visitor(self, request: Request) -> Visitor | None:
        """Return who asks, None where they must sign in first. Rejected (429) where too many tokens were wrong."""
        visitor = self._reception.visitor(request, now=self._node.clock())
        said = said_token(request.headers.get("authorization", ""))
        return self._with_token(request, said) if visitor is None and said else visitor

    def _with_token(self, request: Request, said: bytes) -> Visitor | None:
        address = self._reception.address(request)
        # Apart from the passwords of this address: a program that guesses keeps nobody from the login.
        who = f"token from {address}"
        wait_s = math.ceil(self._throttle.wait_s(who))
        if wait_s > 0:
            raise Rejected(f"too many wrong tokens: wait {wait_s} s, then try again", status=429, retry_s=wait_s)
        visitor = self._reception.with_token(request)
        if visitor is None and self._is_new(address, said):
            self._throttle.failed(who)
            self._node.ledger.audit.note(actor="-", address=address, what="login_failed", now=self._node.clock())
            log.warning("nobody was signed in", action="login_failed", address=address)
        return visitor

    def _is_new(self, address: str, said: bytes) -> bool:
        """Whether this is another guess: a program that was left with an old token says the same one all day."""
        known = passwords.digest(f"{address} {said.decode('latin-1')}")
        with self._lock:
            if known in self._seen:
                return False
            self._seen[known] = None
            while len(self._seen) > _MOST:
                self._seen.popitem(last=False)
        return True

"""What destinations report on associations of their own: storage commitment's N-EVENT-REPORT (PS3.4 J.3.3).

A destination need not be a source. One that may only report is offered the push model and nothing else, so it stores
nothing here.
"""

import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_EVENT_REPORT

from service import commitment
from service.callers import address_of
from service.config import Settings
from service.config_peers import Destination
from service.errors import Unavailable
from service.logs import log
from service.proving import Decisions, hear

#: PS3.7 10.1.1.1.8, of an N-EVENT-REPORT.
_SUCCESS: Final = 0x0000
_PROCESSING_FAILURE: Final = 0x0110
_NO_SUCH_EVENT_TYPE: Final = 0x0113
_INVALID_ARGUMENT: Final = 0x0115
#: What a destination that is no source is offered.
_OFFERED: Final = frozenset({commitment.PUSH_MODEL})
#: Where destinations are is asked for no sooner than so long after the last time, seconds.
_AGAIN_S: Final = 10.0


class Hearing:
    """The reports of storage commitment that come to one listener. Safe in several threads."""

    def __init__(self, decisions: Decisions, clock: Callable[[], float] = time.monotonic) -> None:
        self._decisions = decisions
        self._clock = clock
        self._lock = threading.Lock()
        self._reporters = reporters(decisions.settings)
        #: Where they are, by name; asked for again where somebody calls from elsewhere.
        self._addresses = {each.name: _resolved(each) for each in self._reporters}
        self._asked = clock()

    def may_connect(self, address: str) -> bool:
        """Whether a destination that may report is there; one that has moved, or had no address, may connect soon."""
        if any(address_of(address) in found for found in self._addresses.values()):
            return True
        if self._may_ask():
            # Connections are accepted in one loop, which must not wait for a name server.
            threading.Thread(target=self._ask, daemon=True).start()
        return False

    def may_report(self, *, calling_ae: str, address: str) -> bool:
        """Whether this caller is a destination that was asked to commit, by AE title and address."""
        for each in self._reporters:
            if each.ae_title != calling_ae:
                continue
            if address_of(address) not in self._addresses[each.name] and self._may_ask():
                self._ask()
            if address_of(address) in self._addresses[each.name]:
                return True
        return False

    def _may_ask(self) -> bool:
        """Whether it is time to ask where the destinations are; who calls must do so then."""
        with self._lock:
            due = bool(self._reporters) and self._clock() - self._asked >= _AGAIN_S
            if due:
                self._asked = self._clock()
        return due

    def _ask(self) -> None:
        for each in self._reporters:
            # Where no name server answers, the last that was known holds.
            self._addresses[each.name] = _resolved(each) or self._addresses[each.name]

    def narrow(self, association: Association) -> None:
        """Offer a caller that may only report nothing else."""
        offered = [each for each in association.acceptor.supported_contexts if each.abstract_syntax in _OFFERED]
        association.acceptor.supported_contexts = offered

    def on_report(self, event: evt.Event) -> tuple[int, Dataset | None]:
        """Return the status of the response to an N-EVENT-REPORT-RQ."""
        request, requestor = event.request, event.assoc.requestor
        if not isinstance(request, N_EVENT_REPORT):
            raise TypeError("not a report")
        caller: dict[str, object] = {"address": requestor.address, "calling_ae": requestor.ae_title.strip()}
        if event.event_type not in {commitment.ALL_STORED, commitment.SOME_FAILED}:
            return _NO_SUCH_EVENT_TYPE, None
        try:
            transaction_uid = commitment.transaction_of(request.EventInformation, event.context.transfer_syntax)
            known = hear(
                transaction_uid,
                lambda: commitment.read_event(event.event_information),
                self._decisions,
                caller=caller,
            )
        except Unavailable as error:
            log.warning("a report was not heard", action="ledger_unavailable", why=str(error), **caller)
            return _PROCESSING_FAILURE, None
        return (_SUCCESS if known else _INVALID_ARGUMENT), None


def reporters(settings: Settings) -> list[Destination]:
    """Return the destinations that are asked to commit, and may report on an association of their own."""
    return [each for each in settings.destinations if each.proven_by == "commitment"]


def _resolved(destination: Destination) -> frozenset[str]:
    try:
        found = socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    return frozenset(address_of(str(entry[4][0])) for entry in found)

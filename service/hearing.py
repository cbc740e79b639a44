"""What destinations report on associations of their own: storage commitment's N-EVENT-REPORT (PS3.4 J.3.3).

A destination need not be a source. One that may only report is offered the push model and nothing else, so it stores
nothing here.
"""

import socket
from typing import Final

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.association import Association

from service import commitment
from service.callers import address_of
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


class Hearing:
    """The reports of storage commitment that come to one listener. Safe in several threads."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions
        wanted = [each for each in decisions.settings.destinations if each.proven_by == "commitment"]
        self._reporters = wanted
        #: Where they are; asked for again where one calls from elsewhere.
        self._addresses = {each.name: _resolved(each) for each in wanted}

    def may_connect(self, address: str) -> bool:
        """Whether a destination that may report is there."""
        return any(address_of(address) in found for found in self._addresses.values())

    def may_report(self, *, calling_ae: str, address: str) -> bool:
        """Whether this caller is a destination that was asked to commit, by AE title and address."""
        for each in self._reporters:
            if each.ae_title != calling_ae:
                continue
            if address_of(address) not in self._addresses[each.name]:
                self._addresses[each.name] = _resolved(each)
            if address_of(address) in self._addresses[each.name]:
                return True
        return False

    def narrow(self, association: Association) -> None:
        """Offer a caller that may only report nothing else."""
        offered = [each for each in association.acceptor.supported_contexts if each.abstract_syntax in _OFFERED]
        association.acceptor.supported_contexts = offered

    def on_report(self, event: evt.Event) -> tuple[int, Dataset | None]:
        """Return the status of the response to an N-EVENT-REPORT-RQ."""
        requestor = event.assoc.requestor
        caller: dict[str, object] = {"address": requestor.address, "calling_ae": requestor.ae_title.strip()}
        if event.event_type not in {commitment.ALL_STORED, commitment.SOME_FAILED}:
            return _NO_SUCH_EVENT_TYPE, None
        try:
            known = hear(commitment.read_event(event.event_information), self._decisions, caller=caller)
        except Unavailable as error:
            log.warning("a report was not heard", action="ledger_unavailable", why=str(error), **caller)
            return _PROCESSING_FAILURE, None
        return (_SUCCESS if known else _INVALID_ARGUMENT), None


def _resolved(destination: Destination) -> frozenset[str]:
    try:
        found = socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    return frozenset(address_of(str(entry[4][0])) for entry in found)

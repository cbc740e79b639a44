"""Whether a destination lists an object, asked in the way in which it proves deliveries."""

from typing import Final

from service import asking, qido
from service.asking import Place
from service.config_peers import Destination

#: What a destination does not list may still be filed; after so long it counts as missing, seconds.
FILING_S: Final = 300.0
#: Of `proof`: what is asked by a query, and how that is called.
QUERIES: Final = {"query": "C-FIND", "qido": "QIDO-RS"}


def is_listed(destination: Destination, place: Place, *, calling_ae: str) -> bool:
    """Ask by QIDO-RS where that is its proof, else by C-FIND. Raises PeerRefused, NotNow or Unavailable."""
    if destination.proven_by == "qido":
        return qido.find(destination, place)
    return asking.find(destination, place, calling_ae=calling_ae)

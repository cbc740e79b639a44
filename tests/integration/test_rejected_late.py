"""A destination that rejects associations, and a node whose thread comes late to its answer."""

import time
from collections.abc import Iterator

import pytest
from pynetdicom import AE, build_context
from pynetdicom.acse import ACSE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from service import peer
from service.config_peers import Destination
from service.errors import PeerRefused


@pytest.fixture
def rejecting() -> Iterator[Destination]:
    """Give a peer that rejects whoever does not call it by its name, for good (PS3.8 9.3.4)."""
    entity = AE(ae_title="OTHER")
    entity.require_called_aet = True
    entity.add_supported_context(Verification)
    server = entity.start_server(("127.0.0.1", 0), block=False)
    assert server is not None
    yield Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=server.server_address[1])
    server.shutdown()


@pytest.mark.parametrize("late_s", [0.0, 0.3])
def test_a_rejection_is_told_however_late_it_is_read(
    rejecting: Destination, monkeypatch: pytest.MonkeyPatch, late_s: float
) -> None:
    """A peer that has rejected and hung up before the calling thread looks has refused: it was not out of reach."""
    send_request = ACSE.send_request

    def slowly(self: ACSE) -> None:
        send_request(self)
        # The smallest reproducer of pynetdicom 3.0.4: on a busy machine the thread is not on a core just here.
        time.sleep(late_s)

    monkeypatch.setattr(ACSE, "send_request", slowly)
    with pytest.raises(PeerRefused, match=r"^pacs rejected the association: .*Called AE title not recognised"):
        peer.call(rejecting, [build_context(Verification)], calling_ae="SPONDYL")

"""A whole site in the test's own process: a node with its listener, whose jobs and passes the test does itself."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pydicom
from ears import Counting
from ledgers import claim
from pydicom.dataset import Dataset
from pynetdicom import AE
from spooled import file_of

from service.config import Settings
from service.deliver import Deliverer
from service.delivery import deliver
from service.landmarks import supply
from service.ledger import Ledger, StudyRow
from service.messages import JobKind
from service.operations import Actor
from service.receive import Listener
from service.retraction import Retracted, Wish, retract
from service.rules import Rulebook
from service.settle import Settler
from service.spool import Spool
from service.states import JobState
from service.wiring import Node
from workers.document_format import FORMAT
from workers.measuring import measure_job
from workers.rejecting import make_note

if TYPE_CHECKING:
    from service.dispatch import Dispatcher

BY = Actor(name="operator", address="127.0.0.1")


@dataclass
class Site:
    """A node whose jobs the test does itself, with its listener; time goes on by itself."""

    node: Node
    deliverer: Deliverer
    port: int
    now: float = 1_000.0

    def send(self, *images: Dataset) -> None:
        """Send objects over the network, and have their study settle at once."""
        self.bring(*images)
        self.node.ledger.admin.settle_now(images[0].StudyInstanceUID, now=self.now)
        assert self.settle() == 1

    def bring(self, *images: Dataset) -> None:
        """Send objects over the network."""
        ae = AE(ae_title="CT1")
        made = [pydicom.dcmread(BytesIO(file_of(image))) for image in images]
        for one in made:
            ae.add_requested_context(one.SOPClassUID, one.file_meta.TransferSyntaxUID)
        association = ae.associate("127.0.0.1", self.port, ae_title="SPONDYL")
        assert association.is_established
        for one in made:
            assert association.send_c_store(one).Status == 0x0000
        association.release()

    def settle(self) -> int:
        """Do a settle pass; return how many studies are to be measured."""
        settler = Settler(
            ledger=self.node.ledger,
            spool=self.node.spool,
            study=self.node.settings.study,
            dispatch=lambda _: None,
            rules=Rulebook(self.node.settings),
        )
        return settler.run(self.now)

    def study(self, uid: str) -> StudyRow:
        """Return a study as it is."""
        return self.node.ledger.admin.study(uid).study

    def put(self, uid: str, landmarks: bytes) -> None:
        """Hand landmarks in."""
        supply(self.node, uid, landmarks, check=FORMAT.check)

    def work(self, uid: str) -> None:
        """Do all jobs of a study until none waits."""
        while waiting := [j for j in self.node.ledger.admin.study(uid).jobs if j.state is JobState.WAITING]:
            held = claim(self.node.ledger, waiting[0], now=self.now)
            if waiting[0].kind is JobKind.MEASURE:
                measure_job(self.node, held)
            else:
                deliver(held, self.node.ledger, self.deliverer, self.node.settings, lambda: self.now)
            self.now += 1.0

    def retract(self, uid: str, **wish: Any) -> Retracted:
        """Take the study back."""
        return retract(self.node, uid, Wish(**wish), by=BY, make_note=make_note)

    def with_settings(self, **sections: Any) -> None:
        """Configure the node otherwise."""
        settings = Settings.model_validate(self.node.settings.model_dump() | sections)
        self.node = replace(self.node, settings=settings)


@contextmanager
def site(sqlite_url: str, root: Path, *ports: int, send: tuple[str, ...] = ("sr",), **sections: Any) -> Iterator[Site]:
    """Open a node with a destination on each port, which get these objects; `sections` go over the configuration."""
    plain_pacs = {"ae_title": "PACS", "host": "127.0.0.1", "send": send}
    pacs = [{"name": f"pacs{n}", "port": port, **plain_pacs} for n, port in enumerate(ports)]
    report = {"sop_classes": ("comprehensive_3d",)}
    plain: dict[str, Any] = {"node": {"port": 0}, "storage": {"root": root}, "report": report, "destinations": pacs}
    settings = Settings.model_validate(plain | sections)
    spool = Spool(root)
    spool.prepare()
    ledger = Ledger.open(sqlite_url)
    deliverer = Deliverer(settings, spool, random.Random(1))
    listener = Listener(settings=settings, spool=spool, ledger=ledger, metrics=Counting(), clock=lambda: found.now)
    listener.start()
    found = Site(
        node=Node(
            settings=settings,
            ledger=ledger,
            spool=spool,
            # The test does the jobs itself.
            dispatch=cast("Dispatcher", lambda _: None),
            clock=lambda: found.now,
        ),
        deliverer=deliverer,
        port=listener.port,
    )
    try:
        yield found
    finally:
        deliverer.close()
        listener.stop()
        ledger.close()

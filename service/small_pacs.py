"""A PACS of the smallest kind: stores what it gets in a folder. For the demo; it loses its memory with its process."""

import hashlib
from pathlib import Path
from typing import Self

from pynetdicom import AE, evt
from pynetdicom.transport import ThreadedAssociationServer

from service import sop_classes
from service.peer import silence_pynetdicom

#: PS3.4 table B.2-1.
_SUCCESS = 0x0000
_OUT_OF_RESOURCES = 0xA700


class SmallPacs:
    """Answers C-ECHO and C-STORE on a port of loopback that the system chooses; one file an object in `folder`."""

    def __init__(self, folder: Path, *, ae_title: str = "SMALLPACS") -> None:
        self.folder = folder
        self.ae_title = ae_title
        self._server: ThreadedAssociationServer | None = None

    @property
    def port(self) -> int:
        """The port it listens on; only while it runs."""
        if self._server is None:
            raise RuntimeError("the small PACS does not run")
        port: int = self._server.server_address[1]
        return port

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        silence_pynetdicom()
        ae = AE(ae_title=self.ae_title)
        ae.add_supported_context(sop_classes.VERIFICATION)
        for sop_class in sop_classes.NAMES:
            ae.add_supported_context(sop_class, list(sop_classes.transfer_syntaxes(sop_class)))
        self._server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def path_of(self, sop_instance_uid: str) -> Path:
        """Return where an object lies, or would lie; named by digest, since a peer's text is never part of a path."""
        return self.folder / f"{hashlib.sha256(sop_instance_uid.encode()).hexdigest()[:16]}.dcm"

    def _store(self, event: evt.Event) -> int:
        path = self.path_of(str(getattr(event.request, "AffectedSOPInstanceUID", "")))
        part = path.with_suffix(".part")
        try:
            part.write_bytes(event.encoded_dataset())
            part.replace(path)
        except OSError:
            return _OUT_OF_RESOURCES
        return _SUCCESS

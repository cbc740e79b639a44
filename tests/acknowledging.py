"""A sender that remembers what was acknowledged, and whose listener may be killed at any moment of it."""

import contextlib
import hashlib
import struct
import threading
from collections.abc import Iterable
from pathlib import Path

import pydicom
from nodes import Running
from raw_caller import CT, CT_CONTEXT, calling_raw, pdu, pdv, store_rq
from servers import wait_until

from service.spool import study_key

#: Bytes of an object that are said at once: a study of four objects of 4 kB has some thirty moments to die at.
_PIECE = 1000
#: The first context that raw_caller.associate_rq proposes beyond its own.
_MORE = 5


def data_set(path: Path) -> bytes:
    """Return a file without preamble and File Meta Information (PS3.10 7.1)."""
    content = path.read_bytes()
    # (0002,0000) UL 4: the length of what follows it.
    return content[144 + struct.unpack_from("<L", content, 140)[0] :]


def contents(files: Iterable[Path]) -> list[str]:
    """Return what objects are, whatever their files are called."""
    return sorted(hashlib.sha256(data_set(path)).hexdigest() for path in files)


def _by_uid(files: Iterable[Path]) -> dict[str, str]:
    """Return what each object is, by its SOP Instance UID."""
    return {
        str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID): hashlib.sha256(data_set(path)).hexdigest()
        for path in files
    }


class Sender(threading.Thread):
    """Sends the objects of a folder over one association, in a thread, for as long as there is a listener.

    `share` of all that is to be said it tells; with `stopping` it waits there for `go_on`.
    """

    def __init__(self, port: int, folder: Path, *, share: float = 1.0, stopping: bool = False) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._files = sorted(folder.iterdir())
        self._moments, self._share = 0, share
        #: What is to be stored; what the listener has acknowledged.
        self.objects = _by_uid(self._files)
        self.acknowledged: set[str] = set()
        self.reached, self.go_on = threading.Event(), threading.Event()
        if not stopping:
            self.go_on.set()

    def run(self) -> None:
        """Send."""
        try:
            with contextlib.suppress(OSError):
                self._send()
        finally:
            self.reached.set()

    def _send(self) -> None:
        objects = [(pydicom.dcmread(path, stop_before_pixels=True), data_set(path)) for path in self._files]
        others = sorted({str(header.SOPClassUID) for header, _ in objects} - {CT})
        contexts = {CT: CT_CONTEXT} | {sop_class: _MORE + 2 * place for place, sop_class in enumerate(others)}
        # Each piece, and the answer to each object.
        last = sum(-(-len(data) // _PIECE) + 1 for _, data in objects) - 1
        with calling_raw(self._port, more=tuple(others)) as caller:
            for header, data in objects:
                uid, context = str(header.SOPInstanceUID), contexts[header.SOPClassUID]
                caller.say(pdu(4, pdv(store_rq(uid, sop_class=header.SOPClassUID), context=context, command=True)))
                for start in range(0, len(data), _PIECE):
                    piece = data[start : start + _PIECE]
                    caller.say(pdu(4, pdv(piece, context=context, last=start + _PIECE >= len(data))))
                    self._pass(last)
                if caller.status() == 0x0000:
                    self.acknowledged.add(uid)
                self._pass(last)

    def _pass(self, last: int) -> None:
        if self._moments == int(self._share * last):
            self.reached.set()
            self.go_on.wait()
        self._moments += 1

    def assert_held(self, node: Running, study_instance_uid: str) -> None:
        """Check that all that was acknowledged is in the spool, and that what is there is whole, byte for byte."""
        held = _by_uid(node.spool.files(study_key(study_instance_uid)))
        assert self.acknowledged <= held.keys()
        assert held.items() <= self.objects.items()


def send_all(port: int, folder: Path) -> None:
    """Send a folder until every object of it is acknowledged."""

    def sent() -> bool:
        sender = Sender(port, folder)
        sender.run()
        return sender.acknowledged == sender.objects.keys()

    wait_until(sent, "all of it is acknowledged", step=0.5)

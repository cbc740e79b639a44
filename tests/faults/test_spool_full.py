"""The spool, and the ledger, on real disks that are full, read-only or limited."""

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from ledgers import migrated
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at run time
from raw_caller import calling_raw, ct_object

from service import peer
from service.config import Settings
from service.config_peers import Destination
from service.errors import OutOfSpace, Unavailable
from service.ledger import JobRow, Ledger
from service.receive import Listener
from service.reconcile import Reconciler
from service.spool import Spool, study_key

STUDY = "1.2.3"
CHUNK = 100_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "spondyl-test", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        reason = f"cannot mount a small disk: {mounted.stderr.decode().strip()}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(spool: Spool) -> int:
    """Store objects until one is refused for want of room; return how many were stored."""
    for n in range(100):
        try:
            spool.store(study_instance_uid=STUDY, sop_instance_uid=str(n), header=b"", data=b"%06d" % n * (CHUNK // 6))
        except OutOfSpace:
            return n
    pytest.fail("100 objects of 100 kB fitted on a disk of 1 MB")


def test_a_full_disk_is_out_of_space_and_leaves_no_partial_file(small_disk: Path) -> None:
    """What was acknowledged is whole, what was refused left nothing, and there is room again after a removal."""
    spool = Spool(small_disk)
    spool.prepare()
    stored = fill(spool)

    assert 5 < stored < 11
    assert [path.stat().st_size for path in spool.files(study_key(STUDY))] == [CHUNK // 6 * 6] * stored
    assert list((small_disk / "incoming").iterdir()) == []

    spool.remove(study_key(STUDY))
    assert fill(spool) == stored


def test_a_disk_that_fills_under_the_write_leaves_no_partial_file(small_disk: Path) -> None:
    """Somebody else takes the room after it was checked: the system's own answer is out of space, too."""

    class Blind(Spool):
        def free_bytes(self) -> int:
            return 2**62

    spool = Blind(small_disk)
    spool.prepare()
    stored = fill(spool)
    assert len(spool.files(study_key(STUDY))) == stored > 5
    assert list((small_disk / "incoming").iterdir()) == []


def test_a_report_on_a_full_disk_is_out_of_space(small_disk: Path) -> None:
    """Reports share the disk; nothing half-written is ever under a report's name."""
    spool = Spool(small_disk)
    spool.prepare()
    with pytest.raises(OutOfSpace):
        spool.write_report(study_key(STUDY), "r.dcm", bytes(2_000_000))
    assert not spool.report(study_key(STUDY), "r.dcm").exists()


def test_landmarks_on_a_full_disk_are_out_of_space(small_disk: Path) -> None:
    """Documents share the disk; nothing half-written is ever under a document's name."""
    spool = Spool(small_disk)
    spool.prepare()
    fill(spool)
    with pytest.raises(OutOfSpace):
        spool.write_document(study_key(STUDY), bytes(200_000))

    assert spool.newest_document(study_key(STUDY)) is None
    assert list((small_disk / "incoming").iterdir()) == []


def test_the_reserve_counts_on_a_real_disk(small_disk: Path) -> None:
    """With a reserve of half the disk, about half as much is stored."""
    spool = Spool(small_disk, min_free_bytes=500_000)
    spool.prepare()
    assert 2 < fill(spool) < 6


def test_a_disk_that_turned_read_only_is_out_of_space(small_disk: Path) -> None:
    """A file system that an error has made read-only: the sender keeps the object and tries again."""
    spool = Spool(small_disk)
    spool.prepare()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(OutOfSpace, match="Read-only"):
        spool.store(study_instance_uid=STUDY, sop_instance_uid="1", header=b"", data=b"x")
    with pytest.raises(OutOfSpace, match=r"^storage\.root: Read-only"):
        Spool(small_disk / "other").prepare()


def test_a_start_on_a_full_disk_is_no_fault_of_the_configuration(small_disk: Path) -> None:
    """A role that is started while there is no room ends as out of space, so it is started again."""
    subprocess.run(["mount", "-o", "remount,nr_inodes=16", str(small_disk)], check=True)
    with contextlib.suppress(OSError):
        for n in range(16):
            (small_disk / f"{n}").touch()
    with pytest.raises(OutOfSpace, match=r"^storage\.root: No space"):
        Spool(small_disk / "root").prepare()


def test_the_node_stays_up_on_a_full_disk(small_disk: Path) -> None:
    """0xA700, and full to the last byte a rejection for now; nothing half-written is left, C-ECHO is answered."""
    spool = Spool(small_disk)
    spool.prepare()
    fill(spool)
    ledger = SimpleNamespace(arrivals=Mute(), admin=Mute())
    listener = Listener(
        settings=Settings.model_validate({"node": {"port": 0}}), spool=spool, ledger=ledger, metrics=Mute()
    )
    listener.start()
    try:
        node = Destination(name="node", ae_title="SPONDYL", host="127.0.0.1", port=listener.port)
        contexts = [build_context(CTImageStorage, ExplicitVRLittleEndian), build_context(Verification)]
        with peer.calling(node, contexts, calling_ae="CT1") as association:
            answer = association.send_c_store(big_image())
            assert (answer.Status, answer.ErrorComment.split()[1:3]) == (0xA700, ["bytes", "are"])
            assert association.send_c_echo().Status == 0x0000
        with contextlib.suppress(OSError):
            (small_disk / "rest").write_bytes(bytes(1_000_000))
        with pytest.raises(Unavailable, match="rejected"), peer.calling(node, contexts, calling_ae="CT1"):
            pass
    finally:
        listener.stop()
    assert list((small_disk / "incoming").iterdir()) == []


def test_a_ledger_on_a_full_disk_costs_no_object(small_disk: Path, tmp_path: Path) -> None:
    """What cannot be entered is acknowledged, for it is durable; the reconciler enters it once there is room."""
    settings = Settings.model_validate({"node": {"port": 0}})
    spool, ballast, key = Spool(tmp_path / "state"), small_disk / "ballast", study_key(STUDY)
    spool.prepare()
    url = migrated(f"sqlite:///{small_disk / 'ledger.sqlite'}")
    with contextlib.closing(Ledger.open(url)) as ledger:
        assert ledger.arrivals.by_key(key) is None  # what it reads with is open
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        listener = Listener(settings=settings, spool=spool, ledger=ledger, metrics=Mute())
        listener.start()
        try:
            with calling_raw(listener.port) as caller:
                assert caller.store("1.2.3.4", ct_object("1.2.3.4", study=STUDY)) == 0x0000
        finally:
            listener.stop()
        assert (len(spool.files(key)), ledger.arrivals.by_key(key)) == (1, None)

        ballast.unlink()
        Reconciler(ledger=ledger, spool=spool, settings=settings, dispatch=list[JobRow]().append).run(time.time())
        assert ledger.arrivals.by_key(key) is not None


class Mute:
    """Stands for a ledger and for counts: nothing is told to it that matters here."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_args, **_named: None


def big_image() -> Dataset:
    """Return an image that does not fit."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = CTImageStorage, "1.2.3", "1.2", "1.3"
    ds.BitsAllocated = 8
    ds.PixelData = bytes(500_000)
    return ds


def test_a_limit_of_the_process_is_out_of_space(tmp_path: Path) -> None:
    """RLIMIT_FSIZE cuts the write short; the part is gone."""
    spool = Spool(tmp_path)
    spool.prepare()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OutOfSpace, match="too large"):
            spool.store(study_instance_uid=STUDY, sop_instance_uid="1", header=b"", data=bytes(20_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (spool.files(study_key(STUDY)), list((tmp_path / "incoming").iterdir())) == ([], [])

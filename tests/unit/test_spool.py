"""The spool: what is stored, what counts as newest, and what a name may be."""

import errno
import fcntl
import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.errors import Misconfigured, OutOfSpace
from service.spool import Spool, Stored, study_key

STUDY = "1.2.3"
KEY = hashlib.sha256(b"1.2.3").hexdigest()[:32]

Store = Callable[..., Stored]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Return an empty spool."""
    spool = Spool(tmp_path / "root")
    spool.prepare()
    return spool


@pytest.fixture
def store(spool: Spool) -> Store:
    """Return a function that stores (SOP Instance UID, data) and dates the file by `at`."""

    def store_at(instance: str, data: bytes, *, at: float | None = None, own: bool = False) -> Stored:
        stored = spool.store(study_instance_uid=STUDY, sop_instance_uid=instance, header=b"head", data=data, own=own)
        if at is not None:
            os.utime(stored.path, (at, at))
        return stored

    return store_at


def parts(root: Path) -> list[Path]:
    """Return what is being written or was left over."""
    return list((root / "incoming").iterdir())


def test_the_key_is_a_digest_of_the_study_uid() -> None:
    """A key is the first half of SHA-256 in hex; it tells nothing of the UID."""
    assert study_key(STUDY) == KEY


def test_an_object_lies_under_digests_and_holds_header_and_data(spool: Spool, store: Store, tmp_path: Path) -> None:
    """The file is the header, then the data as received; its name is made of digests only."""
    stored = store("1.2.3.4", b"data set")

    name = f"{hashlib.sha256(b'1.2.3.4').hexdigest()[:32]}-{hashlib.sha256(b'data set').hexdigest()[:32]}.dcm"
    assert stored == Stored(key=KEY, path=tmp_path / "root" / "spool" / KEY[:2] / KEY / name, new=True)
    assert stored.path.read_bytes() == b"headdata set"
    assert spool.files(KEY) == [stored.path]
    assert parts(tmp_path / "root") == []


def test_a_memoryview_is_stored_as_it_is(spool: Spool) -> None:
    """Received bytes need not be copied to be stored."""
    data = memoryview(b"xxdatayy")[2:6]
    stored = spool.store(study_instance_uid=STUDY, sop_instance_uid="1", header=b"", data=data)
    assert stored.path.read_bytes() == b"data"


def test_nobody_else_may_read(store: Store, tmp_path: Path) -> None:
    """Folders are 0700 and files 0600: they hold patient data."""
    path = store("1", b"x").path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    root = tmp_path / "root"
    folders = [path.parent, path.parent.parent, root / "spool", root / "incoming", root]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700] * 5


def test_the_same_bytes_again_are_not_new(spool: Spool, store: Store) -> None:
    """A resent object changes nothing but the time of its last arrival."""
    first = store("1", b"x", at=1000.0)
    before = spool.fingerprint(KEY)
    again = store("1", b"x")

    assert (again.new, again.path) == (False, first.path)
    assert spool.fingerprint(KEY) == before
    assert (spool.newest(KEY) or 0) > 1000.0


def test_another_header_alone_is_not_new(spool: Spool) -> None:
    """What is stored is the data set: another sender's file meta information makes no second object."""
    spool.store(study_instance_uid=STUDY, sop_instance_uid="1", header=b"one", data=b"x")
    assert not spool.store(study_instance_uid=STUDY, sop_instance_uid="1", header=b"two", data=b"x").new


def test_of_two_versions_the_one_that_arrived_last_counts(spool: Spool, store: Store) -> None:
    """Other content under the same SOP Instance UID replaces the earlier in `files`; both stay on the disk."""
    old = store("1", b"old", at=1000.0)
    new = store("1", b"new", at=1001.0)
    assert spool.files(KEY) == [new.path]
    assert old.path.exists()

    back = store("1", b"old", at=1002.0)
    assert spool.files(KEY) == [back.path]


def test_the_version_that_came_last_counts_though_the_clock_went_back(tmp_path: Path) -> None:
    """It is set back by an hour between two versions; each that comes afterwards counts, also one that was there."""
    hour_ns = 3600 * 10**9
    times = iter([10 * hour_ns, 9 * hour_ns, 9 * hour_ns + 1, 9 * hour_ns + 1, 11 * hour_ns])
    spool = Spool(tmp_path, clock_ns=lambda: next(times))
    spool.prepare()
    for data in (b"wrong patient", b"corrected", b"wrong patient", b"corrected", b"as the clock has caught up"):
        stored = spool.store(study_instance_uid=STUDY, sop_instance_uid="1", header=b"", data=data)
        assert [data] == [path.read_bytes() for path in spool.files(KEY)]
    assert 11 * hour_ns == stored.path.stat().st_mtime_ns


def test_a_process_that_starts_after_the_clock_went_back_knows(tmp_path: Path) -> None:
    """What is dated in the future is known by the spool itself; another instance is dated by the clock all the same."""
    for now, data in ((7200, b"wrong patient"), (3600, b"corrected")):
        spool = Spool(tmp_path, clock_ns=partial(int, now * 10**9))
        spool.prepare()
        spool.store(study_instance_uid=STUDY, sop_instance_uid="1", header=b"", data=data)
    other = spool.store(study_instance_uid=STUDY, sop_instance_uid="2", header=b"", data=b"x")

    assert b"corrected" in [path.read_bytes() for path in spool.files(KEY)]
    assert 3600 == other.path.stat().st_mtime


def test_only_where_the_clock_went_back_is_a_folder_looked_through(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study of thousands of slices is not listed once a slice."""
    store("1", b"x")

    def listed(_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(os, "scandir", listed)
    store("2", b"y")
    store("1", b"x")


@pytest.mark.parametrize("fails", ["a folder", "a file"])
def test_a_lock_that_cannot_be_had_leaves_nothing_open(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """A network disk without locks (ENOLCK): so many objects later the process can still open files."""
    store("1", b"x")
    lock, kind = fcntl.flock, {"a folder": fcntl.LOCK_SH, "a file": fcntl.LOCK_EX}[fails]

    def fail(file: int, operation: int) -> None:
        if operation == kind:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", fail)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="No locks"):
        store("2", b"x")
    assert (before, []) == (len(list(Path("/proc/self/fd").iterdir())), parts(tmp_path / "root"))


def test_only_what_is_asked_for_is_looked_at(spool: Spool, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """To find one of many objects their names are read, and of the others nothing else."""
    stored = [store(f"1.{number}", b"data") for number in range(5)]
    looked_at: list[str] = []
    scandir = os.scandir

    @contextmanager
    def watched(folder: Path) -> Iterator[list[SimpleNamespace]]:
        def entry(each: os.DirEntry[str]) -> SimpleNamespace:
            def stat_of_it() -> os.stat_result:
                looked_at.append(each.name)
                return each.stat()

            return SimpleNamespace(name=each.name, stat=stat_of_it)

        with scandir(folder) as entries:
            yield [entry(each) for each in entries]

    monkeypatch.setattr(os, "scandir", watched)
    assert {"1.3": stored[3].path} == spool.among(stored[3].key, ["1.3", "1.9"])
    assert [stored[3].path.name] == looked_at


def test_files_are_sorted_by_name(spool: Spool, store: Store) -> None:
    """The order of `files` does not depend on the order of arrival."""
    paths = [store(str(n), b"x").path for n in range(9)]
    assert spool.files(KEY) == sorted(paths)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(5)))
def test_the_fingerprint_does_not_know_the_order_of_arrival(tmp_path: Path, order: list[int]) -> None:
    """The same objects give the same fingerprint, in whatever order they came."""
    spool = Spool(tmp_path / "-".join(map(str, order)))
    spool.prepare()
    paths = [
        spool.store(study_instance_uid=STUDY, sop_instance_uid=f"1.{n}", header=b"", data=b"%d" % n).path for n in order
    ]
    names = "\n".join(sorted(path.name for path in paths))
    assert spool.fingerprint(KEY) == hashlib.sha256(names.encode()).hexdigest()


def test_other_content_changes_the_fingerprint(spool: Spool, store: Store) -> None:
    """One other byte makes a study worth measuring again."""
    store("1", b"x", at=1000.0)
    before = spool.fingerprint(KEY)
    store("1", b"y", at=1001.0)
    assert spool.fingerprint(KEY) != before


def test_own_reports_are_kept_and_never_counted(spool: Spool, store: Store) -> None:
    """A report of ours that comes back is durable, but the study holds nothing new by it."""
    store("1", b"x", at=1000.0)
    before = spool.fingerprint(KEY)
    own = store("2", b"our report", own=True)

    assert own.path.name.endswith(".own.dcm")
    assert [own.path] == spool.own_files(KEY)
    assert own.path.read_bytes() == b"headour report"
    assert spool.fingerprint(KEY) == before
    assert spool.newest(KEY) == 1000.0


def test_a_study_without_files_is_empty_not_an_error(spool: Spool) -> None:
    """Asking for a study that nobody sent gives no files and no time."""
    assert spool.files(KEY) == []
    assert spool.newest(KEY) is None
    assert list(spool.keys()) == []


def test_newest_is_the_last_arrival(spool: Spool, store: Store) -> None:
    """The reconciler compares this with the ledger."""
    store("1", b"x", at=1000.5)
    store("2", b"y", at=999.0)
    assert spool.newest(KEY) == 1000.5


def test_keys_lists_every_study_once(spool: Spool) -> None:
    """Every study that has a folder is found; foreign folders are not."""
    for n in range(20):
        spool.store(study_instance_uid=f"1.{n}", sop_instance_uid="1", header=b"", data=b"x")
    assert sorted(spool.keys()) == sorted(study_key(f"1.{n}") for n in range(20))


def test_what_is_no_folder_of_ours_is_no_study(spool: Spool, store: Store, tmp_path: Path) -> None:
    """A stray file, an editor's leftover or a study on the wrong shelf does not end the list."""
    store("1", b"x")
    objects = tmp_path / "root" / "spool"
    (objects / ".DS_Store").touch()
    (objects / "ff").touch()
    (objects / "lost+found").mkdir()
    (objects / KEY[:2] / "notes.txt").touch()
    (objects / "00").mkdir()
    (objects / "00" / KEY).mkdir()
    assert list(spool.keys()) == [KEY]


def test_it_is_known_where_only_reports_of_ours_lie(spool: Spool, store: Store) -> None:
    """Their last arrival, but nothing where an object lies beside them, or where there is nothing at all."""
    assert spool.only_own_reports_since(KEY) is None
    store("2", b"our report", at=1000.5, own=True)
    store("3", b"our other report", at=1000.0, own=True)
    assert spool.only_own_reports_since(KEY) == 1000.5
    store("1", b"x")
    assert spool.only_own_reports_since(KEY) is None


def test_reports_lie_beside_the_objects_and_are_never_counted(spool: Spool, store: Store) -> None:
    """A report is found again by its name; writing it twice leaves the last."""
    store("1", b"x")
    before = spool.fingerprint(KEY)
    path = spool.write_report(KEY, "sr-1.dcm", b"first")
    spool.write_report(KEY, "sr-1.dcm", b"second")

    assert path == spool.report(KEY, "sr-1.dcm")
    assert path.read_bytes() == b"second"
    assert spool.fingerprint(KEY) == before


@pytest.mark.parametrize("name", ["../x.dcm", "a/b", "", ".hidden", "x" * 129, "a\0b", ".."])
def test_a_report_name_is_one_plain_name(spool: Spool, name: str) -> None:
    """Nothing leads out of the study's folder."""
    with pytest.raises(ValueError, match="not the name of a report"):
        spool.report(KEY, name)


@pytest.mark.parametrize("key", ["", "../..", "0" * 31, "0" * 33, "G" * 32, f"{KEY}/..", KEY.upper()])
def test_a_key_is_32_hex_digits(spool: Spool, key: str) -> None:
    """Anything else never reaches the file system."""
    with pytest.raises(ValueError, match="not the key of a study"):
        spool.files(key)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(study=st.text(max_size=80), instance=st.text(max_size=80))
def test_no_peer_supplied_text_reaches_a_path(tmp_path: Path, study: str, instance: str) -> None:
    """Whatever a UID holds, the file lies three levels below the spool's folder under hex digits."""
    spool = Spool(tmp_path)
    spool.prepare()
    path = spool.store(study_instance_uid=study, sop_instance_uid=instance, header=b"", data=b"x").path
    inside = path.relative_to(tmp_path / "spool")
    assert len(inside.parts) == 3
    assert set("".join(inside.parts)) <= set("0123456789abcdef-.dcm")


def test_prepare_drops_what_a_killed_process_left(spool: Spool, tmp_path: Path) -> None:
    """Left-over parts, and folders that were on their way out, are gone after a start."""
    incoming = tmp_path / "root" / "incoming"
    (incoming / "0.part").write_bytes(b"half an object")
    (incoming / "1.part").mkdir()
    (incoming / "1.part" / "old.dcm").write_bytes(b"x")
    spool.prepare()
    assert parts(tmp_path / "root") == []


def test_prepare_leaves_what_another_process_is_writing(spool: Spool, tmp_path: Path) -> None:
    """A second process that starts does not take the part of the first away."""
    part = tmp_path / "root" / "incoming" / "0.part"
    with part.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        spool.prepare()
        assert parts(tmp_path / "root") == [part]


def test_a_part_that_prepare_took_before_it_was_locked_is_begun_again(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process starts between the making and the locking of a part: the object is stored all the same."""
    lock = fcntl.flock
    taken: list[Path] = []

    def take_first(file: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX and not taken:
            taken.extend(parts(tmp_path / "root"))
            taken[0].unlink()
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", take_first)
    stored = spool.store(study_instance_uid=STUDY, sop_instance_uid="1", header=b"", data=b"x")

    assert len(taken) == 1
    assert stored.path.read_bytes() == b"x"
    assert parts(tmp_path / "root") == []


def test_a_process_that_starts_disturbs_nobody_who_stores(spool: Spool, tmp_path: Path) -> None:
    """Storing while another prepares the same spool again and again: every object is kept."""
    stop = threading.Event()

    def prepare() -> None:
        while not stop.is_set():
            Spool(tmp_path / "root").prepare()

    other = threading.Thread(target=prepare)
    other.start()
    try:
        for n in range(200):
            spool.store(study_instance_uid=STUDY, sop_instance_uid=str(n), header=b"", data=b"x")
    finally:
        stop.set()
        other.join()
    assert len(spool.files(KEY)) == 200


def test_prepare_says_which_setting_is_wrong(tmp_path: Path) -> None:
    """A root that is a file is a configuration error, in words."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Misconfigured, match=r"^storage\.root: "):
        Spool(tmp_path / "file").prepare()


def test_the_reserve_is_kept(tmp_path: Path) -> None:
    """Below `min_free_bytes` nothing is stored, and nothing is left behind."""
    spool = Spool(tmp_path, min_free_bytes=2**62)
    spool.prepare()
    with pytest.raises(OutOfSpace, match="0 bytes are free") as refusal:
        spool.store(study_instance_uid=STUDY, sop_instance_uid="1", header=b"", data=b"x")
    assert refusal.value.status == 0xA700
    assert spool.free_bytes() == 0
    with pytest.raises(OutOfSpace, match="must stay free"):
        spool.require_room()
    assert (spool.files(KEY), parts(tmp_path)) == ([], [])


def test_room_is_there_where_it_cannot_be_asked_for(tmp_path: Path) -> None:
    """Above the reserve, and where the folder is away: whoever writes to that is told what is wrong."""
    spool = Spool(tmp_path)
    spool.require_room()
    spool.prepare()
    spool.require_room()


def test_the_reserve_is_kept_from_what_is_made_too(tmp_path: Path) -> None:
    """Neither a report nor a copy for a program takes the room that is kept free; nothing is left behind."""
    spool = Spool(tmp_path, min_free_bytes=2**62)
    spool.prepare()
    with pytest.raises(OutOfSpace, match="0 bytes are free"):
        spool.write_report(KEY, "sr.dcm", b"x")
    with pytest.raises(OutOfSpace, match="0 bytes are free"), spool.aside(b"x"):
        pass

    assert (False, []) == (spool.report(KEY, "sr.dcm").exists(), parts(tmp_path))


def test_a_copy_for_a_program_is_gone_afterwards(spool: Spool, tmp_path: Path) -> None:
    """It holds the bytes while it is looked at, for this user alone; also where looking at it fails."""
    with spool.aside(b"bytes") as copy:
        found, mode, lies_in = copy.read_bytes(), stat.S_IMODE(copy.stat().st_mode), copy.parent
    assert (b"bytes", 0o600, tmp_path / "root" / "incoming") == (found, mode, lies_in)
    assert [] == parts(tmp_path / "root")

    with pytest.raises(TypeError), spool.aside(b"bytes") as copy:
        int(copy)  # type: ignore[call-overload]
    assert [] == parts(tmp_path / "root")


def test_remove_takes_objects_and_reports(spool: Spool, store: Store, tmp_path: Path) -> None:
    """Retention leaves nothing of a study; removing what is gone is no error."""
    folder = store("1", b"x").path.parent
    spool.write_report(KEY, "r.dcm", b"r")
    assert spool.remove(KEY)
    assert not folder.exists()
    assert spool.remove(KEY)
    assert (list(spool.keys()), parts(tmp_path / "root")) == ([], [])


def test_remove_spares_a_study_that_has_just_arrived_again(spool: Spool, store: Store) -> None:
    """An object that arrives between the decision and the removal is not lost."""
    store("1", b"x", at=1000.0)
    assert not spool.remove(KEY, unless_since=1000.0)
    assert len(spool.files(KEY)) == 1
    assert spool.remove(KEY, unless_since=1000.1)


def test_of_two_that_remove_a_study_the_second_takes_nothing_that_came_since(
    spool: Spool, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited for the lock of a folder that has gone; the study was sent again meanwhile, and acknowledged."""
    store("1", b"x")
    lock = fcntl.flock
    others: list[Callable[[], object]] = [lambda: Spool(tmp_path / "root").remove(KEY), lambda: store("2", b"y")]

    def overtaken(file: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX:
            monkeypatch.setattr(fcntl, "flock", lock)
            for other in others:
                other()
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", overtaken)
    assert not spool.remove(KEY)
    assert [b"heady"] == [path.read_bytes() for path in spool.files(KEY)]

    others.pop()
    monkeypatch.setattr(fcntl, "flock", overtaken)
    assert spool.remove(KEY)


def test_objects_stored_while_a_study_is_removed_are_there_or_newer(spool: Spool) -> None:
    """Stores and removals at the same time: each store leaves a whole file or the folder went after it."""
    failures: list[BaseException] = []
    stop = threading.Event()

    def remove() -> None:
        while not stop.is_set():
            spool.remove(KEY)

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        for n in range(60):
            spool.store(study_instance_uid=STUDY, sop_instance_uid=str(n), header=b"", data=b"x")
    except OSError as error:
        failures.append(error)
    finally:
        stop.set()
        remover.join()
    assert failures == []
    last = spool.store(study_instance_uid=STUDY, sop_instance_uid="last", header=b"", data=b"x")
    assert spool.files(KEY)[-1].parent == last.path.parent


def test_a_folder_that_was_removed_is_durable_again_before_it_is_used(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever removed it, and however well this process knows it: its name is synced as the first time, and once."""
    synced: list[str] = []
    monkeypatch.setattr("service.spool.sync_folder", lambda folder: synced.append(folder.name))
    for _ in range(2):
        store("1", b"x")
        store("2", b"x")
        assert synced.count(KEY[:2]) == 1
        assert Spool(tmp_path / "root").remove(KEY)
        synced.clear()


def test_a_folder_that_another_process_made_is_synced_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have died before the name was on the disk; nobody can tell by looking."""
    store("1", b"x")
    synced: list[str] = []
    monkeypatch.setattr("service.spool.sync_folder", lambda folder: synced.append(folder.name))
    other = Spool(tmp_path / "root")
    for number in range(2):
        other.store(study_instance_uid=STUDY, sop_instance_uid=f"2.{number}", header=b"", data=b"x")

    assert synced.count(KEY[:2]) == 1


def test_threads_that_store_the_same_study_lose_nothing(spool: Spool, tmp_path: Path) -> None:
    """Several associations deliver one new study at the same time."""

    def deliver(thread: int) -> None:
        for n in range(15):
            spool.store(study_instance_uid=STUDY, sop_instance_uid=f"{thread}.{n}", header=b"h", data=b"x")

    threads = [threading.Thread(target=deliver, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(spool.files(KEY)) == 60
    assert {path.read_bytes() for path in spool.files(KEY)} == {b"hx"}
    assert parts(tmp_path / "root") == []

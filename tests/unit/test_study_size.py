"""How much of one study is taken."""

from pathlib import Path

import pytest

from service.errors import StudyTooLarge
from service.spool import Spool, study_key
from service.study_size import StudySizes

STUDY = "1.2.3"


class World:
    """A study's folder, and a clock."""

    def __init__(self, folder: Path, **limits: int) -> None:
        self.folder = folder
        self.now = 0.0
        limited = {"most_objects": 3, "most_bytes": 1000} | limits
        self.sizes = StudySizes(**limited, clock=lambda: self.now)

    def add(self, name: str, size: int = 10) -> None:
        """Store an object."""
        with self.sizes.room(self.folder, size):
            (self.folder / name).write_bytes(bytes(size))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give a study that may have three objects of 1,000 bytes in all."""
    return World(tmp_path)


def test_as_many_objects_as_are_allowed(world: World) -> None:
    """Not one more; the limit is named, with what there is and who must act."""
    for number in range(3):
        world.add(f"{number}.dcm")
    with pytest.raises(StudyTooLarge, match=r"^study\.max_objects: the study has 3 objects$") as refusal:
        world.add("3.dcm")
    assert (refusal.value.status, refusal.value.who) == (0xA702, "the administrator of this node")
    assert (refusal.value.key, len(list(world.folder.iterdir()))) == (world.folder.name, 3)


def test_as_many_bytes_as_are_allowed(world: World) -> None:
    """To the last byte; what was refused takes nothing of the room."""
    world.add("0.dcm", 900)
    with pytest.raises(StudyTooLarge, match=r"^study\.max_gb: "):
        world.add("1.dcm", 101)
    world.add("1.dcm", 100)


def test_what_is_there_already_counts(tmp_path: Path) -> None:
    """A node that starts again counts the folder; our own reports, and what is no object, are none."""
    for name in ("0.dcm", "1.dcm", "2.own.dcm", "3.json"):
        (tmp_path / name).write_bytes(bytes(10))
    world = World(tmp_path)
    world.add("4.dcm")
    with pytest.raises(StudyTooLarge):
        world.add("5.dcm")


def test_an_object_that_could_not_be_kept_gives_its_room_back(world: World) -> None:
    """A disk that is full costs no place in the study."""
    for number in range(2):
        world.add(f"{number}.dcm")

    def fail() -> None:
        with world.sizes.room(world.folder, 10):
            raise OSError("full")

    for _ in range(3):
        with pytest.raises(OSError, match="full"):
            fail()
    world.add("2.dcm")


def test_what_others_store_is_seen_after_a_while(world: World) -> None:
    """Another process writes to the same folder: it is counted again."""
    world.add("0.dcm")
    for name in ("1.dcm", "2.dcm"):
        (world.folder / name).write_bytes(bytes(10))
    world.now = 11.0
    with pytest.raises(StudyTooLarge):
        world.add("3.dcm")


def test_what_was_removed_makes_room(world: World) -> None:
    """A second later; until then a full folder is not counted again, however many objects are refused."""
    for number in range(3):
        world.add(f"{number}.dcm")
    (world.folder / "0.dcm").unlink()
    with pytest.raises(StudyTooLarge):
        world.add("3.dcm")
    world.now = 1.1
    world.add("3.dcm")


def test_studies_that_are_forgotten_are_counted_again(tmp_path: Path) -> None:
    """The memory is bounded, the limit stays."""
    sizes = StudySizes(most_objects=1, most_bytes=1000)
    folders = [tmp_path / str(number) for number in range(300)]
    for folder in folders:
        folder.mkdir()
        with sizes.room(folder, 1):
            (folder / "0.dcm").touch()
    assert len(sizes._known) < 300  # noqa: SLF001 - nothing else shows that memory is bounded
    with pytest.raises(StudyTooLarge), sizes.room(folders[0], 1):
        pass


def test_the_spool_takes_again_what_it_has(tmp_path: Path) -> None:
    """A sender that sends all of a full study again is told success for what is there: nothing was lost."""
    spool = Spool(tmp_path, sizes=StudySizes(most_objects=1, most_bytes=1000))
    spool.prepare()

    def store(sop_instance_uid: str, *, own: bool = False) -> bool:
        kept = spool.store(study_instance_uid=STUDY, sop_instance_uid=sop_instance_uid, header=b"", data=b"x", own=own)
        return kept.new

    assert [store("1"), store("1"), store("9", own=True)] == [True, False, True]
    with pytest.raises(StudyTooLarge) as refusal:
        store("2")
    assert refusal.value.key == study_key(STUDY)
    assert list((tmp_path / "incoming").iterdir()) == []

"""Damaged objects of every kind that we read, seeded: each ends in a coded reason, or in an error that says who acts.

`make campaign` reads 20,000; here it is a sample.
"""

import logging
import os
import random
import resource
import signal
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import psutil
import pytest
from damage import damaged
from plain_settings import REPORT_ALONE
from readable_studies import readable_studies

from service.attributes import attributes_of_file
from service.config import Settings
from service.config_peers import Destination
from service.errors import Refused, SpondylError
from service.identity import read_identity
from service.spool_scan import study_instance_uid
from sr_templates.objects import ObjectKind
from workers.pipeline import StudyReason, measure_files

INPUTS: Final = int(os.environ.get("SPONDYL_TEST_OBJECTS", "30"))
SEED: Final = int(os.environ.get("SPONDYL_TEST_SEED", "5"))
#: Of so many studies one comes back as every kind of object: drawing takes longer than measuring.
DRAWN: Final = 60
EVERYTHING: Final = Settings(
    destinations=(Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=104, send=tuple(ObjectKind)),)
)
#: What rules may look at, of every kind of value: UI, CS, LO, PN, AS, DS, US, FD.
LOOKED_AT: Final = (0x00080016, 0x00080008, 0x00081030, 0x00100010, 0x00101010, 0x00180050, 0x00280010, 0x00189313)
#: CPU time, seconds: undamaged, these studies take less than one.
LONGEST_S: Final = 15.0
#: Address space of the process while a study is read, beside what it had before, bytes.
ROOM: Final = 2_000_000_000
#: Resident memory may grow by so much, bytes, over any number of inputs: allocators keep what they were given.
GROWTH: Final = 150_000_000
#: Inputs after which every path has been taken once.
WARM: Final = 500


@pytest.fixture
def silence() -> Iterator[None]:
    """Keep pydicom's words on odd values to itself: pytest would keep them all."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


class TooLongError(BaseException):
    """An input took longer than it may; nothing that catches exceptions catches this one."""


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise TooLongError


@contextmanager
def bounded() -> Iterator[None]:
    """Limit the CPU time and the memory of a block."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + ROOM, before[1]))
    handler = signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def heard(file: bytes, path: Path) -> None:
    """Have the listener and the reconciler ask whose object this is, and the rules what it says."""
    try:
        read_identity(memoryview(file)[300:], "1.2.840.10008.1.2.1")
        read_identity(file, "1.2.840.10008.1.2")
    except Refused:
        pass
    study_instance_uid([path], "0" * 32)
    attributes_of_file(path, LOOKED_AT)


def outcome_of(files: list[Path], settings: Settings) -> str:
    """Measure, and return the reason, "measured", or the error of ours."""
    try:
        found = measure_files(files, settings=settings).findings
    except SpondylError as error:
        return type(error).__name__ if error.who else "! nobody must act"
    assert all((vertebra.measured is None) == bool(vertebra.reason) for vertebra in found.vertebrae)
    if found.reason is None:
        return "measured"
    return StudyReason(found.reason)


def tried(files: list[Path], damaged_one: bytes, settings: Settings) -> str:
    """Return what came of a study, or where what nobody expects was raised, preceded by an exclamation mark."""
    try:
        with bounded():
            heard(damaged_one, files[0])
            return outcome_of(files, settings)
    except (Exception, TooLongError) as error:  # noqa: BLE001 - each is a finding
        frames = [at for at in reversed(traceback.extract_tb(error.__traceback__)) if "/tests/" not in at.filename]
        ours = [at for at in frames if "/site-packages/" not in at.filename and "/lib/" not in at.filename]
        places = dict.fromkeys(f"{Path(at.filename).name}:{at.lineno}" for at in (*frames[:1], *ours[:2]))
        return f"! {type(error).__name__} {' < '.join(places)}"


@pytest.mark.timeout(max(300, INPUTS))
@pytest.mark.usefixtures("silence")
@pytest.mark.filterwarnings("ignore")  # pydicom's, on values that are none
def test_nothing_that_is_stored_harms(tmp_path: Path) -> None:
    """No damaged object gives anything but a coded reason, numbers, or an error of ours; memory stays as it was."""
    source = random.Random(SEED)
    written = {}
    for name, files in readable_studies().items():
        (tmp_path / name).mkdir()
        written[name] = [tmp_path / name / f"{number:03d}.dcm" for number in range(len(files))]
        for path, file in zip(written[name], files, strict=True):
            path.write_bytes(file)
    # Our own report takes ten times as long to read as any other object.
    names = [name for name in written for _ in range(1 if name == "a reviewed report" else 8)]
    grown_from = 0
    ends: Counter[str] = Counter()
    first: dict[str, int] = {}
    for number in range(INPUTS):
        name = source.choice(names)
        # What the points come from is damaged more often than an image.
        which = source.choice((0, 0, 0, source.randrange(len(written[name]))))
        whole = readable_studies()[name][which]
        file = damaged(source, whole)
        written[name][which].write_bytes(file)
        others = [path for place, path in enumerate(written[name]) if place != which]
        settings = EVERYTHING if number % DRAWN == 0 else REPORT_ALONE
        end = tried([written[name][which], *others], file, settings)
        written[name][which].write_bytes(whole)
        ends[end] += 1
        if end not in first:
            first[end] = number
            print(f"\n{number}, {name}: {end}", end="", flush=True)  # noqa: T201 - for the campaign's log
        if number % 1000 == 999:
            print(f"\n{number + 1} of {INPUTS}", end="", flush=True)  # noqa: T201 - as above
        if number == WARM:
            grown_from = psutil.Process().memory_info().rss
    print(f"\n{INPUTS} damaged objects, seed {SEED}: {dict(ends.most_common())}")  # noqa: T201 - for the campaign's log
    assert {end: first[end] for end in ends if end.startswith("!")} == {}
    assert not grown_from or psutil.Process().memory_info().rss - grown_from < GROWTH

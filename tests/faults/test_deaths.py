"""Processes that die, each at its worst moment and all of them at random ones: no study is lost, none reported twice.

One node serves all of it. SPONDYL_TEST_ROUNDS is how many random deaths there are: one, and 200 in `make campaign`,
which has pictures made as well.
"""

import itertools
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import redis
from acknowledging import Sender, send_all
from faults_seen import (
    Clock,
    Machine,
    assert_still_whole,
    enqueued_at,
    send,
    suspended,
    wait_for_measuring,
    wait_for_reports,
)
from nodes import storescu, write_config
from raw_caller import calling_raw, ct_object, pdu, pdv, store_rq
from servers import Orthanc, listens, run_orthanc, wait_until
from small_study import make_small_studies

from service.config import load
from service.embedded import socket_path

ROUNDS: Final = int(os.environ.get("SPONDYL_TEST_ROUNDS", "1"))
SEED: Final = int(os.environ.get("SPONDYL_TEST_SEED", "5"))
#: What is killed in a round; "machine" is the whole process group.
ROLES: Final = ("listen", "work", "web", "valkey", "machine")
#: A study takes about so long from the first object to its report, seconds: kills fall anywhere in it.
LONGEST_WAIT_S: Final = 4.0
#: In so many rounds they fall into the reception, of which there is little more than a tenth of a second: somewhere in
#: what is said, and up to so long after that, seconds, as an object takes to be read, written and acknowledged.
RECEPTIONS: Final = 0.5
ONE_OBJECT_S: Final = 0.02
#: So many receptions at least that a dead listener cut off, in a campaign: some one in seven rounds does.
CUT_OFF: Final = ROUNDS // 40
#: So many studies may wait while others come, be killed and come again.
BACKLOG: Final = 8
#: queue.max_attempts: innocent studies meet more deaths here than one that kills its worker may (test_poison.py).
MANY: Final = 20
#: For all studies together: every lease that ended, every back-off, every restart.
RECOVERY_S: Final = 90.0 + 10.0 * ROUNDS
#: Studies beside those of the rounds: one a test.
ALONE: Final = 8
#: Where the messages to workers lie in the broker.
QUEUE: Final = "spondyl:spondyl.measure"

#: The routing rule that people write first: everything goes on, our own report too.
ROUTE_EVERYTHING: Final = """
function OnStableStudy(studyId, tags, metadata)
  for _, series in ipairs(ParseJson(RestApiGet('/studies/' .. studyId)).Series) do
    pcall(RestApiPost, '/modalities/spondyl/store', series, false)
  end
end
"""


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Give a PACS that sends every stable study on, our reports with it."""
    with run_orthanc(tmp_path_factory.mktemp("orthanc"), lua=ROUTE_EVERYTHING) as server:
        yield server


@pytest.fixture(scope="module")
def machine(orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Run a node of two listening processes that reports to Orthanc, and to which Orthanc routes everything."""
    pacs = {"pacs": (orthanc.ae_title, orthanc.port)}
    node = write_config(tmp_path_factory.mktemp("node"), pacs, report_alone=ROUNDS == 1)
    text = node.config.read_text(encoding="utf-8")
    text = text.replace("[queue]\n", f"[queue]\nmax_attempts = {MANY}\n")
    # Deaths fall into the time before the report of it, too, which then nobody hears.
    text = text.replace('name = "pacs"\n', 'name = "pacs"\nstorage_commitment = true\n')
    node.config.write_text(text.replace("[node]\n", "[node]\nprocesses = 2\n"), encoding="utf-8")
    machine = Machine(node, Clock(node.folder / "clock"))
    machine.start()
    orthanc.add_modality("spondyl", "SPONDYL", node.port)
    yield machine
    machine.stop()


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give a study for each test and each round."""
    return make_small_studies(tmp_path_factory.mktemp("studies"), ALONE + ROUNDS, name="Fault^Finder")


@pytest.fixture(scope="module")
def untouched(studies: dict[str, Path]) -> Iterator[tuple[str, Path]]:
    """Give one study after the other that no test has sent."""
    return iter(studies.items())


@pytest.fixture(scope="module")
def sent() -> dict[str, Path]:
    """Collect the studies that were sent."""
    return {}


@pytest.fixture(scope="module")
def halves() -> set[str]:
    """Collect the studies whose sender was cut off."""
    return set()


@pytest.fixture
def study(untouched: Iterator[tuple[str, Path]], sent: dict[str, Path]) -> tuple[str, Path]:
    """Give a study that no test has sent: its UID and its folder."""
    uid, folder = next(untouched)
    sent[uid] = folder
    return uid, folder


def test_a_worker_killed_while_it_measures(orthanc: Orthanc, machine: Machine, study: tuple[str, Path]) -> None:
    """A worker that is killed with -9 while it measures costs time, never the report."""
    node, (uid, folder) = machine.node, study
    send(node, folder)
    wait_for_measuring(node)
    assert node.kill("work")

    wait_for_reports(orthanc, node, [uid])


def test_the_page_and_the_listener_killed_inside_an_association(
    orthanc: Orthanc, machine: Machine, study: tuple[str, Path], halves: set[str]
) -> None:
    """What the killed listener acknowledged is in the spool, whole; the sender sends again and one report comes."""
    node, (uid, folder) = machine.node, study
    halves.add(uid)
    sender = Sender(node.port, folder, share=0.5, stopping=True)
    sender.start()
    sender.reached.wait()
    assert node.kill("web")
    assert node.kill("listen")
    sender.go_on.set()
    sender.join()
    assert 0 < len(sender.acknowledged) < len(sender.objects)
    sender.assert_held(node, uid)

    send_all(node.port, folder)
    wait_for_reports(orthanc, node, [uid])
    wait_until(lambda: listens(node.web) and node.get("/readyz")[0] == 200, "the page is there again")


def test_an_association_aborted_inside_an_object(orthanc: Orthanc, machine: Machine, study: tuple[str, Path]) -> None:
    """Half an object was never acknowledged: nothing of it is kept, and the study that is sent whole is reported."""
    node, (uid, folder) = machine.node, study
    with calling_raw(node.port) as caller:
        caller.say(pdu(4, pdv(store_rq("1.2.9.9"), command=True)))
        caller.say(pdu(4, pdv(ct_object("1.2.9.9", pixels=9000)[:5000], last=False)), pdu(7, bytes(4)))
        assert caller.read() == (0, b"")
    send(node, folder)
    wait_for_reports(orthanc, node, [uid])

    assert not any(study.study_instance_uid == "1.2.3.1" for study in node.studies())


def test_the_broker_killed_and_its_data_lost(orthanc: Orthanc, machine: Machine, study: tuple[str, Path]) -> None:
    """A broker that dies with a message and comes back empty is filled again from the ledger."""
    node, (uid, folder) = machine.node, study
    broker = redis.Redis(unix_socket_path=str(socket_path(load(node.config, {}))), decode_responses=True)
    with suspended(node, "work"):  # it would take the message
        wait_until(lambda: all("b" not in client["flags"] for client in broker.client_list()), "nobody asks for any")
        send(node, folder)
        wait_until(lambda: bool(broker.llen(QUEUE)), "the broker holds a message")
        before = enqueued_at(node, uid)
        # It keeps its files open and will not find them when it starts.
        shutil.rmtree(node.folder / "state" / "broker" / "appendonlydir")
        assert node.kill("valkey")
    broker.close()

    wait_for_reports(orthanc, node, [uid])
    assert enqueued_at(node, uid) > before


def test_the_pacs_routes_everything_and_sends_it_again(
    orthanc: Orthanc, machine: Machine, study: tuple[str, Path]
) -> None:
    """A PACS that sends every stable study on, our report with it, makes no loop; nor does who sends a study again."""
    node, (uid, folder) = machine.node, study
    assert storescu([folder], orthanc.port, "-aec", "PACS").returncode == 0
    wait_for_reports(orthanc, node, [uid])
    wait_until(lambda: "own_report_ignored" in node.log, "the report is routed back")

    send(node, folder)


def test_the_whole_machine_dies(orthanc: Orthanc, machine: Machine, study: tuple[str, Path]) -> None:
    """A machine that goes down with a study on board reports it after it comes back."""
    send(machine.node, study[1])
    machine.die()

    wait_for_reports(orthanc, machine.node, [study[0]])


@pytest.mark.long
def test_the_clock_goes_back(
    orthanc: Orthanc, machine: Machine, untouched: Iterator[tuple[str, Path]], sent: dict[str, Path]
) -> None:
    """By an hour, while a study is quiet, and by another while a worker dies with a job: nobody waits for that hour."""
    node, (quiet, held) = machine.node, (next(untouched), next(untouched))
    sent.update([quiet, held])
    send(node, quiet[1])
    machine.clock.set_back(1)
    wait_for_reports(orthanc, node, [quiet[0]])

    send(node, held[1])
    wait_for_measuring(node)
    machine.clock.set_back(2)
    assert node.kill("work")
    wait_for_reports(orthanc, node, [held[0]])
    # Of the lease, whatever the node was at when the first hour was taken.
    assert '"action": "clock_set_back"' in node.log


@pytest.mark.timeout(300 + 30 * ROUNDS)
def test_whatever_dies_and_whenever(
    orthanc: Orthanc,
    machine: Machine,
    untouched: Iterator[tuple[str, Path]],
    sent: dict[str, Path],
    halves: set[str],
) -> None:
    """Any role, the broker, all of them: what was acknowledged is there at once, whole, and each study is reported."""
    chance = random.Random(SEED)
    began, died, cut_off = time.monotonic(), dict.fromkeys(ROLES, 0), set[str]()
    mine = dict(itertools.islice(untouched, ROUNDS))
    sent.update(mine)
    for number, (uid, folder) in enumerate(mine.items()):
        wait_until(
            lambda: machine.node.unfinished("reported") < BACKLOG, "the node keeps up", seconds=RECOVERY_S, step=0.5
        )
        if number % 20 == 0:
            print(f"\nround {number}, {time.monotonic() - began:.0f} s: {died}", end="", flush=True)  # noqa: T201 - for the campaign's log
        role = chance.choice(ROLES)
        died[role] += 1
        sender = _sent_until_dead(machine, folder, role, chance)
        if 0 < len(sender.acknowledged) < len(sender.objects):
            cut_off.add(uid)
        sender.assert_held(machine.node, uid)
        if role == "machine":
            machine.come_back()
        send_all(machine.node.port, folder)
    wait_for_reports(orthanc, machine.node, mine, seconds=RECOVERY_S)
    took = time.monotonic() - began
    print(f"\n{ROUNDS} rounds in {took:.0f} s, seed {SEED}: {died}; receptions cut off: {len(cut_off)}")  # noqa: T201 - for the campaign
    halves |= cut_off
    assert len(cut_off) >= CUT_OFF


def _sent_until_dead(machine: Machine, folder: Path, role: str, chance: random.Random) -> Sender:
    """Send a study, and kill a role at a random moment of the reception or later; return who sent it."""
    inside = chance.random() < RECEPTIONS
    wait_until(lambda: listens(machine.node.port), "the listener is there", step=0.2)
    if role != "machine":  # one that has died often is started less and less often
        wait_until(lambda: bool(machine.node.pids(role)), f"{role} is there again", seconds=RECOVERY_S)
    sender = Sender(machine.node.port, folder, share=chance.random() if inside else 1.0)
    kill = machine.doomed(role)
    sender.start()
    sender.reached.wait()
    time.sleep(chance.uniform(0, ONE_OBJECT_S if inside else LONGEST_WAIT_S))
    kill()
    sender.join()
    return sender


def test_nothing_is_missing_and_nothing_came_twice(
    orthanc: Orthanc, machine: Machine, sent: dict[str, Path], halves: set[str]
) -> None:
    """After all of it: each study has one report, was measured once, and has all its objects in the spool."""
    assert sent
    assert_still_whole(orthanc, machine.node, sent, halves)

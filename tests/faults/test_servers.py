"""The topology of deploy/compose.yaml as processes, its servers at their worst, and a second node beside it."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
import pytest
import redis
from acknowledging import Sender, send_all
from faults_seen import assert_still_whole, send, wait_for_measuring, wait_for_reports
from nodes import SPONDYL, UNTRACED, Running, storescu, write_config
from servers import (
    Orthanc,
    folder_of_another_user,
    free_port,
    listens,
    new_database,
    run_orthanc,
    run_postgres,
    run_valkey,
    running,
    wait_until,
)
from small_study import make_small_studies
from soaking import Traffic

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SEED: Final = int(os.environ.get("SPONDYL_TEST_SEED", "5"))
#: How often the saturated worker is killed, and whatever at random: a tenth of SPONDYL_TEST_ROUNDS in a campaign.
KILLS: Final = max(1, int(os.environ.get("SPONDYL_TEST_ROUNDS", "2")) // 10)
#: Studies that wait for it, more than it takes at once.
WAITING: Final = 3 * KILLS + 1
#: No study is measured sooner, seconds.
LEAST_MEASURING_S: Final = 0.1
#: What dies at random, and for how long it may be gone, seconds: beyond the quiet period, and several passes.
ROLES: Final = ("listen", "work", "web", "postgres")
LONGEST_AWAY_S: Final = 3.0
#: Studies of the other tests.
ALONE: Final = 7
#: How long the mixed traffic lasts, seconds: an hour in `make campaign`.
SOAK_S: Final = int(os.environ.get("SPONDYL_TEST_SOAK_S", "5"))
#: Threads, files and sockets that come and go by themselves, for each process: connections to PostgreSQL and Redis.
SLACK: Final = 8
#: Resident memory may grow by so much after the warm-up, bytes, for each process, however long it lasts. An hour took
#: half a megabyte; a soak of seconds ends before worker processes have loaded all that they need.
GROWTH: Final = 5_000_000
#: So many looks tell nothing of a slope.
FEW: Final = 3
#: Redis holds little more than what Celery keeps in it, bytes.
SMALL: Final = 3_000_000
#: Where the messages to workers lie in it, and what of Celery's own names those that a worker has taken.
QUEUE: Final = "spondyl:spondyl.measure"
TAKEN: Final = ("spondyl:unacked", "spondyl:unacked_index")


@dataclass
class Roles:
    """The roles of a node, each a process group of its own, as a cluster runs them."""

    node: Running
    groups: dict[str, contextlib.ExitStack] = field(default_factory=dict)

    def start(self, *roles: str) -> None:
        """Start roles."""
        for role in roles:
            command = [*SPONDYL, "--config", str(self.node.config), role]
            self.groups[role] = contextlib.ExitStack()
            run = running(command, self.node.folder / "node.log", cwd=self.node.folder, env=UNTRACED)
            self.node.processes.append(self.groups[role].enter_context(run))

    def kill(self, role: str) -> None:
        """Kill all processes of a role with -9."""
        self.doomed(role)()

    def doomed(self, role: str) -> Callable[[], None]:
        """Return what kills them at once."""
        strike = self.node.doomed(role)

        def strike_and_bury() -> None:
            strike()
            self.groups.pop(role).close()

        return strike_and_bury

    def stop(self) -> None:
        """Stop what runs."""
        while self.groups:
            self.groups.popitem()[1].close()


class Postgres:
    """A PostgreSQL that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self._run = contextlib.ExitStack()
        self.url = self.start()

    def start(self) -> str:
        """Start it; return its URL."""
        return self._run.enter_context(run_postgres(self._folder, port=self._port))

    def kill(self) -> None:
        """Kill it, as the kernel does that is out of memory."""
        first = int((self._folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        family = [top := psutil.Process(first), *top.children(recursive=True)]
        os.killpg(os.getpgid(first), signal.SIGKILL)
        self._run.close()
        # Those who serve end by themselves. While one is left, or the first not yet reaped, no other server starts.
        wait_until(lambda: not any(psutil.pid_exists(process.pid) for process in family), "PostgreSQL is gone")

    def stop(self) -> None:
        """Stop it."""
        self._run.close()


@dataclass(frozen=True, kw_only=True)
class Site:
    """All of it."""

    roles: Roles
    postgres: Postgres
    valkey: str
    orthanc: Orthanc
    studies: Iterator[tuple[str, Path]]
    sent: dict[str, Path]
    #: Studies whose sender was cut off.
    halves: set[str] = field(default_factory=set)

    @property
    def node(self) -> Running:
        """The node."""
        return self.roles.node

    def study(self) -> tuple[str, Path]:
        """Return a study that nobody has sent."""
        uid, folder = next(self.studies)
        self.sent[uid] = folder
        return uid, folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run it."""
    folder = tmp_path_factory.mktemp("site")
    studies = make_small_studies(folder / "studies", ALONE + WAITING + KILLS, name="Cluster^Case")
    route = (REPOSITORY / "deploy" / "orthanc" / "route.lua").read_text(encoding="utf-8")
    with contextlib.ExitStack() as stack:
        postgres = Postgres(stack.enter_context(folder_of_another_user()))
        stack.callback(postgres.stop)
        valkey = stack.enter_context(run_valkey(folder / "valkey"))
        orthanc = stack.enter_context(run_orthanc(folder / "orthanc", lua=route))
        ledger, pacs = new_database(postgres.url), {"pacs": ("PACS", orthanc.port)}
        node = write_config(folder / "node", pacs, broker=valkey, ledger=ledger, report_alone=True)
        text = node.config.read_text(encoding="utf-8")
        # Innocent studies meet many deaths in a campaign; what kills its worker is the matter of test_poison.py.
        node.config.write_text(text.replace("[queue]\n", "[queue]\nmax_attempts = 20\n"), encoding="utf-8")
        migrated = node.command("migrate")
        assert migrated.returncode == 0, migrated.stderr
        roles = Roles(node)
        stack.callback(roles.stop)
        roles.start("listen", "work", "web")
        wait_until(lambda: listens(node.port) and listens(node.web), "the node is there")
        orthanc.add_modality("spondyl", "SPONDYL", node.port)
        yield Site(
            roles=roles, postgres=postgres, valkey=valkey, orthanc=orthanc, studies=iter(studies.items()), sent={}
        )


def test_orthanc_routes_to_roles_apart_and_gets_the_report(site: Site) -> None:
    """A study sent to Orthanc is routed to the listener, measured by the worker and reported back."""
    uid, folder = site.study()
    assert storescu([folder], site.orthanc.port, "-aec", "PACS").returncode == 0

    wait_for_reports(site.orthanc, site.node, [uid])
    assert 200 == site.node.get("/readyz")[0]


def test_postgresql_killed_and_started_again(site: Site) -> None:
    """A study that is being measured, and one that comes while no ledger answers, are both reported."""
    (measured, first), (late, second) = site.study(), site.study()
    send(site.node, first)
    wait_for_measuring(site.node)
    site.postgres.kill()
    assert storescu([second], site.node.port).returncode == 0
    time.sleep(3)  # beyond the quiet period, and several passes
    site.postgres.start()

    wait_for_reports(site.orthanc, site.node, [measured, late])


def test_redis_evicts_under_memory_pressure(site: Site) -> None:
    """Another tenant fills a Redis that drops what it likes: the queue is gone without an error, no study is."""
    with contextlib.closing(redis.Redis.from_url(site.valkey)) as connection:
        site.roles.kill("work")  # it would have taken the message before anybody can drop it
        uid, folder = site.study()
        send(site.node, folder)
        wait_until(lambda: bool(connection.exists(QUEUE)), "a message waits", step=0.01)
        connection.config_set("maxmemory", SMALL)
        connection.config_set("maxmemory-policy", "allkeys-lru")
        wait_until(lambda: _is_gone(connection, QUEUE), "the queue is dropped", step=0)
        assert int(connection.info("stats")["evicted_keys"]) > 0
        site.roles.start("work")
        wait_for_reports(site.orthanc, site.node, [uid])
        connection.config_set("maxmemory", 0)
        connection.config_set("maxmemory-policy", "noeviction")
        connection.flushall()


def _is_gone(connection: redis.Redis, key: str) -> bool:
    """Have another tenant write what takes as much as there is; tell whether that has dropped a key."""
    for number in range(1500):
        connection.set(f"tenant:{number}", bytes(2000))
    return not connection.exists(key)


@pytest.mark.timeout(300 + 30 * KILLS)
def test_a_saturated_worker_killed(site: Site) -> None:
    """Of the messages that wait and that it has taken none outlives it: the ledger brings them all again.

    BRPOP takes a message from Redis before anybody holds it. That moment is short, so the loss is made here.
    """
    chance = random.Random(SEED)
    mine = [site.study() for _ in range(WAITING)]
    with contextlib.closing(redis.Redis.from_url(site.valkey)) as connection:
        site.roles.kill("work")
        for _, folder in mine:
            send(site.node, folder)
        wait_until(lambda: connection.llen(QUEUE) >= WAITING, "a message for each study waits")
        site.roles.start("work")
        for _ in range(KILLS):
            strike = site.roles.doomed("work")
            wait_until(lambda: bool(connection.hlen(TAKEN[0])), "the worker has taken messages", step=0.01)
            time.sleep(chance.uniform(0, LEAST_MEASURING_S))
            strike()
            taken, waiting = connection.hlen(TAKEN[0]), connection.llen(QUEUE)
            connection.delete(QUEUE, *TAKEN)
            print(f"\nlost with a worker: {taken} messages that it had taken, {waiting} that waited")  # noqa: T201 - for the campaign
            assert taken + waiting
            wait_until(lambda: bool(connection.llen(QUEUE)), "the ledger brings them again", seconds=20)
            site.roles.start("work")
    wait_for_reports(site.orthanc, site.node, [uid for uid, _ in mine], seconds=90 + 20 * KILLS)


@pytest.mark.long
@pytest.mark.timeout(300 + 30 * KILLS)
def test_whatever_dies_and_whenever(site: Site) -> None:
    """Roles and PostgreSQL die at random while studies come: what was acknowledged is there, each is reported."""
    chance, died = random.Random(SEED), dict.fromkeys(ROLES, 0)
    mine = [site.study() for _ in range(KILLS)]
    for uid, folder in mine:
        role = chance.choice(ROLES)
        died[role] += 1
        wait_until(lambda: listens(site.node.port), "the listener is there")
        sender = Sender(site.node.port, folder, share=chance.random())
        kill = site.postgres.kill if role == "postgres" else site.roles.doomed(role)
        sender.start()
        sender.reached.wait()
        kill()
        sender.join()
        sender.assert_held(site.node, uid)
        if sender.acknowledged != sender.objects.keys():
            site.halves.add(uid)
        time.sleep(chance.uniform(0, LONGEST_AWAY_S))
        if role == "postgres":
            site.postgres.start()
        else:
            site.roles.start(role)
        send_all(site.node.port, folder)
    wait_for_reports(site.orthanc, site.node, [uid for uid, _ in mine], seconds=90 + 20 * KILLS)
    print(f"\n{KILLS} deaths, seed {SEED}: {died}")  # noqa: T201 - for the campaign


def test_two_nodes_on_one_ledger_and_spool(site: Site, tmp_path: Path) -> None:
    """Halves of a study come to either, at once, and a worker dies: one report, whoever measured and settled."""
    other = write_config(tmp_path / "other", {"pacs": ("PACS", site.orthanc.port)})
    text = site.node.config.read_text(encoding="utf-8").replace(f"port = {site.node.port}", f"port = {other.port}")
    text = text.replace(f"port = {site.node.web}", f"port = {other.web}")
    root = site.node.folder / "state"
    other.config.write_text(text.replace('root = "state"', f'root = "{root}"'), encoding="utf-8")
    second = Roles(other)
    second.start("listen", "work")
    try:
        wait_until(lambda: listens(other.port), "the second node listens")
        mine = [site.study() for _ in range(3)]
        for _, folder in mine:
            files = sorted(path for path in folder.iterdir())
            halves = [(files[:2], site.node.port), (files[2:], other.port), (files[1:3], other.port)]
            senders = [threading.Thread(target=_sent, args=half) for half in halves]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
        wait_for_measuring(site.node)
        second.kill("work")
        wait_for_reports(site.orthanc, site.node, [uid for uid, _ in mine])
    finally:
        second.stop()


def _sent(files: list[Path], port: int) -> None:
    wait_until(lambda: storescu(files, port).returncode == 0, "half a study is sent", step=0.5)


@pytest.mark.timeout(600 + 2 * SOAK_S)
@pytest.mark.long
def test_mixed_traffic(site: Site, tmp_path: Path) -> None:
    """Studies in are reports out; memory, threads, files and sockets of each role do not grow with what it has done."""
    traffic = Traffic(site.node, tmp_path, random.Random(SEED))
    traffic.flow(SOAK_S)
    site.sent.update(traffic.measurable)
    count = len(traffic.measurable) + len(traffic.without_landmarks)
    print(f"\n{count} studies in {SOAK_S} s: {traffic.before} -> {traffic.after}")  # noqa: T201 - for the campaign

    states = {study.study_instance_uid: study.state for study in site.node.studies()}
    assert dict.fromkeys(traffic.measurable, "reported") == {uid: states[uid] for uid in traffic.measurable}
    assert set(traffic.without_landmarks) == {uid for uid, state in states.items() if state == "not_analysable"}
    growth = {role: traffic.growth(role) for role in traffic.after}
    print(f"{len(traffic.looks)} looks, by the line through them the roles grew by {growth}")  # noqa: T201 - as above
    for role, grown in growth.items():
        processes = traffic.after[role].processes
        assert max(grown.threads, grown.files, grown.sockets) <= SLACK * processes, role
        # Two looks are no line: the worker processes of a short run have not loaded all that they need.
        assert len(traffic.looks) <= FEW or grown.memory <= GROWTH * processes, role


@pytest.mark.timeout(300 + SOAK_S)
def test_nothing_is_missing_and_nothing_came_twice(site: Site) -> None:
    """After all of it: each study has one report, was measured once, and has all its objects in the spool."""
    assert site.sent

    assert_still_whole(site.orthanc, site.node, site.sent, site.halves)

"""The role `serve`: private broker, listener, worker and web page of a single machine in one process group.

A role that dies is started again, after a wait that doubles. All are on a leash: none outlives this process.
"""

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.config import Settings
from service.embedded import EmbeddedBroker
from service.errors import Misconfigured, Unavailable
from service.finders import require_finder
from service.leash import leashed
from service.ledger import migrate
from service.logs import log
from service.private import only_for_us
from service.stopping import stop_when_told

#: Order of starting.
ROLES = ("work", "listen", "web")
#: Order of stopping, and how long each may take, seconds: first no new objects, then the running jobs.
GRACE_S = {"listen": 10.0, "work": 20.0, "web": 5.0}
#: A role that ends its first run with this code cannot run with this configuration: starting it again does not help.
MISCONFIGURED_EXIT = 3
#: What a node is for; the page may be missing. Where one of these cannot run from the start, the node does not.
ESSENTIAL = ("listen", "work")
#: Wait before the second start of a role, doubled for each further one, at most LONGEST_WAIT_S; seconds. What kept it
#: from running, such as a broker that refuses or a full disk, has often passed by then: nobody waits longer for it.
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0
#: A role that has run so long starts afresh with FIRST_WAIT_S.
STEADY_S = 60.0
_TICK_S = 0.25


@dataclass(kw_only=True)
class Role:
    """One child process and when to start it again. `clock` is monotonic, seconds."""

    name: str
    command: Sequence[str]
    clock: Callable[[], float] = time.monotonic
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    deaths: int = 0
    started_at: float = 0.0
    start_at: float = 0.0

    def tend(self) -> int | None:
        """Start the role where it is time to; returns the exit code where it has just died."""
        if self.process is None:
            if self.clock() >= self.start_at:
                self._start()
            return None
        code = self.process.poll()
        if code is not None:
            self._died(code)
        return code

    def cannot_run(self, code: int | None) -> bool:
        """Whether the exit code that `tend` gave ends the node: what has run before can run again, so it is awaited."""
        return code == MISCONFIGURED_EXIT and self.starts == 1 and self.name in ESSENTIAL

    def stop(self, grace_s: float) -> None:
        """Tell it to stop, and kill it where it has not after `grace_s` seconds."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            code = process.wait(grace_s)
        except subprocess.TimeoutExpired:
            log.warning("role killed", action="role_killed", role=self.name, seconds=grace_s)
            process.kill()
            code = process.wait()
        log.info("role stopped", action="role_stopped", role=self.name, exit_code=code)

    def _start(self) -> None:
        self.started_at = self.clock()
        try:
            self.process = subprocess.Popen(leashed(self.command), stdin=subprocess.DEVNULL)  # noqa: S603 - our own
        except OSError as error:
            # Too many processes or files, no memory: that passes, and the other roles go on.
            wait_s = self._put_off()
            log.error("role not started", action="role_died", role=self.name, why=error.strerror, retry_in_s=wait_s)
            return
        self.starts += 1
        log.info("role started", action="role_started", role=self.name, pid=self.process.pid)

    def _died(self, code: int) -> None:
        self.process = None
        wait_s = self._put_off()
        log.error("role died", action="role_died", role=self.name, exit_code=code, retry_in_s=wait_s)

    def _put_off(self) -> float:
        """Have it started again later, the later the more often it has died; return in how many seconds."""
        self.deaths = 1 if self.clock() - self.started_at >= STEADY_S else self.deaths + 1
        wait_s = min(FIRST_WAIT_S * 2.0 ** (self.deaths - 1), LONGEST_WAIT_S)
        self.start_at = self.clock() + wait_s
        return wait_s


@only_for_us()
def serve(settings: Settings, command: Sequence[str], *, told: threading.Event | None = None) -> int:
    """Run the whole node until it is told to stop; `command` followed by a role's name starts that role.

    Brings the ledger up to date first. To be called from the main thread, on which the children's leashes hang.
    Returns the exit code: 0, or that of an essential role that could not run with this configuration from the start.
    Raises Misconfigured or Unavailable where ledger or broker cannot be started, or the finder is not installed.
    """
    told = told or stop_when_told()
    require_finder(settings)
    migrate(settings.storage.ledger_url)
    broker = EmbeddedBroker(settings) if settings.queue.embedded else None
    if broker:
        broker.start()
        log.info("broker ready", action="ready", role="broker", pid=broker.pid)
    roles = {name: Role(name=name, command=[*command, name]) for name in ROLES}
    try:
        return _tend(roles, broker, told)
    finally:
        for name, grace_s in GRACE_S.items():
            roles[name].stop(grace_s)
        if broker:
            broker.stop()


def _tend(roles: dict[str, Role], broker: EmbeddedBroker | None, told: threading.Event) -> int:
    while not told.is_set():
        # A worker that finds no broker ends as misconfigured, so none is started while there is none.
        held = set() if broker is None or _tend_broker(broker) else {"work"}
        for role in roles.values():
            if role.name not in held and role.cannot_run(role.tend()):
                return MISCONFIGURED_EXIT
        told.wait(_TICK_S)
    return 0


def _tend_broker(broker: EmbeddedBroker) -> bool:
    """Keep the broker alive; tell whether it is."""
    try:
        broker.ensure()
    except (Misconfigured, Unavailable, OSError) as error:
        log.error("broker does not start", action="broker_down", why=str(error))
        return False
    return True

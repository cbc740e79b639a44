"""What a node costs that has nothing to do: time on the processor over a minute, and memory, role by role.

    .venv/bin/python benchmarks/idle.py [SECONDS] [PROCESSES]

`spondyl serve` as configured by default, with `[node] processes` = PROCESSES (1), after one study was measured and
delivered, so that every process has done what it will do. The peer, in the same run, is the Orthanc with the report.
Memory is PSS: a page that several processes share counts once (proc(5), smaps_rollup).
"""

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import psutil
from nodes import serving, storescu, write_config
from pss import cpu_s, family, pss_mib
from servers import run_orthanc
from small_study import make_small_study
from surroundings import say, stop_in_order

#: At most so much of one core, percent.
GOAL_PERCENT = 1.0
#: How long what follows a study may go on: associations that are kept open for a while, caches.
_SETTLE_S = 15.0


def roles_of(serve: int) -> dict[str, list[int]]:
    """Return the processes of each role of a node that `serve` runs."""
    found: dict[str, list[int]] = {"serve": [serve]}
    for child in psutil.Process(serve).children():
        words = child.cmdline()
        role = next((word for word in ("listen", "work", "web") if word in words), "broker")
        found.setdefault(role, []).extend(process.pid for process in family(child.pid))
    return found


def main(seconds: float = 60.0, processes: int = 1) -> None:
    """Print the table."""
    stop_in_order()
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_small_study(base / "study", patient_name="Bench^Mark", patient_id="B1", seed=1)
        orthanc = stack.enter_context(run_orthanc(base / "orthanc"))
        node = write_config(base / "node", {"pacs": ("PACS", orthanc.port)})
        text = node.config.read_text(encoding="utf-8").replace("lease_s = 5\nrequeue_s = 3\n", "")
        node.config.write_text(text.replace("[node]", f"[node]\nprocesses = {processes}"), encoding="utf-8")
        stack.enter_context(serving(node))
        storescu([base / "study"], node.port).check_returncode()
        node.wait_for("reported", seconds=120)
        time.sleep(_SETTLE_S)
        roles = roles_of(node.processes[0].pid)
        peer = next(c.pid or 0 for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == orthanc.port)
        roles["orthanc"] = [peer]
        before = {role: cpu_s(pids) for role, pids in roles.items()}
        time.sleep(seconds)
        spent = {role: 100 * (cpu_s(pids) - before[role]) / seconds for role, pids in roles.items()}
        memory = {role: pss_mib(pids) for role, pids in roles.items()}
        say(f"idle for {seconds:g} s, [node] processes = {processes}")
        for role, pids in roles.items():
            print(f"{role:8} {len(pids):2} processes   {spent[role]:5.2f} % of a core   {memory[role]:6.1f} MiB")
        ours = [role for role in roles if role != "orthanc"]
        whole, held = sum(spent[role] for role in ours), sum(memory[role] for role in ours)
        print(f"spondyl  {'':12}   {whole:5.2f} % of a core   {held:6.1f} MiB   (goal {GOAL_PERCENT} %)")


if __name__ == "__main__":
    main(*(number(word) for number, word in zip((float, int), sys.argv[1:], strict=False)))

"""How long a study takes from its last C-STORE response to a report that is proven at Orthanc.

    .venv/bin/python benchmarks/turnaround.py [STUDIES]        one after the other, then as many at once
    .venv/bin/python benchmarks/turnaround.py slices [N ...]   the same spine in 100, 300, 1000, 3000 slices
    .venv/bin/python benchmarks/turnaround.py studies [N]      N small studies in a row: time and memory on the way

The last two draw what they print beside this file: turnaround-slices.svg, turnaround-studies.svg.

A whole node (`spondyl serve`, as configured by default but for a quiet period of 1 s) and a real Orthanc that commits
to what it stores: N-ACTION from us, N-EVENT-REPORT on an association of its own. dcmtk's storescu sends; TCP_NODELAY=1
for all of them. The CT is axial, 512 x 512, T1 to L5, with a BINARY Segmentation of its 17 vertebrae. The quiet period
is not counted. The peer, in the same run, is dcmqi's segimage2itkimage, which only reads the same Segmentation.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from nodes import Running, serving, storescu, write_config
from plot import plot
from pss import family, pss_mib
from servers import free_port, program, run_orthanc, wait_until
from small_study import make_small_studies
from spine_study import make_another, make_template, study_uid
from surroundings import say, stop_in_order

from service.spool import study_key

HERE = Path(__file__).parent
QUIET_S = 1.0
SLICES = 300
FINER = (100, 300, 1000, 3000)
#: So many studies are sent one by one at the end of each step, the others as fast as they are taken.
AT_THE_END = 5
#: A study that takes longer has failed.
PATIENCE_S = 300.0
#: What ends each stage: an event of the study in the ledger, and what its detail begins with.
STAGES = (("settle", "settled", ""), ("start", "claimed", ""), ("measure", "measured", ""), ("prove", "proven", "sr "))
PERCENTILES = (50, 95)


@dataclass(frozen=True, kw_only=True)
class Took:
    """How long one study took, seconds after its last response, the quiet period left out."""

    proven: float
    #: Each stage from the end of the one before.
    stages: dict[str, float]


@contextmanager
def running_node(base: Path, sent: Path) -> Iterator[Running]:
    """Run the node and the Orthanc that it proves its reports at; `sent` is a folder that others may not fill."""
    sent.mkdir(parents=True, exist_ok=True)
    node, port = write_config(base / "node", {}, quiet_s=QUIET_S), free_port()
    pacs = f'name = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = {port}\nstorage_commitment = true\n'
    # As by default: what the tests hurry is a node that recovers, and costs time on the processor.
    plain = node.config.read_text(encoding="utf-8").replace("lease_s = 5\nrequeue_s = 3\n", "")
    node.config.write_text(f"{plain}[[destinations]]\n{pacs}", encoding="utf-8")
    known = {"spondyl": ["SPONDYL", "127.0.0.1", node.port]}
    with run_orthanc(base / "orthanc", port=port, DicomModalities=known, DicomThreadsCount=8), serving(node):
        wait_until(lambda: '"role": "work"' in node.log and '"action": "ready"' in node.log, "a worker is ready")
        yield node


def send(node: Running, files: Sequence[Path]) -> None:
    """Send files over one association, and wait for the last response."""
    done = storescu([files[0].parent], node.port, "-aec", "SPONDYL", "--max-pdu", "131072")
    if done.returncode:
        raise SystemExit(done.stderr)


def proven(node: Running, uid: str) -> Took:
    """Wait until the report of a study is proven, and tell how long it took: by the node's own clock."""
    key = study_key(uid)
    with node.ledger() as ledger:  # once: to open it anew at every look would cost the node processor time
        ended: dict[str, float] = {}

        def is_proven() -> bool:
            for stage, name, said in STAGES:
                for each in ledger.admin.study(key).events:
                    if each.event == name and each.detail.startswith(said):
                        ended[stage] = each.at
            return STAGES[-1][0] in ended

        wait_until(is_proven, f"the report of {uid} is proven", seconds=PATIENCE_S, step=0.25)
        last = ledger.admin.study(key).study.last_received_at + QUIET_S
    times = [last, *(ended[stage] for stage, *_ in STAGES)]
    stages = {stage: times[n + 1] - times[n] for n, (stage, *_) in enumerate(STAGES)}
    return Took(proven=times[-1] - last, stages=stages)


def percentile(values: Sequence[float], share: int) -> float:
    """Return the value that so many percent of `values` do not exceed: one of them (nearest rank)."""
    return sorted(values)[max(0, -(-share * len(values) // 100) - 1)]


def by_dcmqi(segmentation: Path, into: Path) -> float:
    """Return how long dcmqi takes to read a Segmentation into volumes, seconds."""
    into.mkdir(exist_ok=True)
    command = [program("segimage2itkimage"), "--inputDICOM", str(segmentation), "--outputDirectory", str(into)]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def one_by_one(node: Running, template: Sequence[Path], folder: Path, numbers: Sequence[int]) -> list[Took]:
    """Send studies, each once the one before is proven."""
    took = []
    for number in numbers:
        send(node, make_another(template, folder / str(number), number))
        took.append(proven(node, study_uid(number)))
        shutil.rmtree(folder / str(number))
    return took


def at_once(node: Running, template: Sequence[Path], folder: Path, numbers: Sequence[int]) -> float:
    """Send studies one behind the other without waiting; return how many reports were proven a minute."""
    start = time.monotonic()
    for number in numbers:
        send(node, make_another(template, folder / str(number), number))
        shutil.rmtree(folder / str(number))
    for number in numbers:
        proven(node, study_uid(number))
    return 60 * len(numbers) / (time.monotonic() - start - QUIET_S)


def show(took: Sequence[Took], read_s: float) -> None:
    """Print the percentiles and where the time goes."""
    whole = [each.proven for each in took]
    shown = "  ".join(f"p{share} {percentile(whole, share):5.2f} s" for share in PERCENTILES)
    print(f"last response to proven report: {shown}   best {min(whole):.2f} s", flush=True)
    for stage, *_ in STAGES:
        print(f"  {stage:9} {statistics.median(each.stages[stage] for each in took):6.2f} s")
    ratio = statistics.median(whole) / read_s
    print(f"dcmqi only reads the Segmentation: {read_s:.2f} s; the median is {ratio:.1f} times that")


def whole_spines(base: Path, sent: Path, studies: int) -> None:
    """Print turnaround and throughput of the CT of 17 vertebrae."""
    template = make_template(sent / "template", SLICES)
    with running_node(base, sent) as node:
        one_by_one(node, template, sent, [0])  # the first study finds everything cold, and does not count
        took = one_by_one(node, template, sent, range(1, studies + 1))
        read_s = statistics.median(by_dcmqi(sent / "template" / "seg.dcm", sent / "volumes") for _ in range(3))
        say(f"{SLICES} slices and masks of 17 vertebrae, {studies} studies")
        show(took, read_s)
        rate = at_once(node, template, sent, range(studies + 1, 2 * studies + 1))
        print(f"{studies} studies at once: {rate:.1f} reports a minute on {os.cpu_count()} cores", flush=True)


def finer(base: Path, sent: Path, counts: Sequence[int]) -> None:
    """Print how turnaround and the worker's memory grow with the number of slices."""
    print("slices   proven   measure   a slice   memory of the worker")
    times, sizes = [], []
    for place, slices in enumerate(counts):
        template = make_template(sent / "template", slices)
        with running_node(base / str(slices), sent) as node:
            one_by_one(node, template, sent, [place * 10])
            (took,) = one_by_one(node, template, sent, [place * 10 + 1])
            memory = pss_mib(process.pid for pid in node.pids("work")[:1] for process in family(pid))
        shutil.rmtree(sent / "template")
        a_slice = 1000 * took.proven / slices
        measured = took.stages["measure"]
        print(
            f"{slices:6}   {took.proven:5.2f} s   {measured:5.2f} s   {a_slice:5.1f} ms   {memory:5.0f} MiB", flush=True
        )
        times.append((slices, took.proven))
        sizes.append((slices, memory))
    lines = {"last response to proven report, s": times, "memory of the worker, MiB": sizes}
    plot(HERE / "turnaround-slices.svg", across="slices", lines=lines)


def more(base: Path, sent: Path, studies: int) -> None:
    """Print how turnaround and the node's memory grow with the number of studies that the node has."""
    made = list(make_small_studies(sent / "small", studies, name="Bench^Mark").items())
    steps = [n for n in (10, 30, 100, 300, 1000, 3000) if n < studies] + [studies]
    print("studies   one by one   reports a minute before   memory of the node")
    with running_node(base, sent) as node:
        done = 0
        times, sizes = [], []
        for count in steps:
            start, many = time.monotonic(), made[done : count - AT_THE_END]
            for _, folder in many:
                send(node, sorted(folder.iterdir()))
            for uid, _ in many:
                proven(node, uid)
            rate = 60 * len(many) / (time.monotonic() - start)
            took = []
            for uid, folder in made[count - AT_THE_END : count]:
                send(node, sorted(folder.iterdir()))
                took.append(proven(node, uid).proven)
            done = count
            memory = pss_mib(each.pid for process in node.processes for each in family(process.pid))
            print(f"{count:7}   {statistics.median(took):8.2f} s   {rate:23.0f}   {memory:5.0f} MiB", flush=True)
            times.append((count, statistics.median(took)))
            sizes.append((count, memory))
    lines = {"last response to proven report, s": times, "memory of the whole node, MiB": sizes}
    plot(HERE / "turnaround-studies.svg", across="studies that the node has", lines=lines)


def main(*words: str) -> None:
    """Print what is asked for."""
    what, numbers = (words[0], words[1:]) if words and not words[0].isdigit() else ("", words)
    stop_in_order()
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shared = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of our own in it
        sent = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=shared)))
        if what == "slices":
            finer(base, sent, list(map(int, numbers)) or FINER)
        elif what == "studies":
            more(base, sent, int(numbers[0]) if numbers else 1000)
        else:
            whole_spines(base, sent, int(numbers[0]) if numbers else 7)


if __name__ == "__main__":
    main(*sys.argv[1:])

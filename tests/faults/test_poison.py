"""A study that kills every process that measures it: its deaths are counted, it is put aside, and work goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from queueing import FINISH, queue_node, settled, stewarded, tries, wait_for, worker

from service.states import JobState, StudyState
from service.wiring import Node

#: What an image that crashes a decoder does to the process that reads it.
KILL = "os.kill(os.getpid(), signal.SIGSEGV)"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Open a node over the private broker and an empty ledger."""
    with queue_node(tmp_path) as opened:
        yield opened


def test_a_poison_study_is_put_aside(node: Node, tmp_path: Path) -> None:
    """It is tried queue.max_attempts times (2 here), however often its message comes, and others are measured between.

    Then it has failed, and says who must act.
    """
    poison = settled(node)
    with worker(tmp_path, f"{KILL} if claim.job.study_id == {poison.study_id} else {FINISH}"), stewarded(node):
        node.dispatch(poison)
        healthy = settled(node)
        node.dispatch(healthy)
        wait_for(node, healthy, StudyState.NOT_ANALYSABLE)
        found = wait_for(node, poison, StudyState.FAILED)
        assert [(JobState.FAILED, 2)] == [(job.state, job.attempts) for job in found.jobs]
        assert (found.study.who, found.study.reason) == ("developers", "the worker died 2 times")
        for _ in range(20):
            node.dispatch(poison)
        last = settled(node)
        node.dispatch(last)
        wait_for(node, last, StudyState.NOT_ANALYSABLE)

    assert len(tries(tmp_path)) == 4
    assert len(set(tries(tmp_path))) >= 3


#: Half a gigabyte beyond what the process has, the least that may be configured.
FRUGAL = "settings = settings.model_copy(update={'queue': settings.queue.model_copy(update={'memory_mb': 512})})"


def test_a_study_that_takes_too_much_memory_fails_by_name(node: Node, tmp_path: Path) -> None:
    """It is tried queue.max_attempts times (2 here), and says which setting and who must act; the worker goes on.

    No process is lost, and a study that stays below the limit is measured in one of them.
    """
    greedy = settled(node)
    statement = f"bytearray((600 if claim.job.study_id == {greedy.study_id} else 300) << 20); {FINISH}"
    with worker(tmp_path, statement, keeping=FRUGAL) as said, stewarded(node):
        node.dispatch(greedy)
        found = wait_for(node, greedy, StudyState.FAILED)
        modest = settled(node)
        node.dispatch(modest)
        wait_for(node, modest, StudyState.NOT_ANALYSABLE)

    assert [(JobState.FAILED, 2)] == [(job.state, job.attempts) for job in found.jobs]
    assert found.study.who == "the administrator of this node"
    assert found.study.reason == "the memory limit was reached (queue.memory_mb)"
    assert ["MemoryError"] * 2 == [line["error"] for line in said() if line["action"] == "try_failed"]
    assert [] == [line for line in said() if line["action"] in {"worker_ended", "job_released"}]

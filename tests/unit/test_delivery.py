"""One delivery job from claim to end, over a real ledger; only the network is played."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledgers import claim, empty_sqlite, measure, new_report, sqlite_url, study_of
from structlog.testing import capture_logs

from service.already import NOTHING, Perhaps
from service.config import Settings
from service.config_peers import Destination
from service.deliver import Deliverer, Unsendable, backoff_s
from service.delivery import OPTIONAL_TRIES, deliver
from service.errors import Misconfigured, NotNow, NotReached, NotTaken, PeerRefused, SpondylError, Unavailable
from service.ledger import DeliveryRow, JobRow, Ledger
from service.spool import Spool
from service.states import JobState, StudyState
from service.store_status import check_status

__all__ = ["empty_sqlite", "sqlite_url"]

NOW = 1000.0
HOUR_S = 3600.0


class Played(Deliverer):
    """Sends nothing: raises what it is told to, by destination."""

    def __init__(self, root: Path, settings: Settings) -> None:
        super().__init__(settings, Spool(root), random.Random(1))
        self.failures: dict[str, SpondylError] = {}
        self.sent: list[tuple[str, Path]] = []

    def send(self, destination: Destination, *paths: Path, perhaps: Perhaps = NOTHING) -> Path:  # noqa: ARG002 - a stand-in
        """Play the network; of several alternatives the last one is taken."""
        self.sent.append((destination.name, paths[-1]))
        if destination.name in self.failures:
            raise self.failures[destination.name]
        return paths[-1]


@pytest.fixture
def settings() -> Settings:
    """Return two destinations."""
    pair = tuple(Destination(name=name, ae_title="PACS", host="127.0.0.1", port=104) for name in ("pacs", "archive"))
    return Settings(destinations=pair)


@pytest.fixture
def ledger(sqlite_url: str) -> Iterator[Ledger]:
    """Open a ledger."""
    opened = Ledger.open(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture
def played(tmp_path: Path, settings: Settings) -> Iterator[Played]:
    """Return a deliverer whose network is played."""
    yield Played(tmp_path / "state", settings)
    shutil.rmtree(tmp_path / "state", ignore_errors=True)


def attempt(ledger: Ledger, played: Played, settings: Settings, job: JobRow, *, now: float = NOW) -> DeliveryRow:
    """Do one try of a delivery; return what the ledger says of it."""
    deliver(claim(ledger, job, now=now), ledger, played, settings, lambda: now)
    [row] = [d for d in ledger.admin.study("1.2.3").deliveries if d.destination == job.destination]
    return row


def test_a_delivered_report_ends_the_job(ledger: Ledger, played: Played, settings: Settings) -> None:
    """The last destination has it: the study is reported."""
    [job] = measure(ledger)
    assert attempt(ledger, played, settings, job).state is JobState.DONE
    assert study_of(ledger).state is StudyState.REPORTED
    assert played.sent == [("pacs", played.spool.report(study_of(ledger).key, "2.25.1.dcm"))]


def test_a_passing_failure_is_put_off(ledger: Ledger, played: Played, settings: Settings) -> None:
    """The job waits, the destination's circuit is open for the same time, at most 5 s at first."""
    [job] = measure(ledger)
    played.failures["pacs"] = Unavailable("pacs does not answer")
    row = attempt(ledger, played, settings, job)
    assert (row.state, row.error) == (JobState.WAITING, "pacs does not answer")
    assert NOW <= row.not_before <= NOW + 5.0
    assert ledger.jobs.destination("pacs") == (1, row.not_before)
    assert study_of(ledger).state is StudyState.DELIVERING


def test_waits_grow_with_every_failure(ledger: Ledger, played: Played, settings: Settings) -> None:
    """The sixth failure in a row may wait longer than the first ever could; success starts anew."""
    [job] = measure(ledger)
    played.failures["pacs"] = Unavailable("down")
    now, waits = NOW, []
    for _ in range(12):
        row = attempt(ledger, played, settings, job, now=now)
        waits.append(row.not_before - now)
        now = row.not_before + 1.0
    assert max(waits[6:]) > 20.0
    assert max(waits) <= 300.0
    played.failures.clear()
    attempt(ledger, played, settings, job, now=now)
    assert ledger.jobs.destination("pacs")[0] == 0


def test_an_answer_puts_off_its_object_alone(ledger: Ledger, played: Played, settings: Settings) -> None:
    """Not now is an answer: this object waits, its destination's circuit closes, and the next one goes at once."""
    [first] = measure(ledger)
    [second] = measure(ledger, "1.2.4", report="2.25.4", now=160.0)
    ledger.jobs.destination_failed("pacs", until=NOW, why="down", now=NOW)
    played.failures["pacs"] = NotNow("pacs answered status 0x0110")
    row = attempt(ledger, played, settings, first)

    assert (row.state, row.error) == (JobState.WAITING, "pacs answered status 0x0110")
    assert NOW <= row.not_before <= NOW + 5.0
    assert ledger.jobs.destination("pacs") == (0, 0.0)
    assert ledger.jobs.next_delivery("pacs", now=NOW + 10.0) == second.id
    claim(ledger, second, now=NOW)


def test_what_is_never_stored_waits_longer_and_longer(ledger: Ledger, played: Played, settings: Settings) -> None:
    """The wait grows with the tries of the object, up to 300 s; the report is offered until the patience ends."""
    [job] = measure(ledger)
    played.failures["pacs"] = NotNow("0x0110")
    now, waits = NOW, []
    for _ in range(OPTIONAL_TRIES + 2):
        row = attempt(ledger, played, settings, job, now=now)
        waits.append(row.not_before - now)
        now = row.not_before

    assert row.state is JobState.WAITING
    assert max(waits[6:]) > 20.0
    assert max(waits) <= 300.0


def test_what_need_not_be_taken_is_offered_a_few_times(ledger: Ledger, played: Played, settings: Settings) -> None:
    """An overlay that the destination never stores is left out after 20 tries, and the study is reported."""
    report, overlay = measure(ledger, objects=[new_report("2.25.1"), new_report("2.25.2", kind="gsps")])
    deliver(claim(ledger, report, now=NOW), ledger, played, settings, lambda: NOW)
    played.failures["pacs"] = NotNow("0x0110")
    states, now = [], NOW
    while StudyState.DELIVERING is study_of(ledger).state:
        deliver(claim(ledger, overlay, now=now), ledger, played, settings, lambda now=now: now)  # type: ignore[misc]
        states.append(ledger.admin.study("1.2.3").deliveries[-1].state)
        now += 301.0

    assert states == [JobState.WAITING] * 19 + [JobState.DECLINED]
    assert study_of(ledger).state is StudyState.REPORTED


def test_another_destination_is_not_affected(ledger: Ledger, played: Played, settings: Settings) -> None:
    """One is down, the other is served at once; the study is delivered when both have it."""
    pacs, archive = measure(ledger, destinations=("pacs", "archive"))
    played.failures["pacs"] = Unavailable("down")
    assert attempt(ledger, played, settings, pacs).state is JobState.WAITING
    assert attempt(ledger, played, settings, archive).state is JobState.DONE
    assert ledger.jobs.destination("archive") == (0, 0.0)
    assert study_of(ledger).state is StudyState.DELIVERING
    played.failures.clear()
    assert attempt(ledger, played, settings, pacs, now=NOW + 301).state is JobState.DONE
    assert study_of(ledger).state is StudyState.REPORTED


def test_what_may_be_there_is_what_was_being_sent(ledger: Ledger, played: Played, settings: Settings) -> None:
    """The alternative that went out, where that is known, else all of them; none where nobody was reached."""
    [job] = measure(ledger, objects=[new_report(f"2.25.{choice}", choice=choice) for choice in range(3)])
    found = []
    for number, error in enumerate((NotReached("down"), NotNow("0xA700"), Unavailable("?"), Unavailable("?"))):
        error.of = "2.25.1.dcm" if number == 2 else ""
        played.failures["pacs"] = error
        attempt(ledger, played, settings, job, now=NOW + number * 301)
        found.append([each.sop_instance_uid for each in ledger.lists.sent(study_of(ledger).id)])

    assert [[], [], ["2.25.1"], ["2.25.0", "2.25.1", "2.25.2"]] == found


def test_patience_ends(ledger: Ledger, played: Played, settings: Settings) -> None:
    """A destination that was unreachable for longer than 72 h is given up, by name of who must act."""
    [job] = measure(ledger)
    played.failures["pacs"] = Unavailable("down")
    late = job.created_at + 72 * HOUR_S
    assert attempt(ledger, played, settings, job, now=late).state is JobState.WAITING
    assert attempt(ledger, played, settings, job, now=late + 301.0).state is JobState.FAILED
    study = study_of(ledger)
    assert (study.state, study.who) == (StudyState.FAILED, "the administrator of the destination")
    assert study.reason is not None
    assert "for 72 h: down" in study.reason


@pytest.mark.parametrize(
    ("error", "who"),
    [
        (PeerRefused("status 0xA900"), "the administrator of the destination"),
        (Misconfigured("tls"), "the administrator of this node"),
        (Unsendable(), "developers"),
    ],
)
def test_what_trying_again_cannot_change_is_given_up(
    ledger: Ledger, played: Played, settings: Settings, error: SpondylError, who: str
) -> None:
    """Refused, wrongly configured, no report there: failed at once, by name of who must act; the circuit stays shut."""
    [job] = measure(ledger)
    played.failures["pacs"] = error
    assert attempt(ledger, played, settings, job).state is JobState.FAILED
    assert (study_of(ledger).state, study_of(ledger).who) == (StudyState.FAILED, who)
    assert ledger.jobs.destination("pacs")[0] == 0


def test_a_destination_that_is_configured_no_more_is_given_up(ledger: Ledger, played: Played) -> None:
    """Somebody took it out of the configuration while reports waited."""
    [job] = measure(ledger)
    assert attempt(ledger, played, Settings(), job).state is JobState.FAILED
    assert study_of(ledger).who == "the administrator of this node"
    assert played.sent == []


@pytest.mark.parametrize(
    ("kind", "state", "ends"),
    [("gsps", JobState.DECLINED, StudyState.DELIVERING), ("sr", JobState.FAILED, StudyState.FAILED)],
)
def test_only_the_report_must_be_taken(
    ledger: Ledger, played: Played, settings: Settings, kind: str, state: JobState, ends: StudyState
) -> None:
    """An overlay of a SOP class that the destination does not take is left out; a report somebody must act on."""
    jobs = measure(ledger, objects=[new_report("2.25.1"), new_report("2.25.2", kind="gsps")][: 1 + (kind == "gsps")])
    played.failures["pacs"] = NotTaken("SOP class not supported")
    with capture_logs() as said:
        deliver(claim(ledger, jobs[-1], now=NOW), ledger, played, settings, lambda: NOW)

    assert state is ledger.admin.study("1.2.3").deliveries[-1].state
    assert ends is study_of(ledger).state
    assert ["object_not_taken" if kind == "gsps" else "delivery_failed"] == [line["action"] for line in said]


def test_what_was_stored_is_written_down(ledger: Ledger, played: Played, settings: Settings) -> None:
    """Of the alternatives that were offered, the one that the destination took."""
    [job] = measure(ledger, objects=[new_report(f"2.25.{choice}", choice=choice) for choice in range(3)])
    row = attempt(ledger, played, settings, job)

    assert (row.sop_instance_uid, row.sop_class_uid) == ("2.25.2", "1.2.840.10008.5.1.4.1.1.88.22")


def test_what_the_gate_held_back_never_leaves(ledger: Ledger, played: Played, settings: Settings) -> None:
    """No destination is called for it; the developers must act, however often it is tried."""
    held_back = new_report("2.25.2", kind="gsps", finding="structure: 1 error")
    report, overlay = measure(ledger, objects=[new_report(), held_back])
    for job in (report, overlay):
        deliver(claim(ledger, job, now=NOW), ledger, played, settings, lambda: NOW)

    assert [JobState.DONE, JobState.FAILED] == [each.state for each in ledger.admin.study("1.2.3").deliveries]
    assert 1 == len(played.sent)
    assert study_of(ledger).reason == "pacs: held back, gsps: structure: 1 error"
    assert study_of(ledger).who == "developers"


@pytest.mark.parametrize(
    "error", [None, Unavailable("down"), NotNow("0x0110"), PeerRefused("0x0124"), NotTaken("0x0122")]
)
def test_who_lost_the_claim_says_nothing_of_it(
    ledger: Ledger, played: Played, settings: Settings, error: SpondylError | None
) -> None:
    """Another worker holds the delivery: neither the ledger nor the log hears how the first one's try ended."""
    [job] = measure(ledger)
    stale = claim(ledger, job, now=NOW)
    ledger.jobs.release_lost(now=NOW + 60, max_attempts=3)
    claim(ledger, job, now=NOW + 61, worker="w2")
    if error:
        played.failures["pacs"] = error
    with capture_logs() as said:
        deliver(stale, ledger, played, settings, lambda: NOW + 62)

    assert said == []
    assert study_of(ledger).state is StudyState.DELIVERING


def test_a_measure_job_is_no_delivery(ledger: Ledger, played: Played, settings: Settings) -> None:
    """A wrong message is a bug, and raised as one."""
    [job] = measure(ledger)
    delivery = claim(ledger, job, now=NOW)
    with pytest.raises(ValueError, match="delivers nothing"):
        deliver(type(delivery)(job=delivery.job, study=delivery.study, started_at=0.0), ledger, played, settings, float)


# ---- the rules


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB006, 0xB007, 0xBFFF, 0x0001, 0x0107, 0x0111, 0x0116])
def test_success_and_warnings(status: int) -> None:
    """PS3.4 table B.2-1: success and warnings mean stored."""
    check_status(status, "pacs")


@pytest.mark.parametrize("status", [0xA700, 0xA701, 0xA7FF, 0x0110, 0x0213, 0xFE00, 0x1234])
def test_passing_statuses(status: int) -> None:
    """Out of resources, processing failure, and what nobody knows: this object again, later; the peer is there."""
    with pytest.raises(NotNow, match=f"^pacs answered status 0x{status:04X}"):
        check_status(status, "pacs")


def test_no_answer_says_nothing_good_of_the_peer() -> None:
    """No answer at all: again, later, and nothing else meanwhile."""
    with pytest.raises(Unavailable, match="pacs gave no answer") as raised:
        check_status(None, "pacs")
    assert not isinstance(raised.value, NotNow)


@pytest.mark.parametrize("status", [0xA800, 0xA900, 0xA9FF, 0xC000, 0xCFFF, 0x0122])
def test_statuses_of_an_object(status: int) -> None:
    """Not this class, or this object does not match it, or is not understood: in another class it may be."""
    with pytest.raises(NotTaken, match=f"0x{status:04X}"):
        check_status(status, "pacs")


@pytest.mark.parametrize("status", [0x0117, 0x0124, 0x0210, 0x0212])
def test_permanent_statuses(status: int) -> None:
    """Not from us, whatever the class: somebody must act."""
    with pytest.raises(PeerRefused, match=f"0x{status:04X}") as raised:
        check_status(status, "pacs")
    assert not isinstance(raised.value, NotTaken)


@pytest.mark.parametrize(
    ("failures", "longest"), [(0, 5), (1, 10), (2, 20), (5, 160), (6, 300), (7, 300), (10**6, 300)]
)
def test_the_back_off_doubles_and_is_capped(failures: int, longest: float) -> None:
    """Full jitter: even over 0 .. 5 s doubling, at most 300 s."""
    rng = random.Random(7)
    waits = [backoff_s(failures, rng) for _ in range(400)]
    assert 0.0 <= min(waits) < longest * 0.05
    assert longest * 0.95 < max(waits) <= longest
    assert sum(waits) / len(waits) == pytest.approx(longest / 2, rel=0.1)

"""The contract of the ledger: what was decided of a study, and which study is measured next."""

from ledgers import arrive, claim, study_of

from service.ledger import JobRow, Ledger
from service.ledger.rows import Decided
from service.ledger.switches import Paused
from service.spool import study_key
from service.states import StudyState

NOW = 200.0


def _settled(ledger: Ledger, *priorities: int) -> list[JobRow]:
    """Enter a study of each priority; return their measure jobs."""
    jobs = []
    for number, priority in enumerate(priorities, start=1):
        row = arrive(ledger, f"2.25.{number}")
        decided = Decided(priority=priority, destinations="pacs,er" if priority else None, said=f"priority {priority}")
        jobs.append(ledger.arrivals.settle(row.id, fingerprint=f"f{number}", now=100.0, decided=decided))
    return [job for job in jobs if job is not None]


def test_what_was_decided_stays_with_the_study(ledger: Ledger) -> None:
    """Priority, destinations, and an event; a revision of which nothing was decided keeps them."""
    _settled(ledger, 2)
    row = arrive(ledger, "2.25.1", now=120.0)
    assert ledger.arrivals.settle(row.id, fingerprint="other", now=150.0) is not None
    study = study_of(ledger, "2.25.1")

    assert (2, 2, "pacs,er") == (study.revision, study.priority, study.destinations)
    said = [(each.event, each.detail) for each in ledger.admin.study("2.25.1").events if each.event == "decided"]
    assert [("decided", "priority 2")] == said


def test_a_study_of_which_nothing_was_decided_is_as_any(ledger: Ledger) -> None:
    """Neither low nor high, for every destination; nothing is said of it."""
    row = arrive(ledger)
    ledger.arrivals.settle(row.id, fingerprint="f", now=NOW)

    assert (1, None) == (study_of(ledger).priority, study_of(ledger).destinations)
    assert "decided" not in {each.event for each in ledger.admin.study("1.2.3").events}


def test_the_most_urgent_study_is_measured_first(ledger: Ledger) -> None:
    """Whichever message comes: the urgent before others, then the message's own, then the oldest; each of them once."""
    low, usual, other, urgent = _settled(ledger, 0, 1, 1, 2)
    order = []
    for message in (low, other, usual, urgent, low):
        chosen = ledger.jobs.most_urgent(message.id, now=NOW)
        if ledger.jobs.claim(chosen, worker="w", now=NOW, lease_s=60.0):
            order.append(chosen)

    assert [urgent.id, other.id, usual.id, low.id] == order


def test_a_study_whose_time_has_not_come_is_nobody_s_turn(ledger: Ledger) -> None:
    """Put off after a fault, however urgent it is; then it is first again."""
    usual, urgent = _settled(ledger, 1, 2)
    ledger.jobs.postpone(claim(ledger, urgent, now=NOW), until=NOW + 30.0, why="busy", now=NOW)

    chosen = [ledger.jobs.most_urgent(usual.id, now=moment) for moment in (NOW + 29.0, NOW + 30.0)]

    assert [usual.id, urgent.id] == chosen


def test_nothing_stands_in_for_a_job_while_processing_is_paused(ledger: Ledger) -> None:
    """The message's own job is then noted as not sent, and comes again when it goes on."""
    usual, _ = _settled(ledger, 1, 2)
    ledger.switches.pause(Paused.PROCESSING, actor="a", address="", why="w", now=NOW)

    assert usual.id == ledger.jobs.most_urgent(usual.id, now=NOW)


def test_messages_go_out_in_the_order_of_urgency(ledger: Ledger) -> None:
    """After a broker has lost them all, the reconciler begins with the urgent ones, among equals with the oldest."""
    jobs = _settled(ledger, 0, 1, 2, 1)
    due = [job.id for job in ledger.jobs.due(now=NOW, requeue_s=20.0)]

    assert [jobs[place].id for place in (2, 1, 3, 0)] == due


def test_what_the_reconciler_found_belongs_to_whoever_goes_on_sending_it(ledger: Ledger) -> None:
    """Its listener was killed before it could tell who sent: the next object says so; a source that is known stays."""
    sources = []
    for number, source in enumerate(("spool", "spool", "ct", "mr", "spool")):
        now = NOW + number
        key = study_key("1.2.3")
        ledger.arrivals.note(key=key, study_instance_uid="1.2.3", source=source, now=now, held_until=0.0)
        sources.append(study_of(ledger).source)

    assert ["spool", "spool", "ct", "ct", "ct"] == sources


def test_a_study_that_is_out_by_another_rule_says_so(ledger: Ledger) -> None:
    """Looked at again it is out by the rule that holds now; its state stays, both are in its story."""
    row = arrive(ledger)
    for rule in ("rest", "nothing"):
        ledger.arrivals.ignore(row.id, rule=rule, now=NOW)
    study = study_of(ledger)

    assert (StudyState.IGNORED, "nothing", None) == (study.state, study.reason, study.unsettled_since)
    story = [each.detail for each in ledger.admin.study("1.2.3").events if each.event == "ignored"]
    assert ["rest", "nothing"] == story

"""The contract of the ledger: a study waits for its archive once for what lies in its folder, held by one at a time."""

from ledgers import arrive, event_names, study_of

from service.ledger import Ledger
from service.ledger.completions import LONGEST_S, Completion
from service.ledger.rows import AT_ONCE


def is_done(ledger: Ledger, fingerprint: str, *, now: float = 130.0, anew: bool = True) -> bool:
    """Ask as the settle pass does."""
    study = study_of(ledger)
    wanted = ("study", "prior")
    return ledger.completions.is_done(study.id, fingerprint=fingerprint, wanted=wanted, now=now, anew=anew)


def held(ledger: Ledger, now: float) -> Completion:
    """Claim the one study that waits."""
    found = ledger.completions.claim(now=now, lease_s=LONGEST_S)
    assert found is not None
    return found


def test_a_study_is_entered_once_and_settled_when_its_archive_was_asked(ledger: Ledger) -> None:
    """However often the settle pass asks; the folder that was compared is settled at once, by whichever pass."""
    arrive(ledger)
    assert [False, False] == [is_done(ledger, "one"), is_done(ledger, "two")]
    claimed = held(ledger, 131.0)
    assert ("1.2.3", "ct1", ("study", "prior"), 130.0, 1) == (
        claimed.study_instance_uid,
        claimed.source,
        claimed.wanted,
        claimed.since,
        claimed.tries,
    )
    assert ledger.completions.end(claimed, fingerprint="two", complete=True, detail="3 objects", now=132.0)

    assert study_of(ledger).unsettled_since == AT_ONCE
    assert is_done(ledger, "two")
    assert ["received", "completing", "completed"] == event_names(ledger)


def test_only_one_holds_a_study_until_its_time(ledger: Ledger) -> None:
    """A second node finds nothing; who was killed loses the study when the lease ends, and then writes nothing more."""
    arrive(ledger)
    is_done(ledger, "one")
    first = held(ledger, 131.0)
    assert ledger.completions.claim(now=131.0 + LONGEST_S - 1, lease_s=LONGEST_S) is None

    second = held(ledger, 131.0 + LONGEST_S)
    assert (first.tries, second.tries) == (1, 2)
    assert not ledger.completions.end(first, fingerprint="one", complete=True, detail="", now=300.0)
    ledger.completions.later(second, until=400.0, lacked=2)
    assert ledger.completions.claim(now=399.0, lease_s=LONGEST_S) is None
    again = held(ledger, 400.0)
    assert (again.since, again.lacked) == (first.since, 2)


def test_more_that_came_is_asked_about_again_unless_the_limit_has_passed(ledger: Ledger) -> None:
    """A sender that never ends must not put its study off for ever."""
    arrive(ledger)
    is_done(ledger, "one")
    ledger.completions.end(held(ledger, 131.0), fingerprint="one", complete=False, detail="", now=132.0)

    assert is_done(ledger, "more", anew=False)
    assert not is_done(ledger, "more", now=140.0)
    again = held(ledger, 141.0)
    assert (140.0, 1, 0) == (again.since, again.tries, again.lacked)


def test_a_study_that_somebody_still_sends_is_not_settled_at_once(ledger: Ledger) -> None:
    """What the archive has is here; what the sender still brings is waited for."""
    arrive(ledger, held_until=200.0)
    is_done(ledger, "one")
    ledger.completions.end(held(ledger, 131.0), fingerprint="one", complete=True, detail="", now=132.0)

    assert study_of(ledger).unsettled_since != AT_ONCE


def test_a_clock_that_was_set_back_puts_no_study_off(ledger: Ledger) -> None:
    """What was written before lies ahead: it is taken as now."""
    arrive(ledger, now=9_000.0)
    is_done(ledger, "one", now=9_000.0)
    ledger.completions.later(held(ledger, 9_000.0), until=9_030.0, lacked=0)

    assert ledger.clocks.set_back(now=100.0, lease_s=15.0, hold_s=30.0)

    assert held(ledger, 100.0).since == 100.0

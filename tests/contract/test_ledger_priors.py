"""The contract of the ledger, SQLite and PostgreSQL alike: earlier studies of a patient, and what a retry keeps to."""

from dataclasses import replace

import pytest
from ledgers import claim, deliver, finish, new_report, settle, study_of
from sqlalchemy import select

from service.ledger import Ledger
from service.ledger.engine import reading
from service.ledger.tables import studies
from service.spool import study_key
from service.study_identity import StudyIdentity

NOW = StudyIdentity(
    patient_id="P-1",
    issuer_of_patient_id="A",
    patient_birth_date="19500203",
    patient_sex="F",
    study_date="20260304",
    study_time="040000",
    accession_number="A77",
)
THEN = replace(NOW, study_date="20250304")


def enter(ledger: Ledger, uid: str, identity: StudyIdentity, *, own_report: str | None = None) -> int:
    """Enter a study of `identity` that was measured and reported; return its number."""
    finish(ledger, claim(ledger, settle(ledger, uid)), report=f"2.25.{uid}")
    study_id = study_of(ledger, uid).id
    ledger.priors.identify(study_id, identity, own_report=own_report)
    return study_id


def found(ledger: Ledger, identity: StudyIdentity = NOW) -> list[str]:
    """Return the earlier studies of the one that is looked at."""
    study_id = study_of(ledger, "1").id
    return [earlier.study_instance_uid for earlier in ledger.priors.earlier(study_id, identity)]


@pytest.fixture
def current(ledger: Ledger) -> Ledger:
    """Return a ledger with the study that is looked at."""
    enter(ledger, "1", NOW)
    return ledger


def test_earlier_studies_of_the_patient_the_newest_first(current: Ledger) -> None:
    """By date, of one day by time; the study itself, a later one and one of that very time are none."""
    enter(current, "2", THEN)
    enter(current, "3", replace(NOW, study_time="030000"))
    enter(current, "4", replace(NOW, study_date="20260305"))
    enter(current, "5", NOW)
    assert ["3", "2"] == found(current)
    assert ["2"] == [e.study_instance_uid for e in current.priors.earlier(study_of(current, "1").id, NOW, limit=2)][1:]


@pytest.mark.parametrize(
    "other",
    [
        replace(THEN, patient_id="P-2"),
        replace(THEN, issuer_of_patient_id="B"),
        replace(THEN, issuer_of_patient_id=""),
        replace(THEN, patient_birth_date="19500204"),
        replace(THEN, patient_sex="M"),
        replace(THEN, study_date=""),
        replace(NOW, study_time=""),
    ],
)
def test_whose_study_it_is_must_be_sure(current: Ledger, other: StudyIdentity) -> None:
    """Another ID, issuer, birth date or sex is another patient; without a date (on one day: a time) none is earlier."""
    enter(current, "2", other)
    assert [] == found(current)


def test_a_birth_date_that_is_missing_contradicts_nothing(current: Ledger) -> None:
    """In either study."""
    enter(current, "2", replace(THEN, patient_birth_date=""))
    enter(current, "3", replace(THEN, study_time="030000"))
    assert ["2"] == found(current)[:1]
    assert {"2", "3"} == set(found(current, replace(NOW, patient_birth_date="")))


def test_a_sex_that_is_missing_contradicts_nothing(current: Ledger) -> None:
    """In either study."""
    enter(current, "2", replace(THEN, patient_sex=""))
    assert ["2"] == found(current) == found(current, replace(NOW, patient_sex=""))


@pytest.mark.parametrize(
    ("then", "now", "known"),
    [
        ({}, {}, ["2"]),
        ({"patient_sex": ""}, {}, ["2"]),
        ({"patient_sex": "M"}, {}, []),
        ({"patient_birth_date": ""}, {}, []),
        ({}, {"patient_birth_date": ""}, []),
        ({"patient_birth_date": ""}, {"patient_birth_date": ""}, []),
    ],
)
def test_a_number_without_an_issuer_needs_a_birth_date(
    current: Ledger, then: dict[str, str], now: dict[str, str], known: list[str]
) -> None:
    """It may be another hospital's: both studies state the birth date, and it is the same."""
    enter(current, "2", replace(THEN, issuer_of_patient_id="", **then))
    assert known == found(current, replace(NOW, issuer_of_patient_id="", **now))


def test_a_number_without_an_issuer_is_that_of_its_source(current: Ledger) -> None:
    """Two senders may give one number to two patients; with an issuer it does not matter who sent it."""
    for uid, issuer in (("2", ""), ("3", "A")):
        current.arrivals.note(key=study_key(uid), study_instance_uid=uid, source="ct2", now=1.0, held_until=0.0)
        enter(current, uid, replace(THEN, issuer_of_patient_id=issuer))
    assert [] == found(current, replace(NOW, issuer_of_patient_id=""))
    assert ["3"] == found(current)


@pytest.mark.parametrize("nobody", [replace(NOW, patient_id=""), replace(NOW, study_date="")])
def test_nobody_has_no_earlier_study(current: Ledger, nobody: StudyIdentity) -> None:
    """Without a Patient ID, or a Study Date, nothing can be earlier."""
    enter(current, "2", replace(THEN, patient_id=nobody.patient_id))
    assert [] == found(current, nobody)


def test_what_was_taken_out_is_no_prior(current: Ledger) -> None:
    """A study that an administrator ignored says nothing any more."""
    enter(current, "2", THEN)
    current.admin.ignore("2", why="wrong patient", now=300.0)
    assert [] == found(current)


def test_what_is_known_of_an_earlier_study(current: Ledger) -> None:
    """Its newest findings, what was read back from a report of ours, and the report that was made."""
    enter(current, "2", THEN, own_report='{"a": 1}')
    (earlier,) = current.priors.earlier(study_of(current, "1").id, NOW)
    assert ("20250304", "040000", "{}", '{"a": 1}') == (
        earlier.study_date,
        earlier.study_time,
        earlier.findings,
        earlier.own_report,
    )
    assert earlier.report is not None
    assert "2.25.2" == earlier.report.sop_instance_uid


def test_studies_without_numbers_hide_no_prior(current: Ledger) -> None:
    """What was never measured, or could not be, is passed over, however many there are; a report of ours tells."""
    enter(current, "2", THEN)
    settle(current, "3")
    current.priors.identify(study_of(current, "3").id, NOW, own_report=None)
    for number in range(4, 8):
        finish(current, claim(current, settle(current, f"{number}")), reason="NO_LANDMARKS", report=f"2.25.{number}")
        identity = replace(THEN, study_date=f"2025040{number}")
        current.priors.identify(study_of(current, f"{number}").id, identity, own_report="{}" if number == 7 else None)
    study_id = study_of(current, "1").id
    assert ["7", "2"] == [each.study_instance_uid for each in current.priors.earlier(study_id, NOW, limit=2)]


def test_earlier_revisions_are_told_the_newest_first(current: Ledger) -> None:
    """Each with what it was compared with; one without findings is none."""
    study_id = study_of(current, "1").id
    current.priors.pin(study_id, 1, "first")
    finish(current, claim(current, settle(current, "1", now=300.0), now=310.0), report="2.25.11", now=320.0)
    settle(current, "1", now=400.0)
    settle(current, "1", now=500.0)
    found = current.priors.own(study_id, before_revision=4)
    assert [("{}", None), ("{}", "first")] == [(each.findings, each.prior) for each in found]


def test_what_was_withdrawn_is_known(current: Ledger) -> None:
    """Taken out, or of another patient by now; what the ledger does not know, it cannot take back."""
    for uid in ("2", "3", "4"):
        enter(current, uid, THEN)
    current.admin.ignore("2", why="wrong patient", now=300.0)
    current.priors.identify(study_of(current, "3").id, replace(THEN, patient_id="P-2"), own_report=None)
    study_id = study_of(current, "1").id
    assert {"2", "3"} == current.priors.withdrawn(study_id, NOW, ["2", "3", "4", "9"])
    assert set() == current.priors.withdrawn(study_id, NOW, [])


def test_who_was_compared_with_it_is_named(current: Ledger) -> None:
    """Whoever takes a study out learns whose newest revision rests on it: another retry of that begins a new one."""
    enter(current, "2", THEN)
    enter(current, "22", THEN)
    study_id = study_of(current, "1").id
    deliver(current, current.admin.study("1").jobs[-1])
    current.priors.pin(study_id, 1, '{"rests_on": ["22"]}')
    assert [] == current.admin.ignore("2", why="x", now=300.0)
    assert [1] == [job.revision for job in current.admin.retry("1", now=310.0, measure=True)]
    finish(current, claim(current, current.admin.study("1").jobs[-1], now=320.0), report="2.25.1", now=330.0)
    assert ["1"] == current.admin.ignore("22", why="wrong patient", now=340.0)
    assert [2] == [job.revision for job in current.admin.retry("1", now=350.0, measure=True)]
    assert current.priors.pinned(study_id, 2) is None


def test_the_newest_report_counts(current: Ledger) -> None:
    """Of two revisions the later one's, delivered or not."""
    enter(current, "2", THEN)
    for job in finish(current, claim(current, settle(current, "2", now=200.0), now=210.0), report="2.25.22", now=220.0):
        deliver(current, job, now=230.0)
    (earlier,) = current.priors.earlier(study_of(current, "1").id, NOW)
    assert earlier.report is not None
    assert "2.25.22" == earlier.report.sop_instance_uid


def test_of_alternatives_the_one_that_was_delivered_counts(current: Ledger) -> None:
    """The destination took the second SOP class only: that is the report which a viewer can find."""
    both = [new_report("2.25.2", choice=0), new_report("2.25.3", choice=1)]
    (job,) = finish(current, claim(current, settle(current, "2")), objects=both)
    sending = claim(current, job, now=160.0)
    assert current.jobs.finish_delivery(sending, detail="0x0000", stored=sending.choices[1], now=170.0)
    current.priors.identify(study_of(current, "2").id, THEN, own_report=None)
    (earlier,) = current.priors.earlier(study_of(current, "1").id, NOW)
    assert earlier.report is not None
    assert "2.25.3" == earlier.report.sop_instance_uid


def test_a_revision_is_pinned_once(current: Ledger) -> None:
    """What was kept first stands, whatever a later try would keep; another revision has its own."""
    study_id = study_of(current, "1").id
    assert current.priors.pinned(study_id, 1) is None
    assert ("first", "first") == tuple(current.priors.pin(study_id, 1, text) for text in ("first", "second"))
    settle(current, "1", now=300.0)
    assert ("first", None) == tuple(current.priors.pinned(study_id, revision) for revision in (1, 2))


@pytest.mark.parametrize("lost", [False, True])
def test_who_lost_the_claim_writes_nothing(ledger: Ledger, lost: bool) -> None:
    """Another worker measures the study: neither whose it is nor its prior comes from the one before."""
    held = claim(ledger, settle(ledger, "1"), now=140.0)
    if lost:
        ledger.jobs.release_lost(now=200.0, max_attempts=3)
        claim(ledger, held.job, now=201.0, worker="w2")
    study_id = held.study.id
    ledger.priors.identify(study_id, NOW, own_report=None, held=held)
    assert "mine" == ledger.priors.pin(study_id, 1, "mine", held=held)

    with reading(ledger.engine) as connection:
        patient = connection.scalar(select(studies.c.patient_id).where(studies.c.id == study_id))
    assert ((None, None) if lost else ("mine", "P-1")) == (ledger.priors.pinned(study_id, 1), patient)

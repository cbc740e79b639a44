from dataclasses import replace

import pytest
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from service.study_identity import StudyIdentity
from workers.patient import contradictions, identity_of, is_earlier, is_same_patient

ONE = StudyIdentity(
    patient_id="P-1",
    issuer_of_patient_id="A",
    patient_birth_date="19500203",
    patient_sex="M",
    study_date="20260304",
    study_time="040000",
    accession_number="A77",
)


def _header(**values: str) -> Dataset:
    header = Dataset()
    for keyword, value in values.items():
        header.add(DataElement(keyword, "LO", value, validation_mode=IGNORE))
    return header


def test_a_header_says_whose_study_it_is() -> None:
    """Every part is taken, without the blanks that pad it."""
    header = _header(
        PatientID=" P-1 ",
        IssuerOfPatientID="A ",
        PatientBirthDate="19500203",
        PatientSex="m ",
        StudyDate="20260304",
        StudyTime="040000.123",
        AccessionNumber=" A77",
    )
    assert ONE == identity_of(header)
    assert StudyIdentity() == identity_of(Dataset())


@pytest.mark.parametrize("patient_id", ["", "0", "0000", "ANON", "Anonymous", "unknown", "N/A"])
def test_what_stands_for_nobody_is_no_patient(patient_id: str) -> None:
    """Everybody without an ID must not become one patient."""
    assert "" == identity_of(_header(PatientID=patient_id)).patient_id


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("2026.03.04", "04:00:00", ("20260304", "040000")),
        ("20260304", "0415", ("20260304", "041500")),
        ("202603", "", ("", "")),
        ("today", "noon", ("", "")),
    ],
)
def test_dates_and_times_sort(date: str, time: str, expected: tuple[str, str]) -> None:
    """Forms of the standard's predecessor are read; what is no date is none."""
    found = identity_of(_header(StudyDate=date, StudyTime=time))
    assert expected == (found.study_date, found.study_time)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (ONE, True),
        (replace(ONE, patient_birth_date=""), True),
        (replace(ONE, patient_birth_date="19500204"), False),
        (replace(ONE, issuer_of_patient_id="B"), False),
        (replace(ONE, issuer_of_patient_id=""), False),
        (replace(ONE, patient_id="P-2"), False),
        (replace(ONE, patient_sex=""), True),
        (replace(ONE, patient_sex="F"), False),
    ],
)
def test_a_patient_has_one_id_issuer_birth_date_and_sex(other: StudyIdentity, same: bool) -> None:
    """An ID without an issuer is not that of an issuer; birth date and sex may be missing, not differ."""
    assert same == is_same_patient(ONE, other) == is_same_patient(other, ONE)


@pytest.mark.parametrize(
    ("birth_date", "sex", "same"),
    [("19500203", "M", True), ("19500203", "", True), ("", "M", False), ("19500203", "F", False)],
)
def test_a_bare_number_needs_a_birth_date(birth_date: str, sex: str, same: bool) -> None:
    """Without an issuer an ID may be another hospital's: both must state the same birth date, and no other sex."""
    bare = replace(ONE, issuer_of_patient_id="")
    other = replace(bare, patient_birth_date=birth_date, patient_sex=sex)
    assert same == is_same_patient(bare, other) == is_same_patient(other, bare)


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 0),
        ({"PatientID": "", "PatientBirthDate": "", "PatientSex": "O", "IssuerOfPatientID": ""}, 0),
        ({"StudyDate": "20260305"}, 0),
        ({"PatientID": "P-2"}, 3),
        ({"IssuerOfPatientID": "B"}, 3),
        ({"PatientBirthDate": "19500204"}, 3),
        ({"PatientSex": "F"}, 3),
    ],
)
def test_headers_of_one_study_may_contradict_each_other(changes: dict[str, str], count: int) -> None:
    """All that take part are counted; what a header does not state, and what is of the study, contradicts nothing."""
    stated = {"PatientID": "P-1", "IssuerOfPatientID": "A", "PatientBirthDate": "19500203", "PatientSex": "M"}
    assert count == contradictions([_header(**stated), _header(**stated), _header(**{**stated, **changes})])


def test_what_is_no_text_is_left_out() -> None:
    """Control characters, which a database refuses, are no part of an ID or a number; nor is half a character."""
    found = identity_of(_header(PatientID="12\x0034\ud800", IssuerOfPatientID="A\x1b", AccessionNumber="\n7\x7f"))
    assert ("1234", "A", "7") == (found.patient_id, found.issuer_of_patient_id, found.accession_number)


def test_an_endless_id_is_none() -> None:
    """What no Patient ID can be, an index of the ledger cannot hold: it is looked up by nobody."""
    assert "" == identity_of(_header(PatientID="1" * 257)).patient_id
    assert "1" * 64 == identity_of(_header(PatientID="1" * 64)).patient_id


def test_nobody_is_the_same_as_nobody() -> None:
    """Two studies without a Patient ID are not of one patient."""
    assert not is_same_patient(StudyIdentity(), StudyIdentity())


@pytest.mark.parametrize(
    ("date", "time", "earlier"),
    [
        ("20260303", "", True),
        ("20260305", "000000", False),
        ("20260304", "035959", True),
        ("20260304", "040000", False),
        ("20260304", "", False),
        ("", "", False),
    ],
)
def test_a_study_is_earlier_where_its_dates_say_so(date: str, time: str, earlier: bool) -> None:
    """By date, of one day by time; where that is not known it is not earlier."""
    assert earlier == is_earlier(replace(ONE, study_date=date, study_time=time), ONE)

from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from service.study_identity import StudyIdentity
from workers.patient import identity_of, is_earlier, is_same_patient

ONE = StudyIdentity(
    patient_id="P-1",
    issuer_of_patient_id="A",
    patient_birth_date="19500203",
    study_date="20260304",
    study_time="040000",
    accession_number="A77",
)


def _header(**values: str) -> Dataset:
    header = Dataset()
    for keyword, value in values.items():
        header.add_new(keyword, "LO", value)
    return header


def test_a_header_says_whose_study_it_is() -> None:
    """Every part is taken, without the blanks that pad it."""
    header = _header(
        PatientID=" P-1 ",
        IssuerOfPatientID="A ",
        PatientBirthDate="19500203",
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
    ],
)
def test_a_patient_has_one_id_issuer_and_birth_date(other: StudyIdentity, same: bool) -> None:
    """An ID without an issuer is another one's than that of an issuer; a birth date may be missing, not differ."""
    assert same == is_same_patient(ONE, other) == is_same_patient(other, ONE)


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

import pytest
from pydicom.dataset import Dataset

from workers.landmarks.observer import creator, observers, person, shown


def _item(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _named(name: str, value_type: str = "PNAME", keyword: str = "PersonName") -> Dataset:
    concept = _item(CodeValue="121008", CodingSchemeDesignator="DCM", CodeMeaning="Person Observer Name")
    return _item(ValueType=value_type, ConceptNameCodeSequence=[concept], **{keyword: name})


def test_the_person_observers_of_a_report_are_named_once() -> None:
    """Who observed (TID 1003) is read from the root, each person once, as text in older files too."""
    report = _item(ContentSequence=[_named("Doe^Jane"), _named("Roe", "TEXT", "TextValue"), _named("Doe^Jane")])

    assert observers(report) == ("Doe^Jane", "Roe")


def test_who_verified_comes_before_who_observed() -> None:
    """The points of a verified report are those of its verifying observer (PS3.3 C.17.2)."""
    report = _item(
        ContentSequence=[_named("Doe^Jane")],
        VerificationFlag="VERIFIED",
        VerifyingObserverSequence=[_item(VerifyingObserverName="Roe^Richard^^Dr")],
    )

    assert observers(report) == ("Roe^Richard^^Dr",)
    report.VerificationFlag = "UNVERIFIED"
    assert observers(report) == ("Doe^Jane",)


def test_authors_count_where_they_are_persons() -> None:
    """A device in the Author Observer Sequence is nobody."""
    report = _item(
        AuthorObserverSequence=[
            _item(ObserverType="DEV", PersonName="Robot"),
            _item(ObserverType="PSN", PersonName="Doe^Jane"),
        ]
    )

    assert observers(report) == ("Doe^Jane",)


@pytest.mark.parametrize("name", ["", "unknown^unknown", "Anonymous", "^^", "="])
def test_placeholders_are_nobody(name: str) -> None:
    """What programs write where no one was named is no name."""
    assert observers(_item(ContentSequence=[_named(name)])) == ()
    assert creator(_item(ContentCreatorName=name)) == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Doe^Jane", "Doe Jane"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada Tarou"),
        ("=山田^太郎", "山田 太郎"),
        ("A" * 100, "A" * 64),
        ("Doe^Jane\tX", "Doe Jane X"),
    ],
)  # fmt: skip
def test_a_name_is_shown_in_one_short_line(name: str, expected: str) -> None:
    """The first component group that is there, without carets or control characters, 64 characters at most."""
    found = Dataset()
    found.add_new("ContentCreatorName", "UT", name)

    assert tuple(map(shown, creator(found))) == (expected,)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Doe^Jane", "Doe^Jane"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("Reader, One", "Reader, One"),
        ("Doe^Jane^^", "Doe^Jane"),
        ("Doe\\Roe\n", "Doe Roe"),
        ("A" * 100, "A" * 64),
    ],
)
def test_a_name_is_kept_as_a_value_of_pn(name: str, expected: str) -> None:
    """All component groups of one value (PS3.5 6.2.1): no line break, no backslash, 64 characters a group at most."""
    assert expected == person(name)

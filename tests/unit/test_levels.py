import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.sr._snomed_dict import mapping
from pydicom.sr.codedict import codes

from sr_templates.levels import LEVELS, ORDER
from workers.landmarks.levels import level_from_code, level_from_label, level_from_verse_number


def test_vertebra_codes_are_those_of_cid_7603() -> None:
    """C1 to C7, T1 to T12 and L1 to L5 carry the code that CID 7603 gives them."""
    members = {code.value: code.meaning for code in codes.cid7603.concepts.values()}
    ours = {level.vertebra: f"{level.name} vertebra" for level in LEVELS.values() if level.srt}
    assert len(members) == 24
    assert members == ours


def test_srt_codes_are_the_ones_pydicom_maps() -> None:
    """The SNOMED-RT value of a level is pydicom's equivalent of its SNOMED CT code."""
    ours = {level.vertebra: level.srt for level in LEVELS.values() if level.vertebra and level.srt}
    assert {code: mapping["SCT"][code] for code in ours} == ours


@pytest.mark.parametrize("name", list(LEVELS))
def test_every_code_of_the_table_leads_back_to_its_level(name: str) -> None:
    """A code names the level it stands at, and no code stands twice."""
    level = LEVELS[name]
    given_codes = [("SCT", level.vertebra), ("SCT", level.body), ("SRT", level.srt)]
    assert {name} >= {level_from_code(scheme, code) for scheme, code in given_codes if code}
    assert level.tg263 == f"VB_{name}"


def test_codes_of_the_table_are_unique() -> None:
    """Two levels never share a code."""
    codes = [code for level in LEVELS.values() for code in (level.vertebra, level.body, level.srt) if code]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        ("SCT", "51282000"),  # vertebra, no level
        ("SCT", "421060004"),  # spine
        ("SCT", "84020006"),  # disc L4/L5
        ("SCT", "T-11910"),  # a value of another scheme
        ("99LOCAL", "66794005"),
        ("", ""),
    ],
)
def test_other_codes_name_no_level(scheme: str, value: str) -> None:
    """A code that is not a single vertebra's, or stands under another scheme, gives no level."""
    assert level_from_code(scheme, value) is None


@pytest.mark.parametrize(
    ("label", "level"),
    [
        ("vertebrae_L1", "L1"),
        ("VB_T11", "T11"),
        ("VB_L1", "L1"),
        ("L1 vertebra", "L1"),
        ("Vertebra L2", "L2"),
        ("l3", "L3"),
        ("T10", "T10"),
        ("Lumbar 3", "L3"),
        ("lumbar vertebra 3", "L3"),
        ("thoracic vertebra T12", "T12"),
        ("D12", "T12"),
        ("Th12", "T12"),
        ("T09", "T9"),
        ("Body of L4 vertebra", "L4"),
        ("vertebrae_T2", "T2"),
        ("vertebrae_S1", "S1"),
        ("vertebrae_L6", "L6"),
        ("VerSe 20", "L1"),
        ("verse_label_28", "T13"),
    ],
)
def test_labels_in_use_are_understood(label: str, level: str) -> None:
    """TotalSegmentator, TG-263, VerSe and hand-written labels name their level."""
    assert level_from_label(label) == level


@pytest.mark.parametrize(
    "label",
    ["PTV_L3", "Lung T2", "T1", "T2", "S1", "L7", "T14", "C8", "L0", "20", "vertebra 20", "thoracic L1", "L4/L5",
     "L1-L2", "vertebra", "spine", "Liver", "verse 26", "verse", "L1 metastasis", "left L 3", "",
     "L4-L5 disc", "L4?", "L4 (?)", "Level 4", "4L"],
)  # fmt: skip
def test_labels_that_name_no_single_vertebra_are_not_guessed(label: str) -> None:
    """A word that is not understood, a disc, a plain number or an MR weighting gives no level."""
    assert level_from_label(label) is None


@pytest.mark.parametrize(("label", "level"), [("L3", None), ("vertebra L3", "L3")])
def test_without_bare_a_word_for_vertebra_is_required(label: str, level: str | None) -> None:
    """Where the segment may be anything, a level's name alone is not enough."""
    assert level_from_label(label, bare=False) == level


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_any_text_gives_a_known_level_or_none(text: str) -> None:
    """No label raises, and none gives a name outside the table."""
    assert level_from_label(text) in {None, *LEVELS}


def test_verse_numbers_stand_for_c1_to_l6_and_t13() -> None:
    """VerSe: 1 to 25 are C1 to L6 in order, 28 is T13; sacrum and coccyx (26, 27) are no level."""
    assert [level_from_verse_number(n) for n in (1, 8, 19, 20, 24, 25, 26, 27, 28, 0, 29)] == [
        "C1", "T1", "T12", "L1", "L5", "L6", None, None, "T13", None, None,
    ]  # fmt: skip


def test_order_runs_from_cranial_to_caudal() -> None:
    """T12 stands above L1, and L5 above S1."""
    assert ORDER["T12"] < ORDER["T13"] < ORDER["L1"] < ORDER["L5"] < ORDER["S1"]

import json
from dataclasses import replace

from earlier import NOW, THEN, before, findings
from report_samples import STUDY, report

from service.study_identity import StudyIdentity
from sr_templates.comparison import NotCompared
from workers.own_report import read_back
from workers.prior import Prior, choose, from_text, of_files, set_beside, to_text

NOBODY = StudyIdentity()


def test_without_an_earlier_study_nothing_is_compared() -> None:
    """There is no comparison, and each vertebra has the tracking UID that follows from its study."""
    found = set_beside(findings(NOW), choose(findings(NOW), []), uid_root="")
    assert found.comparison is None
    (uids,) = {tuple(vertebra.tracking_uid for vertebra in found.vertebrae)}
    assert 3 == len(set(uids) - {None})
    assert uids == tuple(one.tracking_uid for one in set_beside(findings(NOW), Prior(), uid_root="").vertebrae)


def test_the_newest_comparable_study_is_the_prior() -> None:
    """Of two radiographs the later; a CT in between is passed over."""
    old, new = (
        before(
            uid="1.1",
        ),
        before(uid="1.2"),
    )
    new = replace(new, study=replace(new.study, study_date="20250601"))
    between = before(uid="1.3", modalities=("CT",))
    between = replace(between, study=replace(between.study, study_date="20250901"))
    chosen = choose(findings(NOW), [old, between, new])
    assert chosen.study == new


def test_a_study_of_other_levels_is_passed_over() -> None:
    """A newer study of the thoracic spine says nothing of the lumbar one; alone it is named, level by level."""
    lumbar, thoracic = before(uid="1.1"), before({"T5": THEN["T12"]}, uid="1.2")
    thoracic = replace(thoracic, study=replace(thoracic.study, study_date="20250601"))
    assert choose(findings(NOW), [thoracic, lumbar]).study == lumbar
    assert choose(findings(NOW), [thoracic]).study == thoracic


def test_of_one_day_the_later_time_counts() -> None:
    """Two studies of one day are in the order of their times."""
    morning, noon = before(uid="1.1"), replace(before(uid="1.2"), study_time="120000")
    assert choose(findings(NOW), [noon, morning]).study == noon


def test_where_none_is_comparable_the_newest_one_says_why() -> None:
    """A reader is told that there is a prior, and why no number of it stands here."""
    found = set_beside(findings(NOW), choose(findings(NOW), [before(modalities=("CT",))]), uid_root="")
    assert found.comparison is not None
    assert NotCompared.OTHER_MODALITY is found.comparison.reason


def test_a_vertebra_keeps_its_uid_over_time() -> None:
    """The newest earlier study that has the level gives it, compared or not; a new level has one of its own."""
    lumbar = before({"L2": THEN["L2"]}, uid="1.1", modalities=("CT",))
    lumbar = replace(lumbar, study=replace(lumbar.study, study_date="20250601"))
    found = set_beside(
        findings({**NOW, "L3": THEN["L2"]}), choose(findings(NOW), [before(uid="1.2"), lumbar]), uid_root="1.9"
    )
    kept = {vertebra.level: vertebra.tracking_uid for vertebra in found.vertebrae}
    assert ("1.2.0", "1.2.1", "1.1.0") == (kept["T12"], kept["L1"], kept["L2"])
    assert str(kept["L3"]).startswith("1.9.")
    assert found.comparison is not None
    assert "1.2.1" == next(level.tracking_uid for level in found.comparison.levels if level.level == "L1")


def test_no_two_vertebrae_have_one_uid() -> None:
    """Of two to which an edited report gives one UID the first keeps it; the others take an older one, or their own."""
    edited, older = before(uid="1.2"), before({"L1": THEN["L1"]}, uid="1.1")
    alike = tuple(replace(one, tracking_uid="1.2.7") for one in edited.vertebrae)
    edited = replace(edited, vertebrae=alike, study=replace(edited.study, study_date="20250601"))
    found = set_beside(findings(NOW), choose(findings(NOW), [edited, older]), uid_root="1.9")
    kept = {vertebra.level: str(vertebra.tracking_uid) for vertebra in found.vertebrae}
    assert ("1.2.7", "1.1.0") == (kept["T12"], kept["L1"])
    assert kept["L2"].startswith("1.9.")


def test_a_uid_that_was_put_at_another_level_is_not_made_twice() -> None:
    """A reader says that what we called L1 is L2: it keeps its UID there, and what is L1 now has a new one."""
    first = set_beside(findings(NOW), Prior(), uid_root="1.9")
    of_l1 = next(str(one.tracking_uid) for one in first.vertebrae if one.level == "L1")
    again = [set_beside(findings(NOW), Prior(tracking={"L2": of_l1}), uid_root="1.9") for _ in range(2)]
    kept = {vertebra.level: vertebra.tracking_uid for vertebra in again[0].vertebrae}
    assert of_l1 == kept["L2"]
    assert 3 == len(set(kept.values()) - {None})
    assert again[0] == again[1]


def test_earlier_reports_on_the_study_itself_come_first() -> None:
    """A prior that became known between two of them takes no vertebra's UID away, and gives those of the others."""
    own = Prior(tracking={"L1": "1.9.1", "L2": "1.7.2"}, origins={"L2": "1.7"})
    chosen = choose(findings(NOW), [before(uid="1.1")], own=own)
    assert {"T12": "1.1.0", "L1": "1.9.1", "L2": "1.7.2"} == chosen.tracking
    assert {"T12": "1.1", "L2": "1.7"} == chosen.origins
    assert "1.1" == (chosen.study and chosen.study.study.study_instance_uid)


def test_a_report_of_the_study_itself_gives_its_uids_where_there_is_no_ledger() -> None:
    """`spondyl measure` of a folder that holds its own earlier report keeps them; the newest one comes first."""
    newest, older = before({"L1": THEN["L1"]}, uid="1.5"), before(uid="1.5")
    chosen = of_files(NOBODY, findings(NOW, "1.5"), [newest, older, before(uid="1.1")])
    assert {"L1": "1.5.0", "T12": "1.5.0", "L2": "1.5.2"} == chosen.tracking
    assert {} == chosen.origins


def test_a_pin_names_the_studies_that_it_rests_on() -> None:
    """The one that is compared with, and those that a tracking UID was taken from."""
    lumbar = before({"L2": THEN["L2"]}, uid="1.1", modalities=("CT",))
    lumbar = replace(lumbar, study=replace(lumbar.study, study_date="20250601"))
    text = to_text(choose(findings(NOW), [before(uid="1.2"), lumbar]))
    assert ["1.1", "1.2"] == json.loads(text)["rests_on"]
    assert [] == json.loads(to_text(Prior()))["rests_on"]


def test_a_study_is_not_its_own_prior() -> None:
    """A report of ours on this very study tells nothing about the time before."""
    assert Prior() == choose(findings(NOW, "1.1"), [before(uid="1.1")])


def test_of_one_study_the_first_that_is_told_counts() -> None:
    """Its newest report comes first, and what that says stands."""
    newest, older = before(NOW, uid="1.1"), before(uid="1.1")
    assert newest == choose(findings(NOW), [newest, older]).study


def test_a_study_without_numbers_is_no_prior() -> None:
    """Where nothing was measured there is nothing to compare with."""
    without = before({"L1": (0.5, 0.5, 0.5)})
    assert Prior() == choose(findings(NOW), [without])


def test_where_nothing_was_measured_nothing_is_compared() -> None:
    """A study that is not analysable says its reason, and its levels keep their UIDs."""
    nothing = findings({"L1": (0.5, 0.5, 0.5)}, reason="NO_VERTEBRA_MEASURED")
    found = set_beside(nothing, choose(nothing, [before()]), uid_root="")
    assert found.comparison is None
    assert ["1.2.3.1.1"] == [vertebra.tracking_uid for vertebra in found.vertebrae]


def test_a_label_that_names_no_level_is_not_tracked() -> None:
    """What is no vertebra that we know has no UID that could be taken for one."""
    found = set_beside(findings({"X9": THEN["L1"]}), Prior(), uid_root="")
    assert [None] == [vertebra.tracking_uid for vertebra in found.vertebrae]


def test_what_a_revision_is_pinned_to_is_read_back() -> None:
    """Through text and back it is the same prior, of findings and of a report; none is none."""
    of_report = read_back(report("patient"))
    for prior in (Prior(), choose(findings(NOW), [before()]), Prior(study=of_report, tracking={"L1": "2.25.1"})):
        assert prior == from_text(to_text(prior))


def test_a_pin_of_another_form_is_no_prior() -> None:
    """What another version wrote in another form is passed over, and its tracking UIDs stand."""
    assert Prior(tracking={"L1": "2.25.1"}) == from_text('{"study": {"other": 1}, "tracking": {"L1": "2.25.1"}}')


def test_reports_among_files_are_priors_without_a_ledger() -> None:
    """`spondyl measure` chooses among what it was told."""
    kept = read_back(report("patient"))
    assert kept is not None
    assert kept == of_files(NOBODY, findings(NOW), [kept]).study
    assert STUDY == kept.study.study_instance_uid

import re
from dataclasses import replace

import pytest
from comparison_samples import LOWER, MORE_LOSS, PRIOR, T12
from report_samples import EXPECTED, Sample, findings, unmeasured

from sr_templates.comparison import Comparison, HeightChange, Heights, LevelComparison, Losses, NotCompared
from sr_templates.findings import (
    LandmarkSource,
    Measured,
    Reference,
    ReferenceRule,
    StudyFindings,
    Summary,
    WedgingAssessment,
    WedgingDirection,
)
from sr_templates.narrative import narrative, shown_date

#: docs/morphometry 6.3: never in words of our own.
FORBIDDEN = ("fracture", "osteoporosis", "normal", "acute", "stable", "treat", "follow", "risk", "healthy", "old")


#: 24 mm then and now.
STEADY = HeightChange(
    then_mm=24.0,
    now_mm=24.0,
    change_mm=0.0,
    change_percent=0.0,
    least_significant_mm=2.0,
    least_significant_percent=8.3,
    is_significant=False,
    meets_rule=False,
)


def _one(sample: Sample = "image", **changes: object) -> StudyFindings:
    """Return the first vertebra alone, its numbers changed."""
    found = findings(sample)
    vertebra = found.vertebrae[0]
    assert vertebra.measured is not None
    numbers: Measured = replace(vertebra.measured, **changes)  # type: ignore[arg-type]  # mixed on purpose
    summary = Summary(
        graded=0 if numbers.genant_grade is None else 1,
        deformed=int(bool(numbers.genant_grade)),
        ungradable=(),
        max_grade=numbers.genant_grade,
        spinal_deformity_index=numbers.genant_grade,
        sdi_is_lower_bound=True,
    )
    return replace(found, vertebrae=(replace(vertebra, measured=numbers),), summary=summary)


def _wedged(assessment: WedgingAssessment) -> StudyFindings:
    """Return one vertebra with posterior wedging of 9.14 %."""
    return _one(wedging_percent=9.14, wedging_direction=WedgingDirection.POSTERIOR, wedging_assessment=assessment)


def test_the_study_is_told_in_sentences() -> None:
    """What was measured, from which points, the highest grade with its certainty and reference, and what is missing."""
    assert narrative(findings("patient")) == (
        "3 vertebrae measured (T12, L1 and L6), 3 graded, 3 with grade 1, 2 or 3. "
        "The points come from a segmentation and are unreviewed. "
        "Highest Genant-type grade 2 (probability 50 %): T12, height loss 25.0 % (SD 3.0 points), biconcave shape; "
        "expected heights from a linear fit over T11, L2 and L3. "
        "Borderline between two grades: T12, L1 and L6. "
        "L4 is not evaluable: the body is cut off by the edge of the image (TOUCHES_BORDER)."
    )


def test_no_grade_is_said_to_be_certain() -> None:
    """A probability that would print as 100 % is "above 99 %"."""
    assert "(probability above 99 %)" in narrative(_one(grade_probabilities=(0.0, 0.002, 0.998, 0.0)))


def test_grade_0_is_told_as_a_measurement() -> None:
    """Nothing is called healthy: no loss of 20 % was measured where it was graded (docs/morphometry 6.3)."""
    said = narrative(_one(genant_grade=0, borderline=False))

    assert "No height loss of 20 % or more was measured at the graded levels." in said
    assert "Borderline" not in said


def test_without_a_grade_none_is_told() -> None:
    """Points of heights only are measured, not graded."""
    said = narrative(_one(genant_grade=None, grade_probabilities=None, deformity=None, borderline=False))

    assert said.startswith("1 vertebra measured (T12), 0 graded")
    assert "No vertebra could be graded." in said
    assert "Highest" not in said


def test_a_vertebra_compared_with_itself_is_told() -> None:
    """Without a neighbour crush is not assessable, and the sentence of the grade says so."""
    own = Reference(rule=ReferenceRule.WITHIN_VERTEBRA, levels=(), heights=EXPECTED)

    assert "compared with the same vertebra, so crush is not assessable." in narrative(_one(reference=own))


@pytest.mark.parametrize(
    ("assessment", "against"),
    [
        (WedgingAssessment.WITHIN_LIMITS, "within its limits"),
        (WedgingAssessment.BORDERLINE, "near its limit"),
        (WedgingAssessment.OUTSIDE_LIMITS, "beyond its limit"),
    ],
)
def test_posterior_wedging_is_told_where_a_limit_applies(assessment: WedgingAssessment, against: str) -> None:
    """The percentage stands beside the outcome; a level without a limit is not mentioned."""
    assert f"Posterior wedging of T12 is 9.1 %, {against}." in narrative(_wedged(assessment))
    assert "Posterior wedging" not in narrative(_wedged(WedgingAssessment.NO_LIMIT_FOR_LEVEL))


def test_missing_millimetres_are_told() -> None:
    """A film without a scale gives no height in mm, and a reader is told why."""
    assert "heights are not given in mm" in narrative(findings("uncalibrated"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (LandmarkSource.REVIEWED, "The points were reviewed by a reader."),
        (LandmarkSource.MODEL, "The points come from an image model and are unreviewed."),
        (LandmarkSource.SUPPLIED_SR, "The points were supplied; whether they were reviewed is not stated."),
    ],
)
def test_who_placed_the_points_is_told(source: LandmarkSource, words: str) -> None:
    """Reviewed, automatic, or supplied by nobody knows whom."""
    found = _one()

    assert words in narrative(replace(found, vertebrae=(replace(found.vertebrae[0], landmark_source=source),)))


def test_what_a_reader_reviewed_is_told_from_what_stands_beside_it() -> None:
    """Where points have several sources, each is said with its levels."""
    t12, *others = findings("patient").vertebrae
    told = narrative(
        replace(findings("patient"), vertebrae=(replace(t12, landmark_source=LandmarkSource.REVIEWED), *others))
    )

    assert "The points of T12 were reviewed by a reader." in told
    assert "The points of L1 and L6 come from a segmentation and are unreviewed." in told


def test_a_study_without_numbers_is_told_with_its_reason() -> None:
    """Instead of silence: why the study has none, and why each level has none, levels of one reason together."""
    left_out = tuple(unmeasured(level) for level in ("T12", "L1", "L4"))
    other = replace(unmeasured("L5"), reason="NOT_LATERAL")
    found = replace(findings("image"), vertebrae=(*left_out, other), reason="NO_VERTEBRA_MEASURED")

    assert narrative(found) == (
        "No vertebra was measured: none of the marked vertebrae could be measured (NO_VERTEBRA_MEASURED). "
        "T12, L1 and L4 are not evaluable: the body is cut off by the edge of the image (TOUCHES_BORDER). "
        "L5 is not evaluable: the image does not show it from the side (NOT_LATERAL)."
    )


def _beside(*levels: LevelComparison, reason: NotCompared | None = None) -> str:
    """Return what is said of a comparison with the study of 2024-05-06."""
    compared = Comparison(prior=PRIOR, levels=levels, reason=reason)
    alone = narrative(_one())
    said = narrative(replace(_one(), comparison=compared))
    assert said.startswith(alone)
    return said.removeprefix(alone).strip()


def _changed(level: str, percent: float) -> LevelComparison:
    """Return a level whose middle height was 20 mm and has changed by so much, which counts."""
    height = replace(
        LOWER, then_mm=20.0, now_mm=20 + percent / 5, change_mm=percent / 5, change_percent=percent, meets_rule=False
    )
    return LevelComparison(level=level, tracking_uid=None, heights=Heights(anterior=STEADY, middle=height))


CHANGES = "Compared with the study of 2024-05-06, these changes reach the least significant change: "


def test_a_change_is_told_with_its_direction() -> None:
    """Which height, lower or higher, by how much; one that may be chance is not told."""
    both = replace(_changed("L1", -15.0), heights=replace(_changed("L1", -15.0).heights, posterior=LOWER))

    assert f"{CHANGES}T12 anterior height lower by 6.0 mm (20.0 %)." == _beside(T12)
    assert f"{CHANGES}L1 middle height higher by 2.0 mm (10.0 %)." == _beside(_changed("L1", 10.0))
    assert (
        f"{CHANGES}L1 middle height lower by 3.0 mm (15.0 %) and posterior height lower by 6.0 mm (20.0 %)."
        == _beside(both)
    )


@pytest.mark.parametrize(("points", "word"), [(20.0, "greater"), (-20.0, "smaller")])
def test_a_loss_is_told_where_no_height_counts(points: float, word: str) -> None:
    """A film without a scale has losses only."""
    loss = replace(MORE_LOSS, change_points=points)
    level = LevelComparison(level="L1", tracking_uid=None, losses=Losses(middle=loss))

    assert f"{CHANGES}L1 middle height loss {word} by 20.0 points." == _beside(level)


@pytest.mark.parametrize(("count", "rest"), [(5, ""), (6, "; and 1 more level"), (7, "; and 2 more levels")])
def test_the_largest_changes_are_told(count: int, rest: str) -> None:
    """Five levels at most, those of the greatest change, from cranial to caudal; how many more there are."""
    # The last are the largest: 11 %, 12 %, ...
    levels = [_changed(f"T{number}", -10.0 - number) for number in range(1, count + 1)]
    said = _beside(*levels)

    assert [f"T{number}" for number in range(count - 4, count + 1)] == re.findall(r"T[0-9]+", said)
    assert said.endswith(f" height lower by {(10 + count) / 5:.1f} mm ({10 + count}.0 %){rest}.")


def test_what_is_not_compared_is_told() -> None:
    """No change that counts, no number that could be compared, or no comparison at all, with the reason."""
    steady = replace(T12, heights=Heights(anterior=STEADY), losses=Losses())
    missing = LevelComparison(level="T12", tracking_uid=None, reason=NotCompared.LEVEL_MISSING_THEN)

    assert "Compared with the study of 2024-05-06, no change reaches the least significant change." == _beside(steady)
    assert (
        "No number could be compared with the study of 2024-05-06: the level was not there then (LEVEL_MISSING_THEN)."
    ) == _beside(missing, missing)
    assert "No number could be compared with the study of 2024-05-06." == _beside()
    assert (
        "Not compared with the study of 2024-05-06: the patient was in another posture (OTHER_POSTURE)."
    ) == _beside(reason=NotCompared.OTHER_POSTURE)


@pytest.mark.parametrize(
    ("date", "shown"), [("20240506", "2024-05-06"), ("", "unknown date"), ("2024", "unknown date")]
)
def test_a_date_is_shown_as_one(date: str, shown: str) -> None:
    """A prior whose date was stripped is not given one."""
    assert shown_date(date) == shown


@pytest.mark.parametrize("sample", ["patient", "image", "uncalibrated"])
def test_the_words_measure_and_grade(sample: Sample) -> None:
    """No diagnosis, cause, age or treatment (docs/morphometry 6.3)."""
    said = narrative(findings(sample)).lower()

    assert [word for word in FORBIDDEN if word in said] == []

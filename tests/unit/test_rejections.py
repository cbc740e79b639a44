"""Every coded word of docs/morphometry 3.5, provoked by points, as it comes out of `measure`."""

import math
from dataclasses import replace

import pytest
from outlines import FILM, Heights, film, moved, named, on_image, outline, patient, rotation, stack, without

from sr_templates.findings import Landmarks, LandmarkSource, Space, VertebraFinding
from workers.landmarks.points import PixelScale, VertebraLandmarks
from workers.morphometry.findings import Policy, measure
from workers.morphometry.flags import INPUT_WORDS, Effect, Flag

LIKE: Heights = (28.0, 28.0, 28.0)
ALIKE: dict[str, Heights] = dict.fromkeys(("T12", "L1", "L2"), LIKE)


def swapped(pairs: tuple[str, ...]) -> VertebraLandmarks:
    """Return an L3 on a film whose point names are exchanged: "AP", "SI" or both."""
    table = str.maketrans("".join(pairs), "".join(pair[::-1] for pair in pairs))
    vertebra = film("L3")
    assert vertebra.landmarks is not None
    return moved(vertebra, {name.translate(table): point for name, point in vertebra.landmarks.points.items()})


def scaled(kind: str) -> VertebraLandmarks:
    """Return an L3 on a film whose mm are worth something else."""
    return replace(film("L3"), plane=replace(FILM, scale=PixelScale(row_mm=0.5, column_mm=0.5, kind=kind)))


def standing(**heights: Heights) -> list[VertebraLandmarks]:
    """Return T12 to L2 on a film, some of them with other heights."""
    return stack(ALIKE | heights)


def in_patient(level: str, z: float) -> VertebraLandmarks:
    """Return a vertebra of a patient, `z` mm up."""
    return patient(level, at=(0.0, 0.0, z))


CROSSED = named(outline() * (2, -2) + 300) | {"MS": (260.0, 272.0)}
FLAT = replace(FILM, scale=None)
#: Word, the level that must carry it, and the study that provokes it.
PROVOKED: list[tuple[Flag, str, list[VertebraLandmarks]]] = [
    (Flag.LEVEL_UNKNOWN, "tail", [film("tail")]),
    (Flag.LEVEL_DUPLICATED, "L3", [film("L3"), film("L3", at=(150.0, 300.0))]),
    (Flag.LABEL_ORDER, "L1", [film("L1", at=(150, 100)), film("T12", at=(150, 140))]),
    (Flag.LABEL_ORDER, "T12", [in_patient("L1", 40.0), in_patient("T12", 0.0)]),
    (Flag.INCOMPLETE_POINTS, "L3", [without(film("L3"), ["PI"])]),
    (Flag.NOT_FINITE, "L3", [moved(film("L3"), {"AS": (math.nan, 1.0)})]),
    (Flag.NOT_FINITE, "L3", [moved(patient("L3"), {"MS": (math.inf, 0.0, 0.0)})]),
    (Flag.OUT_OF_IMAGE, "L3", [moved(film("L3"), {"AS": (-1.0, 5.0)})]),
    (Flag.ANISOTROPY_UNKNOWN, "L3", [replace(film("L3"), plane=replace(FLAT, square_pixels=False))]),
    (Flag.TOUCHES_BORDER, "L3", [film("L3", flags=("TOUCHES_BORDER",))]),
    (Flag.DEGENERATE, "L3", [film("L3", depth=7.0)]),
    (Flag.DEGENERATE, "L3", [film("L3", (2.0, 2.0, 2.0))]),
    (Flag.DEGENERATE, "L3", [patient("L3", (2.0, 20.0, 20.0))]),
    (Flag.DEGENERATE, "L3", [on_image("L3", dict.fromkeys(CROSSED, (100.0, 100.0)))]),
    (Flag.DEGENERATE, "L3", [on_image("L3", {n: (100.0 + 9 * i, 100.0) for i, n in enumerate(CROSSED)})]),
    (Flag.SELF_INTERSECTION, "L3", [on_image("L3", CROSSED)]),
    (Flag.ORIENTATION_CONFLICT, "L3", [swapped(("AP", "SI"))]),
    (Flag.ORIENTATION_CONFLICT, "L3", [patient("L3", turn=rotation(180, (1, 0, 0)))]),
    (Flag.AP_SWAPPED, "L3", [swapped(("AP",))]),
    (Flag.AP_SWAPPED, "L3", [patient("L3", turn=rotation(180, (0, 0, 1)))]),
    (Flag.SI_SWAPPED, "L3", [swapped(("SI",))]),
    (Flag.SI_SWAPPED, "L3", [patient("L3", turn=rotation(180, (0, 1, 0)))]),
    (Flag.IMPLAUSIBLE_SIZE, "L3", [film("L3", depth=60.0)]),
    (Flag.IMPLAUSIBLE_SIZE, "L3", [film("L3", (46.0, 46.0, 46.0), depth=40.0)]),
    (Flag.IMPLAUSIBLE_SIZE, "L3", [film("L3", (3.5, 3.5, 3.5), depth=30.0)]),
    (Flag.IMPLAUSIBLE_SIZE, "C4", [film("C4", (33.0, 33.0, 33.0), depth=20.0)]),
    (Flag.IMPLAUSIBLE_ANGLE, "L3", [film("L3", (8.0, 26.0, 44.0), depth=40.0)]),
    (Flag.OFF_PLANE, "L3", [moved(patient("L3"), {"AS": (5.5, -17.0, 14.0)})]),
    (Flag.OFF_PLANE, "L3", [moved(patient("L3"), {"AS": (2.5, -17.0, 14.0)})]),
    (Flag.SAMPLING_TOO_COARSE, "L3", [film("L3", axial_spacing_mm=3.51)]),
    (Flag.SAMPLING_TOO_COARSE, "L3", [patient("L3", axial_spacing_mm=5.0)]),
    (Flag.SAMPLING_TOO_COARSE, "L3", [film("L3", flags=("SAMPLING_TOO_COARSE",))]),
    (Flag.LEVEL_NOT_GRADED, "C5", [film("C5", (14.0, 13.0, 14.0), depth=16.0)]),
    *((word, "L3", [film("L3", flags=(str(word),))]) for word in INPUT_WORDS),
    (Flag.UNCALIBRATED, "L3", [replace(film("L3"), plane=FLAT)]),
    (Flag.DETECTOR_PLANE, "L3", [scaled("detector_plane")]),
    (Flag.MAGNIFICATION_CORRECTED, "L3", [scaled("magnification_corrected")]),
    (Flag.ORIENTATION_UNVERIFIED, "L3", [replace(film("L3"), plane=replace(FILM, anterior=None))]),
    (Flag.LATERAL_TILT, "L3", [patient("L3", turn=rotation(-21, (0, 1, 0)))]),
    (Flag.LATERAL_TILT, "L3", [patient("L3", turn=rotation(21, (0, 1, 0)))]),
    (Flag.LIMITED_SAMPLING, "L3", [film("L3", axial_spacing_mm=1.51)]),
    (Flag.LIMITED_SAMPLING, "L3", [patient("L3", axial_spacing_mm=3.5)]),
    (Flag.LIMITED_SAMPLING, "L3", [film("L3", flags=("LIMITED_SAMPLING",))]),
    (Flag.CRUSH_NOT_ASSESSABLE, "L3", [film("L3")]),
    (Flag.BICONCAVITY_NOT_ASSESSABLE, "L3", [without(film("L3"), ["MS", "MI"])]),
    (Flag.MIXED, "L1", standing(L1=(20.0, 20.0, 28.0))),
    (Flag.PREDOMINANCE_ANTERIOR, "L1", standing(L1=(18.0, 21.0, 22.0))),
    (Flag.PREDOMINANCE_POSTERIOR, "L1", standing(L1=(22.0, 21.0, 18.0))),
    (Flag.REFERENCE_DOUBTFUL, "L1", standing(L1=(33.6, 33.0, 33.6))),
    (Flag.OWN_RATIO_LOW, "L1", standing(**dict.fromkeys(ALIKE, (20.0, 24.0, 28.0)))),
    (Flag.MAY_BE_GRADE_0, "L1", standing(L1=(22.3, 28.0, 28.0))),
    (Flag.MAY_BE_GRADE_1, "L1", standing(L1=(20.9, 28.0, 28.0))),
    (Flag.MAY_BE_GRADE_2, "L1", standing(L1=(21.1, 28.0, 28.0))),
    (Flag.MAY_BE_GRADE_3, "L1", standing(L1=(17.0, 28.0, 28.0))),
    (Flag.UNUSUAL_DIRECTION, "L1", standing(L1=(28.0, 26.0, 23.0))),
    (Flag.ADJACENT_MILD_WEDGING, "L1", standing(**dict.fromkeys(ALIKE, (24.0, 26.0, 28.0)))),
]
#: Words that a rejection and a remark share: which it is depends on the distance.
TWOFOLD = {Flag.OFF_PLANE}


def found(vertebrae: list[VertebraLandmarks], level: str) -> list[VertebraFinding]:
    """Return the findings of one level."""
    return [finding for finding in measure(vertebrae, Policy())[0] if finding.level == level]


def test_every_word_is_provoked() -> None:
    """There is a study for each coded word, so that none stands in the tables for nothing."""
    assert set(Flag) == {word for word, _, _ in PROVOKED}


@pytest.mark.parametrize(
    ("word", "level", "study"),
    [(w, level, study) for w, level, study in PROVOKED if w.effect is Effect.REJECTS],
    ids=[f"{w}-{i}" for i, (w, _, _) in enumerate(PROVOKED) if w.effect is Effect.REJECTS],
)
def test_a_rejection_is_a_reason_without_a_number(word: Flag, level: str, study: list[VertebraLandmarks]) -> None:
    """What is no vertebra, or stands where it cannot, has this reason, no number and no grade."""
    findings, summary = measure(study, Policy())
    rejected = [finding for finding in findings if finding.level == level]
    assert rejected
    assert {(None, word)} == {(finding.measured, finding.reason) for finding in rejected}
    assert level in summary.ungradable


@pytest.mark.parametrize(
    ("word", "level", "study"),
    [(w, level, study) for w, level, study in PROVOKED if w.effect is Effect.HEIGHTS_ONLY],
    ids=[f"{w}-{i}" for i, (w, _, _) in enumerate(PROVOKED) if w.effect is Effect.HEIGHTS_ONLY],
)
def test_heights_only_is_a_measurement_without_a_grade(word: Flag, level: str, study: list[VertebraLandmarks]) -> None:
    """Heights stay; there is neither loss nor grade nor shape, and the summary lists the level."""
    ((finding,), summary) = measure(study, Policy())
    measured = finding.measured
    assert measured is not None
    assert word in finding.flags
    assert (None, None, None) == (measured.genant_grade, measured.deformity, measured.height_loss_percent.anterior)
    assert measured.heights_mm is not None
    assert (0, (level,), None) == (summary.graded, summary.ungradable, summary.max_grade)


@pytest.mark.parametrize(
    ("word", "level", "study"),
    [(w, level, study) for w, level, study in PROVOKED if w.effect is Effect.WARNS],
    ids=[f"{w}-{i}" for i, (w, _, _) in enumerate(PROVOKED) if w.effect is Effect.WARNS],
)
def test_a_warning_stands_beside_the_numbers(word: Flag, level: str, study: list[VertebraLandmarks]) -> None:
    """The word is a flag of a graded vertebra; only a point far off the plane is also a reason."""
    (finding,) = found(study, level)
    if finding.measured is None:
        assert word in TWOFOLD
        assert word == finding.reason
    else:
        assert word in finding.flags
        assert finding.measured.genant_grade is not None


def test_a_tilt_that_a_projection_cannot_show_is_not_claimed() -> None:
    """Lateral tilt is seen in the patient only; on an image nothing is said of it (3.5)."""
    (finding,) = found([film("L3")], "L3")
    assert Flag.LATERAL_TILT not in finding.flags


@pytest.mark.parametrize("make", [film, patient])
@pytest.mark.parametrize(
    ("spacing", "flag", "is_graded"),
    [
        (None, None, True),
        (1.5, None, True),
        (math.nextafter(1.5, 2.0), None, True),
        (1.6, Flag.LIMITED_SAMPLING, True),
        (3.5, Flag.LIMITED_SAMPLING, True),
        (math.nextafter(3.5, 4.0), Flag.LIMITED_SAMPLING, True),
        (3.6, Flag.SAMPLING_TOO_COARSE, False),
    ],
)
def test_the_sampling_gate(make: type, spacing: float | None, flag: Flag | None, is_graded: bool) -> None:
    """Up to 1.5 mm along the axis nothing changes, up to 3.5 mm a grade is limited, beyond none is given (3.4)."""
    (finding,) = found([make("L3", axial_spacing_mm=spacing)], "L3")
    assert finding.measured is not None
    gate = {str(Flag.LIMITED_SAMPLING), str(Flag.SAMPLING_TOO_COARSE)} & set(finding.flags)
    assert ({flag} if flag else set()) == gate
    assert is_graded == (finding.measured.genant_grade is not None)
    assert spacing == pytest.approx(finding.measured.axial_spacing_mm)


def test_the_finders_own_reason_comes_first() -> None:
    """A vertebra that the finder could not place keeps the finder's word."""
    gone = VertebraLandmarks(level="L3", source=LandmarkSource.SEGMENTATION, landmarks=None, reason="NO_BODY")
    assert ["NO_BODY"] == [finding.reason for finding in found([gone], "L3")]


def test_points_of_another_space_break_the_contract() -> None:
    """Image points without their image are no finding but an error of the caller."""
    landmarks = Landmarks(space=Space.IMAGE, points=named(outline() + 100.0), sop_instance_uid="1.2")
    lost = VertebraLandmarks(level="L3", source=LandmarkSource.SUPPLIED_JSON, landmarks=landmarks)
    with pytest.raises(ValueError, match="need their image"):
        measure([lost], Policy())

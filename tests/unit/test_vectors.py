import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outlines import FILM, film, on_image, outline

from sr_templates.findings import (
    Deformity,
    Landmarks,
    LandmarkSource,
    Measured,
    Space,
    VertebraFinding,
    WedgingAssessment,
)
from workers.landmarks.points import ImagePlane, PixelScale, VertebraLandmarks
from workers.landmarks.scale import Projection, radiograph_scale
from workers.morphometry.alignment import kyphosis_deg, meyerding, slip
from workers.morphometry.assessment import against
from workers.morphometry.comparison import height_change
from workers.morphometry.findings import Policy, measure
from workers.morphometry.flags import Effect, Flag
from workers.morphometry.geometry import AI, AS, PI, PS, Array, coordinates, place
from workers.morphometry.grading import distance_to_border, grade_probabilities, rounded
from workers.morphometry.heights import endplate_angle_deg, heights, ratios, wedging_percent
from workers.morphometry.levels import SDI_LEVELS, places
from workers.morphometry.reference import Neighbour
from workers.morphometry.summary import deformity_index

VECTORS: dict[str, dict[str, Any]] = {
    vector["id"]: vector
    for vector in json.loads((Path(__file__).parents[1] / "vectors.json").read_text(encoding="utf-8"))["vectors"]
}
#: The vectors print four decimals.
FOUR = 5.1e-5
GRADED = sorted(name for name, vector in VECTORS.items() if "loss_pct" in vector["expected"])
REJECTED = sorted(name for name, vector in VECTORS.items() if vector["expected"].get("rejected"))
OBLIQUE = ("V23", "V24")
PROBABILITIES = ("V41", "V42")
SINGLE = ("V25", "V26", "V27", "V28", "V29", "V30", "V31", "V32", "V33")

SHAPES = {
    "none": Deformity.NONE,
    "wedge_anterior": Deformity.ANTERIOR_WEDGE,
    "wedge_posterior": Deformity.POSTERIOR_WEDGE,
    "biconcave": Deformity.BICONCAVE,
    "crush": Deformity.CRUSH,
}
WEDGING = {
    "within_seed_limit": WedgingAssessment.WITHIN_LIMITS,
    "beyond_seed_limit": WedgingAssessment.OUTSIDE_LIMITS,
    "no_limit_for_level": WedgingAssessment.NO_LIMIT_FOR_LEVEL,
}
OFFSETS = {"above": -1, "below": 1}


def vertebra_of(given: dict[str, Any], *, swapped: bool = False, **more: Any) -> VertebraLandmarks:
    """Return the vertebra of a vector with image points, optionally with row and column spacing exchanged."""
    spacing = given.get("pixel_spacing_row_col_mm")
    row, column = (spacing[::-1] if swapped else spacing) if spacing else (None, None)
    plane = ImagePlane(
        rows=given.get("rows", 1024),
        columns=given.get("columns", 800),
        scale=PixelScale(row_mm=row, column_mm=column) if row and column else None,
        anterior=(1.0, 0.0) if given.get("anterior_side") == "right" else (-1.0, 0.0),
        superior=(0.0, -1.0),
    )
    points = {
        name: tuple(math.nan if value is None else value for value in point)
        for name, point in given["landmarks_px_col_row"].items()
    }
    return on_image(given.get("level", "L3"), points, plane=plane, **more)


def body_of(vertebra: VertebraLandmarks) -> tuple[Array, Array]:
    """Return points in the body's own plane, and heights."""
    assert vertebra.landmarks is not None
    body = place(vertebra.landmarks, plane=vertebra.plane, normal=vertebra.midsagittal_normal)
    return body.points, heights(body.points)


def in_patient(given: dict[str, Any], *, level: str = "L3", normal: bool = True) -> VertebraLandmarks:
    """Return the vertebra of a vector with patient points."""
    landmarks = Landmarks(space=Space.PATIENT, points={k: tuple(v) for k, v in given["landmarks_LPS_mm"].items()})
    return VertebraLandmarks(
        level=level,
        source=LandmarkSource.SEGMENTATION,
        landmarks=landmarks,
        midsagittal_normal=tuple(given["plane_normal_left"]) if normal else None,
    )


def study_of(given: dict[str, Any], policy: Policy) -> tuple[VertebraFinding, Measured]:
    """Measure the vertebra of a vector in one image with its neighbours; an invalid one is known to hold cement."""
    place_of = places([given["level"]])
    level_at = {place: level for level, place in place_of.items()}
    study = [vertebra_of(given)]
    for neighbour in given["neighbours"]:
        offset = OFFSETS[neighbour["where"]]
        study.append(
            film(
                level_at[place_of[given["level"]] + offset],
                (neighbour["Ha"], neighbour["Hm"], neighbour["Hp"]),
                at=(150.0, 200.0 + 45.0 * offset),
                flags=() if neighbour["valid"] else (str(Flag.CEMENT),),
            )
        )
    findings, _ = measure(study, policy)
    finding = next(finding for finding in findings if finding.level == given["level"])
    assert finding.measured is not None
    return finding, finding.measured


def test_every_vector_is_run() -> None:
    """Each of the 42 vectors belongs to exactly one of the tests below."""
    assert sorted([*GRADED, *REJECTED, *OBLIQUE, *PROBABILITIES, *SINGLE]) == sorted(VECTORS)
    assert len(VECTORS) == 42


@pytest.mark.parametrize("name", GRADED)
def test_numbers_of_one_vertebra(name: str) -> None:
    """Heights, ratios, wedging, angle, expected heights and losses are the vector's to its four decimals."""
    given, wanted = VECTORS[name]["input"], VECTORS[name]["expected"]
    points, own = body_of(vertebra_of(given))
    assert dict(zip(("Ha", "Hm", "Hp"), own, strict=True)) == pytest.approx(
        {key: wanted[key] for key in ("Ha", "Hm", "Hp")}, abs=FOUR
    )
    shares = ratios(own)
    assert (wanted["wedge_ratio"], wanted["biconcavity_ratio"], wanted["posterior_ratio"]) == pytest.approx(
        (shares.wedge, shares.biconcavity, shares.posterior), abs=FOUR
    )
    assert wanted["signed_wedging_pct"] == pytest.approx(float(wedging_percent(own)), abs=FOUR)
    assert wanted["endplate_angle_deg"] == pytest.approx(float(endplate_angle_deg(points)), abs=FOUR)
    neighbours = [
        Neighbour(
            level=one["where"],
            offset=OFFSETS[one["where"]],
            heights=np.array([one["Ha"], one["Hm"], one["Hp"]], dtype=np.float64),
            valid=one["valid"],
        )
        for one in given["neighbours"]
    ]
    found = against(own, neighbours)
    assert wanted["reference"] == found.expected.rule
    assert list(wanted["expected"].values()) == pytest.approx(list(found.expected.heights), abs=FOUR)
    assert list(wanted["loss_pct"].values()) == pytest.approx(list(found.losses), abs=FOUR)
    assert wanted["max_loss_pct"] == pytest.approx(found.largest[1], abs=FOUR)
    assert wanted["distance_to_border"] == pytest.approx(distance_to_border(found.largest[1]), abs=FOUR)


@pytest.mark.parametrize("name", GRADED)
def test_findings_of_one_vertebra(name: str) -> None:
    """Measured with its neighbours in one image, a vertebra has the vector's grade, shape, wedging and crush ratios."""
    given, wanted = VECTORS[name]["input"], VECTORS[name]["expected"]
    finding, measured = study_of(given, Policy())
    assert measured.heights_mm is not None
    assert (wanted["Ha"], wanted["Hm"], wanted["Hp"]) == pytest.approx(
        (measured.heights_mm.anterior, measured.heights_mm.middle, measured.heights_mm.posterior), abs=FOUR
    )
    assert (wanted["grade"], SHAPES[wanted["type"]]) == (measured.genant_grade, measured.deformity)
    assert wanted["reference"] == measured.reference.rule
    assert wanted["crush_assessable"] == (Flag.CRUSH_NOT_ASSESSABLE not in finding.flags)
    assert wanted.get("crush_ratio_above") == pytest.approx(measured.crush_above, abs=FOUR)
    assert wanted.get("crush_ratio_below") == pytest.approx(measured.crush_below, abs=FOUR)
    losses = measured.height_loss_percent
    assert [rounded(loss) for loss in wanted["loss_pct"].values()] == [losses.anterior, losses.middle, losses.posterior]


def test_severe_border_is_a_setting() -> None:
    """A loss of exactly 40 % is grade 3 where the department says so (V06)."""
    vector = VECTORS["V06"]
    assert (
        vector["expected"]["grade_if_ge40_convention"]
        == study_of(vector["input"], Policy(severe_border_grade=3))[1].genant_grade
    )


@pytest.mark.parametrize("name", [name for name in GRADED if "posterior_wedging_class" in VECTORS[name]["expected"]])
def test_posterior_wedging_class(name: str) -> None:
    """Posterior wedging stands against the limit of its level only, and no cause is named (V16 to V19)."""
    wanted = VECTORS[name]["expected"]
    _, measured = study_of(VECTORS[name]["input"], Policy())
    assert WEDGING[wanted["posterior_wedging_class"]] is measured.wedging_assessment
    assert wanted.get("candidate_causes", []) == [field.name for field in fields(measured) if "cause" in field.name]


@pytest.mark.parametrize("name", [name for name in GRADED if "grade_probabilities" in VECTORS[name]["expected"]])
def test_probabilities_of_a_graded_vertebra(name: str) -> None:
    """The grade's probabilities follow from the unrounded loss and the SD that the vector states."""
    wanted = VECTORS[name]["expected"]
    found = grade_probabilities(wanted["max_loss_pct"], wanted["loss_sd_points"])
    assert wanted["grade_probabilities"] == pytest.approx(list(found), abs=FOUR)
    assert study_of(VECTORS[name]["input"], Policy())[1].borderline


@pytest.mark.parametrize("name", PROBABILITIES)
def test_probabilities(name: str) -> None:
    """P(grade) is the normal model's."""
    given = VECTORS[name]["input"]
    found = grade_probabilities(given["loss_pct"], given["sd_points"])
    assert VECTORS[name]["expected"]["P"] == pytest.approx(list(found), abs=FOUR)


def test_exchanged_spacing_gives_other_numbers() -> None:
    """Row and column spacing are not interchangeable: exchanged they give what the vector calls wrong (V22)."""
    given, wrong = VECTORS["V22"]["input"], VECTORS["V22"]["expected"]["if_spacing_swapped"]
    points, own = body_of(vertebra_of(given, swapped=True))
    found = (own[0], own[2], float(endplate_angle_deg(points)))
    assert (wrong["Ha"], wrong["Hp"], wrong["endplate_angle_deg"]) == pytest.approx(found, abs=FOUR)


@pytest.mark.parametrize("name", OBLIQUE)
@pytest.mark.parametrize("normal", [True, False])
def test_oblique_patient_points(name: str, normal: bool) -> None:
    """In its own plane, given or fitted, a tilted vertebra has the heights that patient axes would miss (V23, V24)."""
    given, wanted = VECTORS[name]["input"], VECTORS[name]["expected"]
    vertebra = in_patient(given, normal=normal)
    assert vertebra.landmarks is not None
    body = place(vertebra.landmarks, normal=vertebra.midsagittal_normal)
    assert (wanted["Ha"], wanted["Hm"], wanted["Hp"]) == pytest.approx(tuple(heights(body.points)), abs=FOUR)
    assert wanted["endplate_angle_deg"] == pytest.approx(float(endplate_angle_deg(body.points)), abs=FOUR)
    assert wanted["max_off_plane_mm"] == pytest.approx(body.off_plane_mm, abs=FOUR)
    along_z = coordinates(vertebra.landmarks.points)[:, 2]
    wrong = wanted["wrong_if_patient_z_extent_used"]
    assert (wrong["Ha"], wrong["Hp"]) == pytest.approx((along_z[AS] - along_z[AI], along_z[PS] - along_z[PI]), abs=FOUR)


def test_point_off_the_plane() -> None:
    """A point 4 mm off the plane is said, and the height is the one in the plane (V25)."""
    given, wanted = VECTORS["V25"]["input"], VECTORS["V25"]["expected"]
    vertebra = in_patient(given)
    assert vertebra.landmarks is not None
    body = place(vertebra.landmarks, normal=vertebra.midsagittal_normal)
    points = coordinates(vertebra.landmarks.points)
    assert wanted["max_off_plane_mm"] == pytest.approx(body.off_plane_mm, abs=FOUR)
    assert wanted["Ha_in_plane"] == pytest.approx(heights(body.points)[0], abs=FOUR)
    assert wanted["Ha_euclid"] == pytest.approx(np.linalg.norm(points[AS] - points[AI]), abs=FOUR)
    ((finding,), _) = measure([vertebra], Policy())
    assert finding.measured is not None
    assert wanted["flag"] in finding.flags


def test_segmental_kyphosis() -> None:
    """Kyphosis is the angle between the outer endplates, positive for flexion (V26)."""
    given, wanted = VECTORS["V26"]["input"], VECTORS["V26"]["expected"]
    found = kyphosis_deg(
        np.array(given["T12_superior_endplate_uv_mm"], dtype=np.float64),
        np.array(given["L2_inferior_endplate_uv_mm"], dtype=np.float64),
    )
    assert wanted["segmental_kyphosis_deg"] == pytest.approx(found, abs=FOUR)
    assert wanted["gt_20"] == (found > 20)


def test_anterolisthesis() -> None:
    """A slip is measured along the lower superior endplate (V27)."""
    given, wanted = VECTORS["V27"]["input"], VECTORS["V27"]["expected"]
    endplate = np.array([given["L5_superior_endplate"][end] for end in "AP"])
    length, percent = slip(endplate, np.array(given["L4_posterior_inferior"]))
    assert (wanted["slip_mm"], wanted["slip_pct"]) == pytest.approx((length, percent), abs=FOUR)
    assert (wanted["direction"] == "anterolisthesis") == (length > 0)
    assert wanted["meyerding_if_used"] == meyerding(percent)


@pytest.mark.parametrize("name", ["V28", "V29"])
def test_spinal_deformity_index(name: str) -> None:
    """The index sums T4 to L4, and is a lower bound where one of them has no grade."""
    given, wanted = VECTORS[name]["input"], VECTORS[name]["expected"]
    grades = dict(zip(SDI_LEVELS, given["grades_T4_to_L4"], strict=True))
    found = deformity_index(grades)
    assert given["not_evaluable"] == [level for level, grade in grades.items() if grade is None]
    assert wanted["SDI"] == found.total
    assert wanted.get("SDI_is_lower_bound", False) == found.is_lower_bound
    assert wanted.get("n_evaluable", 13) == found.evaluable
    assert wanted.get("n_deformed", 3) == found.deformed
    assert wanted.get("max_grade", 3) == max(grade for grade in grades.values() if grade is not None)


@pytest.mark.parametrize("name", ["V30", "V31"])
def test_prior_comparison(name: str) -> None:
    """The change in mm and percent; the rule of trials holds where both 20 % and 4 mm are reached."""
    given, wanted = VECTORS[name]["input"], VECTORS[name]["expected"]
    found = height_change(given["baseline_mm"], given["followup_mm"], sd_then_percent=4.4, sd_now_percent=4.4)
    assert (wanted["drop_pct"], wanted["drop_mm"]) == pytest.approx((-found.change_percent, -found.change_mm), abs=FOUR)
    assert (wanted["ge20pct"], wanted["ge4mm"]) == (found.change_percent <= -20, found.change_mm <= -4)
    assert wanted["both"] == found.meets_rule


def test_magnification() -> None:
    """The detector's spacing is divided by the magnification (V32)."""
    given, wanted = VECTORS["V32"]["input"], VECTORS["V32"]["expected"]
    imager = (given["ImagerPixelSpacing"],) * 2
    detector = radiograph_scale(Projection(imager_spacing=imager))
    corrected = radiograph_scale(Projection(imager_spacing=imager, magnification=given["ERMF"]))
    assert detector is not None
    assert corrected is not None
    rows = given["rows_between_AS_and_AI_px"]
    assert wanted["detector_plane_mm"] == pytest.approx(rows * detector.row_mm, abs=FOUR)
    assert wanted["patient_plane_mm"] == pytest.approx(rows * corrected.row_mm, abs=FOUR)
    assert wanted["patient_plane_pixel_mm"] == pytest.approx(corrected.column_mm, abs=FOUR)
    assert ("detector_plane", "magnification_corrected") == (detector.kind, corrected.kind)


def test_no_spacing() -> None:
    """Without spacing ratios and angle remain, and the grade comes from neighbours in the same image (V33)."""
    given, wanted = VECTORS["V33"]["input"], VECTORS["V33"]["expected"]
    flat = ImagePlane(rows=4000, columns=800, scale=None, anterior=FILM.anterior, superior=FILM.superior)
    u, v = outline((28.0, 27.5, 28.0)).T
    above = {
        name: (300 + 2 * x, 300 - 2 * y) for name, x, y in zip(("AS", "MS", "PS", "AI", "MI", "PI"), u, v, strict=True)
    }
    findings, _ = measure([on_image("L2", above, plane=flat), vertebra_of(given)], Policy())
    measured = findings[1].measured
    assert measured is not None
    assert wanted["Ha_mm"] is measured.heights_mm
    assert wanted["wedge_ratio"] == pytest.approx(measured.wedge_ratio, abs=FOUR)
    assert wanted["biconcavity_ratio"] == pytest.approx(measured.biconcavity_ratio, abs=FOUR)
    assert wanted["endplate_angle_deg"] == pytest.approx(measured.wedge_angle_deg, abs=FOUR)
    assert wanted["grade"].startswith("from ratios")
    assert (2, ("L2",)) == (measured.genant_grade, measured.reference.levels)
    assert wanted["flag"] in findings[1].flags


@pytest.mark.parametrize("name", REJECTED)
def test_rejections(name: str) -> None:
    """Points that are no vertebra give the vector's coded reason and no number (V34 to V40)."""
    wanted = VECTORS[name]["expected"]
    ((finding,), summary) = measure([vertebra_of(VECTORS[name]["input"])], Policy())
    assert wanted["rejected"] == (finding.measured is None)
    assert wanted["flag"] == finding.reason
    assert Flag[wanted["flag"]].effect is Effect.REJECTS
    assert (0, ("L3",)) == (summary.graded, summary.ungradable)

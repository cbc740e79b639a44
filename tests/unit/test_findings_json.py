import json
from dataclasses import replace
from typing import Any

from earlier import NOW, THEN, before, findings
from outlines import FILM, film, patient, stack

from sr_templates.findings import StudyFindings
from sr_templates.findings_json import to_json
from workers.landmarks.points import VertebraLandmarks
from workers.morphometry.comparison import compare
from workers.morphometry.findings import Policy, measure

#: The keys of the contract, word for word; a dict stands for an object with these keys.
VERTEBRA = {
    "level": None,
    "status": None,
    "reason": None,
    "landmark_source": None,
    "flags": None,
    "tracking_uid": None,
    "landmarks": {"space": None, "sop_instance_uid": None, "points": None},
    "heights_mm": {"anterior": None, "middle": None, "posterior": None},
    "ratios": {"wedge": None, "biconcavity": None, "crush_above": None, "crush_below": None},
    "wedging_percent": None,
    "wedge_angle_deg": None,
    "wedge_angle_sd_deg": None,
    "axial_spacing_mm": None,
    "spacing_source": None,
    "height_loss_percent": {"anterior": None, "middle": None, "posterior": None},
    "loss_sd_points": None,
    "reference": {"rule": None, "levels": None, "heights_mm": {"anterior": None, "middle": None, "posterior": None}},
    "genant_grade": None,
    "grade_probabilities": None,
    "borderline": None,
    "deformity": None,
    "wedging": {"direction": None, "assessment": None},
}
SUMMARY = {
    "graded",
    "deformed",
    "ungradable",
    "max_grade",
    "spinal_deformity_index",
    "sdi_is_lower_bound",
    "kyphosis",
    "listhesis",
    "patterns",
}
STUDY = {
    "schema",
    "study_instance_uid",
    "software",
    "config_digest",
    "landmark_protocol",
    "modalities",
    "patient_positions",
    "definitions",
    "vertebrae",
    "summary",
    "observers",
    "reader_interpretation",
    "comparison",
}
COMPARISON = {"prior", "reason", "remarks", "rule", "levels"}
KINDS = (("DX",), ("CT",))
WEDGED = {"T12": (28.0, 27.0, 28.0), "L1": (19.0, 23.0, 28.0), "L2": (28.0, 27.0, 28.0)}


def document(vertebrae: list[VertebraLandmarks], **more: Any) -> dict[str, Any]:
    """Return the JSON of a study, after a round through text."""
    findings, summary = measure(vertebrae, Policy())
    study = StudyFindings(
        study_instance_uid="1.2",
        software="spondyl 0",
        config_digest="d",
        landmark_protocol="p/1",
        vertebrae=findings,
        summary=summary,
        **more,
    )
    read: dict[str, Any] = json.loads(json.dumps(to_json(study), allow_nan=False))
    return read


def shape_of(value: object) -> object:
    """Return the keys of an object, of its objects too."""
    return (
        {key: shape_of(one) if key != "points" else None for key, one in value.items()}
        if isinstance(value, dict)
        else None
    )


def numbers_of(value: object) -> list[object]:
    """Return what stands at the ends of an object, lists whole."""
    return [end for one in value.values() for end in numbers_of(one)] if isinstance(value, dict) else [value]


def test_keys_of_a_measured_vertebra() -> None:
    """A measured vertebra has the keys of the contract, and those that the method adds."""
    study = document(stack(WEDGED))
    assert STUDY == set(study)
    assert SUMMARY == set(study["summary"])
    assert [VERTEBRA] * 3 == [shape_of(vertebra) for vertebra in study["vertebrae"]]
    assert ("spondyl.findings/1", "1.2", "spondyl 0", "d", "p/1") == tuple(
        study[key] for key in ("schema", "study_instance_uid", "software", "config_digest", "landmark_protocol")
    )


def test_values_of_a_measured_vertebra() -> None:
    """Losses have one decimal, other numbers eight digits, and words are the contract's."""
    vertebra = document(stack(WEDGED))["vertebrae"][1]
    assert ("L1", "measured", None, "supplied_json", []) == tuple(
        vertebra[key] for key in ("level", "status", "reason", "landmark_source", "flags")
    )
    assert {"anterior": 32.1, "middle": 14.8, "posterior": 0.0} == vertebra["height_loss_percent"]
    assert 0.67857143 == vertebra["ratios"]["wedge"]
    heights = {"anterior": 28.0, "middle": 27.0, "posterior": 28.0}
    assert {"rule": "adjacent_2", "levels": ["T12", "L2"], "heights_mm": heights} == vertebra["reference"]
    assert 2 == vertebra["genant_grade"]
    assert ("calibrated", None) == (vertebra["spacing_source"], vertebra["axial_spacing_mm"])
    assert ("anterior_wedge", {"direction": "anterior", "assessment": "outside_limits"}) == (
        vertebra["deformity"],
        vertebra["wedging"],
    )
    assert ("image", "1.2.3", 6) == (
        vertebra["landmarks"]["space"],
        vertebra["landmarks"]["sop_instance_uid"],
        len(vertebra["landmarks"]["points"]),
    )
    assert 4 == len(vertebra["grade_probabilities"])


def test_unmeasurable_vertebra_has_no_number() -> None:
    """Without a measurement every key is there, and nothing but nulls and the reason."""
    vertebra = document([film("L3", depth=3.0)])["vertebrae"][0]
    assert ("unmeasurable", "DEGENERATE") == (vertebra["status"], vertebra["reason"])
    assert {**VERTEBRA, "landmarks": None} == shape_of(vertebra)
    said = {key: one for key, one in vertebra.items() if key not in {"level", "status", "reason", "landmark_source"}}
    assert [] == [one for one in numbers_of(said) if one not in (None, [])]


def test_documents_do_not_share_parts() -> None:
    """Changing one vertebra's JSON leaves the next as it is."""
    findings, summary = measure([film("L3", depth=3.0), film("L4", depth=3.0)], Policy())
    study = StudyFindings(
        study_instance_uid="1",
        software="s",
        config_digest="d",
        landmark_protocol="p",
        vertebrae=findings,
        summary=summary,
    )
    first, second = to_json(study)["vertebrae"]
    first["heights_mm"]["anterior"] = 1
    assert second["heights_mm"]["anterior"] is None


def test_heights_only() -> None:
    """An ungradable vertebra has heights, and null for losses, grade, probabilities and shape."""
    vertebra = document([film("L3", flags=("CEMENT",))])["vertebrae"][0]
    assert ("measured", ["CEMENT"]) == (vertebra["status"], vertebra["flags"])
    assert 28.0 == vertebra["heights_mm"]["anterior"]
    assert {None} == {
        *vertebra["height_loss_percent"].values(),
        vertebra["genant_grade"],
        vertebra["grade_probabilities"],
        vertebra["deformity"],
    }


def test_uncalibrated_heights_are_null() -> None:
    """Without spacing heights and expected heights are there as nulls, and no mm are anybody's."""
    vertebra = document([replace(film("L3"), plane=replace(FILM, scale=None))])["vertebrae"][0]
    assert {"anterior": None, "middle": None, "posterior": None} == vertebra["heights_mm"]
    assert vertebra["heights_mm"] == vertebra["reference"]["heights_mm"]
    assert vertebra["spacing_source"] is None


def test_summary() -> None:
    """Kyphosis is null where there is none, and a list of angles with their levels otherwise."""
    assert {
        "graded": 1,
        "deformed": 0,
        "ungradable": [],
        "max_grade": 0,
        "spinal_deformity_index": 0,
        "sdi_is_lower_bound": True,
        "kyphosis": None,
        "listhesis": [],
        "patterns": [],
    } == document([film("L3")])["summary"]
    (kyphosis,) = document(stack(WEDGED))["summary"]["kyphosis"]
    assert {
        "level": "L1",
        "above": "T12",
        "below": "L2",
        "angle_deg": 0.0,
        "beyond_limit": False,
        "limit_deg": 20.0,
        "limit_source": "project default; no primary source found",
    } == kyphosis
    (slip,) = document([patient("L4", at=(0, -10, 40)), patient("L5")])["summary"]["listhesis"]
    assert {"upper", "lower", "slip_mm", "slip_percent", "meyerding_grade"} == set(slip)


def test_what_is_said_only_where_it_says_something() -> None:
    """Reason and notes of the study, and the frame of an image, appear where there are any."""
    study = document([], reason="NO_LANDMARKS", notes=("A_NOTE",))
    assert ("NO_LANDMARKS", ["A_NOTE"], []) == (study["reason"], study["notes"], study["vertebrae"])
    vertebra = film("L3")
    assert vertebra.landmarks is not None
    framed = replace(vertebra, landmarks=replace(vertebra.landmarks, frame=7))
    assert 7 == document([framed])["vertebrae"][0]["landmarks"]["frame"]


def test_sampling_and_what_the_mm_are() -> None:
    """Patient points and sections have the patient's mm; the sampling along the axis stands beside, as it is known."""
    whole = [patient("L1", axial_spacing_mm=1.25), patient("L2", at=(0, 0, -40))]
    section = replace(film("L3"), plane=replace(FILM, is_section=True))
    found = [(one["spacing_source"], one["axial_spacing_mm"]) for one in document([*whole, section])["vertebrae"]]
    assert [("patient", 1.25), ("patient", None), ("patient", None)] == found


def test_a_pattern_is_said_with_its_levels() -> None:
    """What adjacent vertebrae show together is a word with levels, in the summary, and a flag of each."""
    mild = dict.fromkeys(("T8", "T9", "T10"), (24.0, 26.0, 28.0))
    study = document(stack(mild))
    assert [{"pattern": "ADJACENT_MILD_WEDGING", "levels": ["T8", "T9", "T10"]}] == study["summary"]["patterns"]
    assert all("ADJACENT_MILD_WEDGING" in vertebra["flags"] for vertebra in study["vertebrae"])


def test_definitions_are_of_keys_that_exist() -> None:
    """Every definition names a number of the document by its path, and none is empty."""
    compared = compare(findings(THEN), before())
    study = document([*stack(WEDGED), patient("L4", at=(0, -10, 40)), patient("L5")], comparison=compared)
    vertebra, of_study = study["vertebrae"][1], {key: study[key] for key in ("summary", "comparison")}
    for path, words in study["definitions"].items():
        place = of_study | vertebra
        for step in path.split("."):
            place = place[step][0] if isinstance(place[step], list) else place[step]
        assert isinstance(place, float | dict), path
        assert len(words) > 10


def test_a_comparison_has_its_keys_whether_compared_or_not() -> None:
    """Prior, reason, remarks, rule and levels are always there; without a prior there is null."""
    assert None is document([])["comparison"]
    made = [document([], comparison=compare(findings(NOW, modalities=kind), before()))["comparison"] for kind in KINDS]
    compared, not_compared = made
    assert COMPARISON == set(compared) == set(not_compared)
    assert (None, 3) == (compared["reason"], len(compared["levels"]))
    assert ("OTHER_MODALITY", []) == (not_compared["reason"], not_compared["levels"])
    assert {"sop_class_uid", "sop_instance_uid", "series_instance_uid"} == set(compared["prior"]["report"])
    l1 = compared["levels"][1]
    assert ("L1", "1.2.3.1.1", None) == (l1["level"], l1["tracking_uid"], l1["reason"])
    assert {"then": 0, "now": 1} == l1["genant_grade"]
    assert (25.0, 19.0, -6.0, True) == tuple(
        l1["heights"]["anterior"][key] for key in ("then_mm", "now_mm", "change_mm", "meets_rule")
    )
    assert (None, None) == (l1["heights"]["reason"], l1["losses"]["reason"])


def test_who_placed_the_points_is_named() -> None:
    """Observers are a list of names as DICOM writes them, empty where nobody is named."""
    assert [] == document([])["observers"]
    assert ["Doe^Jane"] == document([], observers=("Doe^Jane",))["observers"]


def test_images_that_the_points_lie_on() -> None:
    """Modality and posture are lists, empty where nothing states them."""
    assert [[], []] == [document([])[key] for key in ("modalities", "patient_positions")]
    study = document([], modalities=("CT",), patient_positions=("HFS", "HFP"))
    assert (["CT"], ["HFS", "HFP"]) == (study["modalities"], study["patient_positions"])

"""What is kept of a study, as JSON, and out of the JSON of its findings (spondyl.findings/1).

Both are our own; one that another version wrote in another form is passed over, as if it were not there.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sr_templates.comparison import PriorReport, PriorStudy
from sr_templates.findings import LandmarkSource, ReferenceRule, Triple
from workers.morphometry.kept import KeptStudy, KeptVertebra

#: What reading a document of another form raises.
_OTHER_FORM = (ValueError, TypeError, KeyError, AttributeError)
_NOTHING = Triple(anterior=None, middle=None, posterior=None)


def dumped(kept: KeptStudy) -> dict[str, Any]:
    """Return what `json.dumps` takes."""
    return asdict(kept)


def loaded(found: Mapping[str, Any]) -> KeptStudy | None:
    """Return what `dumped` was given; None where it has another form."""
    try:
        return KeptStudy(
            study=_study(found["study"]),
            study_time=str(found["study_time"]),
            vertebrae=tuple(_vertebra(vertebra) for vertebra in found["vertebrae"]),
        )
    except _OTHER_FORM:
        return None


def of_findings(
    found: Mapping[str, Any], *, study_date: str, study_time: str, report: PriorReport | None
) -> KeptStudy | None:
    """Return what is kept of the study whose findings JSON this is; None where it has another form."""
    try:
        return KeptStudy(
            study=PriorStudy(
                study_instance_uid=str(found["study_instance_uid"]),
                study_date=study_date,
                software=str(found["software"]),
                landmark_protocol=str(found["landmark_protocol"]),
                modalities=tuple(map(str, found["modalities"])),
                patient_positions=tuple(map(str, found["patient_positions"])),
                report=report,
            ),
            study_time=study_time,
            vertebrae=tuple(_of_finding(vertebra) for vertebra in found["vertebrae"]),
        )
    except _OTHER_FORM:
        return None


def _study(found: Mapping[str, Any]) -> PriorStudy:
    report = found["report"]
    return PriorStudy(
        study_instance_uid=str(found["study_instance_uid"]),
        study_date=str(found["study_date"]),
        software=str(found["software"]),
        landmark_protocol=str(found["landmark_protocol"]),
        modalities=tuple(map(str, found["modalities"])),
        patient_positions=tuple(map(str, found["patient_positions"])),
        report=None if report is None else PriorReport(**report),
    )


def _vertebra(found: Mapping[str, Any]) -> KeptVertebra:
    rule, heights, source = found["reference_rule"], found["heights_mm"], found["landmark_source"]
    return KeptVertebra(
        **{
            **found,
            "heights_mm": None if heights is None else Triple(**heights),
            "losses": Triple(**found["losses"]),
            "reference_rule": None if rule is None else ReferenceRule(rule),
            "flags": tuple(map(str, found["flags"])),
            "landmark_source": None if source is None else LandmarkSource(source),
        }
    )


def _of_finding(found: Mapping[str, Any]) -> KeptVertebra:
    """Return what `KeptVertebra.of` makes of the finding whose JSON this is."""
    graded, is_measured = found["genant_grade"] is not None, found["status"] == "measured"
    heights, rule = Triple(**found["heights_mm"]), found["reference"]["rule"]
    return KeptVertebra(
        level=str(found["level"]),
        is_measured=is_measured,
        tracking_uid=found["tracking_uid"],
        heights_mm=None if heights.anterior is None else heights,
        losses=Triple(**found["height_loss_percent"]) if graded else _NOTHING,
        loss_sd_points=found["loss_sd_points"] if graded else None,
        genant_grade=found["genant_grade"],
        reference_rule=ReferenceRule(rule) if graded else None,
        spacing_source=found["spacing_source"],
        axial_spacing_mm=found["axial_spacing_mm"],
        flags=tuple(map(str, found["flags"])),
        landmark_source=LandmarkSource(found["landmark_source"]) if is_measured else None,
    )

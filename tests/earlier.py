"""Studies of one patient at two times, in closed form: vertebrae on one film, measured."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from outlines import Heights, stack

from sr_templates.comparison import PriorReport, PriorStudy
from sr_templates.findings import StudyFindings
from workers.morphometry.findings import Policy, measure
from workers.morphometry.kept import KeptStudy, KeptVertebra

#: L1 has lost 24 % of its anterior height, 6 mm, between the two.
THEN: Final[Mapping[str, Heights]] = {"T12": (24.0, 23.0, 25.0), "L1": (25.0, 24.0, 26.0), "L2": (26.0, 25.0, 27.0)}
NOW: Final[Mapping[str, Heights]] = {**THEN, "L1": (19.0, 24.0, 26.0)}
REPORT: Final = PriorReport(sop_class_uid="1.2.840.1", sop_instance_uid="1.2.5", series_instance_uid="1.2.6")


def findings(heights: Mapping[str, Heights], uid: str = "1.2.3.2", **more: Any) -> StudyFindings:
    """Return findings on a calibrated film of `heights`, a DX, unless `more` says otherwise."""
    vertebrae, summary = measure(stack(heights), Policy())
    study = StudyFindings(
        study_instance_uid=uid,
        software="spondyl 1.2.3",
        config_digest="c0ffee",
        landmark_protocol="p/1",
        vertebrae=vertebrae,
        summary=summary,
        modalities=("DX",),
    )
    return replace(study, **more)


def kept(found: StudyFindings, *, date: str = "20250105", time: str = "101500") -> KeptStudy:
    """Return what is kept of findings, with a tracking UID for each level that tells study and level."""
    tracked = (
        replace(vertebra, tracking_uid=vertebra.tracking_uid or f"{found.study_instance_uid}.{place}")
        for place, vertebra in enumerate(found.vertebrae)
    )
    return KeptStudy(
        study=PriorStudy(
            study_instance_uid=found.study_instance_uid,
            study_date=date,
            software=found.software,
            landmark_protocol=found.landmark_protocol,
            modalities=found.modalities,
            patient_positions=found.patient_positions,
            report=REPORT,
        ),
        study_time=time,
        vertebrae=tuple(KeptVertebra.of(vertebra) for vertebra in tracked),
    )


def before(heights: Mapping[str, Heights] = THEN, uid: str = "1.2.3.1", **more: Any) -> KeptStudy:
    """Return what is kept of an earlier study."""
    return kept(findings(heights, uid, **more))

"""A prior study and one level beside it, in round numbers."""

from dataclasses import replace

from report_samples import COMPREHENSIVE_3D

from sr_templates.comparison import (
    HeightChange,
    Heights,
    LevelComparison,
    LossChange,
    Losses,
    PriorReport,
    PriorStudy,
)

PRIOR_STUDY = "1.2.826.0.1.3680043.10.999.5"
PRIOR = PriorStudy(
    study_instance_uid=PRIOR_STUDY,
    study_date="20240506",
    software="spondyl 1.0.0",
    landmark_protocol="spondyl-six-point/1",
    modalities=("CT",),
    patient_positions=("HFS",),
    report=PriorReport(sop_class_uid=COMPREHENSIVE_3D, sop_instance_uid="1.2.8", series_instance_uid="1.2.7"),
)
#: 30 mm then, 24 mm now: 6 mm and 20 % lower.
LOWER = HeightChange(
    then_mm=30.0,
    now_mm=24.0,
    change_mm=-6.0,
    change_percent=-20.0,
    least_significant_mm=2.2,
    least_significant_percent=7.3,
    is_significant=True,
    meets_rule=True,
)
SAME = replace(LOWER, now_mm=30.0, change_mm=0.0, change_percent=0.0, is_significant=False, meets_rule=False)
MORE_LOSS = LossChange(
    then_percent=0.0, now_percent=20.0, change_points=20.0, least_significant_points=8.3, is_significant=True
)
T12 = LevelComparison(
    level="T12",
    tracking_uid="1.2.9",
    heights=Heights(anterior=LOWER, posterior=SAME),
    losses=Losses(anterior=MORE_LOSS),
    grade_then=0,
    grade_now=2,
)

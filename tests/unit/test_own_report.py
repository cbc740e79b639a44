from dataclasses import replace
from io import BytesIO

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outlines import patient
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from report_samples import (
    COMPREHENSIVE,
    COMPREHENSIVE_3D,
    ENHANCED,
    FRAME_OF_REFERENCE,
    STUDY,
    Sample,
    build,
    context,
    findings,
    groups,
    named,
    report,
    report_bytes,
)

from sr_templates.document import to_bytes
from sr_templates.findings import StudyFindings
from workers.morphometry.findings import Policy, measure
from workers.morphometry.kept import KeptVertebra
from workers.own_report import read_back

#: A body height that a grade may come of, mm.
HEIGHT = st.floats(12.0, 34.0)


def _read(data: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(data))


def _as_kept(found: StudyFindings) -> list[KeptVertebra]:
    """Return what is kept of findings; a report gives no word on a vertebra without numbers but its level."""
    kept = [KeptVertebra.of(vertebra) for vertebra in found.vertebrae]
    return [one if one.is_measured else KeptVertebra(level=one.level, is_measured=False) for one in kept]


def _column(heights: list[tuple[float, float, float]], levels: tuple[str, ...]) -> StudyFindings:
    bodies = [
        patient(level, own, at=(0.0, 0.0, -40.0 * place))
        for place, (level, own) in enumerate(zip(levels, heights, strict=True))
    ]
    given_in_ours = [
        replace(body, landmarks=replace(body.landmarks, frame_of_reference_uid=FRAME_OF_REFERENCE))
        for body in bodies
        if body.landmarks is not None
    ]
    vertebrae, summary = measure(given_in_ours, Policy())
    tracked = [replace(one, tracking_uid=f"2.25.{place}") for place, one in enumerate(vertebrae, 1)]
    return replace(
        findings("patient"), vertebrae=tuple(tracked), summary=summary, modalities=("CT",), patient_positions=("HFS",)
    )


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(HEIGHT, HEIGHT, HEIGHT), min_size=4, max_size=4))
def test_what_was_found_is_read_back(heights: list[tuple[float, float, float]]) -> None:
    """Findings through a report and back are the same numbers, words and tracking UIDs, to the last digit."""
    found = _column(heights, ("T12", "L1", "L2", "L3"))
    if all(vertebra.measured is None for vertebra in found.vertebrae):
        return
    sources = replace(context("patient"), parameters=("patient position: HFS",))
    kept = read_back(_read(to_bytes(build(found, sources))))

    assert kept is not None
    assert _as_kept(found) == list(kept.vertebrae)
    assert (found.software, found.landmark_protocol, found.modalities, found.patient_positions) == (
        kept.study.software,
        kept.study.landmark_protocol,
        kept.study.modalities,
        kept.study.patient_positions,
    )


@pytest.mark.parametrize("sop_class", [COMPREHENSIVE_3D, COMPREHENSIVE, ENHANCED])
def test_every_sop_class_gives_the_same(sop_class: str) -> None:
    """What cannot hold patient coordinates holds the same numbers."""
    first, other = read_back(report("patient")), read_back(report("patient", sop_class))
    assert first is not None
    assert other is not None
    assert first.vertebrae == other.vertebrae
    assert other.study.report is not None
    assert sop_class == other.study.report.sop_class_uid


@pytest.mark.parametrize(
    ("sample", "source"), [("patient", "patient"), ("image", "calibrated"), ("uncalibrated", None)]
)
def test_whose_mm_they_are_follows_from_modality_and_flags(sample: Sample, source: str | None) -> None:
    """Sections have the patient's, a radiograph without a word on its scale calibrated ones; without mm none."""
    kept = read_back(_read(report_bytes(sample)))
    assert kept is not None
    assert {source} == {vertebra.spacing_source for vertebra in kept.vertebrae if vertebra.is_measured}
    assert (source is None) == (kept.vertebrae[0].heights_mm is None)


@pytest.mark.parametrize(
    ("flag", "source"),
    [("DETECTOR_PLANE", "detector_plane"), ("MAGNIFICATION_CORRECTED", "magnification_corrected")],
)
def test_a_radiographs_scale_stands_among_its_flags(flag: str, source: str) -> None:
    """A word on the scale says whose mm the heights are."""
    changed = _read(report_bytes("image"))
    for group in groups(changed):
        named(group, "Measurement flag")[0].TextValue = flag
    kept = read_back(changed)
    assert kept is not None
    assert source == kept.vertebrae[0].spacing_source


def test_whose_report_it_is() -> None:
    """Study, date, time and the report's own UIDs come from its header."""
    made = report("patient")
    kept = read_back(made)
    assert kept is not None
    assert (STUDY, "20260304", "040000") == (kept.study.study_instance_uid, kept.study.study_date, kept.study_time)
    assert kept.study.report is not None
    assert made.SOPInstanceUID == kept.study.report.sop_instance_uid


@pytest.mark.parametrize(("uid", "kept_uid"), [("2.25.77", "2.25.77"), ("not a UID", None), ("", None)])
def test_a_tracking_uid_is_one(uid: str, kept_uid: str | None) -> None:
    """What an editor left in its place, and is no UID, is not handed on."""
    changed = _read(report_bytes("patient"))
    (tracking,) = named(groups(changed)[0], "Tracking Unique Identifier")
    tracking["UID"] = DataElement("UID", "UI", uid, validation_mode=IGNORE)
    kept = read_back(changed)
    assert kept is not None
    assert kept_uid == kept.vertebrae[0].tracking_uid


def test_a_height_of_nothing_is_none() -> None:
    """An editor left 0 mm behind: no change can be told in percent of it."""
    changed = _read(report_bytes("patient"))
    (height,) = named(groups(changed)[0], "Anterior vertebral body height")
    height.MeasuredValueSequence[0].NumericValue = "0"
    height.MeasuredValueSequence[0].FloatingPointValue = 0.0
    kept = read_back(changed)
    assert kept is not None
    assert [None, False] == [kept.vertebrae[0].heights_mm, kept.vertebrae[1].heights_mm is None]


def test_levels_without_numbers_are_known_to_have_none() -> None:
    """L4 could not be measured; it is there, in its place, and says so."""
    kept = read_back(report("patient"))
    assert kept is not None
    assert [("T12", True), ("L1", True), ("L4", False), ("L6", True)] == [
        (vertebra.level, vertebra.is_measured) for vertebra in kept.vertebrae
    ]


def test_other_reports_tell_nothing() -> None:
    """A report by another method, one without groups, or no report at all is none of ours."""
    other = _read(report_bytes("patient"))
    for group in groups(other):
        named(group, "Measurement Method")[0].ConceptCodeSequence[0].CodeValue = "OTHER"
    assert read_back(other) is None
    empty = _read(report_bytes("patient"))
    named(empty, "Imaging Measurements")[0].ContentSequence = []
    assert read_back(empty) is None
    assert read_back(Dataset()) is None

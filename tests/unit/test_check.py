"""Our structural check: reports and pictures of ours pass, and each rule finds what breaks it."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from pydicom.dataset import Dataset
from report_samples import (
    COMPREHENSIVE,
    COMPREHENSIVE_3D,
    ENHANCED,
    Sample,
    build,
    context,
    dx_lateral,
    findings,
    report,
)

from sr_templates.capture import build_capture
from sr_templates.check import problems
from sr_templates.context import ReportContext
from sr_templates.document import SOP_CLASSES
from sr_templates.encapsulated import build_pdf
from sr_templates.envelope import Derivation
from sr_templates.presentation_state import build_presentations

#: pydicom warns of the values that these tests break.
pytestmark = pytest.mark.filterwarnings("ignore:.*(Invalid value|value length):UserWarning")
DERIVATION = Derivation(description="Made for a test")


def _known(sources: ReportContext) -> set[str]:
    return {str(each.SOPInstanceUID) for each in sources.evidence}


def _problems(made: Dataset, sample: Sample = "patient") -> list[str]:
    return problems(made, known=_known(context(sample)))


@pytest.mark.parametrize("sample", ["patient", "image", "uncalibrated"])
@pytest.mark.parametrize("sop_class", SOP_CLASSES)
def test_a_report_of_ours_passes(sample: Sample, sop_class: str) -> None:
    """In each SOP class, on slices, on a radiograph, and without a scale."""
    assert [] == _problems(report(sample, sop_class), sample)


def test_a_report_that_says_why_nothing_was_measured_passes() -> None:
    """It has no group, and its container of measurements is empty."""
    nothing = replace(findings("patient"), vertebrae=(), reason="NO_LANDMARKS")

    assert [] == _problems(build(nothing, context("patient")))


def test_pictures_of_ours_pass() -> None:
    """The overlay on a radiograph, the summary picture, the page."""
    found, film = findings("image"), dx_lateral()
    film.PhotometricInterpretation = "MONOCHROME2"
    sources = replace(context("image"), images=(film,))
    pixels = np.zeros((4, 6, 3), dtype=np.uint8)
    made = [
        *build_presentations(found, sources),
        build_capture(pixels, found, sources, derivation=DERIVATION, number=1),
        build_pdf(b"%PDF-1.4 ", found, sources, derivation=DERIVATION),
    ]

    assert 3 == len(made)
    assert [[], [], []] == [_problems(each, "image") for each in made]


def test_what_is_repeated_of_the_source_is_not_judged() -> None:
    """A report must match its study, however odd that is: a name beyond all lengths, a date that is none."""
    made = deepcopy(report("patient"))
    made.PatientID, made.StudyDescription = "P" * 70, "D" * 70

    assert [] == _problems(made)


def _items(made: Dataset) -> Dataset:
    """Return the first measurement group."""
    for item in made.ContentSequence:
        if item.ConceptNameCodeSequence[0].CodeValue == "126010":
            group: Dataset = item.ContentSequence[0]
            return group
    raise AssertionError("no group")


def _first(made: Dataset, value_type: str) -> Dataset:
    item: Dataset = next(item for item in _items(made).ContentSequence if item.ValueType == value_type)
    return item


def _drop(made: Dataset, value: str) -> None:
    group = _items(made)
    group.ContentSequence = [
        item for item in group.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue != value
    ]


def _set(path: Callable[[Dataset], Dataset], keyword: str, value: object) -> Callable[[Dataset], None]:
    return lambda made: setattr(path(made), keyword, value)


def _outline(made: Dataset) -> Dataset:
    return _first(made, "SCOORD3D")


def _root(made: Dataset) -> Dataset:
    return made


def _name(made: Dataset) -> Dataset:
    code: Dataset = _first(made, "NUM").ConceptNameCodeSequence[0]
    return code


def _value(made: Dataset) -> Dataset:
    value: Dataset = _first(made, "NUM").MeasuredValueSequence[0]
    return value


def _evidence(made: Dataset) -> Dataset:
    series: Dataset = made.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    item: Dataset = series.ReferencedSOPSequence[0]
    return item


BROKEN: dict[str, tuple[Callable[[Dataset], None], str]] = {
    "type 1 is empty": (_set(_root, "CompletionFlag", ""), "CompletionFlag: type 1, is missing or empty"),
    "type 1 is missing": (lambda made: made.__delattr__("ContentDate"), "ContentDate: type 1, is missing or empty"),
    "type 2 is missing": (lambda made: made.__delattr__("PatientSex"), "PatientSex: type 2, is missing"),
    "another class": (_set(_root, "SOPClassUID", "1.2.3"), "SOPClassUID: not one of those that are written"),
    "no UID": (_set(_root, "SeriesInstanceUID", "1.02"), "SeriesInstanceUID: is no UID"),
    "too long": (_set(_root, "SeriesDescription", "x" * 65), "SeriesDescription: longer than 64 characters"),
    "no meaning": (_set(_name, "CodeMeaning", ""), "a code without a meaning in English"),
    "no English": (_set(_name, "CodeMeaning", "Höhe"), "a code without a meaning in English"),
    "other meaning": (_set(_name, "CodeMeaning", "Width"), "the meaning is not the one of this code"),
    "unpublished": (_set(_name, "CodeValue", "NOVEL"), "a private code that is not published"),
    "no scheme": (_set(_name, "CodingSchemeDesignator", ""), "a code without value or scheme"),
    "unknown object": (_set(_evidence, "ReferencedSOPInstanceUID", "1.2.3"), "was neither received nor made"),
    "not in evidence": (_set(_evidence, "ReferencedSOPInstanceUID", "1.2.3"), "is not among the evidence"),
    "no template": (lambda made: made.__delattr__("ContentTemplateSequence"), "ContentTemplateSequence: type 1"),
    "no tracking": (lambda made: _drop(made, "112040"), "group 1: TID 4108: Tracking Unique Identifier stands there 0"),
    "no site": (lambda made: _drop(made, "363698007"), "group 1: TID 1501: Finding Site stands there 0 times"),
    "no group": (
        lambda made: setattr(_items(made).ConceptNameCodeSequence[0], "CodeValue", "125010"),
        "group 1: TID 1501: is no Measurement Group",
    ),
    "no number": (_set(_value, "NumericValue", None), "TID 300: a measurement without a number"),
    "no unit": (
        lambda made: setattr(_value(made).MeasurementUnitsCodeSequence[0], "CodingSchemeDesignator", "99X"),
        "TID 300: a number without a unit of UCUM",
    ),
    "no text": (lambda made: setattr(_first(made, "TEXT"), "TextValue", ""), "TEXT without TextValue"),
    "half a point": (_set(_outline, "GraphicData", [1.0, 2.0]), "GraphicData is no list of points"),
    "no relationship": (
        lambda made: _first(made, "TEXT").__delattr__("RelationshipType"),
        "RelationshipType is missing",
    ),
    "unknown type": (
        lambda made: setattr(_first(made, "TEXT"), "ValueType", "TABLE"),
        "ValueType is none that is written",
    ),
    "other relationship": (
        lambda made: setattr(_first(made, "UIDREF"), "RelationshipType", "CONTAINS"),
        "Tracking Unique Identifier is no UIDREF by HAS OBS CONTEXT",
    ),
    "other root": (
        lambda made: setattr(made.ConceptNameCodeSequence[0], "CodeValue", "111700"),
        "the root is no Imaging Measurement Report",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_rule_is_found(name: str) -> None:
    """Each rule finds its own breach, and names no value."""
    breaks, said = BROKEN[name]
    made = deepcopy(report("patient"))
    breaks(made)
    found = _problems(made)

    assert [line for line in found if said in line], found
    assert not [line for line in found if "P-4711" in line]


def test_two_groups_never_share_a_tracking_uid() -> None:
    """A viewer would take two vertebrae for one."""
    made = deepcopy(report("patient"))
    groups = next(i for i in made.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "126010").ContentSequence
    uids = [next(item for item in group.ContentSequence if item.ValueType == "UIDREF") for group in groups[:2]]
    uids[1].UID = uids[0].UID

    assert ["TID 4108: two groups have one tracking UID"] == _problems(made)


def test_a_region_stands_on_an_image() -> None:
    """Where there are no coordinates in the patient, each SCOORD has its image (PS3.16, PS3.3 C.18.6)."""
    made = deepcopy(report("image", ENHANCED))
    regions = [item for item in _items(made).ContentSequence if item.ValueType == "SCOORD"]
    regions[0].ContentSequence = []

    assert regions
    assert [line for line in _problems(made, "image") if "SCOORD without an image" in line]


def test_a_picture_is_as_long_as_it_says() -> None:
    """Pixel Data has the bytes of its rows, columns and samples."""
    pixels = np.zeros((4, 6, 3), dtype=np.uint8)
    made = build_capture(pixels, findings("image"), context("image"), derivation=DERIVATION, number=1)
    made.Rows = 5

    assert ["PixelData: its length is not that of rows, columns and samples"] == _problems(made, "image")


def test_an_object_of_another_study_need_not_be_here() -> None:
    """Pertinent Other Evidence (PS3.3 C.17.2) is of the prior, which lies elsewhere."""
    made = deepcopy(report("patient", COMPREHENSIVE))
    made.PertinentOtherEvidenceSequence = deepcopy(made.CurrentRequestedProcedureEvidenceSequence)
    study = made.PertinentOtherEvidenceSequence[0]
    study.StudyInstanceUID = "1.2.3"
    study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3.4"

    assert [] == _problems(made)
    assert COMPREHENSIVE_3D != made.SOPClassUID

"""UIDs that an object gets last."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from report_samples import STARTED, STUDY, build, ct_slice, dx_lateral, findings, named, segmentation

from sr_templates.capture import build_capture
from sr_templates.context import ReportContext
from sr_templates.derived import Section, build_sagittal
from sr_templates.document import to_bytes
from sr_templates.encapsulated import build_pdf
from sr_templates.envelope import Derivation
from sr_templates.objects import ObjectKind
from sr_templates.presentation_state import build_presentations
from sr_templates.seal import digest

SLICE = {"PhotometricInterpretation": "MONOCHROME2", "SliceThickness": 3.0, "BurnedInAnnotation": "NO"}
PATIENT = replace(findings("patient"), vertebrae=findings("patient").vertebrae[:1])
SECTION = Section(
    values=np.zeros((2, 2), dtype=np.float32),
    axes=np.array([(0.0, 1.0, 0.0), (0.0, 0.0, -1.0)]),
    origin=np.zeros(3),
    pixel_mm=1.0,
)


def _slice(**changes: Any) -> Dataset:
    image = ct_slice(0)
    for keyword, value in {**SLICE, **changes}.items():
        setattr(image, keyword, value)
    return image


def _page(image: Dataset, context: ReportContext) -> Dataset:
    drawn = Derivation(description="drawn", sources=(image,))
    return build_capture(np.zeros((2, 2, 3), dtype=np.uint8), PATIENT, context, derivation=drawn)


def _document(image: Dataset, context: ReportContext) -> Dataset:
    return build_pdf(b"%PDF-", PATIENT, context, derivation=Derivation(description="drawn", sources=(image,)))


MAKERS: dict[ObjectKind, Callable[[Dataset, ReportContext], Dataset]] = {
    ObjectKind.SR: lambda _image, context: build(PATIENT, context),
    ObjectKind.PRESENTATION: lambda _image, context: build_presentations(PATIENT, context)[0],
    ObjectKind.SUMMARY: _page,
    ObjectKind.PDF: _document,
    ObjectKind.SAGITTAL: lambda image, context: build_sagittal(SECTION, PATIENT, context, sources=[image]),
}


def _made(kind: ObjectKind, context: dict[str, Any] | None = None, **changes: Any) -> Dataset:
    image = _slice(**changes)
    return MAKERS[kind](image, ReportContext(images=(image,), started_at=STARTED, **(context or {})))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (ObjectKind.SR, {"SeriesInstanceUID": f"{STUDY}.5"}),
        (ObjectKind.SR, {"FrameOfReferenceUID": f"{STUDY}.9", "Rows": 300}),
        (ObjectKind.PRESENTATION, {"SeriesInstanceUID": f"{STUDY}.5"}),
        (ObjectKind.PRESENTATION, {"WindowCenter": 40, "WindowWidth": 400}),
        (ObjectKind.SUMMARY, {"BurnedInAnnotation": "YES"}),
        (ObjectKind.SUMMARY, {"LossyImageCompression": "01"}),
        (ObjectKind.PDF, {"BurnedInAnnotation": "YES"}),
        (ObjectKind.SAGITTAL, {"PatientPosition": "HFS"}),
        (ObjectKind.SAGITTAL, {"LossyImageCompression": "01"}),
    ],
    ids=str,
)
def test_a_corrected_header_never_gives_other_bytes_under_the_same_uid(kind: ObjectKind, changes: Any) -> None:
    """Whatever of a source an object repeats: the UID is the same where all bytes are, and only there."""
    before, after = _made(kind), _made(kind, **changes)

    assert (to_bytes(before) == to_bytes(after)) == (before.SOPInstanceUID == after.SOPInstanceUID)
    assert ("Rows" in changes) == (before.SOPInstanceUID == after.SOPInstanceUID)


def test_sources_of_a_page_are_part_of_its_uid() -> None:
    """The same pixels computed from fewer slices are another object: its header names other sources."""
    image = _slice()
    context = ReportContext(images=(image,), others=(segmentation(),), started_at=STARTED)

    assert _page(image, context).SOPInstanceUID != _page(segmentation(), context).SOPInstanceUID


def test_the_number_of_a_presentation_state_is_part_of_its_uid() -> None:
    """A state that another one goes before has another Instance Number, hence another UID."""
    late = _slice(SeriesInstanceUID=f"{STUDY}.8")
    early = _slice(SOPInstanceUID=f"{STUDY}.4.1", SeriesInstanceUID=f"{STUDY}.1", ImagePositionPatient=[60, -100, 128])
    first = PATIENT.vertebrae[0]
    assert first.measured is not None
    points = {name: (x + 60, y, z) for name, (x, y, z) in first.measured.landmarks.points.items()}
    far = replace(first.measured, landmarks=replace(first.measured.landmarks, points=points))
    both = replace(PATIENT, vertebrae=(first, replace(first, level="L1", measured=far)))
    (alone,) = build_presentations(both, ReportContext(images=(late,), started_at=STARTED))
    pair = build_presentations(both, ReportContext(images=(late, early), started_at=STARTED))

    assert [1, 2] == [state.InstanceNumber for state in pair]
    assert 3 == len({alone.SOPInstanceUID, *(state.SOPInstanceUID for state in pair)})


@pytest.mark.parametrize("kind", ObjectKind)
def test_an_object_has_one_uid_in_data_set_and_file(kind: ObjectKind) -> None:
    """The file meta information names the object that follows it (PS3.10 7.1), under the root of the site."""
    made = _made(kind, {"uid_root": "1.2.3"})

    assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
    assert made.SOPInstanceUID.startswith("1.2.3.")
    assert made.SeriesInstanceUID.startswith("1.2.3.")
    assert _made(kind, {"uid_root": "1.2.3"}).SOPInstanceUID == made.SOPInstanceUID


def test_sections_of_two_frames_of_reference_lie_in_two_series() -> None:
    """A series has one frame of reference and one modality (PS3.3 A.1.2.3, C.7.3.1)."""
    plain = _made(ObjectKind.SAGITTAL)
    others = (
        _made(ObjectKind.SAGITTAL, FrameOfReferenceUID=f"{STUDY}.88"),
        _made(ObjectKind.SAGITTAL, Modality="MR"),
        _made(ObjectKind.SAGITTAL, PatientPosition="FFP"),
    )

    assert 4 == len({plain.SeriesInstanceUID, *(other.SeriesInstanceUID for other in others)})
    assert plain.SeriesInstanceUID == _made(ObjectKind.SAGITTAL, {"revision": 2}).SeriesInstanceUID


@pytest.mark.parametrize("kind", ObjectKind)
def test_a_new_description_or_institution_is_a_new_series(kind: ObjectKind) -> None:
    """Both belong to the series: one series would say two things of itself."""
    plain = _made(kind)
    descriptions = {**ReportContext(images=(), started_at=STARTED).series_descriptions, kind: "Other"}

    assert plain.SeriesInstanceUID != _made(kind, {"institution_name": "A hospital"}).SeriesInstanceUID
    assert plain.SeriesInstanceUID != _made(kind, {"series_descriptions": descriptions}).SeriesInstanceUID


def test_a_value_that_breaks_its_vr_is_sealed_as_it_is() -> None:
    """A name in another character set and a number that is too long are repeated, so they are part of the UID."""
    image = deepcopy(dx_lateral())
    image.PatientName = "Ωmega^Ärzt"
    found = replace(findings("image"), vertebrae=findings("image").vertebrae[:1])
    made = [build(found, ReportContext(images=(each,), started_at=STARTED)) for each in (image, dx_lateral())]

    assert made[0].SOPInstanceUID != made[1].SOPInstanceUID


def test_two_contents_have_one_digest_only_where_their_bytes_are_equal() -> None:
    """A change far down in the tree, or in where an item stands, counts; what single precision drops does not."""
    whole = build(findings("image"), ReportContext(images=(dx_lateral(),), started_at=STARTED))
    group = _last_group(whole)
    outline = next(item for item in group.ContentSequence if item.ValueType == "SCOORD")
    changes: dict[str, tuple[Dataset, str, Any]] = {
        "a text": (group.ContentSequence[0], "TextValue", "another"),
        "a point": (outline, "GraphicData", [outline.GraphicData[0] + 0.001, *outline.GraphicData[1:]]),
        "less than a float": (outline, "GraphicData", [outline.GraphicData[0] * (1 + 1e-12), *outline.GraphicData[1:]]),
        "an order": (group, "ContentSequence", list(reversed(group.ContentSequence))),
        "an empty value": (group.ContentSequence[0], "TextValue", ""),
    }
    before = digest(whole), to_bytes(whole)
    for what, (item, keyword, value) in changes.items():
        kept = item[keyword].value
        setattr(item, keyword, value)
        after = digest(whole), to_bytes(whole)
        setattr(item, keyword, kept)
        assert (after[0] == before[0]) == (after[1] == before[1]) == (what == "less than a float"), what


def _last_group(report: Dataset) -> Dataset:
    (measurements,) = named(report, "Imaging Measurements")
    group: Dataset = measurements.ContentSequence[-1]
    return group

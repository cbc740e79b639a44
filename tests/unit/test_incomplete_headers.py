import logging
import warnings
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from report_samples import (
    COMPREHENSIVE,
    COMPREHENSIVE_3D,
    STUDY,
    Sample,
    build,
    context,
    ct_slice,
    dx_lateral,
    findings,
)

from sr_templates.capture import build_capture
from sr_templates.derived import Section, build_sagittal
from sr_templates.document import to_bytes
from sr_templates.encapsulated import build_pdf
from sr_templates.envelope import Derivation
from sr_templates.presentation_state import build_presentations

#: Without its own UIDs an object cannot be referred to; the node takes none without them.
NEEDED = {"SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"}
SAMPLES: dict[Sample, Dataset] = {"patient": ct_slice(1), "image": dx_lateral()}
#: What modalities write besides; highdicom asks for some of it.
USUAL = {
    "StudyDescription": "Spine",
    "PatientAge": "076Y",
    "TimezoneOffsetFromUTC": "+0100",
    "BodyPartExamined": "SPINE",
    "NumberOfFrames": 1,
    "Laterality": "",
    "PatientOrientation": ["P", "F"],
    "ImagerPixelSpacing": [0.2, 0.2],
    "SliceThickness": 3.0,
    "Manufacturer": "Somebody",
    "PhotometricInterpretation": "MONOCHROME2",
}
CASES = [
    (sample, keyword)
    for sample, image in SAMPLES.items()
    for keyword in sorted({element.keyword for element in image} - NEEDED | set(USUAL))
]


def _image(sample: Sample) -> Dataset:
    image = ct_slice(1) if sample == "patient" else dx_lateral()
    if sample == "patient":
        # Where the points lie, so that there is a presentation state.
        image.ImagePositionPatient = [1.0, -100.0, 128.0]
    for keyword, value in USUAL.items():
        if keyword not in image:
            setattr(image, keyword, value)
    return image


def _others(sample: Sample, image: Dataset) -> list[Dataset]:
    """Return the presentation states, the page and, of a section, the reformat of a study of this one image."""
    found, sources = findings(sample), replace(context(sample), images=(image,), others=())
    derivation = Derivation(description="a page", sources=(image,))
    page = build_capture(np.zeros((4, 4, 3), np.uint8), found, sources, derivation=derivation)
    document = build_pdf(b"%PDF-1.4", found, sources, derivation=derivation)
    made = [page, document, *build_presentations(found, sources)]
    if "Modality" in image and image.Modality == "CT":
        values = np.zeros((4, 4), np.float32)
        section = Section(values=values, axes=np.eye(3)[1:], origin=np.zeros(3), pixel_mm=1.0)
        made.append(build_sagittal(section, found, sources, sources=(image,)))
    return made


def _built(sample: Sample, image: Dataset) -> Dataset:
    """Return the report on one vertebra of a study of this one image, read back from its file."""
    found = findings(sample)
    small = replace(found, vertebrae=found.vertebrae[:1])
    made = build(small, replace(context(sample), images=(image,), others=()), COMPREHENSIVE)
    return dcmread(BytesIO(to_bytes(made)))


@pytest.mark.parametrize(("sample", "keyword"), CASES)
def test_no_single_attribute_is_needed(sample: Sample, keyword: str) -> None:
    """Whatever one attribute a source lacks, there is a report with the numbers."""
    image = _image(sample)
    delattr(image, keyword)

    assert "Anterior vertebral body height" in str(_built(sample, image))


@pytest.mark.parametrize(("sample", "keyword"), CASES)
def test_no_other_object_needs_one(sample: Sample, keyword: str) -> None:
    """Whatever one attribute a source lacks, what comes back besides the report can be made and written."""
    image = _image(sample)
    delattr(image, keyword)

    made = _others(sample, image)

    assert {one.StudyInstanceUID for one in made} == {STUDY}
    assert all(to_bytes(one) for one in made)


@pytest.mark.parametrize("sample", SAMPLES)
def test_attributes_without_a_value_are_as_missing_ones(sample: Sample) -> None:
    """An anonymiser may leave all attributes in place, and all of them empty."""
    image = _image(sample)
    for element in image:
        if element.keyword not in NEEDED:
            element.value = None

    assert "Anterior vertebral body height" in str(_built(sample, image))
    assert all(to_bytes(one) for one in _others(sample, image))


@pytest.mark.parametrize("sample", SAMPLES)
def test_names_reach_no_log(sample: Sample, caplog: pytest.LogCaptureFixture) -> None:
    """A name that is odd, or that breaks its VR, is in no log line and no warning."""
    image = _image(sample)
    image.PatientName = "Secretname without a caret"
    found = replace(findings(sample), observers=("Secretreader",))
    with warnings.catch_warnings(record=True) as said, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        build(found, replace(context(sample), images=(image,), others=()))

    assert "Secret" not in caplog.text
    assert [str(warning.message) for warning in said if "Secret" in str(warning.message)] == []


NAMES = pytest.mark.parametrize(
    ("character_set", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("ISO_IR 192", "Wáng^XiǎoDōng=王^小東"),
    ],
)


def _received(sample: Sample, character_set: str | list[str], name: str) -> Dataset:
    """Return an image with this name, as it is read from a file in this character set."""
    image = _image(sample)
    image.SpecificCharacterSet, image.PatientName = character_set, name
    with BytesIO() as file:
        dcmwrite(file, image, implicit_vr=False, little_endian=True)
        return dcmread(BytesIO(file.getvalue()), force=True)


@NAMES
def test_a_name_is_in_the_report_as_it_is_in_the_image(character_set: str | list[str], name: str) -> None:
    """What came in a character set of the source stands in the file of the report in UTF-8, no sign lost."""
    received = _received("image", character_set, name)
    made = _built("image", received)

    assert made.SpecificCharacterSet == "ISO_IR 192"
    assert str(made.PatientName) == name
    assert name.encode() in to_bytes(build(findings("image"), replace(context("image"), images=(received,))))


@NAMES
@pytest.mark.parametrize("sample", SAMPLES)
def test_a_name_is_in_every_object_as_it_is_in_the_image(
    sample: Sample, character_set: str | list[str], name: str
) -> None:
    """So it does in the files of presentation state, summary, PDF and section."""
    made = _others(sample, _received(sample, character_set, name))
    read = [dcmread(BytesIO(to_bytes(one))) for one in made]

    kinds = {"OT", "DOC", "PR"} | ({"CT"} if sample == "patient" else set())
    assert kinds == {one.Modality for one in read}
    assert {("ISO_IR 192", name)} == {(one.SpecificCharacterSet, str(one.PatientName)) for one in read}
    assert all(name.encode() in to_bytes(one) for one in made)


def test_patient_points_need_no_geometry_of_an_image() -> None:
    """With nothing but UIDs the 3D report says where a vertebra is: the points have their frame of reference."""
    bare = Dataset()
    for keyword in NEEDED:
        setattr(bare, keyword, ct_slice(1)[keyword].value)
    made = build(findings("patient"), replace(context("patient"), images=(bare,)), COMPREHENSIVE_3D)

    assert "SCOORD3D" in str(made)

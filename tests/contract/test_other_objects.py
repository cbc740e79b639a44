"""What comes back besides the report, under the eyes of programs that others wrote, and of our own readers."""

import subprocess
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from pictured import context_of, ct, film, landmarks, only, written
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage
from pypdf import PdfReader
from report_samples import findings
from servers import program

from sr_templates.document import to_bytes
from sr_templates.findings import LandmarkSource, StudyFindings
from sr_templates.objects import ObjectKind
from workers.inputs import Inputs, read_inputs
from workers.landmarks.claims import Study
from workers.landmarks.presentation import from_presentation
from workers.pictures.objects import other_objects
from workers.sources import Found, find_landmarks

EVERY = frozenset(ObjectKind)


@dataclass(frozen=True, kw_only=True)
class Made:
    """One study, and all that was made of it, as files by the kind and number of the object."""

    inputs: Inputs
    findings: StudyFindings
    files: dict[str, Path]

    def one(self, name: str) -> Dataset:
        """Return one of the objects."""
        return dcmread(self.files[name])


def _objects(inputs: Inputs, found: StudyFindings) -> list[tuple[ObjectKind, Dataset]]:
    return other_objects(inputs, Found(vertebrae=()), found, context_of(inputs), EVERY)


def _made(folder: Path, inputs: Inputs, found: StudyFindings) -> Made:
    files: dict[str, Path] = {}
    for kind, dataset in _objects(inputs, found):
        name = f"{kind}{sum(key.startswith(kind) for key in files) + 1}"
        files[name] = folder / f"{name}.dcm"
        files[name].write_bytes(to_bytes(dataset))
    return Made(inputs=inputs, findings=found, files=files)


@pytest.fixture(scope="module")
def sections(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return what is made of T12 and L1 on slices at x = -3 to 6: that at 0, 3 mm thick, shows all points."""
    folder = tmp_path_factory.mktemp("sections")
    inputs = written(folder / "study", *(ct(place, x_mm=3.0 * (place - 2)) for place in range(1, 5)))
    return _made(folder, inputs, only(findings("patient"), ("T12", "L1", "L4")))


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return what is made of slices 1.5 mm thick at x = -3 to 6, none of which shows a point at 1."""
    folder = tmp_path_factory.mktemp("beside")
    slices = [ct(place, x_mm=3.0 * (place - 2)) for place in range(1, 5)]
    for image in slices:
        image.SliceThickness = 1.5
    return _made(folder, written(folder / "study", *slices), only(findings("patient"), ("T12", "L1")))


@pytest.fixture(scope="module")
def radiograph(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return what is made of a radiograph that shows low values bright."""
    folder = tmp_path_factory.mktemp("radiograph")
    inputs = written(folder / "study", film(PhotometricInterpretation="MONOCHROME1"))
    return _made(folder, inputs, only(findings("image"), ("T12", "L1", "L4")))


@pytest.fixture(scope="module")
def magnetic(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return what is made of slices that are MR by inversion recovery, and say so."""
    folder = tmp_path_factory.mktemp("magnetic")
    says: dict[str, Any] = {
        "Modality": "MR",
        "SOPClassUID": MRImageStorage,
        "ScanningSequence": ["SE", "IR"],
        "InversionTime": 150,
    }
    slices = [ct(place, x_mm=3.0 * (place - 2), **says) for place in range(1, 5)]
    return _made(folder, written(folder / "study", *slices), only(findings("patient"), ("T12",)))


def test_every_wanted_kind_is_made(sections: Made, beside: Made, radiograph: Made) -> None:
    """Sections only of slices; what no slice shows has its presentation state on the section."""
    assert {"sagittal1", "gsps1", "summary1", "pdf1"} == set(sections.files) == set(beside.files)
    assert {"gsps1", "summary1", "pdf1"} == set(radiograph.files)
    (series,) = beside.one("gsps1").ReferencedSeriesSequence
    assert beside.one("sagittal1").SeriesInstanceUID == series.SeriesInstanceUID


@pytest.mark.parametrize("study", ["sections", "beside", "magnetic", "radiograph"])
def test_dciodvfy_finds_no_error(study: str, request: pytest.FixtureRequest) -> None:
    """Every object keeps to its IOD (PS3.3)."""
    made: Made = request.getfixturevalue(study)
    for name, path in made.files.items():
        done = subprocess.run([program("dciodvfy"), path], capture_output=True, text=True, check=False)
        assert [] == [line for line in done.stderr.splitlines() if line.startswith("Error")], name


@pytest.mark.parametrize("study", ["sections", "beside", "radiograph"])
def test_dcmtk_finds_a_presentation_state(study: str, request: pytest.FixtureRequest) -> None:
    """Dcmtk's own check of presentation states passes."""
    made: Made = request.getfixturevalue(study)
    done = subprocess.run([program("dcmpschk"), made.files["gsps1"]], capture_output=True, text=True, check=False)

    assert "Test passed" in done.stderr


def test_dcmtk_shows_the_radiograph_as_its_sender_meant_it(radiograph: Made, tmp_path: Path) -> None:
    """Through our presentation state a MONOCHROME1 film whose values rise to the right becomes darker to the right."""
    (image,) = radiograph.inputs.files.values()
    shown = tmp_path / "shown.pgm"
    state = ["--pstate", str(radiograph.files["gsps1"])]
    subprocess.run([program("dcmp2pgm"), *state, str(image), str(shown)], check=True, capture_output=True)
    with Image.open(shown) as picture:
        pixels = np.asarray(picture.convert("L"))

    assert (1100, 1000) == pixels.shape
    # A row without lines or text.
    assert 250 < int(pixels[100, 10])
    assert 128 == pytest.approx(int(pixels[100, 500]), abs=3)
    assert 5 > int(pixels[100, 990])


def test_highdicom_puts_the_section_where_the_points_are(beside: Made) -> None:
    """An independent reader of geometry finds T12's points in the plane, where the overlay draws them."""
    to_image = hd.spatial.ReferenceToImageTransformer.for_image(hd.imread(beside.files["sagittal1"]))
    points = landmarks(beside.findings, "T12").points
    outline = beside.one("gsps1").GraphicAnnotationSequence[0].GraphicObjectSequence[0]
    there = to_image(np.array([points[name] for name in ("AS", "MS", "PS", "PI", "MI", "AI", "AS")]))

    assert there[:, :2].ravel().tolist() == pytest.approx(list(outline.GraphicData), abs=1e-3)
    assert np.abs(there[:, 2]).max() < 0.01


@pytest.mark.parametrize("study", ["sections", "radiograph"])
def test_our_reader_gets_the_same_points_back(study: str, request: pytest.FixtureRequest) -> None:
    """Every vertebra, by its name, at the points it was drawn at: they come back to a thousandth of a pixel."""
    made: Made = request.getfixturevalue(study)
    known = {str(image.SOPInstanceUID): image for image in made.inputs.headers}
    state = made.one("gsps1")
    read = from_presentation(state, Study(image_of=known.get, frames=set()))
    drawn = {
        graphic.TrackingID: np.array(graphic.GraphicData)
        for item in state.GraphicAnnotationSequence
        for graphic in item.GraphicObjectSequence
    }

    assert ["T12", "L1"] == [one.level for one in read]
    for one in read:
        assert one.landmarks is not None
        outline = [value for name in ("AS", "MS", "PS", "PI", "MI", "AI", "AS") for value in one.landmarks.points[name]]
        assert drawn[f"{one.level} vertebra"].tolist() == pytest.approx(outline, abs=1e-3)
        if study == "radiograph":
            given = landmarks(made.findings, one.level).points
            assert list(given["MI"]) == pytest.approx(list(one.landmarks.points["MI"]), abs=1e-3)


def test_points_on_a_section_of_ours_come_back_into_the_patient(beside: Made) -> None:
    """The section is no image of the study: what was drawn on it is where it was measured, to a hundredth of a mm."""
    known = {str(image.SOPInstanceUID): image for image in (*beside.inputs.headers, beside.one("sagittal1"))}
    frames = {str(beside.one("sagittal1").FrameOfReferenceUID)}
    read = from_presentation(beside.one("gsps1"), Study(image_of=known.get, frames=frames))

    assert ["T12", "L1"] == [one.level for one in read]
    for one in read:
        assert one.landmarks is not None
        given = landmarks(beside.findings, one.level).points
        assert set(given) == set(one.landmarks.points)
        for name, point in one.landmarks.points.items():
            assert point == pytest.approx(given[name], abs=0.01)


def test_what_we_made_is_no_source_until_a_reader_names_himself(radiograph: Made, tmp_path: Path) -> None:
    """Our own objects that come back with the study place no point; with a creator's name the points are reviewed."""
    state = radiograph.one("gsps1")
    everything = [*radiograph.inputs.files.values(), *radiograph.files.values()]
    unedited = find_landmarks(read_inputs(everything))
    state.ContentCreatorName, state.SOPInstanceUID = "Doe^Jane", "1.2.3"
    state.save_as(tmp_path / "edited.dcm", enforce_file_format=True)
    edited = find_landmarks(read_inputs([*everything, tmp_path / "edited.dcm"]))

    assert ((), 0) == (unedited.vertebrae, unedited.placed)
    assert {LandmarkSource.REVIEWED} == {one.source for one in edited.vertebrae}
    assert [str(radiograph.inputs.headers[0].SOPInstanceUID)] == [str(image.SOPInstanceUID) for image in edited.images]


def test_the_same_study_gives_the_same_bytes(beside: Made) -> None:
    """A second run makes identical files of every kind."""
    again = _objects(beside.inputs, beside.findings)

    assert [path.read_bytes() for path in beside.files.values()] == [to_bytes(dataset) for _, dataset in again]


def test_the_page_names_its_sources_and_no_patient(sections: Made) -> None:
    """The capture refers to the slices it was computed from; the PDF's text holds neither name nor number nor date."""
    page, document = sections.one("summary1"), sections.one("pdf1")
    text = PdfReader(BytesIO(document.EncapsulatedDocument)).pages[0].extract_text()

    # Points at x = 1 lie between the second and the third slice.
    slices = {str(image.SOPInstanceUID) for image in sections.inputs.headers[1:3]}
    assert slices == {str(item.ReferencedSOPInstanceUID) for item in page.SourceImageSequence}
    # Sagittal slices that say nothing of their pixels: it is type 3 in the page, type 1 in the document.
    assert (None, "YES") == (page.get("BurnedInAnnotation"), document.BurnedInAnnotation)
    assert "113073" == page.DerivationCodeSequence[0].CodeValue
    assert "Not measured: L4: the body is cut off by the edge of the image (TOUCHES_BORDER)" in text.replace("\n", " ")
    for word in ("Müller", "P-4711", "A77", "1950", "2026"):
        assert word not in text


def test_nothing_is_made_of_nothing(sections: Made) -> None:
    """A study without a measured vertebra has no picture; kinds that nobody wants are not made."""
    none = replace(sections.findings, vertebrae=sections.findings.vertebrae[-1:], reason="NO_VERTEBRA_MEASURED")
    context = context_of(sections.inputs)

    assert [] == other_objects(sections.inputs, Found(vertebrae=()), none, context, EVERY)
    some = other_objects(sections.inputs, Found(vertebrae=()), sections.findings, context, {ObjectKind.SR})
    assert [] == some

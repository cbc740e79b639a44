"""Everything that comes back of a study, through Orthanc's DICOMweb plugin and back."""

import subprocess
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

import pytest
from dicomweb import qido, retrieve, stow
from pictured import context_of, ct, only, written
from pydicom import dcmread
from pydicom.dataset import Dataset
from report_samples import findings
from servers import program, run_orthanc

from sr_templates.document import SOP_CLASSES, build_report, to_bytes
from sr_templates.objects import ObjectKind
from workers.pictures.objects import other_objects
from workers.sources import Found

#: The report in each of its SOP classes, and one of each other kind.
KINDS = (*SOP_CLASSES, "gsps", "summary", "pdf", "sagittal")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """Return the file of each object on T12 and L1, measured on four slices."""
    inputs = written(tmp_path_factory.mktemp("study"), *(ct(place, x_mm=3.0 * (place - 2)) for place in range(1, 5)))
    found, context = only(findings("patient"), ("T12", "L1")), context_of(inputs)
    made = {str(kind): one for kind, one in other_objects(inputs, Found(vertebrae=()), found, context, set(ObjectKind))}
    made |= {uid: build_report(found, context, uid) for uid in SOP_CLASSES}
    return {kind: to_bytes(one) for kind, one in made.items()}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, objects: Mapping[str, bytes]) -> Iterator[str]:
    """Store the objects with one STOW-RS; give the root of the service."""
    web = {"Enable": True, "Root": "/dicom-web/"}
    with run_orthanc(tmp_path_factory.mktemp("orthanc"), dicomweb=True, DicomWeb=web) as orthanc:
        stored = stow(f"{orthanc.url}/dicom-web", list(objects.values()))
        # (0008,1198) Failed SOP Sequence, (0008,1199) Referenced SOP Sequence.
        assert [] == stored.get("00081198", {}).get("Value", [])
        assert len(objects) == len(stored["00081199"]["Value"])
        yield f"{orthanc.url}/dicom-web"


def _named(objects: Mapping[str, bytes], kind: str) -> Dataset:
    return dcmread(BytesIO(objects[kind]))


def test_there_is_one_of_each_kind(objects: Mapping[str, bytes]) -> None:
    """A study of CT slices gives the report in three SOP classes, an overlay, a page, a PDF and a section."""
    assert sorted(KINDS) == sorted(objects)


@pytest.mark.parametrize("kind", KINDS)
def test_it_comes_back_unchanged(kind: str, root: str, objects: Mapping[str, bytes]) -> None:
    """WADO-RS gives back, attribute for attribute, what STOW-RS was given."""
    sent = _named(objects, kind)
    back = retrieve(root, sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID)

    assert sent == dcmread(BytesIO(back))


def test_it_is_found_by_what_a_viewer_lists(root: str, objects: Mapping[str, bytes]) -> None:
    """QIDO-RS lists every object of the study, under its SOP class, its series and its modality."""
    sent = [_named(objects, kind) for kind in KINDS]
    tags = ("00080016", "00080018", "0020000E", "00080060")
    listed = {tuple(item[tag]["Value"][0] for tag in tags) for item in qido(root, sent[0].StudyInstanceUID)}

    expected = {(one.SOPClassUID, one.SOPInstanceUID, one.SeriesInstanceUID, one.Modality) for one in sent}
    assert expected == listed


def test_dcmtk_takes_the_pdf_out_whole(objects: Mapping[str, bytes], tmp_path: Path) -> None:
    """The document that dcm2pdf writes is the encapsulated one, from its first line to its last."""
    (tmp_path / "pdf.dcm").write_bytes(objects["pdf"])
    subprocess.run([program("dcm2pdf"), tmp_path / "pdf.dcm", tmp_path / "page.pdf"], check=True, capture_output=True)
    page = (tmp_path / "page.pdf").read_bytes()

    assert page.startswith(b"%PDF-1.")
    assert page.rstrip(b"\0\r\n").endswith(b"%%EOF")
    assert page == _named(objects, "pdf").EncapsulatedDocument[: len(page)]

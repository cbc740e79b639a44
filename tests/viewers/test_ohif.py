"""Our objects in OHIF, in a browser: `make viewers` runs this, the tiers of `make test` do not.

docs/viewers.md tells what is seen in the pictures, which lie in the folder that SPONDYL_TEST_VIEWERS names.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pytest
from ohif import run_viewer
from PIL import Image
from pydicom import dcmread
from servers import Orthanc, run_orthanc
from study_objects import Study, ct_study, dx_study, measured, scoliotic_study

from sr_templates.findings import Measured, Space, StudyFindings

FOLDER: Final = os.environ.get("SPONDYL_TEST_VIEWERS", "")
pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="no SPONDYL_TEST_VIEWERS: make viewers runs this"),
    pytest.mark.timeout(600),
]
#: The order of an outline (docs/report.md), without its closing point.
OUTLINE: Final = ("AS", "MS", "PS", "PI", "MI", "AI")
FLOAT_MM: Final = 1e-3
#: What OHIF writes beside a vertebra: the first five numbers.
WRITTEN: Final = ("Anterior", "Middle", "Posterior")


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Return the phantom of the demo."""
    return ct_study(tmp_path_factory.mktemp("ct"))


@pytest.fixture(scope="module")
def dx(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Return the radiograph."""
    return dx_study(tmp_path_factory.mktemp("dx"))


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Start an archive with DICOMweb."""
    web = {"Enable": True, "Root": "/dicom-web/", "EnableWado": True, "WadoRoot": "/wado"}
    with run_orthanc(tmp_path_factory.mktemp("orthanc"), dicomweb=True, DicomWeb=web) as server:
        yield server


@contextmanager
def _shown(orthanc: Orthanc, study: Study, name: str, made: tuple[str, ...], *modalities: str) -> Iterator[Any]:
    """Give what OHIF shows of a study with these of its objects, by modality; the archive is empty before and after.

    Two reports with the same tracking UIDs cannot be looked at in one session of OHIF.
    """
    files = [*(path.read_bytes() for path in study.received), *(study.made[one] for one in made)]
    for content in files:
        orthanc.store(content)
    with run_viewer(Path(FOLDER), orthanc) as viewer:
        told = viewer.show(study.findings.study_instance_uid, name, modalities)
    try:
        assert [] == told["failures"]
        yield {each["modality"]: each for each in told["shown"]}
    finally:
        for each in orthanc.find("Study"):
            orthanc.call(f"/studies/{each}", method="DELETE")


def _by_name(findings: StudyFindings) -> dict[str, Measured]:
    return {f"{one.level} vertebra": one.measured for one in findings.vertebrae if one.measured is not None}


def _reads_every_height(report: Mapping[str, Any], findings: StudyFindings) -> None:
    """Every vertebra is there, in the report's order, with its heights to two decimals before all other numbers."""
    numbers = _by_name(findings)
    assert list(numbers) == [one["name"] for one in report["measurements"]]
    for one in report["measurements"]:
        heights = numbers[one["name"]].heights_mm
        assert heights is not None
        values = (heights.anterior, heights.middle, heights.posterior)
        expected = [
            {"label": f"{place} vertebral body height", "value": f"{value:.2f} mm"}
            for place, value in zip(WRITTEN, values, strict=True)
        ]
        assert expected == one["labels"][:3]


def _draws_every_outline(report: Mapping[str, Any], findings: StudyFindings) -> None:
    """Each outline is drawn on the image that OHIF has turned to, through the points that were measured at."""
    numbers = _by_name(findings)
    assert [True] * len(numbers) == [one["isDrawn"] for one in report["measurements"]]
    assert [] == [one for one in report["measurements"] if one["labels"][2]["value"] not in one["written"]]
    assert {report["image"]} == {one["image"] for one in report["measurements"]}
    for one in report["measurements"]:
        landmarks = numbers[one["name"]].landmarks
        points = [landmarks.points[name] for name in OUTLINE]
        if landmarks.space is Space.PATIENT:
            # The slice is sagittal: it shows y and z.
            assert [pytest.approx(p[1:], abs=FLOAT_MM) for p in points] == [p[1:] for p in one["points"][:-1]]


@pytest.mark.parametrize("report", ["sr", "sr-1"])
def test_a_report_on_slices_is_drawn(orthanc: Orthanc, ct: Study, report: str) -> None:
    """Comprehensive 3D or Comprehensive: OHIF turns to the slice and draws every outline on it."""
    with _shown(orthanc, ct, f"ct-{report}", (report,), "SR") as shown:
        _reads_every_height(shown["SR"], ct.findings)
        _draws_every_outline(shown["SR"], ct.findings)


@pytest.mark.parametrize("report", ["sr", "sr-1"])
def test_a_report_on_sections_is_drawn(orthanc: Orthanc, test_data: Path, report: str) -> None:
    """Of a spine that no received slice shows whole, every outline is placed on a slice or on one of our sections."""
    study = measured(test_data / "verse012" / "CT", test_data / "verse012" / "SEG")
    sections = tuple(name for name in study.made if name.startswith("sagittal"))
    with _shown(orthanc, study, f"verse012-{report}", (report, *sections), "SR") as shown:
        _reads_every_height(shown["SR"], study.findings)
        corners = [len(one["points"]) for one in shown["SR"]["measurements"] if one["image"]]
        assert [len(OUTLINE) + 1] * len(_by_name(study.findings)) == corners
        assert shown["SR"]["measurements"][0]["isDrawn"]


def test_pictures_are_shown_and_the_overlay_is_not(orthanc: Orthanc, ct: Study) -> None:
    """Summary, PDF and section are opened as what they are; OHIF says itself that it does not support GSPS."""
    with _shown(orthanc, ct, "ct", ("gsps", "summary", "pdf", "sagittal"), "PR", "OT", "DOC", "CT") as shown:
        assert {"PR": False, "OT": True, "DOC": True, "CT": True} == {
            key: one["supported"] for key, one in shown.items()
        }
        page = dcmread(BytesIO(ct.made["summary"]), stop_before_pixels=True)
        assert str(page.SOPInstanceUID) in shown["OT"]["image"]


def test_a_report_on_a_radiograph_is_drawn(orthanc: Orthanc, dx: Study) -> None:
    """In any SOP class a radiograph's outlines are drawn on it, and its summary is shown."""
    with _shown(orthanc, dx, "dx", ("sr", "gsps", "summary"), "SR", "OT", "DX") as shown:
        _reads_every_height(shown["SR"], dx.findings)
        _draws_every_outline(shown["SR"], dx.findings)
        page = dcmread(BytesIO(dx.made["summary"]), stop_before_pixels=True)
        assert str(page.SOPInstanceUID) in shown["OT"]["image"]


def test_a_scoliotic_spine_is_shown(orthanc: Orthanc, tmp_path: Path) -> None:
    """Each outline is placed on a slice or one of our sections; the picture of all bodies is kept to be looked at."""
    study = scoliotic_study(tmp_path)
    sections = tuple(name for name in study.made if name.startswith("sagittal"))
    assert len(sections) > 1
    with _shown(orthanc, study, "scoliosis", ("sr", "summary", *sections), "SR", "OT") as shown:
        _reads_every_height(shown["SR"], study.findings)
        corners = [len(one["points"]) for one in shown["SR"]["measurements"] if one["image"]]
        assert [len(OUTLINE) + 1] * len(_by_name(study.findings)) == corners
    page = dcmread(BytesIO(study.made["summary"]))
    assert str(page.SOPInstanceUID) in shown["OT"]["image"]
    Image.fromarray(page.pixel_array).save(Path(FOLDER) / "scoliosis-summary.png")

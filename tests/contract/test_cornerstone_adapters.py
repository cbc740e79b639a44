"""Our reports in @cornerstonejs/adapters, the library that OHIF takes measurements over from a report with."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from pydicom.dataset import Dataset
from report_cases import CASES, MEASURED, case, report_bytes
from servers import missing, program

from sr_templates.findings import Measured, Space

VIEWERS: Final = Path(__file__).resolve().parent.parent / "viewers"
#: Coordinates of an image and of the patient are floats of 32 bits (PS3.5 FL).
FLOAT_MM: Final = 1e-4
#: Image coordinates count from the corner of the first pixel, patient coordinates from its centre.
HALF_PIXEL: Final = 0.5
#: No slice shows both ends of the height of T3, so a report without patient coordinates has no line for it; beside all
#: slices, or where images do not say where they lie, no height has one.
_NO_LINE: Final = {"T11", "T12", "L1", "L2", "L3"}
NOT_DRAWN: Final = {
    "ct-17-levels-comprehensive": {"T3"},
    "projection-only-enhanced": _NO_LINE,
    "images-only-enhanced": _NO_LINE,
}


def _plane(image: Dataset) -> dict[str, Any]:
    """Return what a viewer knows of an image: where it lies; of a radiograph, its pixels."""
    across, down = image.get("ImageOrientationPatient", [1, 0, 0, 0, 1, 0])[:3], [0, 1, 0]
    if "ImageOrientationPatient" in image:
        down = image.ImageOrientationPatient[3:]
    return {
        "frameOfReferenceUID": image.get("FrameOfReferenceUID", "none"),
        "rowCosines": list(map(float, across)),
        "columnCosines": list(map(float, down)),
        "rowPixelSpacing": 1,
        "columnPixelSpacing": 1,
        "imagePositionPatient": list(map(float, image.get("ImagePositionPatient", [0, 0, 0]))),
        "rows": image.Rows,
        "columns": image.Columns,
    }


@pytest.fixture(scope="module")
def hydrated(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Return what the library made of each report, in one Node."""
    if not (VIEWERS / "node_modules" / "@cornerstonejs" / "adapters").is_dir():
        missing(f"no packages in {VIEWERS} (make test installs them where npm can)")
    folder = tmp_path_factory.mktemp("reports")
    files = {name: folder / f"{name}.dcm" for name in CASES}
    for name, path in files.items():
        path.write_bytes(report_bytes(name))
    planes = {
        str(path): {str(image.SOPInstanceUID): _plane(image) for image in case(name).context.library.values()}
        for name, path in files.items()
    }
    (folder / "planes.json").write_text(json.dumps(planes), encoding="utf-8")
    command = [program("node"), str(VIEWERS / "hydrate.mjs"), str(folder / "planes.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    return {name: said[str(path)] for name, path in files.items()}


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_taken_over_unasked(name: str, hydrated: Mapping[str, Any]) -> None:
    """No group is taken for a measurement of the viewer's own tools, so ours are shown, not offered for editing.

    One that no slice shows whole is left out. The library by itself takes any closed line of four corners for a
    rectangle.
    """
    rectangles = {"RectangleROI": 3} if name == "four-points" else {}

    assert rectangles == hydrated[name]["unasked"]
    assert len(NOT_DRAWN.get(name, ())) == len(hydrated[name]["warnings"])


def _ends(measured: Measured, image: str | None) -> list[tuple[float, ...]]:
    """Return the ends of the anterior height as the viewer should place them."""
    ends = [measured.landmarks.points[name] for name in ("AS", "AI")]
    if measured.landmarks.space is Space.IMAGE:
        return [(column - HALF_PIXEL, row - HALF_PIXEL, 0.0) for column, row in ends]
    # On a sagittal slice, x is that of the slice; the first lies at 3 mm.
    return [(3.0, y, z) if image else (x, y, z) for x, y, z in ends]


@pytest.mark.parametrize("name", MEASURED)
def test_asked_it_draws_the_anterior_height_of_every_vertebra(name: str, hydrated: Mapping[str, Any]) -> None:
    """Told that a vertebra's first number is a length, the library gives its line where the points are.

    It stands under the vertebra's name and its own tracking UID; on an image with spacing so does the height in mm.
    """
    lines = {line["site"].removesuffix(" vertebra"): line for line in hydrated[name]["lines"]}
    measured = {one.level: one.measured for one in case(name).findings.vertebrae if one.measured is not None}
    undrawn = set(measured) if name == "uncalibrated" else NOT_DRAWN.get(name, set())

    assert set(measured) - undrawn == set(lines)
    assert len(undrawn) == hydrated[name]["left"]
    assert len(lines) == len({line["uid"] for line in lines.values()})
    for level, line in lines.items():
        assert _ends(measured[level], line["image"]) == [pytest.approx(point, abs=FLOAT_MM) for point in line["points"]]
        heights = measured[level].heights_mm
        expected = (heights.anterior, "mm") if heights and line["image"] else (None, None)
        assert expected == (pytest.approx(line["length"]) if line["length"] else None, line["unit"])

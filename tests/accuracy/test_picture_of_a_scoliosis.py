"""The summary picture of a scoliotic spine: what is drawn lies on what is seen."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage
from study_objects import Study, scoliotic_study

from sr_templates.findings import Point
from workers.inputs import read_inputs
from workers.pictures.panels import Panel, reformatted, volumes

#: A pixel of the phantom's slices: no edge in them is sharper.
TOLERANCE_MM: Final = 1.0
#: How far up and down an endplate is looked for, and in which steps.
_REACH_MM, _STEP_MM = 4.0, 0.1
#: From the corner towards the middle of an endplate: at the corner itself the wall would be seen as well.
_INWARDS: Final = 0.4


@pytest.fixture(scope="module")
def curved(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Return a double curve of 25 mm to each side, on sagittal slices."""
    return scoliotic_study(tmp_path_factory.mktemp("curved"))


@pytest.fixture(scope="module")
def panel(curved: Study) -> tuple[Panel, float]:
    """Return the picture before anything is drawn on it, and the size of its pixels, mm."""
    inputs = read_inputs(list(curved.received))
    (volume,) = volumes(curved.findings, inputs, inputs.headers)
    made = reformatted(volume)
    return made, float(made.caption.split("; ")[1].split(" mm")[0])


def _off_mm(
    background: npt.NDArray[np.uint8], at: npt.NDArray[np.float64], up: npt.NDArray[np.float64], mm: float
) -> float:
    """Return how far the edge of the bone lies above (or below) `at`, mm: where it is half as bright as its rim."""
    steps = np.arange(-_REACH_MM, _REACH_MM + _STEP_MM / 2, _STEP_MM)
    columns, rows = at[:, None] + up[:, None] * steps / mm - 0.5
    seen = ndimage.map_coordinates(background.astype(float), [rows, columns], order=1)
    seen = ndimage.gaussian_filter1d(seen, 3)
    rim = int(np.argmax(seen))
    half = (seen[rim] + seen[-5:].mean()) / 2
    beyond = np.flatnonzero(seen[rim:] < half)
    return float(steps[rim + beyond[0]]) if len(beyond) else float("inf")


def _places(points: Mapping[str, Point], end: str) -> list[npt.NDArray[np.float64]]:
    anterior, middle, posterior = (np.array(points[f"{place}{end}"]) for place in "AMP")
    return [anterior + _INWARDS * (middle - anterior), middle, posterior + _INWARDS * (middle - posterior)]


def test_the_spine_leaves_every_plane(curved: Study) -> None:
    """The phantom is what it is meant to be: all are measured, and their middles lie 40 mm apart from left to right."""
    found = [one.measured for one in curved.findings.vertebrae]
    across = [np.mean([point[0] for point in one.landmarks.points.values()]) for one in found if one is not None]

    assert 9 == len(across) == len(found)
    assert np.ptp(across) > 40


def test_points_drawn_lie_on_the_endplates_that_are_seen(panel: tuple[Panel, float]) -> None:
    """In every body, in front, in the middle and behind, above and below: the line drawn is the edge of the bone."""
    shown, mm = panel
    off: dict[str, float] = {}
    for level, points in shown.points.items():
        for end, other in ("SI", "IS"):
            up = np.array(points[f"M{end}"]) - np.array(points[f"M{other}"])
            up /= np.linalg.norm(up)
            for name, at in zip("AMP", _places(points, end), strict=True):
                off[f"{level} {name}{end}"] = _off_mm(shown.background, at, up, mm)

    assert 54 == len(off)
    assert {} == {name: value for name, value in off.items() if abs(value) > TOLERANCE_MM}

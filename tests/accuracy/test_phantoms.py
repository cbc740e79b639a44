"""How near the mask route comes to phantoms whose heights are known; SPONDYL_TEST_PHANTOMS sets how many."""

import os
import sys
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from workers.landmarks.mask.find import find
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.volumes import Volume
from workers.phantom.vertebra import Shape, Vertebra
from workers.phantom.voxels import occupancy

Array = npt.NDArray[np.float64]

COUNT = int(os.environ.get("SPONDYL_TEST_PHANTOMS", "80"))
#: Left-right, front-back and up-down distance between voxels, mm.
SAMPLINGS = {"1 mm iso": (1.0, 1.0, 1.0), "sagittal 3 x .8 x .8": (3.0, 0.8, 0.8)}
SHAPES = (
    Shape(anterior_mm=27, middle_mm=25.5, posterior_mm=28, depth_mm=34, width_mm=45),
    Shape(anterior_mm=18.5, middle_mm=21, posterior_mm=27, depth_mm=34, width_mm=45),
    Shape(anterior_mm=26, middle_mm=16.5, posterior_mm=27, depth_mm=34, width_mm=45),
    Shape(anterior_mm=14, middle_mm=13, posterior_mm=18, depth_mm=36, width_mm=46),
    Shape(anterior_mm=29, middle_mm=26, posterior_mm=25, depth_mm=35, width_mm=48),
    Shape(anterior_mm=19, middle_mm=18.5, posterior_mm=20.5, depth_mm=29, width_mm=31),
    Shape(anterior_mm=14, middle_mm=15.5, posterior_mm=20, depth_mm=29, width_mm=31),
)
#: Largest turns about the superior, posterior and left axis, degrees.
TURNS_DEG = (15.0, 20.0, 25.0)
#: The box a phantom is made in, LPS mm.
LOW, HIGH = np.array([-62.0, -42.0, -54.0]), np.array([62.0, 88.0, 50.0])


@dataclass(frozen=True, kw_only=True)
class Case:
    """One phantom and what was found."""

    truth: Vertebra
    found: VertebraLandmarks

    @property
    def points(self) -> dict[str, Array]:
        """The six points found, LPS mm."""
        assert self.found.landmarks is not None, self.found.reason
        return {name: np.array(point) for name, point in self.found.landmarks.points.items()}

    @property
    def height_error_mm(self) -> Array:
        """Error of the anterior, middle and posterior height."""
        return _heights(self.points) - _heights(self.truth.points)

    @property
    def ratio_error(self) -> float:
        """Error of Ha/Hp, points."""
        found, true = _heights(self.points), _heights(self.truth.points)
        return float(100 * (found[0] / found[2] - true[0] / true[2]))

    @property
    def angle_error_deg(self) -> float:
        """Error of the angle between the endplates."""
        return _angle_deg(self.points, self.truth) - _angle_deg(self.truth.points, self.truth)

    @property
    def plane_error_deg(self) -> float:
        """Angle between the plane found and the true midsagittal plane."""
        cosine = abs(float(np.dot(np.array(self.found.midsagittal_normal), self.truth.axes[0])))
        return float(np.degrees(np.arccos(min(1.0, cosine))))


def _heights(points: dict[str, Array]) -> Array:
    return np.array([np.linalg.norm(points[f"{at}S"] - points[f"{at}I"]) for at in "AMP"])


def _angle_deg(points: dict[str, Array], vertebra: Vertebra) -> float:
    chords = [vertebra.axes @ (points[f"P{end}"] - points[f"A{end}"]) for end in "IS"]
    inferior, superior = (float(np.degrees(np.arctan2(chord[2], chord[1]))) for chord in chords)
    return inferior - superior


def _turned(degrees: Array) -> Array:
    """Return rows left, posterior, superior, turned about the superior, posterior and left axis in this order."""
    (a, b, c), (x, y, z) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_superior = np.array([[a, -x, 0], [x, a, 0], [0, 0, 1]])
    about_posterior = np.array([[b, 0, y], [0, 1, 0], [-y, 0, b]])
    about_left = np.array([[1, 0, 0], [0, c, -z], [0, z, c]])
    return np.asarray((about_superior @ about_posterior @ about_left).T)


def _case(seed: int, spacing: tuple[float, float, float]) -> Case:
    rng = np.random.default_rng(seed)
    shape = replace(
        SHAPES[seed % len(SHAPES)],
        osteophyte_mm=5.0 if seed % 3 == 0 else 0.0,
        schmorl_mm=3.5 if seed % 5 == 0 else 0.0,
        posterior_elements=seed % 4 != 0,
    )
    axes = _turned(rng.uniform(-1, 1, 3) * TURNS_DEG)
    vertebra = Vertebra(level="L2", shape=shape, centre=rng.uniform(-3, 3, 3), axes=axes)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = LOW
    size = np.ceil((HIGH - LOW) / spacing).astype(int)
    mask = occupancy(vertebra, affine, (int(size[0]), int(size[1]), int(size[2]))) > 0.5
    volume = Volume(mask=mask, affine=affine, low=(9, 9, 9), high=(9, 9, 9))
    return Case(truth=vertebra, found=find({"L2": volume})[0])


@pytest.fixture(scope="module", params=list(SAMPLINGS))
def cases(request: pytest.FixtureRequest) -> list[Case]:
    """Return what is found of the phantoms at one sampling."""
    return [_case(seed, SAMPLINGS[request.param]) for seed in range(COUNT // len(SAMPLINGS))]


def test_heights_ratio_and_angle_are_near_the_truth(
    cases: list[Case], request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Height bias is within 0.5 mm, Ha/Hp error SD at most 2.5 points, mean absolute angle error at most 1 degree."""
    heights = np.array([case.height_error_mm for case in cases])
    ratio = np.array([case.ratio_error for case in cases])
    angle = np.array([case.angle_error_deg for case in cases])
    plane = np.array([case.plane_error_deg for case in cases])
    row = (
        f"\n{request.node.callspec.params['cases']} (n={len(cases)}): "
        f"height bias a/m/p {_join(heights.mean(axis=0))} mm, "
        f"SD {_join(heights.std(axis=0, ddof=1))} mm; Ha/Hp SD {ratio.std(ddof=1):.2f}, "
        f"p95 {np.quantile(np.abs(ratio), 0.95):.1f} points; angle MAE {np.abs(angle).mean():.2f} deg; "
        f"plane median {np.median(plane):.1f}, max {plane.max():.1f} deg\n"
    )
    with capsys.disabled():
        sys.stdout.write(row)
    assert np.abs(heights.mean(axis=0)).max() <= 0.5, row
    assert ratio.std(ddof=1) <= 2.5, row
    assert np.abs(angle).mean() <= 1.0, row


def test_a_wrong_plane_never_goes_without_a_flag(cases: list[Case]) -> None:
    """A midsagittal plane more than 10 degrees from the true one carries PLANE_UNCERTAIN."""
    wrong = [case for case in cases if case.plane_error_deg > 10]
    assert [case for case in wrong if "PLANE_UNCERTAIN" not in case.found.flags] == []


def _join(values: Array) -> str:
    return "/".join(f"{value:+.2f}" for value in values)

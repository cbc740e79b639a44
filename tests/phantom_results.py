"""What is measured of phantoms against the truth, and the figures that a row of the accuracy table holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from phantom_cases import Spacing, Truth, column, single

from sr_templates.findings import Measured, VertebraFinding
from workers.landmarks.mask.find import find
from workers.landmarks.points import VertebraLandmarks
from workers.morphometry.findings import measure
from workers.morphometry.policy import Policy
from workers.phantom.vertebra import Array

#: Left-right, front-back and up-down distance between voxels, mm.
SAMPLINGS: Final[dict[str, Spacing]] = {
    "1 mm isotropic": (1.0, 1.0, 1.0),
    "3 mm sagittal": (3.0, 0.8, 0.8),
    "3 mm axial": (0.8, 0.8, 3.0),
    "5 mm axial": (0.8, 0.8, 5.0),
}
#: What a mask may be like. Three of five phantoms are single vertebrae, the others stand in columns of nine.
KINDS: Final = ("whole", "body only", "parts missing", "noisy edge")
COLUMNS: Final = "scoliosis"
_IN_COLUMNS, _A_COLUMN = 0.4, 9
#: Figures of fewer vertebrae say nothing.
_LEAST: Final = 30
#: Borders of the grades, percent (docs/morphometry 1.1).
BORDERS: Final = (20.0, 25.0, 40.0)
#: A loss this near to a border may be graded to either side, points.
CLEAR_POINTS: Final = 5.0
#: A plane further off than this is a gross failure, degrees.
GROSS_DEG: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Task:
    """A phantom that is to be made and measured: a kind, or COLUMNS, at a sampling."""

    sampling: str
    kind: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """One vertebra: what it is, what was found in its mask, what was made of it."""

    task: Task
    truth: Truth
    found: VertebraLandmarks
    finding: VertebraFinding

    @property
    def measured(self) -> Measured:
        """The numbers; only of a vertebra that was not refused."""
        assert self.finding.measured is not None, self.finding.reason
        return self.finding.measured

    @property
    def heights_mm(self) -> Array:
        """Measured and true anterior, middle and posterior height, (2, 3)."""
        heights, points = self.measured.heights_mm, self.truth.vertebra.points
        assert heights is not None
        true = [np.linalg.norm(points[f"{at}S"] - points[f"{at}I"]) for at in "AMP"]
        return np.array([[heights.anterior, heights.middle, heights.posterior], true], dtype=np.float64)

    @property
    def angle_error_deg(self) -> float:
        """Error of the wedge angle."""
        shape = self.truth.vertebra.shape
        slope = np.arctan2((shape.posterior_mm - shape.anterior_mm) / 2, shape.depth_mm)
        return float(self.measured.wedge_angle_deg + np.degrees(2 * slope))

    @property
    def plane_error_deg(self) -> float:
        """Angle between the plane found and the true midsagittal plane."""
        cosine = abs(float(np.dot(np.array(self.found.midsagittal_normal), self.truth.vertebra.axes[0])))
        return float(np.degrees(np.arccos(min(1.0, cosine))))

    @property
    def is_gross(self) -> bool:
        """Whether the plane is off by more than 10 degrees."""
        return self.plane_error_deg > GROSS_DEG

    @property
    def is_flagged(self) -> bool:
        """Whether a reader is told that the plane is in doubt."""
        return "PLANE_UNCERTAIN" in self.finding.flags

    @property
    def is_clear(self) -> bool:
        """Whether the true loss is far enough from a border, and the column there to compare with."""
        far = min(abs(self.truth.loss_percent - border) for border in BORDERS)
        return self.task.kind == COLUMNS and far > CLEAR_POINTS

    @property
    def true_grade(self) -> int:
        """The grade of the loss that the vertebra was made with."""
        return sum(self.truth.loss_percent >= border for border in BORDERS)


@dataclass(frozen=True, kw_only=True)
class Row:
    """The figures of one row."""

    name: str
    results: Sequence[Result]

    @property
    def kept(self) -> list[Result]:
        """The vertebrae that have numbers."""
        return [result for result in self.results if result.finding.measured is not None]

    @property
    def refused_share(self) -> float:
        """Share of the vertebrae that have none."""
        return 1 - len(self.kept) / len(self.results)

    @property
    def heights_mm(self) -> Array:
        """Measured and true heights, (n, 2, 3)."""
        return np.array([result.heights_mm for result in self.kept])

    @property
    def bias_mm(self) -> Array:
        """Mean error of the three heights."""
        return np.asarray((self.heights_mm[:, 0] - self.heights_mm[:, 1]).mean(axis=0))

    @property
    def cv_percent(self) -> Array:
        """SD of the relative error of the three heights over all shapes and poses."""
        return np.asarray(100 * (self.heights_mm[:, 0] / self.heights_mm[:, 1]).std(axis=0, ddof=1))

    def ratio_error(self, upper: int) -> Array:
        """Errors of Ha/Hp (`upper` 0) or Hm/Hp (1), points."""
        measured, true = self.heights_mm[:, 0], self.heights_mm[:, 1]
        return np.asarray(100 * (measured[:, upper] / measured[:, 2] - true[:, upper] / true[:, 2]))

    @property
    def angle_mae_deg(self) -> float:
        """Mean absolute error of the wedge angle."""
        return float(np.mean([abs(result.angle_error_deg) for result in self.kept]))

    @property
    def plane_deg(self) -> Array:
        """Error of each plane."""
        return np.array([result.plane_error_deg for result in self.kept])

    @property
    def gross(self) -> list[Result]:
        """The vertebrae whose plane is off by more than 10 degrees."""
        return [result for result in self.kept if result.is_gross]

    @property
    def misgraded(self) -> list[str]:
        """The vertebrae with a clear loss whose grade is another, in words."""
        return [
            f"seed {r.task.seed} {r.finding.level}: {r.truth.loss_percent:.1f} % is {r.measured.genant_grade}"
            for r in self.kept
            if r.is_clear and r.measured.genant_grade != r.true_grade
        ]

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as it is printed, in the order of accuracy_table.PHANTOMS."""
        ratio, unflagged = self.ratio_error(0), sum(not result.is_flagged for result in self.gross)
        clear = sum(result.is_clear for result in self.kept)
        graded = any(result.measured.genant_grade is not None for result in self.kept)
        exact = f"{clear - len(self.misgraded)} of {clear}" if graded else "no grade"
        return (
            self.name,
            str(len(self.results)),
            str(len(self.results) - len(self.kept)),
            _join(self.bias_mm, "+.2f"),
            _join(self.cv_percent, ".1f"),
            f"{ratio.std(ddof=1):.1f}; {np.quantile(np.abs(ratio), 0.95):.1f}",
            f"{self.ratio_error(1).mean():+.1f}",
            f"{self.angle_mae_deg:.2f}",
            f"{np.median(self.plane_deg):.1f}; {self.plane_deg.max():.1f}",
            f"{len(self.gross)}; {unflagged}; {sum(result.is_flagged for result in self.kept)}",
            exact if clear else "-",
        )


def tasks(sampling: str, count: int) -> list[Task]:
    """Return what makes up `count` vertebrae or a few more at one sampling."""
    columns = -(-round(count * _IN_COLUMNS) // _A_COLUMN)
    singles = -(-(count - columns * _A_COLUMN) // len(KINDS))
    task = partial(Task, sampling=sampling)
    alone = [task(kind=kind, seed=place + len(KINDS) * n) for place, kind in enumerate(KINDS) for n in range(singles)]
    return [*alone, *(task(kind=COLUMNS, seed=seed) for seed in range(columns))]


def results_of(task: Task) -> list[Result]:
    """Make the phantom of one task and measure it; columns take the kinds of mask in turn."""
    spacing = SAMPLINGS[task.sampling]
    if task.kind == COLUMNS:
        phantom = column(task.seed, spacing, kind=KINDS[task.seed % len(KINDS)])
    else:
        phantom = single(task.seed, spacing, kind=task.kind)
    given = {landmarks.level: landmarks for landmarks in find(phantom.masks)}
    findings, _ = measure(list(given.values()), Policy())
    return [Result(task=task, truth=phantom.truths[one.level], found=given[one.level], finding=one) for one in findings]


def rows(sampling: str, results: Sequence[Result]) -> list[Row]:
    """Return the row of all results of a sampling, then one for each kind that is there often enough."""
    each = [
        Row(name=f"{sampling}, {kind}", results=[result for result in results if result.task.kind == kind])
        for kind in (*KINDS, COLUMNS)
    ]
    return [Row(name=sampling, results=results), *(row for row in each if len(row.kept) >= _LEAST)]


def _join(values: Array, form: str) -> str:
    return " / ".join(format(float(value), form) for value in values)

"""Phantoms for tests/accuracy: vertebrae and columns of known dimensions as masks, in any pose, with noisy edges.

Sound heights grow linearly from T5 to L5, so a fit through sound neighbours gives the truth, and a deformity's loss is
the one it was made with. Everything follows from a seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from workers.landmarks.volumes import Mask, Volume
from workers.phantom.vertebra import Array, Inside, Shape, Vertebra
from workers.phantom.voxels import occupancy

Spacing = tuple[float, float, float]
Triple = tuple[float, float, float]

LEVELS: Final = ("T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
#: Anterior, middle and posterior height, depth and width at T5, and what a level adds, mm: the sizes of an adult.
_AT_T5: Final = np.array([17.0, 16.6, 18.2, 24.0, 27.0])
_A_LEVEL: Final = np.array([0.85, 0.75, 0.80, 1.0, 1.9])
#: How far a top leans forward from T5 to L5, degrees: kyphosis, then lordosis.
_LEAN_DEG: Final = (20.0, 16.0, 12.0, 8.0, 3.0, -2.0, -6.0, -9.0, -9.0, -6.0, 0.0, 9.0, 20.0)
_LONGEST: Final = 9
_DISC_MM: Final = (4.0, 8.0)
#: Largest turns of a single vertebra about the superior, posterior and left axis, degrees.
_TURNS_DEG: Final = (15.0, 20.0, 25.0)
#: Largest Cobb angle, and axial turn at the apex, of a scoliosis, degrees.
_COBB_DEG, _APEX_DEG = 45.0, 22.0
DEFORMITIES: Final = ("none", "anterior_wedge", "biconcave", "crush", "posterior_wedge")
#: Loss of a deformity.
_LOSSES: Final = (0.05, 0.50)
#: SD of a noisy edge, voxels, the length over which it waves, mm, and the share of edge voxels that are turned over.
_EDGE_VOXELS, _WAVE_MM, _FLIPPED = 0.25, 1.5, 0.05
#: Room about a mask, mm.
_ROOM_MM: Final = 6.0
#: References that a deformed vertebra of a column must have within three levels.
_REFERENCES, _REACH = 3, 3


@dataclass(frozen=True, kw_only=True)
class SpurredShape(Shape):
    """A shape with claw osteophytes at any rim, each (-1 front or 1 rear, -1 below or 1 above, length mm)."""

    spurs: tuple[Triple, ...] = ()

    def body(self, local: Array) -> Inside:
        """Return whether (..., 3) local points lie in the body or a spur."""
        left, posterior, superior = np.moveaxis(local, -1, 0)
        inside = super().body(local)
        for side, end, length in self.spurs:
            out, up = side * posterior - self.depth_mm / 2, end * superior
            rim = (self.anterior_mm if side < 0 else self.posterior_mm) / 2
            grown = (np.abs(left) < self.width_mm / 5) & (np.abs(out - length / 2) < length / 2)
            inside |= grown & (up < rim + 0.15 * out) & (up > rim - length + 0.6 * out)
        return inside


@dataclass(frozen=True, kw_only=True)
class Truth:
    """A vertebra with the losses, anterior, middle, posterior, 0 to 1, that it was made with."""

    vertebra: Vertebra
    losses: Triple

    @property
    def loss_percent(self) -> float:
        """The largest loss."""
        return 100 * max(self.losses)


@dataclass(frozen=True, kw_only=True)
class Phantom:
    """Masks of one or more vertebrae, by level, with the truth."""

    truths: Mapping[str, Truth]
    masks: Mapping[str, Volume]


def single(seed: int, spacing: Spacing, *, kind: str = "whole") -> Phantom:
    """Return one vertebra of any level, deformity and pose; `kind` as in `_altered`."""
    rng = np.random.default_rng((seed, 1))
    place = int(rng.integers(len(LEVELS)))
    losses = _losses(rng, DEFORMITIES[seed % len(DEFORMITIES)])
    shape = _shape(rng, place, losses, grown=True)
    axes = _turned(rng.uniform(-1, 1, 3) * _TURNS_DEG)
    vertebra = Vertebra(level=LEVELS[place], shape=shape, centre=rng.uniform(-3, 3, 3), axes=axes)
    return _phantom([Truth(vertebra=vertebra, losses=losses)], spacing, rng, kind=kind)


def column(seed: int, spacing: Spacing, *, kind: str = "whole") -> Phantom:
    """Return up to nine vertebrae in a row, three at most deformed, along a spine with or without scoliosis."""
    rng = np.random.default_rng((seed, 2))
    first = int(rng.integers(len(LEVELS) - _LONGEST + 1))
    places = range(first, first + _LONGEST)
    deformed = _deformed(rng)
    losses = [_losses(rng, str(rng.choice(DEFORMITIES[1:])) if n in deformed else "none") for n in range(_LONGEST)]
    shapes = [_shape(rng, place, loss, grown=True) for place, loss in zip(places, losses, strict=True)]
    vertebrae = _stacked(rng, places, shapes)
    truths = [Truth(vertebra=v, losses=loss) for v, loss in zip(vertebrae, losses, strict=True)]
    return _phantom(truths, spacing, rng, kind=kind)


def _deformed(rng: np.random.Generator) -> frozenset[int]:
    """Return up to three places; each keeps three sound others within three levels to be compared with."""
    fitting = [
        frozenset(places)
        for places in combinations(range(_LONGEST), int(rng.integers(4)))
        if all(_sound_near(n, places) >= _REFERENCES for n in places)
    ]
    return fitting[int(rng.integers(len(fitting)))]


def _sound_near(place: int, deformed: tuple[int, ...]) -> int:
    return sum(0 < abs(n - place) <= _REACH and n not in deformed for n in range(_LONGEST))


def _losses(rng: np.random.Generator, deformity: str) -> Triple:
    """Return the losses of one deformity: the largest is drawn, the others are shares of it."""
    large, less, little = rng.uniform(*_LOSSES), rng.uniform(0.3, 0.7), rng.uniform(0.0, 0.2)
    shares = {
        "none": (0.0, 0.0, 0.0),
        "anterior_wedge": (1.0, less, little),
        "biconcave": (little, 1.0, little),
        "crush": (1.0, 1.0, 0.4 + less * 0.6),
        "posterior_wedge": (little, less, 1.0),
    }[deformity]
    anterior, middle, posterior = (float(large * share) for share in shares)
    return anterior, middle, posterior


def _shape(rng: np.random.Generator, place: int, losses: Triple, *, grown: bool) -> SpurredShape:
    anterior, middle, posterior, depth, width = _AT_T5 + place * _A_LEVEL
    spurs = [(-1.0, 1.0), (-1.0, -1.0), (1.0, 1.0), (1.0, -1.0)]
    chosen = rng.permutation(4)[: int(rng.choice([0, 0, 1, 2]))] if grown else ()
    return SpurredShape(
        anterior_mm=anterior * (1 - losses[0]),
        middle_mm=middle * (1 - losses[1]),
        posterior_mm=posterior * (1 - losses[2]),
        depth_mm=depth,
        width_mm=width,
        schmorl_mm=float(rng.uniform(2.5, 4.0)) if rng.random() < 0.2 else 0.0,
        spurs=tuple((*spurs[n], float(rng.uniform(3, 6) if spurs[n][0] < 0 else rng.uniform(1.5, 3))) for n in chosen),
    )


def _stacked(rng: np.random.Generator, places: range, shapes: list[SpurredShape]) -> list[Vertebra]:
    """Return the vertebrae from cranial to caudal, the lowest about the origin, along a random scoliosis."""
    cobb, apex = rng.uniform(-1, 1) * _COBB_DEG, rng.uniform(-1, 1) * _APEX_DEG
    end, built = rng.uniform(-3, 3, 3), list[Vertebra]()
    along = np.linspace(-0.5, 0.5, len(shapes))
    for place, shape, share in reversed(list(zip(places, shapes, along, strict=True))):
        turn = apex * np.cos(np.pi * share) + rng.uniform(-2, 2)
        axes = _turned(np.array([turn, cobb * share + rng.uniform(-2, 2), -_LEAN_DEG[place] + rng.uniform(-4, 4)]))
        half = (shape.anterior_mm + shape.posterior_mm) / 4
        disc = float(np.interp(place, (0, len(LEVELS) - 1), _DISC_MM)) / 2
        centre = end + axes[2] * (half + disc)
        built.append(Vertebra(level=LEVELS[place], shape=shape, centre=centre, axes=axes))
        end = centre + axes[2] * (half + disc)
    return built[::-1]


def _turned(degrees: Array) -> Array:
    """Return rows left, posterior, superior, turned about the superior, posterior and left axis in this order."""
    (a, b, c), (x, y, z) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_superior = np.array([[a, -x, 0], [x, a, 0], [0, 0, 1]])
    about_posterior = np.array([[b, 0, y], [0, 1, 0], [-y, 0, b]])
    about_left = np.array([[1, 0, 0], [0, c, -z], [0, z, c]])
    return np.asarray((about_superior @ about_posterior @ about_left).T)


def _phantom(truths: list[Truth], spacing: Spacing, rng: np.random.Generator, *, kind: str) -> Phantom:
    """Return the masks; where two vertebrae would fill a voxel, it belongs to the one that fills more of it."""
    shapes = {"body only": {"posterior_elements": False}}.get(kind, {})
    vertebrae = [replace(t.vertebra, shape=replace(t.vertebra.shape, **shapes)) for t in truths]
    affine, grid = _grid(vertebrae, spacing)
    filled, labels = np.full(grid, 0.5, dtype=np.float32), np.zeros(grid, dtype=np.uint8)
    for number, vertebra in enumerate(vertebrae, start=1):
        part = _altered(vertebra, affine, grid, rng, kind)
        labels[part > filled] = number
        np.maximum(filled, part, out=filled)
    boxes = ndimage.find_objects(labels)
    masks = {v.level: _cropped(labels == n, affine, boxes[n - 1]) for n, v in enumerate(vertebrae, start=1)}
    return Phantom(truths={truth.vertebra.level: truth for truth in truths}, masks=masks)


def _grid(vertebrae: list[Vertebra], spacing: Spacing) -> tuple[Array, tuple[int, int, int]]:
    """Return a grid with room for all vertebrae: affine, and size."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for vertebra in vertebrae:
        shape = vertebra.shape
        half_width, front, height = shape.width_mm, shape.depth_mm / 2, shape.anterior_mm
        corners = np.array(np.meshgrid([-half_width, half_width], [-front - 8, front + 52], [-height - 9, height + 7]))
        places = vertebra.to_patient(corners.reshape(3, -1).T)
        low, high = np.minimum(low, places.min(axis=0)), np.maximum(high, places.max(axis=0))
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = np.floor(low) - _ROOM_MM
    columns, rows, slices = np.ceil((high - low + 2 * _ROOM_MM) / spacing).astype(int)
    return affine, (int(columns), int(rows), int(slices))


def _altered(
    vertebra: Vertebra, affine: Array, grid: tuple[int, int, int], rng: np.random.Generator, kind: str
) -> npt.NDArray[np.float32]:
    """Return the vertebra's occupancy: "whole", "body only", "noisy edge", or with "parts missing" behind the canal."""
    part = occupancy(vertebra, affine, grid)
    if kind == "noisy edge":
        return _noisy(part, np.diag(affine)[:3], rng)
    if kind == "parts missing":
        body = occupancy(replace(vertebra, shape=replace(vertebra.shape, posterior_elements=False)), affine, grid)
        index = np.argwhere(part > body)
        local = vertebra.to_local(index @ affine[:3, :3].T + affine[:3, 3])
        lost = _lost(rng, local, vertebra.shape.depth_mm / 2)
        part[tuple(index[lost].T)] = body[tuple(index[lost].T)]
    return part


def _lost(rng: np.random.Generator, local: Array, wall: float) -> Inside:
    """Return which points of the posterior elements are gone: the spinous process, the arch, or one side."""
    gone = (
        local[:, 1] > wall + 24,
        (local[:, 1] > wall + 15) & (np.abs(local[:, 0]) < 12),
        local[:, 0] * rng.choice([-1, 1]) > 2,
    )
    return np.asarray(gone[int(rng.integers(3))])


def _noisy(part: npt.NDArray[np.float32], spacing: Array, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return `part` as one fills it who errs at the edge: in waves, by a share of a voxel, and by whole voxels."""
    box = tuple(slice(max(0, s.start - 4), s.stop + 4) for s in ndimage.find_objects((part > 0).astype(np.uint8))[0])
    near = part[box]
    waves = ndimage.gaussian_filter(rng.standard_normal(near.shape), _WAVE_MM / spacing)
    moved = near + waves * (_EDGE_VOXELS / waves.std()) > 0.5
    moved = np.where((near > 0) & (near < 1), moved, near > 0.5)
    edge = ndimage.binary_dilation(moved) & ~ndimage.binary_erosion(moved)
    out = np.zeros_like(part)
    out[box] = moved ^ (edge & (rng.random(near.shape) < _FLIPPED))
    return out


def _cropped(mask: Mask, affine: Array, box: tuple[slice, slice, slice]) -> Volume:
    """Return the mask in the smallest box that holds it, as the reader of segmentations hands it over."""
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ [side.start for side in box]
    low = [side.start for side in box]
    high = [size - side.stop for size, side in zip(mask.shape, box, strict=True)]
    return Volume(mask=mask[box], affine=moved, low=(low[0], low[1], low[2]), high=(high[0], high[1], high[2]))

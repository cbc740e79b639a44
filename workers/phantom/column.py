"""A column of nine phantoms, T9 to L5, three of them deformed. PURE.

Made-up sizes that grow downwards as real ones do; L1 is crushed, T12 wedged in front, L4 wedged behind. The deformed
ones stand so that each of them has enough sound neighbours to be compared with.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from workers.phantom.vertebra import Array, Shape, Vertebra

#: Height of a disc, mm.
_DISC_MM: Final = 8.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One level: anterior, middle and posterior height, depth, width, mm; how far its top leans forward, degrees."""

    level: str
    heights_mm: tuple[float, float, float]
    depth_mm: float
    width_mm: float
    lean_deg: float


#: From caudal to cranial, as the column is built.
STAGES: Final = (
    Stage(level="L5", heights_mm=(29.6, 26.5, 26.3), depth_mm=35.5, width_mm=50.0, lean_deg=20.0),
    Stage(level="L4", heights_mm=(28.8, 25.4, 24.8), depth_mm=35.0, width_mm=48.0, lean_deg=9.0),
    Stage(level="L3", heights_mm=(27.2, 25.7, 27.4), depth_mm=34.5, width_mm=46.0, lean_deg=0.0),
    Stage(level="L2", heights_mm=(26.0, 25.2, 27.0), depth_mm=34.0, width_mm=44.0, lean_deg=-6.0),
    Stage(level="L1", heights_mm=(13.5, 12.5, 19.5), depth_mm=34.5, width_mm=44.0, lean_deg=-9.0),
    Stage(level="T12", heights_mm=(16.4, 19.0, 24.6), depth_mm=32.0, width_mm=41.0, lean_deg=-9.0),
    Stage(level="T11", heights_mm=(22.3, 21.7, 23.5), depth_mm=31.0, width_mm=39.0, lean_deg=-6.0),
    Stage(level="T10", heights_mm=(21.2, 20.5, 22.2), depth_mm=30.0, width_mm=37.0, lean_deg=-2.0),
    Stage(level="T9", heights_mm=(20.1, 19.4, 21.0), depth_mm=29.0, width_mm=35.0, lean_deg=3.0),
)


def column() -> tuple[Vertebra, ...]:
    """Return the vertebrae from cranial to caudal; the centre of the lowest body is the origin, LPS mm."""
    built: list[Vertebra] = []
    end = np.zeros(3)
    for stage in STAGES:
        axes = _axes(stage.lean_deg)
        half = sum(stage.heights_mm) / 6
        centre = end + axes[2] * (half + _DISC_MM / 2) if built else end
        built.append(Vertebra(level=stage.level, shape=_shape(stage), centre=centre, axes=axes))
        end = centre + axes[2] * (half + _DISC_MM / 2)
    return tuple(reversed(built))


def _axes(lean_deg: float) -> Array:
    lean = np.radians(lean_deg)
    return np.array([[1, 0, 0], [0, np.cos(lean), np.sin(lean)], [0, -np.sin(lean), np.cos(lean)]])


def _shape(stage: Stage) -> Shape:
    anterior, middle, posterior = stage.heights_mm
    return Shape(
        anterior_mm=anterior,
        middle_mm=middle,
        posterior_mm=posterior,
        depth_mm=stage.depth_mm,
        width_mm=stage.width_mm,
    )

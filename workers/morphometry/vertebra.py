"""A vertebra whose points could be placed, and what it can be compared with. PURE."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sr_templates.findings import Landmarks, Space
from workers.landmarks.points import PixelScale, VertebraLandmarks
from workers.morphometry.geometry import Array, Body, place
from workers.morphometry.heights import endplate_angle_deg, heights, wedging_percent

#: What heights can be compared within, and what points share.
Unit = tuple[object, ...]
#: Scales whose mm are those of other images too (PixelScale.kind): a magnification is estimated for each image anew.
_SHARED = "calibrated"
#: Scales whose mm are magnified by an unknown factor.
_MAGNIFIED = "detector_plane"


@dataclass(frozen=True, kw_only=True, eq=False)
class Vertebra:
    """What was given, the body it outlines, and its (3,) heights (mm, or pixels without spacing), angle and wedging.

    Angle and wedging are positive for posterior wedging (docs/morphometry 1.5).
    """

    given: VertebraLandmarks
    landmarks: Landmarks
    body: Body
    heights: Array
    angle_deg: float
    wedging_percent: float

    @cached_property
    def known(self) -> list[float]:
        """The heights that there are: three, or two without mid-points."""
        return [height for height in self.heights.tolist() if not math.isnan(height)]

    @property
    def level(self) -> str:
        """The name of the level."""
        return self.given.level

    @property
    def scale(self) -> PixelScale | None:
        """The scale of the image; None for patient points, and where there is no spacing."""
        return None if self.given.plane is None else self.given.plane.scale

    @property
    def in_patient(self) -> bool:
        """Whether the points are in the patient, not in an image."""
        return self.landmarks.space is Space.PATIENT

    @property
    def in_mm(self) -> bool:
        """Whether heights are mm, be it those of the detector."""
        return self.in_patient or self.scale is not None

    @property
    def in_true_mm(self) -> bool:
        """Whether heights are mm in the patient, as far as is known."""
        return self.in_patient or (self.scale is not None and self.scale.kind != _MAGNIFIED)

    @property
    def spacing_source(self) -> str | None:
        """Whose mm the heights are: the patient's in points and sections, else as the scale says; None without one."""
        if self.in_patient or (self.scale is not None and self.given.plane is not None and self.given.plane.is_section):
            return str(Space.PATIENT)
        return None if self.scale is None else self.scale.kind

    @property
    def space(self) -> Unit:
        """The space of the points: positions compare only within one."""
        if self.in_patient:
            return (Space.PATIENT, self.landmarks.frame_of_reference_uid)
        return (Space.IMAGE, self.landmarks.sop_instance_uid, self.landmarks.frame)

    @cached_property
    def unit(self) -> Unit:
        """The unit of the heights: mm everywhere, else what only the same image shares (3.3: ratios survive)."""
        return ("mm",) if self.in_patient or (self.scale is not None and self.scale.kind == _SHARED) else self.space


def outlines(vertebrae: Sequence[VertebraLandmarks]) -> list[Vertebra]:
    """Place the points of all vertebrae that have any, and measure them at once.

    The points must have passed `quality.misplaced`.
    """
    placed = [
        (given, given.landmarks, place(given.landmarks, plane=given.plane, normal=given.midsagittal_normal))
        for given in vertebrae
        if given.landmarks is not None
    ]
    if not placed:
        return []
    points = np.array([body.points for _, _, body in placed])
    lengths = heights(points)
    with np.errstate(invalid="ignore"):  # walls of no height have no wedging; `quality.rejection` finds them
        wedging = wedging_percent(lengths)
    numbers = zip(lengths, endplate_angle_deg(points).tolist(), wedging.tolist(), strict=True)
    return [
        Vertebra(given=given, landmarks=landmarks, body=body, heights=own, angle_deg=angle_deg, wedging_percent=percent)
        for (given, landmarks, body), (own, angle_deg, percent) in zip(placed, numbers, strict=True)
    ]

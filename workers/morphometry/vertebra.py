"""A vertebra whose points could be placed, and what it can be compared with. PURE."""

import math
from dataclasses import dataclass

from sr_templates.findings import Landmarks, Space
from workers.landmarks.points import PixelScale, VertebraLandmarks
from workers.morphometry.geometry import Array, Body, place
from workers.morphometry.heights import heights

#: What heights can be compared within, and what points share.
Unit = tuple[object, ...]
#: Scales whose mm are magnified by an unknown factor (PixelScale.kind).
_MAGNIFIED = "detector_plane"


@dataclass(frozen=True, kw_only=True, eq=False)
class Vertebra:
    """What was given, the body it outlines, and the body's (3,) heights: mm, or pixels without spacing."""

    given: VertebraLandmarks
    landmarks: Landmarks
    body: Body
    heights: Array

    @property
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
    def space(self) -> Unit:
        """The space of the points: positions compare only within one."""
        if self.in_patient:
            return (Space.PATIENT, self.landmarks.frame_of_reference_uid)
        return (Space.IMAGE, self.landmarks.sop_instance_uid, self.landmarks.frame)

    @property
    def unit(self) -> Unit:
        """The unit of the heights: mm everywhere, else what only the same image shares (3.3: ratios survive)."""
        return ("mm",) if self.in_true_mm else self.space


def outline(given: VertebraLandmarks, landmarks: Landmarks) -> Vertebra:
    """Place the points and take the heights; the points must have passed `quality.misplaced`."""
    body = place(landmarks, plane=given.plane, normal=given.midsagittal_normal)
    return Vertebra(given=given, landmarks=landmarks, body=body, heights=heights(body.points))

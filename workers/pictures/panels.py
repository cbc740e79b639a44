"""What is drawn on: for each frame of reference a sagittal reformat, for each radiograph the radiograph itself.

Sections (CT, MR) are shown on the sheet through the points, also where points were placed on single slices of them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.envelope import LEGIBLE
from sr_templates.findings import Landmarks, Point, Space, StudyFindings
from sr_templates.projection import unprojected
from sr_templates.slices import frame_of_reference, slice_of
from workers.inputs import SEGMENTATIONS, Inputs
from workers.nearby import is_computed
from workers.pictures import film
from workers.pictures.grid import grid_over, height_mm
from workers.pictures.shades import Shades, sections
from workers.pictures.sheet import Array, Sheet
from workers.pictures.stack import Sampled, Stack, stack_of

#: Rows a vertebra gets at least, and rows beside them; the lowest and the highest picture.
_A_VERTEBRA, _BESIDE, _LOWEST, _HIGHEST = 90, 160, 560, 1600
#: The widest picture, columns.
_WIDEST: Final = 1200
#: A voxel of 0.5 mm is drawn over three pixels at most: more shows no more.
_FINEST_MM: Final = 0.15
#: Pictures of one study at most: thoracic and lumbar radiograph, twice.
MOST_PANELS: Final = 4
NO_PIXELS: Final = "Images not shown: their pixels could not be read (compression without a decoder, or damage)."
NO_SLICE_NEAR: Final = "Images not shown: no slice of the study lies where the points do."
NO_SLICES: Final = "Images not shown: none of the study says where it lies in this frame of reference."
_Points = Mapping[str, Point]


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """One picture, still without lines: grey background and the points on it, by level.

    Points are (column, row) of the background; 0, 0 is the corner of its first pixel.
    """

    background: Shades
    points: Mapping[str, _Points]
    #: What is shown, in words.
    caption: str
    #: The images that the background was made from; none where it is black.
    images: tuple[Dataset, ...]
    #: Why there is no background; "" where there is one.
    missing: str = ""
    #: Whether it is computed from slices.
    is_reformat: bool = False
    #: Whether it crosses its slices so steeply that no text of theirs can be legible in it.
    is_steep: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Volume:
    """The points of one frame of reference, by level, LPS mm, their sheet, and the slices around them, if any."""

    frame_of_reference_uid: str
    vertebrae: Mapping[str, _Points]
    sheet: Sheet
    stack: Stack | None

    @property
    def points(self) -> Array:
        """All points, (n, 3) LPS mm."""
        return np.array([point for points in self.vertebrae.values() for point in points.values()], dtype=float)

    @property
    def modality(self) -> str:
        """Modality of the slices, "" without any."""
        return headers.text(self.stack.slices[0].image, "Modality") if self.stack else ""


def volumes(findings: StudyFindings, inputs: Inputs, images: Sequence[Dataset]) -> list[Volume]:
    """Return the points that have a place in the patient, with their slices; `images` are those nearest to them."""
    groups: dict[str, dict[str, _Points]] = {}
    for level, landmarks in _measured(findings):
        placed = _in_patient(landmarks, inputs)
        if placed is not None:
            groups.setdefault(placed[0], {})[level] = placed[1]
    found = []
    for frame, vertebrae in groups.items():
        sheet = Sheet.through(list(vertebrae.values()))
        if sheet is not None:
            stack = _stack(frame, inputs, images)
            found.append(Volume(frame_of_reference_uid=frame, vertebrae=vertebrae, sheet=sheet, stack=stack))
    return found


def panels(findings: StudyFindings, inputs: Inputs, images: Sequence[Dataset]) -> list[Panel]:
    """Return the pictures of a study, sections before radiographs, four at most; `images` as in `volumes`."""
    found = [reformatted(volume) for volume in volumes(findings, inputs, images)]
    films: dict[tuple[str, int], dict[str, _Points]] = {}
    for level, landmarks in _measured(findings):
        if landmarks.space is Space.IMAGE and _in_patient(landmarks, inputs) is None:
            key = landmarks.sop_instance_uid or "", landmarks.frame or 1
            films.setdefault(key, {})[level] = landmarks.points
    for (uid, frame), vertebrae in films.items():
        image = inputs.header(uid)
        if image is not None:
            found.append(_film(image, frame, vertebrae, inputs))
    return found[:MOST_PANELS]


def reformatted(volume: Volume) -> Panel:
    """Return the sagittal reformat on the sheet through the points of one frame of reference."""
    points = volume.points
    wide = float(np.ptp(volume.sheet.flat(points)[:, 0]))
    pixel_mm = max(height_mm(volume.sheet, points) / rows_for(len(volume.vertebrae)), wide / _WIDEST, _FINEST_MM)
    grid = grid_over(volume.sheet, points, pixel_mm=pixel_mm)
    sampled = volume.stack.sampled(grid.on_sheet()) if volume.stack else None
    if sampled is None:
        background = np.zeros((grid.rows, grid.columns), dtype=np.uint8)
    else:
        background = sections(sampled.values.reshape(grid.rows, grid.columns), volume.modality)
    lacking = f" {sampled.remark}." if sampled is not None and sampled.unread else ""
    names = {level: list(points) for level, points in volume.vertebrae.items()}
    return Panel(
        background=background,
        points={
            level: {
                name: (float(x), float(y))
                for name, (x, y) in zip(
                    names[level], grid.pixels(np.array(list(points.values()), dtype=float)), strict=True
                )
            }
            for level, points in volume.vertebrae.items()
        },
        caption=f"{volume.modality or 'No image'}: sagittal reformat through the measured planes, "
        f"bent from left to right; {grid.pixel_mm:.2f} mm a pixel. Not for measuring.{lacking}",
        images=() if sampled is None else sampled.images,
        missing=_missing(volume, sampled),
        is_reformat=True,
        is_steep=volume.stack is not None and grid.along(volume.stack.normal) <= LEGIBLE,
    )


def _missing(volume: Volume, sampled: Sampled | None) -> str:
    if volume.stack is None:
        return NO_SLICES
    if sampled is None:
        return NO_PIXELS
    return "" if sampled.images else NO_SLICE_NEAR


def rows_for(vertebrae: int) -> int:
    """Return how high the picture of so many vertebrae should be, rows."""
    return min(max(_A_VERTEBRA * vertebrae + _BESIDE, _LOWEST), _HIGHEST)


def _film(image: Dataset, frame: int, vertebrae: Mapping[str, _Points], inputs: Inputs) -> Panel:
    path = inputs.files[headers.text(image, "SOPInstanceUID")]
    cut = film.around(image, list(vertebrae.values()), rows=rows_for(len(vertebrae)), columns=_WIDEST)
    background = film.background(image, path, frame, cut)
    modality = headers.text(image, "Modality").strip()
    return Panel(
        background=np.zeros((cut.rows, cut.columns), dtype=np.uint8) if background is None else background,
        points={level: cut.placed(points) for level, points in vertebrae.items()},
        caption=f"{modality or 'Image'}: part of the image, as its sender shows it. Not for measuring.",
        images=() if background is None else (image,),
        missing=NO_PIXELS if background is None else "",
    )


def _measured(findings: StudyFindings) -> Iterator[tuple[str, Landmarks]]:
    for vertebra in findings.vertebrae:
        if vertebra.measured is not None:
            yield vertebra.level, vertebra.measured.landmarks


def _in_patient(landmarks: Landmarks, inputs: Inputs) -> tuple[str, _Points] | None:
    """Return frame of reference and points, LPS mm; None for points on an image that has no place in the patient."""
    if landmarks.space is Space.PATIENT:
        return landmarks.frame_of_reference_uid or "", landmarks.points
    image = inputs.header(landmarks.sop_instance_uid or "")
    one = None if image is None else slice_of(image, landmarks.frame or 1)
    places = None if one is None else unprojected(np.array(list(landmarks.points.values())), one)
    if image is None or places is None:
        return None
    points = {name: tuple(map(float, place)) for name, place in zip(landmarks.points, places, strict=True)}
    return frame_of_reference(image), points


def _stack(frame: str, inputs: Inputs, nearest: Sequence[Dataset]) -> Stack | None:
    """Return the slices of the series that most of the nearest images are of; of equals, the one with most slices."""
    inside = [
        image
        for image in inputs.headers
        if frame_of_reference(image) == frame
        and "Rows" in image
        and headers.text(image, "SOPClassUID") not in SEGMENTATIONS
        and not is_computed(image)
    ]
    series: dict[str, list[Dataset]] = {}
    for image in inside:
        series.setdefault(headers.text(image, "SeriesInstanceUID"), []).append(image)
    near = Counter(headers.text(image, "SeriesInstanceUID") for image in nearest)
    stacks = ((uid, stack_of(members, inputs.files)) for uid, members in sorted(series.items()))
    ranked = [(near[uid], len(stack.slices), stack) for uid, stack in stacks if stack is not None]
    return max(ranked, key=lambda each: each[:2])[2] if ranked else None

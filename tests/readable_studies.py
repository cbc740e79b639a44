"""Small studies in which each kind of object that we read is what the landmarks come from."""

from collections.abc import Mapping
from functools import cache
from io import BytesIO
from typing import Any, Final

import films
import numpy as np
import pydicom
from annotated import annotation, fiducial, fiducial_set, fiducials, graphic, presentation, reference, text
from pictured import ct, with_pixels
from pydicom.dataset import Dataset
from report_samples import FRAME_OF_REFERENCE, header, patient_points, report_bytes
from segmentations import grid, segmentation, shares
from spooled import file_of
from structure_sets import contours, images, structure_set
from two_studies import EARLIER

from workers.landmarks.volumes import Volume
from workers.phantom.vertebra import Shape, Vertebra

#: Slices 8 mm apart, pixels of 2.5 mm: read as a real study is, and quickly.
_SPACING_MM: Final = (8.0, 2.5, 2.5)
_BODY: Final = Vertebra(
    level="L2",
    shape=Shape(anterior_mm=21, middle_mm=22, posterior_mm=27, depth_mm=34, width_mm=45),
    centre=np.array([3.0, -3.0, 40.0]),
    axes=np.eye(3),
)
_MIDDLES: Final = {"L1": 0.0, "L2": -40.0}


@cache
def readable_studies() -> Mapping[str, tuple[bytes, ...]]:
    """Return the files of each study by what it shows; first stands what the points come from."""
    slices = [_small(ct(number)) for number in (1, 2)]
    film, shown = films.film(), films.column()[5:6]
    made = _volumes() | {
        "film with masks": [films.segmented(film, shown), film],
        "film with lines": [films.annotated(film, films.lines(shown)), film],
        "film with a report": [films.reported(film, films.lines(shown)), film],
        "points in a state": [_state(slices[0]), *slices],
        "points in fiducials": [_fiducials(), *slices],
        "a reviewed report": [_report(SOPInstanceUID="2.25.88", VerificationFlag="VERIFIED"), *slices],
        "an earlier report": [_report(SOPInstanceUID="2.25.89", StudyInstanceUID=EARLIER), _fiducials(), *slices],
    }
    return {name: tuple(map(file_of, objects)) for name, objects in made.items()}


def _small(image: Dataset) -> Dataset:
    """Return a slice with a quarter of its rows and columns, over the same place."""
    values = image.pixel_array[::4, ::4]
    return with_pixels(image, values, PixelSpacing=[4.0, 4.0])


def _volumes() -> dict[str, list[Dataset]]:
    """Return the middle of a CT of one vertebra with a segmentation of each kind, and with contours."""
    affine, shape = grid("sagittal", _SPACING_MM, [_BODY])
    (filled,) = shares([_BODY], affine, shape)
    pixels = [np.rint(500 * plane).astype(np.int16) for plane in filled]
    slices = [_of_study(with_pixels(*one), "CT") for one in zip(images(affine, shape), pixels, strict=True)]
    half = Volume(mask=filled >= 0.5, affine=affine, low=(0, 0, 0), high=(0, 0, 0))
    carriers = {
        f"{kind.lower()} masks": _of_study(segmentation({"L2": filled}, affine, kind=kind), "SEG")
        for kind in ("BINARY", "FRACTIONAL", "LABELMAP")
    } | {"contours": _of_study(structure_set({"L2": contours(half)}), "RTSTRUCT")}
    middle = slices[len(slices) // 2 - 2 :][:4]
    return {name: [carrier, *middle] for name, carrier in carriers.items()}


def _of_study(made: Dataset, modality: str) -> Dataset:
    """Return an object with patient and study, where it has none of its own."""
    for element in header(str(made.SOPClassUID), 1, modality):
        if element.keyword != "StudyInstanceUID":
            made.setdefault(element.tag, element)
    made.StudyInstanceUID = "2.25.903"
    return made


def _state(image: Dataset) -> Dataset:
    graphics, texts = [], []
    for level, middle in _MIDDLES.items():
        for name, (_, y, z) in patient_points(middle).items():
            x, row = (y + 102.0) / 4, (130.0 - z) / 4
            graphics.append(graphic((x, row)))
            texts.append(text(f"{level} {name}", box=[(x + 0.5, row - 0.5), (x + 2, row)]))
    return presentation(image, annotation(graphics, texts, ReferencedImageSequence=[reference(image)]))


def _fiducials() -> Dataset:
    points = [(level, *each) for level, middle in _MIDDLES.items() for each in patient_points(middle).items()]
    made = [fiducial(f"{level} {name}", point) for level, name, point in points]
    return fiducials(fiducial_set(*made, FrameOfReferenceUID=FRAME_OF_REFERENCE))


def _report(**changes: Any) -> Dataset:
    """Return a report of ours, as it comes back."""
    made = pydicom.dcmread(BytesIO(report_bytes("patient")))
    for keyword, value in changes.items():
        setattr(made, keyword, value)
    return made

"""Lateral radiographs of a made-up column as DICOM, and what outlines its vertebrae, as producers write it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import highdicom as hd
import numpy as np
from annotated import annotation, graphic, presentation, text
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian
from radiographs import Array, Profile, Stand
from report_samples import STUDY, dx_lateral

from sr_templates.findings import POINT_NAMES
from sr_templates.levels import LEVELS

#: Rows and columns of the film, and the size of its pixels on the detector, mm.
ROWS, COLUMNS, PIXEL = 1420, 400, 0.25


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One vertebra on the film."""

    level: str
    profile: Profile
    stand: Stand

    @property
    def points(self) -> dict[str, tuple[float, float]]:
        """The six true points, (column, row)."""
        return {
            name: (float(x), float(y))
            for name, (x, y) in zip(POINT_NAMES, self.stand.to_image(self.profile.points), strict=True)
        }


def column(*, posterior_elements: bool = False, pixel: tuple[float, float] = (PIXEL, PIXEL)) -> list[Shown]:
    """Return T8 to L5: one of each shape, a sound one on either side of it.

    T10 is wedged in front, T12 biconcave with an osteophyte, L2 crushed, L4 wedged behind; L1 has a Schmorl node.
    """
    changes: dict[str, dict[str, Any]] = {
        "T10": {"heights": (0.65, 0.85, 1.0)},
        "T12": {"heights": (1.0, 0.68, 1.0), "osteophyte": 5.0},
        "L1": {"schmorl": 3.0},
        "L2": {"heights": (0.66, 0.66, 0.66)},
        "L4": {"heights": (1.0, 0.85, 0.7)},
    }
    shown, down = [], 12.0
    for number, level in enumerate(("T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")):
        height, tilt = 20.0 + number, 2.5 * (number - 4)
        change: dict[str, Any] = {"heights": (1.0, 1.0, 1.0), **changes.get(level, {})}
        factors = change.pop("heights")
        a, m, p = (height * factor for factor in factors)
        profile = Profile(heights=(a, m, p), depth=28.0 + number, posterior_elements=posterior_elements, **change)
        down += height / 2
        stand = Stand(at=(38.0 / pixel[0], down / pixel[1]), pixel=pixel, tilt_deg=tilt)
        shown.append(Shown(level=level, profile=profile, stand=stand))
        down += height / 2 + 8.0
    return shown


def film(**changes: Any) -> Dataset:
    """Return the radiograph, with pixels; columns go posterior, rows to the feet."""
    image = dx_lateral()
    image.Rows, image.Columns, image.ImagerPixelSpacing = ROWS, COLUMNS, [PIXEL, PIXEL]
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
    image.InstanceNumber = image.SeriesNumber = 1
    for keyword, value in changes.items():
        setattr(image, keyword, value)
        if value is None:
            delattr(image, keyword)
    image.PixelData = bytes(int(image.Rows) * int(image.Columns))
    return image


def segmented(
    image: Dataset, shown: Sequence[Shown], *, fractional: bool = False, masks: Array | None = None
) -> Dataset:
    """Return a segmentation of the film as highdicom writes it: the vertebra's code, a label of TotalSegmentator.

    `masks` (rows, columns, n) are those of the vertebrae where they are not to be whole.
    """
    size = int(image.Rows), int(image.Columns)
    if masks is None:
        masks = np.stack([one.stand.shadow(one.profile, size, samples=2) for one in shown], axis=-1)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return Segmentation(
        source_images=[image],
        pixel_array=masks[None] if fractional else (masks[None] >= 0.5).astype(np.uint8),
        segmentation_type="FRACTIONAL" if fractional else "BINARY",
        segment_descriptions=[_segment(number, one.level) for number, one in enumerate(shown, start=1)],
        series_instance_uid=f"{STUDY}.3",
        series_number=3,
        sop_instance_uid=f"{STUDY}.3.1",
        instance_number=1,
        manufacturer="Maker",
        manufacturer_model_name="Model",
        software_versions="1",
        device_serial_number="SN",
    )


def annotated(image: Dataset, lines: Mapping[str, Array]) -> Dataset:
    """Return a presentation state with a closed line (n, 2) around each vertebra, and its level beside it."""
    graphics = [graphic(*_closed(line)) for line in lines.values()]
    texts = [
        text(level, anchor=(float(line[:, 0].max()) + 4, float(line[:, 1].mean()))) for level, line in lines.items()
    ]
    return presentation(image, annotation(graphics, texts))


def reported(image: Dataset, lines: Mapping[str, Array], *, label: str = "outline", **group: Any) -> Dataset:
    """Return a report with a planar region of interest around each vertebra (TID 1410), as highdicom writes it.

    It has the level as its finding site, `label` as its tracking identifier, and is about a vertebral body.
    """
    groups = [
        hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(uid=f"{STUDY}.8.{number}", identifier=label),
            referenced_region=hd.sr.ImageRegion(
                graphic_type=hd.sr.GraphicTypeValues.POLYLINE,
                graphic_data=np.array(_closed(line)),
                source_image=hd.sr.SourceImageForRegion(str(image.SOPClassUID), str(image.SOPInstanceUID)),
            ),
            **{
                "finding_type": VERTEBRAL_BODY,
                "finding_sites": [hd.sr.FindingSite(anatomic_location=Code(str(LEVELS[level].vertebra), "SCT", level))],
                **group,
            },
        )
        for number, (level, line) in enumerate(lines.items(), start=1)
    ]
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(
            observer_device_context=hd.sr.ObserverContext(
                observer_type=codes.DCM.Device,
                observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(uid=f"{STUDY}.9"),
            )
        ),
        procedure_reported=Code("25045-6", "LN", "CT unspecified body region"),
        imaging_measurements=groups,
    )
    return hd.sr.ComprehensiveSR(
        evidence=[image],
        content=content[0],
        series_instance_uid=f"{STUDY}.4",
        series_number=4,
        sop_instance_uid=f"{STUDY}.4.1",
        instance_number=1,
        manufacturer="Maker",
    )


#: CID 7603 names the levels; this is what they are bodies of.
VERTEBRAL_BODY = Code("3572006", "SCT", "Vertebral body")


def lines(shown: Sequence[Shown], count: int = 60) -> dict[str, Array]:
    """Return the outline of each body, (n, 2) columns and rows, without posterior elements."""
    bodies = {one.level: (replace(one.profile, posterior_elements=False), one.stand) for one in shown}
    return {level: stand.to_image(profile.outline(count)) for level, (profile, stand) in bodies.items()}


def _closed(line: Array) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (*line, line[0])]


def _segment(number: int, level: str) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=f"vertebrae_{level}",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=Code(str(LEVELS[level].vertebra), "SCT", f"{level} vertebra"),
        algorithm_type="MANUAL",
    )

"""The object that benchmarks/masks.py reads: a Label Map Segmentation of a whole thoracic and lumbar spine."""

from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from sr_templates.levels import LEVELS
from workers.phantom.vertebra import Shape, Vertebra
from workers.phantom.voxels import occupancy

#: Frames, rows, columns, and their distances, mm.
GRID, SPACING_MM = (600, 512, 512), np.array([1.0, 0.8, 0.8])
SPINE = (*(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)))
#: Half the side of the box that holds a vertebra; where the column stands: from the first row and column, mm.
BOX_MM, STANDS_MM = 85.0, (190.0, 205.0)
#: Map from (frame, row, column) to LPS mm: frames go down, rows backwards, columns to the left.
AFFINE = np.array([[0.0, 0.0, SPACING_MM[2]], [0.0, SPACING_MM[1], 0.0], [-SPACING_MM[0], 0.0, 0.0]])


def write_label_map(path: Path) -> None:
    """Write T1 (1) to L5 (17), uncompressed, every frame of the scan."""
    series = generate_uid(), generate_uid(), generate_uid()
    segments = [segment(number, level) for number, level in enumerate(SPINE, start=1)]
    segmentation = hd.seg.Segmentation(
        source_images=[_image(place, *series) for place in range(GRID[0])],
        pixel_array=labels(),
        segmentation_type=hd.seg.SegmentationTypeValues.LABELMAP,
        segment_descriptions=segments,
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Phantom",
        manufacturer_model_name="Analytic vertebrae",
        software_versions="1",
        device_serial_number="1",
        omit_empty_frames=False,
    )
    segmentation.save_as(path)


def labels() -> npt.NDArray[np.uint8]:
    """Return a straight column; sizes grow from those of T1 to those of L5."""
    out, top = np.zeros(GRID, dtype=np.uint8), 45.0
    for number, level in enumerate(SPINE, start=1):
        size = 0.5 + number / 34
        height, middle = 28.0 * size, top + 14.0 * size
        top += height + 6 * size
        shape = Shape(
            anterior_mm=height,
            middle_mm=0.93 * height,
            posterior_mm=1.03 * height,
            depth_mm=35 * size,
            width_mm=50 * size,
        )
        centre = np.array([middle, *STANDS_MM])
        low = np.maximum(0, (centre - BOX_MM) / SPACING_MM).astype(int)
        high = np.minimum(GRID, (centre + BOX_MM) / SPACING_MM).astype(int)
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = AFFINE, AFFINE @ low
        vertebra = Vertebra(level=level, shape=shape, centre=AFFINE @ (centre / SPACING_MM))
        size_of_box = (int(high[0] - low[0]), int(high[1] - low[1]), int(high[2] - low[2]))
        box = out[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
        box[(occupancy(vertebra, affine, size_of_box, samples=2) > 0.5) & (box == 0)] = number
    return out


def _image(place: int, study: str, series: str, frame_of_reference: str) -> Dataset:
    """Return the header of one axial slice, which a Segmentation is made from."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame_of_reference
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Bench^Mark", "B1", "", ""
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID, ds.ReferringPhysicianName = "", "", "", "1", ""
    ds.Modality, ds.InstanceNumber, ds.PositionReferenceIndicator = "CT", place + 1, ""
    ds.Rows, ds.Columns, ds.PixelSpacing, ds.SliceThickness = *GRID[1:], list(SPACING_MM[1:]), SPACING_MM[0]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.ImagePositionPatient = [0.0, 0.0, -place * SPACING_MM[0]]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    return ds


def segment(number: int, level: str) -> hd.seg.SegmentDescription:
    """Return what a Segmentation says of the mask of one vertebra."""
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"vertebrae_{level}",
        segmented_property_category=codes.cid7150.AnatomicalStructure,
        segmented_property_type=Code(str(LEVELS[level].vertebra), "SCT", f"{level} vertebra"),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )

"""A stand-in for the command TotalSegmentator 2.18: its arguments, its one DICOM Segmentation, and no network.

What the images show is made by the test: voxels of 1000 + n HU belong to class n of VERTEBRAE. The rest follows
`totalsegmentator.bin.TotalSegmentator` and `dicom_io.save_mask_as_dicomseg`: files are taken in the order of their
names, classes without a voxel are left out, type and category come from its table, and all UIDs are new ones.
"""

import argparse
import sys
from pathlib import Path

import highdicom
import numpy as np
import pydicom
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

VERSION = "2.18.0"
#: Rows of totalsegmentator_snomed_mapping.csv: class, code; the category of all of them is 123037004.
VERTEBRAE = {"vertebrae_L2": "14293000", "vertebrae_L3": "36470004", "vertebrae_L4": "11994002"}
FIRST_HU = 1001


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("-i", dest="input", type=Path, required=True)
    parser.add_argument("-o", dest="output", type=Path, required=True)
    parser.add_argument("-ot", "--output_type", nargs="+", choices=["nifti", "dicom_rtstruct", "dicom_seg"])
    parser.add_argument("-ta", "--task", choices=["total", "total_mr"], default="total")
    parser.add_argument("-rs", "--roi_subset", nargs="+")
    parser.add_argument("-nr", "--nr_thr_resamp", type=int, default=1)
    parser.add_argument("-ns", "--nr_thr_saving", type=int, default=6)
    parser.add_argument("-f", "--fast", action="store_true")
    parser.add_argument("-d", "--device", default="gpu")
    parser.add_argument("-q", "--quiet", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Segment."""
    wanted = _arguments()
    assert ["dicom_seg"] == wanted.output_type
    images = sorted(map(pydicom.dcmread, sorted(wanted.input.glob("*.dcm"))), key=lambda i: i.ImagePositionPatient[2])
    hu = np.stack([image.pixel_array * image.RescaleSlope + image.RescaleIntercept for image in images])
    descriptions: list[SegmentDescription] = []
    labels = np.zeros(hu.shape, dtype=np.uint8)
    for place, (name, code) in enumerate(VERTEBRAE.items()):
        mask = hu == FIRST_HU + place
        if name in wanted.roi_subset and mask.any():
            descriptions.append(_described(len(descriptions) + 1, name, code))
            labels[mask] = len(descriptions)
    if not descriptions:
        raise ValueError("No non-empty segments found to save")
    Segmentation(
        source_images=images,
        pixel_array=labels,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=highdicom.UID(),
        series_number=100,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="TotalSegmentator",
        manufacturer_model_name="TotalSegmentator",
        software_versions=VERSION,
        device_serial_number="1",
    ).save_as(wanted.output)
    sys.stdout.write(f"saved for {images[0].PatientName}\n")


def _described(number: int, name: str, code: str) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=Code("123037004", "SCT", "Anatomical Structure"),
        segmented_property_type=Code(code, "SCT", f"{name.removeprefix('vertebrae_')} vertebra"),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="TotalSegmentator", version=VERSION, family=codes.DCM.ArtificialIntelligence
        ),
    )


if __name__ == "__main__":
    main()

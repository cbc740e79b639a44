"""The summary page as a Secondary Capture Image in colour (PS3.3 A.8.1), for viewers that draw no report."""

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from sr_templates.context import ReportContext
from sr_templates.envelope import Derivation, add_derivation, envelope
from sr_templates.findings import StudyFindings
from sr_templates.objects import ObjectKind
from sr_templates.seal import seal


def build_capture(
    pixels: npt.NDArray[np.uint8],
    findings: StudyFindings,
    context: ReportContext,
    *,
    derivation: Derivation,
    number: int = 1,
) -> Dataset:
    """Return a page, (rows, columns, 3) RGB, as an image; `number` counts the pages from 1.

    Raises ValueError where the pixels are no such array, or the evidence is missing or of another study.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:  # noqa: PLR2004 - rows, columns, RGB
        raise ValueError(f"expected (rows, columns, 3) of uint8, found {pixels.shape} of {pixels.dtype}")
    data = np.ascontiguousarray(pixels).tobytes()
    made = envelope(ObjectKind.SUMMARY, SecondaryCaptureImageStorage, findings, context, number=number)
    # "OT": the page is no image of a modality, and a hanging protocol must not take it for one.
    made.Modality, made.ConversionType = "OT", "WSD"
    # Type 2C of images without a plane: empty where it is not known (PS3.3 C.7.6.1).
    made.PatientOrientation = ""
    made.ImageType = ["DERIVED", "SECONDARY"]
    add_derivation(made, derivation)
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
    made.Rows, made.Columns = pixels.shape[:2]
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.PixelData = data + b"\0" * (len(data) % 2)
    made["PixelData"].VR = "OB"
    return seal(made, ObjectKind.SUMMARY, uid_root=context.uid_root)

"""Segmentations of phantoms for tests: any kind, on a grid of any direction, frames in any order."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage
from structure_sets import FRAME, item

from workers.landmarks.volumes import LABEL_MAP
from workers.phantom.vertebra import Vertebra
from workers.phantom.voxels import occupancy

Array = npt.NDArray[np.float64]
Masks = npt.NDArray[np.uint8]
Size = tuple[int, int, int]

#: Rows are where slices, rows and columns lead: sagittal slices run to the left, and so on.
GRIDS: Final = {
    "axial": np.array([[0, 0, 1.0], [0, 1, 0], [1, 0, 0]]),
    "axial, from the head": np.array([[0, 0, -1.0], [0, 1, 0], [1, 0, 0]]),
    "sagittal": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "sagittal, to the right": np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "coronal": np.array([[0, 1.0, 0], [0, 0, -1], [1, 0, 0]]),
    "oblique": np.array([[0.9397, 0, -0.342], [-0.1171, -0.9397, -0.3214], [-0.3214, 0.342, -0.883]]),
}
#: Room about the centres of the bodies, mm: right, anterior, inferior, then left, posterior, superior.
_ROOM_MM: Final = np.array([[-62.0, -32.0, -48.0], [62.0, 72.0, 48.0]])
#: Largest value of a fractional mask.
_WHOLE: Final = 200


def grid(
    direction: str, spacing_mm: Sequence[float], vertebrae: Sequence[Vertebra]
) -> tuple[Array, tuple[int, int, int]]:
    """Return affine and shape of a grid with room for all vertebrae."""
    axes = np.linalg.qr(GRIDS[direction].T)[0].T
    axes *= np.sign((axes * GRIDS[direction]).sum(axis=1))[:, None]
    corners = (
        np.concatenate([vertebra.centre + np.array(list(product(*_ROOM_MM.T))) for vertebra in vertebrae]) @ axes.T
    )
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = np.ceil((high - low) / spacing_mm).astype(int) + 1
    affine = np.eye(4)
    affine[:3, :3] = axes.T * spacing_mm
    affine[:3, 3] = low @ axes
    return affine, (int(size[0]), int(size[1]), int(size[2]))


def shares(vertebrae: Sequence[Vertebra], affine: Array, shape: Size) -> list[npt.NDArray[np.float32]]:
    """Return how much of each voxel each vertebra fills."""
    return [occupancy(vertebra, affine, shape) for vertebra in vertebrae]


def segmentation(
    masks: Mapping[str, npt.NDArray[np.float32]], affine: Array, *, kind: str = "BINARY", seed: int = 0
) -> Dataset:
    """Return a Segmentation of masks, how much of each voxel is filled, by label; empty frames are left out.

    `seed` shuffles the frames. The type of every segment is vertebra, without a level.
    """
    if kind == "LABELMAP":
        labels = np.zeros(next(iter(masks.values())).shape, dtype=np.uint8)
        for number, mask in enumerate(masks.values(), start=1):
            labels[mask >= 0.5] = number
        layers = [(0, labels)]
    else:
        scale = _WHOLE if kind == "FRACTIONAL" else 1
        layers = [(n, np.rint(mask * scale).astype(np.uint8)) for n, mask in enumerate(masks.values(), start=1)]
    frames = [(n, place, layer[place]) for n, layer in layers for place in range(len(layer)) if layer[place].any()]
    order = np.random.default_rng(seed).permutation(len(frames))
    return _dataset([frames[n] for n in order], list(masks), affine, kind)


def _dataset(frames: Sequence[tuple[int, int, Masks]], labels: Sequence[str], affine: Array, kind: str) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = LABEL_MAP if kind == "LABELMAP" else SegmentationStorage
    ds.SOPInstanceUID, ds.FrameOfReferenceUID = "2.25.910", FRAME
    ds.SegmentationType, ds.MaximumFractionalValue = kind, _WHOLE
    pixels = np.array([frame for _, _, frame in frames])
    ds.NumberOfFrames, ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated = ds.BitsStored = 1 if kind == "BINARY" else 8
    ds.HighBit = ds.BitsStored - 1
    data = np.packbits(pixels.ravel(), bitorder="little") if kind == "BINARY" else pixels.ravel()
    ds.PixelData = data.tobytes() + b"\0" * (data.size % 2)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    directions = affine[:3, :3] / spacing
    ds.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[
                item(ImageOrientationPatient=[round(float(v), 8) for v in (*directions[:, 2], *directions[:, 1])])
            ],
            PixelMeasuresSequence=[item(PixelSpacing=[round(float(v), 8) for v in spacing[1:]])],
        )
    ]
    ds.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=position(affine, place))],
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=number)],
        )
        for number, place, _ in frames
    ]
    vertebra = item(CodingSchemeDesignator="SCT", CodeValue="51282000", CodeMeaning="Vertebra")
    ds.SegmentSequence = [
        item(SegmentNumber=number, SegmentLabel=label, SegmentedPropertyTypeCodeSequence=[vertebra])
        for number, label in enumerate(labels, start=1)
    ]
    return ds


def position(affine: Array, place: int) -> list[float]:
    """Return Image Position (Patient) of a slice, LPS mm."""
    return [round(float(value), 6) for value in affine[:3] @ (place, 0, 0, 1)]

"""What is taken in: SOP classes (PS3.4 B.5) and transfer syntaxes (PS3.5 10 and annex A), as data.

Objects are stored as they are received, so a transfer syntax is listed whether or not its pixels can be decoded here:
where they cannot, the study says so. Not listed are syntaxes whose pixels lie elsewhere (JPIP) and real-time video.
Order is preference: where a sender offers several syntaxes in one presentation context, the first of ours is taken.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

VERIFICATION: Final = "1.2.840.10008.1.1"

#: Without encapsulated pixels: what a document, a plan or a state can be sent in.
UNCOMPRESSED: Final[tuple[str, ...]] = (
    "1.2.840.10008.1.2.1",  # Explicit VR Little Endian
    "1.2.840.10008.1.2",  # Implicit VR Little Endian, the default that everyone must offer (PS3.5 10.1)
    "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian
    "1.2.840.10008.1.2.2",  # Explicit VR Big Endian (retired)
)
#: With encapsulated pixels that are the original's, bit by bit.
LOSSLESS: Final[tuple[str, ...]] = (
    "1.2.840.10008.1.2.5",  # RLE Lossless
    "1.2.840.10008.1.2.4.70",  # JPEG Lossless, process 14, selection value 1
    "1.2.840.10008.1.2.4.57",  # JPEG Lossless, process 14
    "1.2.840.10008.1.2.4.80",  # JPEG-LS Lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 Lossless
    "1.2.840.10008.1.2.4.92",  # JPEG 2000 Part 2 Multi-component Lossless
    "1.2.840.10008.1.2.4.201",  # High-Throughput JPEG 2000 Lossless
    "1.2.840.10008.1.2.4.202",  # High-Throughput JPEG 2000 Lossless with RPCL
    "1.2.840.10008.1.2.4.110",  # JPEG XL Lossless
    "1.2.840.10008.1.2.8.1",  # Deflated Image Frame Compression
)
#: With encapsulated pixels that may have been changed.
LOSSY: Final[tuple[str, ...]] = (
    "1.2.840.10008.1.2.4.81",  # JPEG-LS Near-lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.93",  # JPEG 2000 Part 2 Multi-component
    "1.2.840.10008.1.2.4.203",  # High-Throughput JPEG 2000
    "1.2.840.10008.1.2.4.111",  # JPEG XL, JPEG recompressed
    "1.2.840.10008.1.2.4.112",  # JPEG XL
    "1.2.840.10008.1.2.4.51",  # JPEG Extended, processes 2 and 4
    "1.2.840.10008.1.2.4.50",  # JPEG Baseline, process 1
)
#: JPEG processes that PS3.5 has retired and archives still hold (PS3.6 annex A).
RETIRED_JPEG: Final[tuple[str, ...]] = tuple(
    f"1.2.840.10008.1.2.4.{n}" for n in (52, 53, 54, 55, 56, 58, 59, 60, 61, 62, 63, 64, 65, 66)
)
#: MPEG-2, MPEG-4 AVC/H.264 and HEVC/H.265: only a colour multi-frame secondary capture can be a video.
VIDEO: Final[tuple[str, ...]] = (
    *(f"1.2.840.10008.1.2.4.{n}" for n in (100, 101, 102, 103, 104, 105, 106)),
    *(f"1.2.840.10008.1.2.4.{n}.1" for n in (100, 101, 102, 103, 104, 105, 106)),
    "1.2.840.10008.1.2.4.107",
    "1.2.840.10008.1.2.4.108",
)
FOR_PIXELS: Final[tuple[str, ...]] = UNCOMPRESSED + LOSSLESS + LOSSY + RETIRED_JPEG

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1"

IMAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        f"{_STORAGE}.1": "Computed Radiography Image",
        f"{_STORAGE}.1.1": "Digital X-Ray Image, for presentation",
        f"{_STORAGE}.1.1.1": "Digital X-Ray Image, for processing",
        f"{_STORAGE}.2": "CT Image",
        f"{_STORAGE}.2.1": "Enhanced CT Image",
        f"{_STORAGE}.2.2": "Legacy Converted Enhanced CT Image",
        f"{_STORAGE}.4": "MR Image",
        f"{_STORAGE}.4.1": "Enhanced MR Image",
        f"{_STORAGE}.4.3": "Enhanced MR Color Image",
        f"{_STORAGE}.4.4": "Legacy Converted Enhanced MR Image",
        f"{_STORAGE}.7": "Secondary Capture Image",
        f"{_STORAGE}.7.1": "Multi-frame Single Bit Secondary Capture Image",
        f"{_STORAGE}.7.2": "Multi-frame Grayscale Byte Secondary Capture Image",
        f"{_STORAGE}.7.3": "Multi-frame Grayscale Word Secondary Capture Image",
        f"{_STORAGE}.7.4": "Multi-frame True Color Secondary Capture Image",
        f"{_STORAGE}.12.1": "X-Ray Angiographic Image",
        f"{_STORAGE}.12.1.1": "Enhanced XA Image",
        f"{_STORAGE}.12.2": "X-Ray Radiofluoroscopic Image",
        f"{_STORAGE}.12.2.1": "Enhanced XRF Image",
        f"{_STORAGE}.13.1.1": "X-Ray 3D Angiographic Image",
    }
)
SEGMENTATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        f"{_STORAGE}.66.4": "Segmentation",
        f"{_STORAGE}.66.7": "Label Map Segmentation",
    }
)
STRUCTURED_REPORTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        f"{_STORAGE}.88.11": "Basic Text SR",
        f"{_STORAGE}.88.22": "Enhanced SR",
        f"{_STORAGE}.88.33": "Comprehensive SR",
        f"{_STORAGE}.88.34": "Comprehensive 3D SR",
        f"{_STORAGE}.88.35": "Extensible SR",
        f"{_STORAGE}.88.59": "Key Object Selection Document",
        f"{_STORAGE}.88.67": "X-Ray Radiation Dose SR",
    }
)
OTHERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        f"{_STORAGE}.11.1": "Grayscale Softcopy Presentation State",
        f"{_STORAGE}.11.2": "Color Softcopy Presentation State",
        f"{_STORAGE}.11.3": "Pseudo-Color Softcopy Presentation State",
        f"{_STORAGE}.66.2": "Spatial Fiducials",
        f"{_STORAGE}.104.1": "Encapsulated PDF",
        f"{_STORAGE}.481.3": "RT Structure Set",
    }
)
#: Every storage SOP class that is taken, with its name.
ACCEPTED: Final[Mapping[str, str]] = MappingProxyType({**IMAGES, **SEGMENTATIONS, **STRUCTURED_REPORTS, **OTHERS})

#: The classes that a report of ours can have, by the word of [report] sop_classes.
REPORTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "comprehensive_3d": f"{_STORAGE}.88.34",
        "comprehensive": f"{_STORAGE}.88.33",
        "enhanced": f"{_STORAGE}.88.22",
    }
)
#: The classes that the other kinds of objects of ours can have, by the kind's word.
WRITTEN: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "gsps": (f"{_STORAGE}.11.1",),
        "summary": (f"{_STORAGE}.7",),
        "pdf": (f"{_STORAGE}.104.1",),
        "sagittal": (f"{_STORAGE}.2", f"{_STORAGE}.4"),
    }
)
#: The class of what takes objects of ours back: a Key Object Selection Document (IHE RAD IOCM).
REJECTION_NOTE: Final = f"{_STORAGE}.88.59"
#: Of every SOP class that is taken; what we write is among them, since a PACS may send it back.
NAMES: Final[Mapping[str, str]] = ACCEPTED

_WITH_PIXELS: Final = frozenset({*IMAGES, *SEGMENTATIONS})
_MAY_BE_VIDEO: Final = f"{_STORAGE}.7.4"


def written(kinds: Iterable[str]) -> tuple[str, ...]:
    """Return the SOP classes that objects of these kinds can have, "sr" among them, each once."""
    classes = (uid for kind in kinds for uid in (REPORTS.values() if kind == "sr" else WRITTEN[kind]))
    return tuple(dict.fromkeys(classes))


def transfer_syntaxes(sop_class: str) -> tuple[str, ...]:
    """Return the transfer syntaxes that are taken for an accepted storage SOP class, most wanted first."""
    if sop_class == _MAY_BE_VIDEO:
        return FOR_PIXELS + VIDEO
    return FOR_PIXELS if sop_class in _WITH_PIXELS else UNCOMPRESSED

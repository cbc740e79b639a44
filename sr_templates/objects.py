"""The kinds of objects that a study comes back as: each has a series of its own. PURE."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class ObjectKind(StrEnum):
    """What an object of ours is to its reader; the word stands in configuration, ledger, file names and UIDs."""

    #: The structured report (TID 1500).
    SR = "sr"
    #: A grayscale softcopy presentation state: points and lines over the images that were measured.
    PRESENTATION = "gsps"
    #: The summary picture, a secondary capture, for viewers that draw no report.
    SUMMARY = "summary"
    #: The same page as an encapsulated PDF.
    PDF = "pdf"
    #: The sagittal reformat as a derived image, for points that lie on no acquired slice.
    SAGITTAL = "sagittal"


SERIES_NUMBERS: Final[Mapping[ObjectKind, int]] = MappingProxyType(
    {
        ObjectKind.SR: 9001,
        ObjectKind.PRESENTATION: 9002,
        ObjectKind.SUMMARY: 9003,
        ObjectKind.PDF: 9004,
        ObjectKind.SAGITTAL: 9005,
    }
)
#: Each says that nobody has verified what stands in the series.
SERIES_DESCRIPTIONS: Final[Mapping[ObjectKind, str]] = MappingProxyType(
    {
        ObjectKind.SR: "Vertebral morphometry (unverified)",
        ObjectKind.PRESENTATION: "Vertebral morphometry overlay (unverified)",
        ObjectKind.SUMMARY: "Vertebral morphometry summary (unverified)",
        ObjectKind.PDF: "Vertebral morphometry page (unverified)",
        ObjectKind.SAGITTAL: "Vertebral morphometry reformat (unverified)",
    }
)

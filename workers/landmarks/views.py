"""What a radiograph says of its view: from the side, or not."""

from collections.abc import Iterator
from typing import Final

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from sr_templates import headers

#: View Position (0018,5101) of CR and DX: antero-posterior and postero-anterior; left and right lateral; left and right
#: lateral oblique. Decubitus (RLD, LLD) says how the patient lies, which tells nothing.
_POSITIONS: Final = {"AP": False, "PA": False, "LL": True, "RL": True, "LLO": False, "RLO": False}
#: CID 4010 DX View: frontal and axial views, and oblique ones, show no side. Codes in SNOMED-RT mean the same.
_NOT_LATERAL: Final = (
    Code("399348003", "SCT", "antero-posterior"),
    Code("272479007", "SCT", "postero-anterior"),
    Code("399033003", "SCT", "frontal"),
    Code("399160007", "SCT", "frontal oblique"),
    Code("399132005", "SCT", "frontal-oblique axial"),
    Code("399312000", "SCT", "antero-posterior oblique"),
    Code("399059000", "SCT", "postero-anterior oblique"),
    Code("399135007", "SCT", "left anterior oblique"),
    Code("399356000", "SCT", "right anterior oblique"),
    Code("399006002", "SCT", "left posterior oblique"),
    Code("399038007", "SCT", "right posterior oblique"),
    Code("399182000", "SCT", "oblique"),
    Code("399184004", "SCT", "left oblique"),
    Code("399236003", "SCT", "right oblique"),
    Code("399061009", "SCT", "axial"),
    Code("399162004", "SCT", "cranio-caudal"),
    Code("399196006", "SCT", "caudo-cranial"),
)
_LATERAL: Final = (
    Code("399067008", "SCT", "lateral"),
    Code("399173006", "SCT", "left lateral"),
    Code("399198007", "SCT", "right lateral"),
)


def views(image: Dataset) -> Iterator[bool]:
    """Give for each statement of its view whether an image shows the body from the side; nothing where it is silent."""
    position = headers.text(image, "ViewPosition").strip().upper()
    if position in _POSITIONS:
        yield _POSITIONS[position]
    for item in headers.items(image, "ViewCodeSequence"):
        code = Code(
            headers.text(item, "CodeValue").strip(), headers.text(item, "CodingSchemeDesignator").strip(), "view"
        )
        for known, is_lateral in ((_NOT_LATERAL, False), (_LATERAL, True)):
            if any(code == one for one in known):
                yield is_lateral

"""UIDs that an object of ours repeats of its sources, whatever state those are in.

A reference must match what it refers to, character by character, so a malformed UID of a source is repeated as it is.
That is the source's fault, and neither our own check nor another validator is to judge us by it.
"""

import re
from typing import Final

from pydicom.dataset import Dataset

from sr_templates import codes, headers, uids

#: PS3.5 9.1: components of digits without leading zeros; the first is 0, 1 or 2 (ISO/IEC 9834-1).
_UID: Final = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+", re.ASCII)
_REPEATED: Final = frozenset(
    {
        "StudyInstanceUID",
        "ReferencedSOPClassUID",
        "ReferencedSOPInstanceUID",
        "ReferencedFrameOfReferenceUID",
        "FrameOfReferenceUID",
    }
)


def is_uid(text: str) -> bool:
    """Whether `text` is a well-formed UID (PS3.5 9.1)."""
    return len(text) <= uids.MAX_LENGTH and _UID.fullmatch(text) is not None


def is_repeated(keyword: str, concept: tuple[str, str], *, nested: bool) -> bool:
    """Whether the UID of this keyword in an object of ours, or in an item of one (`nested`), is one of its sources'.

    `concept` is the (scheme, value) of the concept name of that item, empty texts where it has none.
    """
    if keyword == "UID":
        return concept == (codes.FRAME_OF_REFERENCE.scheme_designator, codes.FRAME_OF_REFERENCE.value)
    # Series are ours at the top, and in references those of what is referred to.
    return keyword in _REPEATED or (nested and keyword == "SeriesInstanceUID")


def mend(made: Dataset, *, nested: bool = False) -> None:
    """Put a well-formed UID in the place of each repeated one that is none, the same for the same.

    For a copy that a validator sees; never for what is sent.
    """
    for element in made:
        if element.VR == "SQ":
            for item in element.value:
                mend(item, nested=True)
        elif element.VR == "UI" and is_repeated(element.keyword, _concept(made), nested=nested):
            stated = headers.text(made, element.keyword)
            if stated and not is_uid(stated):
                element.value = uids.derived_uid("", "stand-in", stated)


def _concept(item: Dataset) -> tuple[str, str]:
    return headers.code(item, "ConceptNameCodeSequence")

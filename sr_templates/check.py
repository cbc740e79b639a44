"""Our own structural check of an object before it is sent: does it hold what its modules and templates ask for.

It looks at what this product writes, not at all that the standard allows: the modules of PS3.3 by SOP class, values by
their representation (PS3.5 6.2, 9.1), codes against our table, references against what was received, and for a report
the rows of TID 1500, 1501 and 300 (`check_content`). What is repeated of the source is not ours to judge, and left
out. What is said names attributes and rules, never a value.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from sr_templates import codes, headers, rejection_note
from sr_templates.check_content import content_problems
from sr_templates.document import SOP_CLASSES
from sr_templates.levels import LEVELS
from sr_templates.source_uids import is_repeated, is_uid

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1"
#: Type 1 of every object: SOP Common (PS3.3 C.12.1), General Study and General Series (C.7.2.1, C.7.3.1).
_COMMON: Final = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber")
#: Type 1 of SR Document General and Content (C.17.2, C.17.3); evidence is 1C and always there in ours.
_REPORT: Final = (
    *("InstanceNumber", "CompletionFlag", "VerificationFlag", "ContentDate", "ContentTime"),
    *("ValueType", "ConceptNameCodeSequence", "ContinuityOfContent", "ContentTemplateSequence", "ContentSequence"),
    "CurrentRequestedProcedureEvidenceSequence",
)
#: Type 1 of Key Object Document (C.17.6.2) and of SR Document Content.
_NOTE: Final = tuple(keyword for keyword in _REPORT if keyword not in {"CompletionFlag", "VerificationFlag"})
#: Type 1 of Image Pixel (C.7.6.3).
_PIXELS: Final = (
    *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"),
    "PixelData",
)
#: Type 1 of Image Plane and Frame of Reference (C.7.6.2, C.7.4.1).
_PLANE: Final = ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "FrameOfReferenceUID", "ImageType")
_TYPE_1: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(SOP_CLASSES, _REPORT),
    rejection_note.SOP_CLASS_UID: _NOTE,
    # Presentation State Identification and Relationship, Displayed Area, Softcopy Presentation LUT (C.11.10, C.11.11,
    # C.10.4, C.11.6).
    f"{_STORAGE}.11.1": (
        *("InstanceNumber", "ContentLabel", "PresentationCreationDate", "PresentationCreationTime"),
        *("ReferencedSeriesSequence", "DisplayedAreaSelectionSequence", "PresentationLUTShape"),
    ),
    # SC Equipment (C.8.6.1).
    f"{_STORAGE}.7": ("ConversionType", *_PIXELS),
    # Encapsulated Document (C.24.2).
    f"{_STORAGE}.104.1": (
        *("InstanceNumber", "BurnedInAnnotation", "MIMETypeOfEncapsulatedDocument", "EncapsulatedDocument"),
    ),
    f"{_STORAGE}.2": (*_PIXELS, *_PLANE),
    f"{_STORAGE}.4": (*_PIXELS, *_PLANE),
}
#: Where a report lists what its content refers to (PS3.3 C.17.2); the second is of other studies as well.
_EVIDENCE: Final = ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
#: Longest value, characters (PS3.5 table 6.2-1).
_LONGEST: Final[Mapping[str, int]] = {
    "AE": 16,
    "CS": 16,
    "DS": 16,
    "IS": 12,
    "LO": 64,
    "LT": 10240,
    "SH": 16,
    "ST": 1024,
    "DA": 8,
    "TM": 14,
    "DT": 26,
    "AS": 4,
}


def _codes(found: object) -> Iterator[Code]:
    """Yield the codes in a constant of the table of codes."""
    if isinstance(found, Code):
        yield found
    elif isinstance(found, Mapping):
        for each in found.values():
            yield from _codes(each)
    elif isinstance(found, tuple):
        for each in found:
            yield from _codes(each)


_OUR_MEANINGS: Final = {
    (code.scheme_designator, code.value): code.meaning for each in vars(codes).values() for code in _codes(each)
} | {(code.scheme_designator, code.value): code.meaning for code in map(codes.vertebra, LEVELS)}


def problems(made: Dataset, *, known: Collection[str]) -> list[str]:
    """Return what is wrong with an object of ours, a line each; [] where nothing is.

    `known` are the SOP Instance UIDs of all objects that it may refer to.
    """
    own = headers.bare(made)
    return [
        *_missing(made),
        *_values(own, ""),
        *_references(own, known),
        *_pixels(own),
        *(content_problems(own) if own.get("SOPClassUID") in SOP_CLASSES else ()),
    ]


def _missing(made: Dataset) -> Iterator[str]:
    sop_class = str(made.get("SOPClassUID", ""))
    if sop_class not in _TYPE_1:
        yield "SOPClassUID: not one of those that are written"
    for keyword in (*_COMMON, *_TYPE_1.get(sop_class, ())):
        if _is_empty(made, keyword):
            yield f"{keyword}: type 1, is missing or empty"
    for keyword in headers.TYPE_2:
        if keyword not in made:
            yield f"{keyword}: type 2, is missing"


def _is_empty(made: Dataset, keyword: str) -> bool:
    value = made.get(keyword)
    return value is None or (hasattr(value, "__len__") and len(value) == 0)


def _values(item: Dataset, path: str) -> Iterator[str]:
    """Yield what is wrong with the values of an item and of those below it."""
    for element in item:
        where = f"{path}{element.keyword or element.tag}"
        if element.VR == "SQ":
            for number, below in enumerate(element.value):
                if "Code" in element.keyword:
                    yield from _code(below, f"{where}[{number}]")
                yield from _values(below, f"{where}[{number}].")
        else:
            judged = element.VR != "UI" or not is_repeated(item, element.keyword, nested=bool(path))
            yield from _value(element, where) if judged else ()


def _value(element: DataElement, where: str) -> Iterator[str]:
    longest = _LONGEST.get(element.VR)
    values = element.value if element.VM > 1 and element.VR not in headers.WHOLE else [element.value]
    for text in map(str, values if element.VM else ()):
        if element.VR == "UI" and not is_uid(text):
            yield f"{where}: is no UID"
        elif longest is not None and len(text) > longest:
            yield f"{where}: longer than {longest} characters"


def _code(item: Dataset, where: str) -> Iterator[str]:
    """Yield what is wrong with a coded concept (PS3.3 8): a meaning that is ours stands in our table, in English."""
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue") or ""
    scheme, meaning = str(item.get("CodingSchemeDesignator", "")), str(item.get("CodeMeaning", ""))
    if not value or not scheme:
        yield f"{where}: a code without value or scheme"
    if not meaning or not meaning.isascii():
        yield f"{where}: a code without a meaning in English"
    elif _OUR_MEANINGS.get((scheme, str(value)), meaning) != meaning:
        yield f"{where}: the meaning is not the one of this code"
    elif scheme == codes.SCHEME and (scheme, str(value)) not in _OUR_MEANINGS:
        yield f"{where}: a private code that is not published"


def _references(own: Dataset, known: Collection[str]) -> Iterator[str]:
    """Yield the references that lead nowhere; an object of another study (PS3.3 C.17.2) need not be here."""
    for path, referenced in _referenced(own, ""):
        if referenced not in known:
            yield f"{path}: refers to an object that was neither received nor made"
    if own.get("SOPClassUID") in {*SOP_CLASSES, rejection_note.SOP_CLASS_UID}:
        evidence = {uid for keyword in _EVIDENCE for item in headers.items(own, keyword) for uid in _listed(item)}
        for item in headers.items(own, "ContentSequence"):
            for path, referenced in _referenced(item, "ContentSequence."):
                if referenced not in evidence:
                    yield f"{path}: is not among the evidence"


def _listed(study: Dataset) -> Iterator[str]:
    """Yield the SOP instances in an item of a Hierarchical SOP Instance Reference (PS3.3 table C.17-3)."""
    for series in headers.items(study, "ReferencedSeriesSequence"):
        for item in headers.items(series, "ReferencedSOPSequence"):
            yield headers.text(item, "ReferencedSOPInstanceUID")


def _referenced(item: Dataset, path: str) -> Iterator[tuple[str, str]]:
    if "ReferencedSOPInstanceUID" in item:
        yield path.rstrip("."), str(item.ReferencedSOPInstanceUID)
    for element in item:
        if element.VR == "SQ" and element.keyword != "PertinentOtherEvidenceSequence":
            for number, below in enumerate(element.value):
                yield from _referenced(below, f"{path}{element.keyword}[{number}].")


def _pixels(own: Dataset) -> Iterator[str]:
    if "PixelData" not in own or "Rows" not in own:
        return
    frames = int(own.get("NumberOfFrames", 1) or 1)
    samples = own.Rows * own.Columns * own.get("SamplesPerPixel", 1) * frames
    expected = samples * own.get("BitsAllocated", 8) // 8
    if len(own.PixelData) != expected + expected % 2:
        yield "PixelData: its length is not that of rows, columns and samples"

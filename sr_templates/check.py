"""Our own structural check of an object before it is sent: does it hold what its modules and templates ask for.

It looks at what this product writes, not at all that the standard allows: the modules of PS3.3 by SOP class, values by
their representation (PS3.5 6.2, 9.1), codes against our table, references against what was received, and for a report
the rows of TID 1500, 1501 and 300 (`check_content`). What is repeated of the source is not ours to judge, and left
out. What is said names attributes and rules, never a value.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from sr_templates import codes, headers, rejection_note
from sr_templates.check_content import content_problems
from sr_templates.document import SOP_CLASSES
from sr_templates.levels import LEVELS
from sr_templates.plain import Attribute, Plain, plain
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
    looked_at = plain(own)
    return [
        *_missing(made),
        *_values(looked_at, ""),
        *_references(looked_at, known),
        *_pixels(own),
        *(content_problems(looked_at) if looked_at.text("SOPClassUID") in SOP_CLASSES else ()),
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


def _values(item: Plain, path: str) -> Iterator[str]:
    """Yield what is wrong with the values of an item and of those below it."""
    for keyword, attribute in item.attributes.items():
        if attribute.vr == "SQ":
            for number, below in enumerate(attribute.items):
                where = f"{path}{keyword}[{number}]"
                if "Code" in keyword:
                    yield from _code(below, where)
                yield from _values(below, f"{where}.")
        elif attribute.vr != "UI":
            yield from _too_long(attribute, f"{path}{keyword}")
        elif not is_repeated(keyword, item.code("ConceptNameCodeSequence"), nested=bool(path)):
            yield from (f"{path}{keyword}: is no UID" for text in attribute.texts if not is_uid(text))


def _too_long(attribute: Attribute, where: str) -> Iterator[str]:
    longest = _LONGEST.get(attribute.vr)
    for text in attribute.texts:
        if longest is not None and len(text) > longest:
            yield f"{where}: longer than {longest} characters"


def _code(item: Plain, where: str) -> Iterator[str]:
    """Yield what is wrong with a coded concept (PS3.3 8): a meaning that is ours stands in our table, in English."""
    value = item.text("CodeValue") or item.text("LongCodeValue") or item.text("URNCodeValue")
    scheme, meaning = item.text("CodingSchemeDesignator"), item.text("CodeMeaning")
    if not value or not scheme:
        yield f"{where}: a code without value or scheme"
    if not meaning or not meaning.isascii():
        yield f"{where}: a code without a meaning in English"
    elif _OUR_MEANINGS.get((scheme, value), meaning) != meaning:
        yield f"{where}: the meaning is not the one of this code"
    elif scheme == codes.SCHEME and (scheme, value) not in _OUR_MEANINGS:
        yield f"{where}: a private code that is not published"


def _references(own: Plain, known: Collection[str]) -> Iterator[str]:
    """Yield the references that lead nowhere; an object of another study (PS3.3 C.17.2) need not be here."""
    found = list(_referenced(own, ""))
    for path, referenced in found:
        if referenced not in known:
            yield f"{path}: refers to an object that was neither received nor made"
    if own.text("SOPClassUID") in {*SOP_CLASSES, rejection_note.SOP_CLASS_UID}:
        evidence = {uid for keyword in _EVIDENCE for item in own.items(keyword) for uid in _listed(item)}
        for path, referenced in found:
            if path.startswith("ContentSequence[") and referenced not in evidence:
                yield f"{path}: is not among the evidence"


def _listed(study: Plain) -> Iterator[str]:
    """Yield the SOP instances in an item of a Hierarchical SOP Instance Reference (PS3.3 table C.17-3)."""
    for series in study.items("ReferencedSeriesSequence"):
        for item in series.items("ReferencedSOPSequence"):
            yield item.text("ReferencedSOPInstanceUID")


def _referenced(item: Plain, path: str) -> Iterator[tuple[str, str]]:
    if "ReferencedSOPInstanceUID" in item:
        yield path.rstrip("."), item.text("ReferencedSOPInstanceUID")
    for keyword, attribute in item.attributes.items():
        if keyword != "PertinentOtherEvidenceSequence":
            for number, below in enumerate(attribute.items):
                yield from _referenced(below, f"{path}{keyword}[{number}].")


def _pixels(own: Dataset) -> Iterator[str]:
    if "PixelData" not in own or "Rows" not in own:
        return
    frames = int(own.get("NumberOfFrames", 1) or 1)
    samples = own.Rows * own.Columns * own.get("SamplesPerPixel", 1) * frames
    expected = samples * own.get("BitsAllocated", 8) // 8
    if len(own.PixelData) != expected + expected % 2:
        yield "PixelData: its length is not that of rows, columns and samples"

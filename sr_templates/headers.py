"""What a report takes over from the headers of its sources, whatever state those are in.

Only this module knows patient attributes. highdicom never sees them: it raises where a stripped or malformed one is
missing and logs names it finds odd. It gets none of them, and `identity` is laid over what it makes.
"""

import contextlib
import functools
import re
import struct
import warnings
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from math import isfinite
from typing import Final

from pydicom import config
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import PersonName, format_number_as_ds, validate_value

#: Written in UTF-8, so no text of a source is lost (PS3.3 C.12.1.1.2).
CHARACTER_SET: Final = "ISO_IR 192"
#: What pydicom raises for a damaged element is not one family.
DAMAGE: Final = (
    BytesLengthException,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    NotImplementedError,
    EOFError,
    OverflowError,
    struct.error,
)
#: One text of many lines, in which a backslash is a character.
WHOLE: Final = frozenset({"LT", "ST", "UT"})
#: The range of a Timezone Offset From UTC is -1200 to +1400.
_FARTHEST_OFFSET_MIN: Final = 14 * 60
#: Type 2 in the Patient and General Study Modules: present, if need be empty (PS3.3 C.7.1.1, C.7.2.1).
TYPE_2: Final = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
#: Patient, General Study, Patient Study and Clinical Trial Subject Modules, where the source has them.
_WHERE_PRESENT: Final = (
    "IssuerOfPatientID",
    "OtherPatientNames",
    "EthnicGroup",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "StudyDescription",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName",
    "ClinicalTrialSiteID",
    "ClinicalTrialSiteName",
    "ClinicalTrialSubjectID",
    "TimezoneOffsetFromUTC",
)
#: Sequences whose items are copied element by element.
_SEQUENCES: Final = (
    "IssuerOfPatientIDQualifiersSequence",
    "IssuerOfAccessionNumberSequence",
    "DeidentificationMethodCodeSequence",
)
_REPEATED: Final = frozenset({*TYPE_2, *_WHERE_PRESENT, *_SEQUENCES, "ReferencedRequestSequence"})
#: Type 2 in an item of the Referenced Request Sequence (PS3.3 C.17.2).
_REQUEST: Final = (
    "AccessionNumber",
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
)


@functools.cache
def _tag(keyword: str) -> BaseTag | None:
    """Return the tag of a keyword: pydicom looks it up anew each time, four times a value."""
    tag = tag_for_keyword(keyword)
    return None if tag is None else Tag(tag)


def value(source: Dataset, keyword: str) -> object:
    """Return the value of an attribute; None where it is missing or damaged beyond reading."""
    tag = _tag(keyword)
    if tag is None or tag not in source:
        return None
    try:
        element = source.get_item(tag)
        if not element.is_raw:
            return element.value
        with warnings.catch_warnings():
            # pydicom's warnings quote values, which may be a patient's.
            warnings.simplefilter("ignore")
            return source[tag].value
    except DAMAGE:
        return None
    except OSError as error:
        # pydicom's word for a sequence that ends too early; the system's own errors have a number.
        if error.errno is not None:
            raise
        return None


def text(source: Dataset, keyword: str) -> str:
    """Return an attribute as text, multiple values joined by a backslash; "" where it is missing or damaged."""
    found = value(source, keyword)
    if isinstance(found, MultiValue | list | tuple):
        return "\\".join(str(item) for item in found)
    return "" if found is None else str(found)


def fitting(source: Dataset, keyword: str) -> str:
    """Return an attribute as text where its values keep to their VR (PS3.5 6.2), else "": what need not be repeated."""
    found, vr = text(source, keyword), dictionary_VR(keyword)
    try:
        for part in [found] if vr in WHOLE else found.split("\\"):
            validate_value(vr, part, config.RAISE)
    except ValueError:
        return ""
    return found


def items(source: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; [] where it is missing, damaged or no sequence."""
    found = value(source, keyword)
    return [item for item in found if isinstance(item, Dataset)] if isinstance(found, Iterable) else []


def numbers(source: Dataset, keyword: str) -> list[float]:
    """Return the finite numbers of an attribute; [] where it is missing or damaged, or one of them is none."""
    found = _floats(source, keyword)
    return found if all(isfinite(number) for number in found) else []


def decimal(number: float) -> str:
    """Return a number as a Decimal String, at most 16 characters (PS3.5 6.2): sources state more digits than fit."""
    return format_number_as_ds(number)


def pairs(source: Dataset, keyword: str) -> list[tuple[float, float]]:
    """Return the numbers of an attribute by two, be they finite or not; [] where it is missing, damaged or odd."""
    found = _floats(source, keyword)
    return [] if len(found) % 2 else list(zip(found[::2], found[1::2], strict=True))


def code(source: Dataset, keyword: str) -> tuple[str, str]:
    """Return (scheme, value) of the first code in a code sequence; empty texts where there is none."""
    item = next(iter(items(source, keyword)), Dataset())
    return text(item, "CodingSchemeDesignator").strip(), text(item, "CodeValue").strip()


def identity(source: Dataset) -> Dataset:
    """Return the patient and study of `source` as a report repeats them: decoded, nothing missing that Type 2 asks for.

    What type 2 asks for is kept as it is, also where it breaks its VR: a report must match its study by it. Of the rest
    what breaks its VR, an age "24", is left out: an archive may refuse the report for it.
    """
    header = Dataset()
    for keyword in TYPE_2:
        _put(header, keyword, text(source, keyword))
    for keyword in _WHERE_PRESENT:
        if value := fitting(source, keyword):
            _put(header, keyword, value)
    for keyword in _SEQUENCES:
        if found := items(source, keyword):
            setattr(header, keyword, [_plain(item) for item in found])
    if requests := list(_requests(source)):
        header.ReferencedRequestSequence = requests
    return header


def bare(made: Dataset) -> Dataset:
    """Return a copy of an object of ours without what `identity` repeated: of that the source is to be asked."""
    copy = Dataset()
    # As they were read: what is repeated may be beyond decoding.
    copy.update({tag: made.get_item(tag) for tag in made.keys() if keyword_for_tag(tag) not in _REPEATED})  # noqa: SIM118
    copy.file_meta = made.file_meta
    for keyword in TYPE_2:
        _put(copy, keyword, "")
    return copy


def offset(source: Dataset) -> timezone | None:
    """Return the source's Timezone Offset From UTC (PS3.3 C.12.1.1.8); None where it states none that is one."""
    stated = text(source, "TimezoneOffsetFromUTC").strip()
    if not re.fullmatch(r"[+-][0-9]{4}", stated, re.ASCII):
        return None
    minutes = int(stated[1:3]) * 60 + int(stated[3:])
    if minutes > _FARTHEST_OFFSET_MIN:
        return None
    return timezone(timedelta(minutes=minutes if stated[0] == "+" else -minutes))


def local(moment: datetime, source: Dataset) -> datetime:
    """Return `moment` as the source's clock shows it; unchanged where either has no offset from UTC."""
    zone = offset(source)
    return moment if zone is None or moment.tzinfo is None else moment.astimezone(zone)


def _requests(source: Dataset) -> Iterable[Dataset]:
    """Give the requested procedures that the source was made for (PS3.3 C.7.3.1, C.17.2)."""
    for request in items(source, "RequestAttributesSequence"):
        item = Dataset()
        item.StudyInstanceUID = text(source, "StudyInstanceUID")
        item.ReferencedStudySequence = []
        for keyword in _REQUEST:
            _put(item, keyword, text(request, keyword))
        if not item.AccessionNumber:
            _put(item, "AccessionNumber", text(source, "AccessionNumber"))
        item.RequestedProcedureCodeSequence = [
            _plain(code) for code in items(request, "RequestedProcedureCodeSequence")
        ]
        yield item


def _floats(source: Dataset, keyword: str) -> list[float]:
    """Return the numbers of an attribute, be they finite or not; [] where it is missing or one of them is none."""
    try:
        return [float(part) for part in text(source, keyword).split("\\") if part.strip()]
    except ValueError:
        return []


def _put(header: Dataset, keyword: str, value: str) -> None:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"expected a DICOM keyword, found {keyword!r}")
    element = DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE)
    header.add(element)


def _plain(source: Dataset) -> Dataset:
    """Return an item with its text decoded, so that it can be written in another character set; damage is left out."""
    item = Dataset()
    for tag in source.keys():  # noqa: SIM118 - a Dataset yields its elements, decoded, and raises where one is damaged
        with contextlib.suppress(*DAMAGE):
            element = source[tag]
            if element.VR == "SQ":
                value: object = [_plain(nested) for nested in element.value]
            else:
                value = str(element.value) if isinstance(element.value, PersonName) else element.value
            item.add(DataElement(element.tag, element.VR, value, validation_mode=config.IGNORE))
    return item

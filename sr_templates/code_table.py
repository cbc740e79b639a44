"""Every code that an object of ours can hold, in one table: scheme, value, meaning, and the source that confirms it.

The table and the private scheme as a FHIR CodeSystem travel in the package, as `published/codes.json` and
`published/CodeSystem-99SPONDYL.json`; `make codes` writes them, a test keeps them equal to this.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydicom.sr.coding import Code

from sr_templates import codes, identity
from sr_templates.levels import LEVELS

Json = dict[str, Any]

_OURS: Final = "Spondyl, docs/report.md; no public code found"
_CID_7603: Final = "PS3.16 CID 7603"
#: Outside CID 7603.
_S1: Final = "TotalSegmentator, TG-263 to SNOMED map"
#: What highdicom's templates write by themselves.
_BY_TEMPLATES: Final = (
    (Code("111001", "DCM", "Algorithm Name"), "PS3.16 TID 4019"),
    (Code("111002", "DCM", "Algorithm Parameters"), "PS3.16 TID 4019"),
    (Code("111003", "DCM", "Algorithm Version"), "PS3.16 TID 4019"),
    (Code("112040", "DCM", "Tracking Unique Identifier"), "PS3.16 TID 4108"),
    (Code("121005", "DCM", "Observer Type"), "PS3.16 TID 1002"),
    (Code("121008", "DCM", "Person Observer Name"), "PS3.16 TID 1003"),
    (Code("121012", "DCM", "Device Observer UID"), "PS3.16 TID 1004"),
    (Code("121013", "DCM", "Device Observer Name"), "PS3.16 TID 1004"),
    (Code("121014", "DCM", "Device Observer Manufacturer"), "PS3.16 TID 1004"),
    (Code("121015", "DCM", "Device Observer Model Name"), "PS3.16 TID 1004"),
    (Code("121049", "DCM", "Language of Content Item and Descendants"), "PS3.16 TID 1204"),
)
#: By code value, or for a whole scheme.
_SOURCES: Final[Mapping[str, str]] = {
    codes.SCHEME: _OURS,
    "UCUM": "UCUM; PS3.16 CID 7181, CID 7183",
    "126000": "PS3.16 CID 7021",
    "126010": "PS3.16 TID 1500 row 6",
    "C0034375": "PS3.16 TID 1500 row 12",
    "en-US": "PS3.16 CID 5000",
    "121006": "PS3.16 CID 270",
    "121007": "PS3.16 CID 270",
    "363679005": "PS3.16 CID 100",
    "121058": "PS3.16 TID 1500 row 4",
    "111028": "PS3.16 TID 1600 row 1",
    "126200": "PS3.16 TID 1600 row 2",
    "121139": "PS3.16 TID 1602 row 1",
    "112227": "PS3.16 TID 1602 row 10",
    "260753009": "PS3.16 TID 1601 row 1",
    "121106": "PS3.16 Annex D",
    "121111": "PS3.16 Annex D",
    "Newcode1": "IHE AIR Rev 1.1, 6.5.3.1; a later revision may replace it",
    "121322": "PS3.16 CID 7202",
    "113072": "PS3.16 CID 7203",
    "113073": "PS3.16 CID 7203",
    **{code.value: "PS3.16 CID 29" for code in codes.MODALITIES.values()},
    "125007": "PS3.16 TID 1501 row 1",
    "370129005": "PS3.16 TID 1501 row 5",
    "121071": "PS3.16 TID 1501 row 3b",
    "363698007": "PS3.16 TID 1501 row 6",
    "106233006": "PS3.16 TID 1501 row 8",
    "112039": "PS3.16 TID 4108",
    "111041": "PS3.16 Annex D",
    "121112": "PS3.16 CID 7552",
    "121207": "PS3.16 CID 7470",
    "255549009": "PS3.16 CID 2",
    "26216008": "PS3.16 CID 2",
    "255551008": "PS3.16 CID 2",
    "246112005": "PS3.16 CID 3716 is its value set",
    **{code.value: "PS3.16 CID 3716" for code in codes.SEVERITIES},
    "113012": "PS3.16 TID 2010 row 7",
    **{code.value: "PS3.16 CID 7010" for code in codes.REJECTIONS.values()},
    "373066001": "PS3.16 CID 230",
    "373067005": "PS3.16 CID 230",
    **{code.value: "PS3.16 CID 4254" for code in codes.ASSESSMENTS.values() if code.scheme_designator != codes.SCHEME},
}
#: The set is confirmed (ACR/RSNA RDES150); the identifiers of its element and values could not be.
_MAPPINGS: Final = (
    {
        "value": codes.GENANT_GRADE.value,
        "scheme": "RADELEMENT",
        "set": "RDES150",
        "meaning": "Genant Classification",
        "element": None,
        "note": "set confirmed, element and value identifiers not: the private code is written. Grade 3 there is from"
        " 40 % on; here the side of 40 % is a setting that each report states",
    },
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One code and where it comes from."""

    scheme: str
    value: str
    meaning: str
    source: str


def code_table() -> tuple[Entry, ...]:
    """Return every code once, by scheme and value. Raises KeyError for a code without a source."""
    found = {(code.scheme_designator, code.value): _entry(code, source) for code, source in _all()}
    return tuple(found[key] for key in sorted(found))


def published_table() -> Json:
    """Return the table as JSON, with what a private code corresponds to elsewhere."""
    return {
        "scheme": codes.SCHEME,
        "name": codes.SCHEME_NAME,
        "version": codes.SCHEME_VERSION,
        "uid": codes.SCHEME_UID,
        "codes": [
            {"scheme": one.scheme, "value": one.value, "meaning": one.meaning, "source": one.source}
            for one in code_table()
        ],
        "mappings": [dict(mapping) for mapping in _MAPPINGS],
    }


def code_system() -> Json:
    """Return the private scheme as a FHIR R4 CodeSystem."""
    concepts = [
        {"code": one.value, "display": one.meaning, **_properties(one.value)}
        for one in code_table()
        if one.scheme == codes.SCHEME
    ]
    return {
        "resourceType": "CodeSystem",
        "id": codes.SCHEME,
        "url": f"urn:oid:{codes.SCHEME_UID}",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{codes.SCHEME_UID}"}],
        "version": codes.SCHEME_VERSION,
        "name": "SpondylVertebralMorphometry",
        "title": f"{codes.SCHEME_NAME} ({codes.SCHEME})",
        "status": "active",
        "publisher": identity.MANUFACTURER,
        "description": "Concepts for which no public code was found. A value keeps its meaning for ever.",
        "caseSensitive": True,
        "content": "complete",
        "count": len(concepts),
        "property": [
            {
                "code": "radelement-set",
                "description": "RadElement set about the same thing; its element identifiers are not confirmed",
                "type": "string",
            }
        ],
        "concept": concepts,
    }


def _properties(value: str) -> Json:
    found = [{"code": "radelement-set", "valueString": one["set"]} for one in _MAPPINGS if one["value"] == value]
    return {"property": found} if found else {}


def _entry(code: Code, source: str) -> Entry:
    return Entry(scheme=code.scheme_designator, value=code.value, meaning=code.meaning, source=source)


def _all() -> Iterator[tuple[Code, str]]:
    yield from _BY_TEMPLATES
    for code in _held(tuple(vars(codes).values())):
        yield code, _SOURCES.get(code.scheme_designator) or _SOURCES[code.value]
    for name, level in LEVELS.items():
        code = codes.vertebra(name)
        yield code, _OURS if level.vertebra is None else _S1 if name == "S1" else _CID_7603


def _held(held: object) -> Iterator[Code]:
    """Give the codes in what the module of codes holds: codes, and tables and tuples of them."""
    if isinstance(held, Code):
        yield held
    elif isinstance(held, Mapping):
        yield from _held(tuple(held.values()))
    elif isinstance(held, tuple):
        for one in held:
            yield from _held(one)

"""Vertebral levels and their codes: the one table of the product. PURE data.

SNOMED CT codes of the vertebrae C1 to L5 are members of CID 7603 (PS3.16). S1 and the vertebral bodies are in no
DICOM context group; they are the codes TotalSegmentator and the TG-263 to SNOMED map write. `srt` is the older
SNOMED-RT value that pydicom maps to the same concept. No SNOMED code is known for the vertebrae T13 and L6.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level: its name and the codes it goes by; None where no code is known."""

    name: str
    #: SNOMED CT code of the vertebra (scheme SCT).
    vertebra: str | None
    #: SNOMED CT code of the body of the vertebra (scheme SCT).
    body: str | None
    #: SNOMED-RT code of the vertebra (scheme SRT).
    srt: str | None

    @property
    def tg263(self) -> str:
        """The structure name of AAPM TG-263."""
        return f"VB_{self.name}"


#: Name, vertebra (SCT), body (SCT), vertebra (SRT); from cranial to caudal.
_ROWS: Final = (
    ("C1", "14806007", None, "T-11610"),
    ("C2", "39976000", None, "T-11620"),
    ("C3", "113205007", None, "T-11630"),
    ("C4", "5329002", None, "T-11640"),
    ("C5", "36978003", None, "T-11650"),
    ("C6", "36054005", None, "T-11660"),
    ("C7", "87391001", None, "T-11670"),
    ("T1", "64864005", "56094003", "T-11710"),
    ("T2", "53733008", "50060007", "T-11720"),
    ("T3", "1626008", "73138009", "T-11730"),
    ("T4", "73071006", "86197001", "T-11740"),
    ("T5", "56401006", "6105006", "T-11750"),
    ("T6", "45296009", "32430008", "T-11760"),
    ("T7", "62487009", "71737002", "T-11770"),
    ("T8", "11068009", "77435000", "T-11780"),
    ("T9", "82687006", "33766003", "T-11790"),
    ("T10", "7610001", "48405002", "T-117A0"),
    ("T11", "12989004", "52120002", "T-117B0"),
    ("T12", "23215003", "280849005", "T-117C0"),
    ("T13", None, "1186895000", None),
    ("L1", "66794005", "61032001", "T-11910"),
    ("L2", "14293000", "53983007", "T-11920"),
    ("L3", "36470004", "55492004", "T-11930"),
    ("L4", "11994002", "71996003", "T-11940"),
    ("L5", "49668003", "21799000", "T-11950"),
    ("L6", None, None, None),
    ("S1", "65985001", None, None),
)

#: Every level by name, from cranial to caudal.
LEVELS: Final = {name: Level(name=name, vertebra=sct, body=body, srt=srt) for name, sct, body, srt in _ROWS}
#: Place of a level in the column, for sorting.
ORDER: Final = {name: place for place, name in enumerate(LEVELS)}

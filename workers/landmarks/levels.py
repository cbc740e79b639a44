"""Which vertebra: from a code, else from a label, never from counting what is in view. PURE.

About one lumbar spine in ten is miscounted (docs/morphometry 5), so a level is only ever read, not inferred.
"""

import re
from collections.abc import Sequence
from typing import Final

from sr_templates.levels import LEVELS

#: Schemes whose codes say all that they say; the meaning of any other scheme's code is read as a label.
STANDARD_SCHEMES: Final = frozenset({"SCT", "SRT", "DCM", "UMLS"})
_BY_CODE: Final = {
    **{("SCT", code): level.name for level in LEVELS.values() for code in (level.vertebra, level.body) if code},
    **{("SRT", level.srt): level.name for level in LEVELS.values() if level.srt},
}
#: Words that say that a vertebra is meant.
_VERTEBRA: Final = frozenset({"vertebra", "vertebrae", "vertebral", "vert", "vb"})
#: Words that neither say nor contradict it.
_NEUTRAL: Final = frozenset({"body", "bone", "corpus", "level", "of", "spine", "structure", "the"})
_REGIONS: Final = {
    **dict.fromkeys(("c", "cervical"), "C"),
    **dict.fromkeys(("t", "th", "d", "thoracic", "dorsal"), "T"),
    **dict.fromkeys(("l", "lumbar"), "L"),
    **dict.fromkeys(("s", "sacral"), "S"),
}
_NAMED: Final = re.compile(
    r"(?:(?P<region>cervical|thoracic|dorsal|lumbar|sacral) ?)?(?P<letter>th|[ctdls])? ?0?(?P<number>[1-9][0-9]?)"
)
#: Names that mean something else where no word says that a vertebra is meant: MR weightings, first segment.
_AMBIGUOUS: Final = frozenset({"T1", "T2", "S1"})
#: VerSe's numbers: C1 to C7, T1 to T12, L1 to L6 are 1 to 25; 26 and 27 are sacrum and coccyx; 28 is T13.
_VERSE: Final = {
    **dict(enumerate((name for name in LEVELS if name not in {"T13", "S1"}), start=1)),
    28: "T13",
}
_VERSE_OTHER: Final = frozenset({26, 27})
#: Those that TotalSpineSeg has too, also counting downwards: C1 to C7 are 11 to 17, T1 to T8 21 to 28.
_NOT_ONLY_VERSE: Final = frozenset({*range(11, 18), *range(21, 29)})


def words_of(label: str) -> list[str]:
    """Return the words of a label; a question mark is none of the signs that part them: "L4?" is not L4."""
    return [word for word in re.split(r"(?:[^\w?]|_)+", label) if word]


def level_from_code(scheme: str, value: str) -> str | None:
    """Return the level of a coded vertebra or vertebral body (SCT, or SRT of CID 7603); None for any other code."""
    return _BY_CODE.get((scheme.strip(), value.strip()))


def level_from_label(text: str, *, bare: bool = True) -> str | None:
    """Return the level that a label such as `vertebrae_L1`, `VB_T12`, `L1 vertebra`, `l3`, `Lumbar 3`, `D12` names.

    Every word must be understood: `PTV_L3` and `Lung T2` name no vertebra. With `bare` False a word for vertebra is
    required; it always is for T1 and T2 (MR weightings) and S1.
    """
    words = words_of(text.lower())
    if words[:1] == ["verse"]:
        return _verse(words[1:])
    name = _level_name(" ".join(word for word in words if word not in _VERTEBRA | _NEUTRAL))
    if name in LEVELS and (_VERTEBRA & set(words) or (bare and name not in _AMBIGUOUS)):
        return name
    return None


def level_from_verse_number(number: int) -> str | None:
    """Return the level of a VerSe label value (1 to 25, 28); only for values that are declared to be such."""
    return _VERSE.get(number)


def verse_levels(numbers: Sequence[int]) -> dict[int, str]:
    """Return the level of each plain number that labels a mask of one object; {} where they cannot be VerSe's.

    Two at least are needed, none twice, all of them VerSe's (26 and 27 are no level), one of them no other
    numbering's. Numbers that begin at 1 are not believed: a running index begins there too. Their order down the
    column still has to be checked.
    """
    believable = len(numbers) > 1 and len(set(numbers)) == len(numbers) and min(numbers) > 1
    if not believable or not set(numbers) <= {*_VERSE, *_VERSE_OTHER} or set(numbers) <= _NOT_ONLY_VERSE:
        return {}
    return {number: _VERSE[number] for number in numbers if number in _VERSE}


def _verse(words: list[str]) -> str | None:
    number = words[-1] if words and set(words[:-1]) <= {"label"} else ""
    return level_from_verse_number(int(number)) if re.fullmatch(r"[0-9]{1,2}", number) else None


def _level_name(text: str) -> str | None:
    found = _NAMED.fullmatch(text)
    regions = {_REGIONS[word] for word in (found["region"], found["letter"]) if word} if found else set()
    return f"{regions.pop()}{found['number']}" if found and len(regions) == 1 else None

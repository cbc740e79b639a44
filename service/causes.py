"""Why studies failed, as stable words: reasons have numbers and names in them, metrics and alerts must not.

`advice` says what to do about the same reasons.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from service.ledger.lists import Cause

#: (words that the reason contains, word); the first that fits counts.
_WORDS: Final = (
    ("AE title not recognised", "ae_title"),
    ("does not take this object", "sop_class"),
    ("no report was sent; ", "held_back"),
    ("held back, ", "held_back"),
    ("not proven for ", "not_proven"),
    ("does not commit to the object", "not_proven"),
    ("request for storage commitment", "not_proven"),
    ("answered status 0x", "refused"),
    ("with HTTP status ", "refused"),
    ("no destination is called", "destination_removed"),
    (" h: ", "destination_down"),
    ("the worker died", "worker_died"),
    ("time limit", "time_limit"),
    ("memory limit", "memory_limit"),
    ("expected DICOM files, found none", "files_gone"),
    ("landmarks that were put", "landmarks"),
)
OTHER: Final = "other"
#: Every word there is, for who watches them from the start.
CAUSES: Final = (*dict.fromkeys(word for _, word in _WORDS), OTHER)


def cause(reason: str) -> str:
    """Return the word for the reason of a study that failed."""
    return next((word for words, word in _WORDS if words in reason), OTHER)


def by_cause(found: Iterable[Cause]) -> dict[str, int]:
    """Return how many studies failed for each cause; every cause is there."""
    number: Counter[str] = Counter(dict.fromkeys(CAUSES, 0))
    for each in found:
        number[cause(each.reason)] += each.studies
    return dict(number)

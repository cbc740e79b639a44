"""Words of a label that say cement or hardware (docs/morphometry 3.7). PURE."""

import re
from typing import Final

from workers.morphometry.flags import Flag

#: A label is split at whatever is no letter.
_SPLIT: Final = re.compile(r"[\W\d_]+")
_WORDS: Final = {
    **dict.fromkeys(("cement", "pmma"), Flag.CEMENT),
    **dict.fromkeys(
        (
            "hardware",
            "implant",
            "implants",
            "instrumentation",
            "screw",
            "screws",
            "rod",
            "rods",
            "cage",
            "cages",
            "prosthesis",
        ),
        Flag.HARDWARE,
    ),
}
_ANY: Final = re.compile(rf"(?<![^\W\d_])({'|'.join(_WORDS)})(?![^\W\d_])", re.IGNORECASE)
#: Words that deny what stands beside them.
_NONE: Final = frozenset({"no", "non", "not", "without"})


def device_word(label: str) -> Flag | None:
    """Return what a label says of cement or hardware; None where it says nothing, or says that there is none."""
    words = _SPLIT.split(label.lower())
    return None if _NONE & set(words) else next((flag for word, flag in _WORDS.items() if word in words), None)


def without_device_words(label: str) -> str:
    """Return what a label says of other things."""
    return _ANY.sub(" ", label)

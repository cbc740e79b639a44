"""The types of the configuration's values: what may stand in a key, said in words where it may not."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydicom.uid import UID

from service.sop_classes import ACCEPTED


class Table(BaseModel):
    """A table of the file: refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def matching(pattern: str, words: str) -> AfterValidator:
    """Return a validator for text; `words` say what is allowed to somebody who does not read patterns."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {words}")
        return text

    return AfterValidator(check)


_AE_TITLE: Final = r"(?=.*[!-\[\]-~])[ -\[\]-~]{1,16}"
_AE_WORDS: Final = "an AE title: 1 to 16 ASCII characters, no backslash, not only spaces"
#: PS3.5 6.2, VR AE: at most 16 characters of the default repertoire, no backslash, not only spaces.
AeTitle = Annotated[str, matching(_AE_TITLE, _AE_WORDS)]
#: The same, or empty where there is none.
AeTitleOrNone = Annotated[str, matching(f"({_AE_TITLE})?", _AE_WORDS)]
#: A name we give ourselves; it appears in queue names, metrics and on the command line.
Name = Annotated[
    str,
    matching(r"[a-z0-9][a-z0-9_-]{0,31}", "a name: 1 to 32 of a-z, 0-9, '-' and '_', the first a letter or digit"),
]
Port = Annotated[int, Field(ge=1, le=65535)]
#: Port 0 lets the system choose; only a server may ask for it.
BindPort = Annotated[int, Field(ge=0, le=65535)]


def _network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


Network = Annotated[str, AfterValidator(_network)]


def _service_root(text: str) -> str:
    # A port that is none raises a ValueError with words of its own.
    found = urlsplit(text)
    named = found.scheme in {"http", "https"} and found.hostname and found.port != 0
    if text and not (named and re.fullmatch(r"[!-~]+", text) and not {"@", "?", "#"} & set(text)):
        raise ValueError("must be empty or a URL of http or https: no user name, no query")
    return text


#: Under which a service of DICOMweb lies (PS3.18 8.2); it is shown, so no password may stand in it.
ServiceRoot = Annotated[str, AfterValidator(_service_root)]


def _not_empty(value: object) -> object:
    if value == "":
        raise ValueError("must name a file or folder")
    return value


def _anchored(path: Path, info: ValidationInfo) -> Path:
    """Resolve a relative path against the folder of the configuration file, where there is one."""
    path = path.expanduser()
    return (info.context or Path()) / path


File = Annotated[Path, BeforeValidator(_not_empty), AfterValidator(_anchored)]


#: The kinds of objects that a study comes back as.
ObjectWord = Literal["sr", "gsps", "summary", "pdf", "sagittal"]
#: PS3.7 E.1, Priority (0000,0700): what is more urgent goes first.
PriorityWord = Literal["low", "medium", "high"]
#: What is fetched from a source's archive before a study is measured.
FetchWord = Literal["study", "seg", "prior"]
#: What proves that a destination has what was delivered.
ProofWord = Literal["commitment", "query", "qido", "status"]


def each_once(words: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a word that stands there twice, and no word at all."""
    if not words:
        raise ValueError("must name one at least")
    return none_twice(words)


def none_twice(words: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a word that stands there twice."""
    if len(set(words)) < len(words):
        raise ValueError("must name each once")
    return words


def with_the_report(words: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse kinds of objects without the structured report."""
    if "sr" not in words:
        raise ValueError('must name "sr": the others are no report')
    return words


SeriesNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]
#: PS3.5 6.2, VR LO: at most 64 characters, no backslash; ASCII, so that every character set of a PACS holds it.
SeriesDescription = Annotated[
    str, matching(r"(?=.*[!-~])[ -\[\]-~]{1,64}", "1 to 64 ASCII characters, no backslash, not only spaces")
]


#: The storage SOP classes that are taken, by keyword of PS3.6 A.1; pydicom 3 has none for the newest.
SOP_CLASS_WORDS: Final = {UID(each).keyword or "LabelMapSegmentationStorage": each for each in ACCEPTED}


def _sop_class(word: str) -> str:
    if word not in SOP_CLASS_WORDS:
        raise ValueError(f"must be the keyword of a SOP class that is taken: {', '.join(sorted(SOP_CLASS_WORDS))}")
    return word


SopClassWord = Annotated[str, AfterValidator(_sop_class)]

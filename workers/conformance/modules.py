"""How it is said what an object holds: modules, attributes, whether they are there, where values come from (PS3.2)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword


class Presence(StrEnum):
    """Whether an attribute is there (PS3.2 A.8.1)."""

    ALWAYS = "ALWAYS"
    #: Value not always present.
    VNAP = "VNAP"
    #: Attribute not always present.
    ANAP = "ANAP"


class Origin(StrEnum):
    """Where a value comes from."""

    COPY = "COPY"
    AUTO = "AUTO"
    CONFIG = "CONFIG"
    FIXED = "FIXED"


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One attribute of a module."""

    keyword: str
    presence: Presence
    origin: Origin
    comment: str = ""

    @property
    def tag(self) -> str:
        """Its tag as DICOM writes it."""
        tag = tag_for_keyword(self.keyword) or 0
        return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"

    @property
    def name(self) -> str:
        """Its name in PS3.6."""
        return dictionary_description(self.keyword)

    @property
    def vr(self) -> str:
        """Its value representation in PS3.6."""
        return dictionary_VR(self.keyword)


@dataclass(frozen=True, kw_only=True)
class Module:
    """A module of an IOD, with its section of PS3.3, as far as we fill it."""

    name: str
    section: str
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, kw_only=True)
class Written:
    """One kind of object of ours: its SOP classes, and its modules besides the common ones."""

    kind: str
    title: str
    sop_classes: Mapping[str, str]
    modules: tuple[Module, ...]


def module(name: str, section: str, lines: str) -> Module:
    """Return a module from its lines: keyword, presence, origin, comment."""
    return Module(name=name, section=section, attributes=tuple(_attributes(lines)))


def _attributes(lines: str) -> Iterator[Attribute]:
    for line in filter(None, lines.splitlines()):
        keyword, presence, origin, *comment = line.split(maxsplit=3)
        yield Attribute(
            keyword=keyword, presence=Presence[presence], origin=Origin[origin], comment="".join(comment).strip()
        )

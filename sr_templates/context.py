"""What a report needs besides the findings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.objects import SERIES_DESCRIPTIONS, SERIES_NUMBERS, ObjectKind


@dataclass(frozen=True, kw_only=True)
class Predecessor:
    """An earlier report on the same study that this one replaces."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True, kw_only=True)
class ReportContext:
    """Everything but the findings; the order of `images` and of `others` does not count.

    `images` and `others` are headers of the objects that the findings rest on; `others` are no images: segmentations,
    supplied reports. `started_at` is the start of the analysis, shown on the source's clock where both state an offset
    from UTC, else as it is. `parameters` are what a reader must know, each a line of at most 1024 characters.
    """

    images: tuple[Dataset, ...]
    others: tuple[Dataset, ...] = ()
    #: Images of ours, computed from `images`, that the report may refer to as well.
    derived: tuple[Dataset, ...] = ()
    started_at: datetime
    #: Of each kind of object that is built, the Series Number and the Series Description.
    series_numbers: Mapping[ObjectKind, int] = field(default_factory=lambda: SERIES_NUMBERS)
    series_descriptions: Mapping[ObjectKind, str] = field(default_factory=lambda: SERIES_DESCRIPTIONS)
    #: Tracking UID by level, from the prior: it goes before the one that follows from the study.
    tracking: Mapping[str, str] = field(default_factory=dict)
    #: Root of the report's UIDs, at most 24 characters; empty means UUID-derived UIDs (2.25).
    uid_root: str = ""
    institution_name: str = ""
    parameters: tuple[str, ...] = ()
    #: The reports on this study that it replaces, the newest first: each destination may have another one.
    predecessors: tuple[Predecessor, ...] = ()
    #: Revision of the study; it becomes the Instance Number.
    revision: int = 1

    @property
    def library(self) -> dict[str, Dataset]:
        """The images by SOP Instance UID, in its order; those of ours last."""
        return {**_by_uid(self.images), **_by_uid(self.derived)}

    @property
    def evidence(self) -> list[Dataset]:
        """All objects, images first: the first one says whose study this is."""
        return [*self.library.values(), *_by_uid(self.others).values()]


def _by_uid(objects: Iterable[Dataset]) -> dict[str, Dataset]:
    found = {headers.text(item, "SOPInstanceUID"): item for item in objects}
    return {uid: found[uid] for uid in sorted(found)}

"""A rejection note: TID 2010 Key Object Selection (PS3.16) that takes objects of ours back (IHE RAD IOCM, RAD-66).

It lies in the study of what it rejects, in a series of its own, and is no key image: whoever implements IOCM hides what
it names. CID 7011 has no code for "the numbers are wrong", so why it was rejected stands as text alone (row 7).
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from highdicom.sr import (
    CodedConcept,
    CompositeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.dataset import Dataset

from sr_templates import codes, headers, identity, uids
from sr_templates.envelope import add_equipment, add_file_meta
from sr_templates.evidence import Instance, hierarchical
from sr_templates.seal import seal

#: PS3.4 B.5: Key Object Selection Document Storage.
SOP_CLASS_UID: Final = "1.2.840.10008.5.1.4.1.1.88.59"
#: The word of its UIDs and file name.
KIND: Final = "rejection"
#: Beyond those that can be configured for what is measured.
SERIES_NUMBER: Final = 9010
SERIES_DESCRIPTION: Final = "Rejection note"
_CONTAINS: Final = RelationshipTypeValues.CONTAINS
#: SOP classes of ours that are images: TID 2010 row 8; all others are row 10.
_IMAGES: Final = frozenset(f"1.2.840.10008.5.1.4.1.1.{suffix}" for suffix in ("2", "4", "7"))


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """What is taken back, as what, and why."""

    #: The objects, all of one study.
    rejected: Sequence[Instance]
    #: One of the words of codes.REJECTIONS: the title of the document (CID 7010).
    title: str
    #: For people; "" where nothing is to be said.
    why: str
    #: When it was asked for.
    at: datetime
    #: Instance Number: notes of a study are counted.
    number: int

    def __post_init__(self) -> None:
        if len({each.study_instance_uid for each in self.rejected}) != 1:
            raise ValueError("expected objects of one study to reject, found none, or of several")
        if self.title not in codes.REJECTIONS:
            raise ValueError(f"expected one of {', '.join(codes.REJECTIONS)}, found {self.title!r}")


def build_rejection_note(
    rejection: Rejection, source: Dataset, *, software: str, uid_root: str = "", institution_name: str = ""
) -> Dataset:
    """Return the note, an object of its own; `source` is the header whose patient and study it repeats."""
    made = Dataset()
    made.SpecificCharacterSet = headers.CHARACTER_SET
    made.update(headers.identity(source))
    if requests := headers.items(source, "ReferencedRequestSequence"):
        made.ReferencedRequestSequence = deepcopy(requests)
    made.SOPClassUID = SOP_CLASS_UID
    made.StudyInstanceUID = rejection.rejected[0].study_instance_uid
    # Key Object Document Series (PS3.3 C.17.6.1).
    made.Modality, made.SeriesNumber, made.SeriesDescription = "KO", SERIES_NUMBER, SERIES_DESCRIPTION
    made.ReferencedPerformedProcedureStepSequence = []
    add_equipment(made, software, uid_root=uid_root, institution_name=institution_name)
    add_file_meta(made, software)
    _add_document(made, rejection)
    made.update(_content(rejection, made, software, uid_root))
    return seal(made, KIND, uid_root=uid_root)


def _add_document(made: Dataset, rejection: Rejection) -> None:
    """Add Key Object Document (PS3.3 C.17.6.2)."""
    made.InstanceNumber = rejection.number
    moment = headers.local(rejection.at, made)
    made.ContentDate = made.InstanceCreationDate = moment.strftime("%Y%m%d")
    made.ContentTime = made.InstanceCreationTime = moment.strftime("%H%M%S.%f")
    made.CurrentRequestedProcedureEvidenceSequence = hierarchical(rejection.rejected)


def _content(rejection: Rejection, made: Dataset, software: str, uid_root: str) -> ContainerContentItem:
    root = ContainerContentItem(codes.REJECTIONS[rejection.title], is_content_continuous=False, template_id="2010")
    device = DeviceObserverIdentifyingAttributes(
        uid=uids.device_uid(uid_root, software=software),
        name=str(made.SoftwareVersions),
        manufacturer_name=identity.MANUFACTURER,
        model_name=identity.MODEL,
    )
    root.ContentSequence = ContentSequence(
        [
            *LanguageOfContentItemAndDescendants(CodedConcept.from_code(codes.LANGUAGE)),
            *ObserverContext(CodedConcept.from_code(codes.DEVICE), device),
            *_items(rejection),
        ]
    )
    for item in root.ContentSequence[-len(rejection.rejected) :]:
        # TID 2010 gives rows 8 and 10 no concept name; highdicom asks for one.
        del item.ConceptNameCodeSequence
    return root


def _items(rejection: Rejection) -> Iterator[ContentItem]:
    if rejection.why:
        yield TextContentItem(codes.KEY_OBJECT_DESCRIPTION, rejection.why, _CONTAINS)
    for each in rejection.rejected:
        item = ImageContentItem if each.sop_class_uid in _IMAGES else CompositeContentItem
        yield item(codes.SOURCE, each.sop_class_uid, each.sop_instance_uid, relationship_type=_CONTAINS)

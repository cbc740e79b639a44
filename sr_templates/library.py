"""TID 1600 Image Library, by hand: highdicom's cannot be built from incomplete headers, and OHIF cannot do without one.

What holds for all images of a group stands once at the group (TID 1602); an image is a reference (TID 1601).
"""

from collections.abc import Iterable

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentSequence,
    ImageContentItem,
    RelationshipTypeValues,
    UIDRefContentItem,
)
from pydicom.dataset import Dataset

from sr_templates import codes, headers
from sr_templates.slices import frame_of_reference

_CONTAINS = RelationshipTypeValues.CONTAINS
_CONTEXT = RelationshipTypeValues.HAS_ACQ_CONTEXT


def image_library(images: Iterable[Dataset]) -> ContainerContentItem:
    """Return TID 1600 with one group for each modality and frame of reference, in the order of the images."""
    groups: dict[tuple[str, str], list[Dataset]] = {}
    for image in images:
        key = headers.text(image, "Modality"), frame_of_reference(image)
        groups.setdefault(key, []).append(image)
    library = ContainerContentItem(codes.IMAGE_LIBRARY, is_content_continuous=False, relationship_type=_CONTAINS)
    if groups:
        library.ContentSequence = ContentSequence([_group(*key, members) for key, members in groups.items()])
    return library


def _group(modality: str, frame_of_reference_uid: str, images: Iterable[Dataset]) -> ContainerContentItem:
    content = ContentSequence()
    if modality in codes.MODALITIES:
        content.append(CodeContentItem(codes.MODALITY, codes.MODALITIES[modality], _CONTEXT))
    if frame_of_reference_uid:
        content.append(UIDRefContentItem(codes.FRAME_OF_REFERENCE, frame_of_reference_uid, _CONTEXT))
    for image in images:
        uids = headers.text(image, "SOPClassUID"), headers.text(image, "SOPInstanceUID")
        content.append(ImageContentItem(codes.SOURCE, *uids, relationship_type=_CONTAINS))
    group = ContainerContentItem(codes.IMAGE_LIBRARY_GROUP, is_content_continuous=False, relationship_type=_CONTAINS)
    group.ContentSequence = content
    return group

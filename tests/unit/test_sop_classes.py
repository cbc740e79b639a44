"""What is taken in, against the dictionaries of pydicom and pynetdicom."""

from typing import get_args

import pynetdicom
import pytest
from pydicom.uid import UID, AllTransferSyntaxes
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import uid_to_service_class

from service import sop_classes
from service.config_fields import ObjectWord
from sr_templates.objects import ObjectKind

#: Pixels elsewhere (JPIP) and real-time video.
NOT_TAKEN = {f"1.2.840.10008.1.2.4.{n}" for n in (94, 95, 204, 205)} | {f"1.2.840.10008.1.2.7.{n}" for n in (1, 2, 3)}
CT = "1.2.840.10008.5.1.4.1.1.2"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"


def everywhere() -> set[str]:
    """Return every transfer syntax that is taken for some SOP class."""
    return {syntax for uid in sop_classes.ACCEPTED for syntax in sop_classes.transfer_syntaxes(uid)}


@pytest.mark.parametrize("uid", sop_classes.ACCEPTED)
def test_every_class_is_a_storage_class(uid: str) -> None:
    """It is served with the Storage Service Class (PS3.4 annex B)."""
    assert uid_to_service_class(uid) is StorageServiceClass


@pytest.mark.parametrize(("uid", "name"), [(u, n) for u, n in sop_classes.ACCEPTED.items() if u != LABEL_MAP])
def test_names_are_the_standards(uid: str, name: str) -> None:
    """The name in PS3.6 is ours with "Storage" in it (pydicom's dictionary is older than label maps)."""
    bare = UID(uid).name.replace(" Storage", "").replace(" - For ", ", for ").lower()
    assert name.lower() == bare


@pytest.mark.parametrize(
    "uid",
    [
        *(f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("1", "1.1", "1.1.1", "2", "2.1", "2.2", "4", "4.1", "4.4")),
        *(f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("7", "7.1", "7.2", "7.3", "7.4", "12.1", "12.1.1", "12.2")),
        *(f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("66.2", "66.4", "66.7", "481.3", "11.1")),
        *(f"1.2.840.10008.5.1.4.1.1.88.{end}" for end in ("11", "22", "33", "34", "59")),
    ],
)
def test_what_a_spine_study_is_made_of_is_taken(uid: str) -> None:
    """CR, DX, CT, MR, SC, XA, RF, enhanced and converted, masks, structures, points, states, reports."""
    assert uid in sop_classes.ACCEPTED


@pytest.mark.parametrize("uid", sop_classes.written(map(str, ObjectKind)))
def test_what_we_write_is_taken(uid: str) -> None:
    """A PACS may send back any object of ours: it must not be told that we do not know it."""
    assert uid in sop_classes.ACCEPTED


def test_every_current_transfer_syntax_is_taken_somewhere() -> None:
    """All that pydicom and pynetdicom know, but for pixels that lie elsewhere and real-time video."""
    known = {str(uid) for uid in [*AllTransferSyntaxes, *pynetdicom.ALL_TRANSFER_SYNTAXES]}
    assert known - everywhere() == NOT_TAKEN


def test_retired_jpeg_is_taken() -> None:
    """Archives still hold it: processes 6 and 8, 10 and 12, 15."""
    assert {"1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55", "1.2.840.10008.1.2.4.58"} <= everywhere()


@pytest.mark.parametrize("uid", sop_classes.ACCEPTED)
def test_the_default_transfer_syntax_is_always_taken(uid: str) -> None:
    """PS3.5 10.1; and none is listed twice, and plain explicit VR is preferred."""
    syntaxes = sop_classes.transfer_syntaxes(uid)
    assert "1.2.840.10008.1.2" in syntaxes
    assert len(set(syntaxes)) == len(syntaxes)
    assert syntaxes[0] == "1.2.840.10008.1.2.1"


def test_documents_have_no_pixels_to_encode() -> None:
    """A report is never JPEG; an image and a mask may be; only a colour secondary capture may be a video."""
    jpeg, video = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.103"
    assert jpeg not in sop_classes.transfer_syntaxes(sop_classes.REPORTS["comprehensive"])
    assert jpeg in sop_classes.transfer_syntaxes(CT)
    assert jpeg in sop_classes.transfer_syntaxes(SEGMENTATION)
    with_video = {uid for uid in sop_classes.ACCEPTED if video in sop_classes.transfer_syntaxes(uid)}
    assert with_video == {"1.2.840.10008.5.1.4.1.1.7.4"}


def test_what_is_written_is_what_its_word_says() -> None:
    """The words of [report] sop_classes, and the kinds of objects, stand for SOP classes of PS3.4 B.5."""
    assert {word: UID(uid).name for word, uid in sop_classes.REPORTS.items()} == {
        "comprehensive_3d": "Comprehensive 3D SR Storage",
        "comprehensive": "Comprehensive SR Storage",
        "enhanced": "Enhanced SR Storage",
    }
    assert [UID(uid).name for uid in sop_classes.written(["gsps", "summary", "pdf"])] == [
        "Grayscale Softcopy Presentation State Storage",
        "Secondary Capture Image Storage",
        "Encapsulated PDF Storage",
    ]


def test_the_kinds_are_those_of_the_configuration() -> None:
    """The words of a kind are the same in the configuration, in the SOP classes and in what builds the objects."""
    assert {"sr", *sop_classes.WRITTEN} == set(get_args(ObjectWord)) == set(ObjectKind)


def test_our_reports_are_among_what_we_take() -> None:
    """A PACS may route them back."""
    assert set(sop_classes.REPORTS.values()) <= set(sop_classes.STRUCTURED_REPORTS)

"""What an archive sends over our association: kept like anything that is received, or refused with a status."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from spooled import file_of
from two_studies import slice_of

from service.config import Settings
from service.errors import OutOfSpace, Refused, StudyTooLarge
from service.metrics import Metrics
from service.receiving import Announced
from service.retrieve import IntoSpool, said
from service.spool import Spool, study_key
from service.storing import OWN_NAME, Storing
from service.study_size import StudySizes

UID = "1.2.826.0.1.3680043.10.999.53"
EXPLICIT = "1.2.840.10008.1.2.1"


def sent(*, maker: str = "Acme", **changes: str) -> tuple[Announced, bytes]:
    """Return what is announced of a slice, and its data set."""
    image = slice_of(UID, "20260301", Manufacturer=maker, ManufacturerModelName=maker)
    file = file_of(image)
    about = {"sop_class_uid": str(image.SOPClassUID), "sop_instance_uid": str(image.SOPInstanceUID)} | changes
    announced = Announced(abstract_syntax=about["sop_class_uid"], transfer_syntax=EXPLICIT, **about)
    # The data set begins with the group 0008.
    return announced, file[file.index(b"\x08\x00", 300) :]


@dataclass
class Reports:
    """A ledger that takes every report for one of ours, or none."""

    own: bool

    def is_own_report(self, _uid: str) -> bool:
        """Say so."""
        return self.own


def keeper(root: Path, *, own: bool = False, spool: Spool | None = None, **node: Any) -> IntoSpool:
    """Return what keeps objects under `root`."""
    settings = Settings.model_validate({"storage": {"root": root}, "node": node})
    spool = spool or Spool(root)
    spool.prepare()
    metrics = Metrics(settings)
    storing = Storing(settings=settings, spool=spool, reports=Reports(own), metrics=metrics)
    return IntoSpool(storing=storing, metrics=metrics, source="pacs")


def test_an_object_lies_in_the_spool_as_it_was_sent(tmp_path: Path) -> None:
    """Byte by byte, under the name of its UID; the ledger is to be told of its study."""
    spool, (announced, data) = Spool(tmp_path), sent()
    keep = keeper(tmp_path, spool=spool)
    keep(announced, data)

    [file] = spool.files(study_key(UID))
    assert file.read_bytes().endswith(data)
    assert {study_key(UID): UID} == keep.arrived


def test_an_object_of_ours_is_kept_apart_and_counts_for_nothing(tmp_path: Path) -> None:
    """As a report of ours that is routed back."""
    spool = Spool(tmp_path)
    keep = keeper(tmp_path, own=True, spool=spool)
    keep(*sent(maker=OWN_NAME))

    assert ([], {}) == (spool.files(study_key(UID)), keep.arrived)
    assert len(spool.own_files(study_key(UID))) == 1


@pytest.mark.parametrize(
    ("changes", "largest_mb", "free", "status"),
    [
        ({"sop_instance_uid": "1.2.3"}, 1.0, 0, 0xA900),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.4"}, 1.0, 0, 0xA900),
        ({}, 0.0001, 0, 0xA701),
        ({}, 1.0, 10**18, 0xA700),
    ],
)
def test_what_cannot_be_kept_is_refused_and_leaves_nothing(
    tmp_path: Path, changes: dict[str, str], largest_mb: float, free: int, status: int
) -> None:
    """PS3.4 table B.2-1: another object than was announced, one that is too large, a disk that is full."""
    spool = Spool(tmp_path, min_free_bytes=free)
    keep = keeper(tmp_path, spool=spool, max_object_mb=largest_mb)
    with pytest.raises(Refused) as refused:
        keep(*sent(**changes))

    assert status == refused.value.status
    assert [] == list(spool.keys())


def test_a_study_that_is_full_is_remembered(tmp_path: Path) -> None:
    """Its limits hold for what is fetched, too, and who must act is to be said at the study."""
    spool = Spool(tmp_path, sizes=StudySizes(most_objects=0, most_bytes=10**9))
    keep = keeper(tmp_path, spool=spool)
    with pytest.raises(StudyTooLarge):
        keep(*sent())

    said = "study.max_objects: the study has 0 objects; who must act: the administrator of this node"
    assert ({study_key(UID): said}, {}) == (keep.full, keep.arrived)


def test_bytes_that_are_no_data_set_are_refused(tmp_path: Path) -> None:
    """0xC000, cannot understand."""
    announced, _ = sent()
    with pytest.raises(Refused) as refused:
        keeper(tmp_path)(announced, b"\x08\x00\x18\x00UI\xff\xff1.2")

    assert not isinstance(refused.value, OutOfSpace)
    assert refused.value.status == 0xC000


def test_what_an_archive_says_is_read_whatever_it_is() -> None:
    """A match with values that break their representation is a text, or nothing: it ends no steward."""
    identifier = Dataset()
    identifier.Modality = "CT"
    # As it comes from the network; unsigned shorts have two bytes each (PS3.5 6.2), so pydicom raises on one.
    identifier[0x0008_0020] = RawDataElement(Tag(0x0008_0020), "US", 1, b"\1", 0, False, True)
    identifier[0x0020_000E] = RawDataElement(Tag(0x0020_000E), "UI", 6, b"1.2.3\0", 0, False, True)
    words = ("Modality", "StudyDate", "SeriesInstanceUID", "SOPInstanceUID")

    assert ("CT", "\1", "1.2.3", "") == tuple(said(identifier, word) for word in words)

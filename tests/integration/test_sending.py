from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, RTDoseStorage
from servers import StoreScp, free_port

from service import sending, sop_classes
from service.config_peers import Destination
from service.errors import Unavailable
from service.small_pacs import SmallPacs


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[SmallPacs]:
    """Give a small PACS that runs."""
    with SmallPacs(tmp_path / "pacs") as running:
        yield running


def _at(port: int, ae_title: str = "SMALLPACS") -> Destination:
    return Destination(name="pacs", ae_title=ae_title, host="127.0.0.1", port=port, timeout_s=3)


def _object(path: Path, number: int = 1, sop_class: str = CTImageStorage, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write an object that is just enough to be sent."""
    dataset = Dataset()
    dataset.SOPClassUID = UID(sop_class)
    dataset.SOPInstanceUID = f"1.2.3.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2", "1.2.3"
    dataset.PatientID = "7"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_the_small_pacs_answers_and_stores_what_it_gets(pacs: SmallPacs, tmp_path: Path) -> None:
    """What was sent lies in its folder, equal to what was sent, under a name that no peer chose."""
    assert 0 < sending.echo(_at(pacs.port), calling_ae="TEST") < 3
    files = [_object(tmp_path / f"{n}.dcm", n) for n in (1, 2, 3)]

    assert [(path, None) for path in files] == [
        (sent.path, sent.problem) for sent in sending.send(_at(pacs.port), files, calling_ae="TEST")
    ]
    assert pydicom.dcmread(files[1]) == pydicom.dcmread(pacs.path_of("1.2.3.2"))
    assert 3 == len(list(pacs.folder.iterdir()))


def test_a_peer_of_another_make_understands_us(storescp: StoreScp, tmp_path: Path) -> None:
    """Dcmtk's storescp answers the echo and stores the objects."""
    destination = _at(storescp.port, storescp.ae_title)
    files = [_object(tmp_path / f"{n}.dcm", n) for n in (1, 2)]

    assert sending.echo(destination, calling_ae="TEST") > 0
    assert [None, None] == [sent.problem for sent in sending.send(destination, files, calling_ae="TEST")]
    assert 2 == len(storescp.files())


def test_one_kind_that_is_refused_does_not_hold_up_the_others(pacs: SmallPacs, tmp_path: Path) -> None:
    """A SOP class that the peer does not take is told for its files; the others arrive, compressed ones as they are."""
    dose = _object(tmp_path / "dose.dcm", 1, RTDoseStorage)
    image = _object(tmp_path / "image.dcm", 2, syntax=JPEG2000Lossless)
    sent = {sent.path: sent.problem for sent in sending.send(_at(pacs.port), [dose, image], calling_ae="TEST")}

    assert {dose: "its kind is not accepted", image: None} == sent
    assert JPEG2000Lossless == pydicom.dcmread(pacs.path_of("1.2.3.2")).file_meta.TransferSyntaxUID


def test_a_file_that_does_not_say_what_it_is(pacs: SmallPacs, tmp_path: Path) -> None:
    """A file without File Meta Information is told, and the rest is sent."""
    (tmp_path / "odd.dcm").write_bytes(bytes(128) + b"DICM" + bytes(64))
    good = _object(tmp_path / "good.dcm")
    sent = {
        sent.path.name: sent.problem
        for sent in sending.send(_at(pacs.port), [tmp_path / "odd.dcm", good], calling_ae="T")
    }

    assert {"odd.dcm": "it does not say what it is", "good.dcm": None} == sent


def test_more_kinds_than_one_association_can_propose(pacs: SmallPacs, tmp_path: Path) -> None:
    """Beyond 128 presentation contexts (PS3.8 9.3.2.2) a second association is used."""
    pairs = [
        (sop_class, syntax)
        for sop_class in list(sop_classes.IMAGES)[:13]
        for syntax in sop_classes.transfer_syntaxes(sop_class)[:10]
        if syntax != "1.2.840.10008.1.2.1.99"
    ]
    pairs += [(sop_class, "1.2.840.10008.1.2.1") for sop_class in sop_classes.STRUCTURED_REPORTS]
    pairs += [(sop_class, "1.2.840.10008.1.2.1") for sop_class in sop_classes.SEGMENTATIONS]
    pairs += [(sop_class, "1.2.840.10008.1.2.1") for sop_class in sop_classes.OTHERS]
    assert len(pairs) > 128
    files = [_object(tmp_path / f"{n}.dcm", n, *pair) for n, pair in enumerate(pairs, 1)]

    assert {None} == {sent.problem for sent in sending.send(_at(pacs.port), files, calling_ae="TEST")}
    assert len(files) == len(list(pacs.folder.iterdir()))


def test_nobody_there(tmp_path: Path) -> None:
    """A peer that does not answer is Unavailable, for an echo and for a send."""
    nobody = _at(free_port())

    with pytest.raises(Unavailable, match="does not answer"):
        sending.echo(nobody, calling_ae="TEST")
    with pytest.raises(Unavailable, match="does not answer"):
        list(sending.send(nobody, [_object(tmp_path / "a.dcm")], calling_ae="TEST"))


def test_what_a_peer_takes_is_found_without_sending(pacs: SmallPacs) -> None:
    """SOP classes that would be refused are found by negotiation alone."""
    asked = [*sop_classes.REPORTS.values(), RTDoseStorage]

    assert [RTDoseStorage] == sending.refused_classes(_at(pacs.port), asked, calling_ae="TEST")


def test_a_full_small_pacs_says_so(pacs: SmallPacs, tmp_path: Path) -> None:
    """Where it cannot write, the small PACS answers out of resources, and goes on living."""
    file = _object(tmp_path / "a.dcm")
    pacs.folder.rename(tmp_path / "gone")

    sent = next(sending.send(_at(pacs.port), [file], calling_ae="TEST"))

    assert sent.problem is not None
    assert "0xA700" in sent.problem
    assert sending.echo(_at(pacs.port), calling_ae="TEST") > 0

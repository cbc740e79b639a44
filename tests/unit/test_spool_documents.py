"""Landmarks documents in the spool: durable like objects, and never counted as one."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from service.errors import OutOfSpace
from service.spool import Spool, study_key

STUDY = "1.2.3"
KEY = study_key(STUDY)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Return a spool that holds one object of a study."""
    spool = Spool(tmp_path / "root")
    spool.prepare()
    stored = spool.store(study_instance_uid=STUDY, sop_instance_uid="1", header=b"head", data=b"x")
    os.utime(stored.path, (1000.0, 1000.0))
    return spool


def put(spool: Spool, data: bytes, *, at: float) -> str:
    """Keep a document as of a given time; return its digest."""
    path = spool.write_document(KEY, data).path
    os.utime(path, (at, at))
    return path.stem


def test_a_document_is_named_by_its_bytes(spool: Spool, tmp_path: Path) -> None:
    """It lies beside the objects, byte for byte, under the first half of SHA-256 in hex, for this user alone."""
    stored = spool.write_document(KEY, b"{}")
    digest = hashlib.sha256(b"{}").hexdigest()[:32]

    assert tmp_path / "root" / "spool" / KEY[:2] / KEY / "landmarks" / f"{digest}.json" == stored.path
    assert (True, spool.document(KEY, digest)) == (stored.new, stored.path)
    assert b"{}" == stored.path.read_bytes()
    assert [0o600, 0o700] == [stat.S_IMODE(path.stat().st_mode) for path in (stored.path, stored.path.parent)]
    assert [] == list((tmp_path / "root" / "incoming").iterdir())


def test_a_document_is_no_object(spool: Spool) -> None:
    """What is measured, what tells whether a study changed and when it last arrived do not know of it."""
    before = spool.files(KEY), spool.fingerprint(KEY), spool.newest(KEY)
    spool.write_document(KEY, b"{}")

    assert before == (spool.files(KEY), spool.fingerprint(KEY), spool.newest(KEY))


def test_the_document_that_came_last_is_the_newest(spool: Spool) -> None:
    """Each stays; the same bytes again are not new, but the newest."""
    assert spool.newest_document(KEY) is None
    first, second = put(spool, b"1", at=1000.0), put(spool, b"2", at=1001.0)
    assert second == spool.newest_document(KEY)

    assert not spool.write_document(KEY, b"1").new
    assert first == spool.newest_document(KEY)
    assert [b"1", b"2"] == [spool.document(KEY, digest).read_bytes() for digest in (first, second)]


def test_the_document_that_came_last_counts_though_the_clock_went_back(tmp_path: Path) -> None:
    """It is set back by an hour between two: new ones and one that was there count as they come."""
    times = iter([7200, 3600, 3601, 3602])
    spool = Spool(tmp_path, clock_ns=lambda: next(times) * 10**9)
    spool.prepare()
    for data in (b"1", b"2", b"1"):
        assert spool.write_document(KEY, data).path.stem == spool.newest_document(KEY)
    second = hashlib.sha256(b"2").hexdigest()[:32]
    spool.secure_document(KEY, second)
    assert second == spool.newest_document(KEY)


def test_what_is_no_document_of_ours_is_passed_over(spool: Spool) -> None:
    """An editor's leftover in the folder is never measured with."""
    digest = put(spool, b"1", at=1000.0)
    (spool.document(KEY, digest).parent / "notes.json").write_text("{}", encoding="ascii")

    assert digest == spool.newest_document(KEY)


def test_a_document_that_is_made_sure_of_is_dated_again(spool: Spool) -> None:
    """Whoever wrote it was killed before its folder was on the disk: it is as durable as any other afterwards."""
    put(spool, b"2", at=2000.0)
    digest = put(spool, b"1", at=1000.0)
    spool.secure_document(KEY, digest)

    assert digest == spool.newest_document(KEY)


@pytest.mark.parametrize("digest", ["", "../../x", "0" * 31, "0" * 33, "G" * 32, "0" * 32 + "/"])
def test_a_digest_is_32_hex_digits(spool: Spool, digest: str) -> None:
    """Nothing leads out of the study's folder."""
    with pytest.raises(ValueError, match="not the digest of a document"):
        spool.document(KEY, digest)


def test_the_reserve_is_kept(spool: Spool, tmp_path: Path) -> None:
    """Below `min_free_bytes` no document is stored, and nothing is left behind."""
    full = Spool(tmp_path / "root", min_free_bytes=2**62)
    with pytest.raises(OutOfSpace, match="0 bytes are free"):
        full.write_document(KEY, b"{}")

    assert spool.newest_document(KEY) is None
    assert [] == list((tmp_path / "root" / "incoming").iterdir())


def test_retention_takes_a_document_with_its_study(spool: Spool) -> None:
    """Nothing of a study stays; but a document that has just come keeps it, as an object would."""
    put(spool, b"{}", at=2000.0)

    assert not spool.remove(KEY, unless_since=2000.0)
    assert spool.remove(KEY, unless_since=2000.1)
    assert [] == list(spool.keys())


def test_an_instance_is_found_by_its_uid(spool: Spool) -> None:
    """Of two versions the one that arrived last; None where it was not received."""
    stored = spool.store(study_instance_uid=STUDY, sop_instance_uid="1", header=b"head", data=b"newer")

    assert stored.path == spool.instance(KEY, "1")
    assert spool.instance(KEY, "2") is None

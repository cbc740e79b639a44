"""Multipart bodies, however they are cut into blocks."""

from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import HTTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.multipart import BadBody, Multipart

BOUNDARY = "cut"
CONTENT = st.lists(st.sampled_from([b"\r\n", b"--", b"cut", b"\r\n--cu", b"-", b"x\0y", b"\r\n--c"]), max_size=8)


def cut(body: bytes, sizes: list[int]) -> Iterator[bytes]:
    """Cut a body into blocks of these sizes, the last of the rest."""
    for size in sizes:
        yield body[:size]
        body = body[size:]
    yield body


def read(body: bytes, sizes: list[int] | None = None, *, at_most: int = 100) -> list[tuple[dict[str, str], bytes]]:
    """Return headers and content of each part."""
    parts = Multipart(cut(body, sizes or []), BOUNDARY).parts(at_most=at_most)
    return [(dict(part.headers), b"".join(map(bytes, part.blocks))) for part in parts]


def body_of(*contents: bytes) -> bytes:
    """Return a body with one header a part."""
    return b"".join(b"--cut\r\nA: b\r\n\r\n" + each + b"\r\n" for each in contents) + b"--cut--\r\n"


@given(contents=st.lists(CONTENT.map(b"".join), max_size=3), sizes=st.lists(st.integers(1, 9), max_size=40))
def test_what_was_put_in_comes_out_however_it_is_cut(contents: list[bytes], sizes: list[int]) -> None:
    """Each part byte for byte, near-boundaries too, as long as the boundary itself is in none of them."""
    whole = [each for each in contents if b"\r\n--cut" not in b"\r\n" + each]
    assert [({"a": "b"}, each) for each in whole] == read(body_of(*whole), sizes)


@given(sizes=st.lists(st.integers(1, 60), max_size=5), end=st.integers(0, 60))
def test_what_is_cut_off_is_never_whole(sizes: list[int], end: int) -> None:
    """A body that ends before its last boundary is bad, wherever it ends."""
    body = body_of(b"first", b"second")[:end]
    if not body.endswith(b"--cut--"):
        with pytest.raises(BadBody):
            read(body[: body.find(b"--cut--")] if b"--cut--" in body else body, sizes)


@given(garbage=st.binary(max_size=300), sizes=st.lists(st.integers(1, 30), max_size=10))
def test_any_bytes_are_read_or_bad(garbage: bytes, sizes: list[int]) -> None:
    """Nothing else is raised, whatever comes."""
    try:
        found = read(b"--cut" + garbage, sizes)
    except BadBody:
        return
    assert b"--cut--" in b"--cut" + garbage
    assert all(isinstance(content, bytes) for _, content in found)


def test_the_standard_librarys_parser_reads_the_same() -> None:
    """What stands before the first boundary and behind the last is no part; a part need not have headers."""
    first = b"preamble\r\n--cut \t\r\nContent-Type: application/dicom\r\nX: 1\r\n\r\none"
    body = first + b"\r\n--cut\r\n\r\ntwo\r\n--cut--\r\nend"
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: multipart/related; boundary=cut\r\n\r\n" + body)
    expected = [part.get_payload(decode=True) for part in message.iter_parts()]

    assert [b"one", b"two"] == expected
    assert expected == [content for _, content in read(body)]
    assert {"content-type": "application/dicom", "x": "1"} == read(body)[0][0]


def test_a_part_that_is_not_read_is_passed_over() -> None:
    """The next one begins where it begins."""
    parts = Multipart(cut(body_of(b"x" * 5000, b"second"), [7] * 100), BOUNDARY).parts(at_most=9)
    next(parts)
    assert b"second" == b"".join(map(bytes, next(parts).blocks))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "ends before its last boundary"),
        (b"x" * 2000, "stands before the first boundary"),
        (b"--cutter\r\n\r\nx\r\n--cut--", "stands behind a boundary"),
        (b"--cut\r\nA: " + b"b" * 20_000, "have no end"),
        (b"--cut\r\n" + b"A: b\r\n" * 4000, "have no end"),
        (b"--cut" + b" " * 2000 + b"\r\n\r\nx\r\n--cut--", "have no end"),
        (body_of(*[b"x"] * 4), "more than 3 parts"),
    ],
)
def test_what_is_bad_is_said(body: bytes, words: str) -> None:
    """Each limit has its words."""
    with pytest.raises(BadBody, match=words):
        read(body, at_most=3)

"""Objects and bodies for STOW-RS, as a sender makes them (PS3.18 10.5)."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from spooled import file_of

CT: Final = "1.2.840.10008.5.1.4.1.1.2"
STUDY: Final = "1.2.826.0.1.3680043.8.498.1"
BOUNDARY: Final = "0c2d9f-spondyl"
KIND: Final = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def an_object(*, size: int = 1000, **attributes: Any) -> Dataset:
    """Return a small object; an attribute that is None is left out."""
    values = {
        "SOPClassUID": CT,
        "SOPInstanceUID": generate_uid(),
        "PatientName": "Planted^Name",
        "PatientID": "PLANTED-ID",
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": f"{STUDY}.1",
        "Modality": "CT",
        "BitsAllocated": 8,
        "PixelData": bytes(size),
    }
    found = Dataset()
    for keyword, value in (values | attributes).items():
        if value is not None:
            setattr(found, keyword, value)
    return found


def a_file(**attributes: Any) -> bytes:
    """Return `an_object` as a DICOM file."""
    return file_of(an_object(**attributes))


def body(files: Sequence[bytes], *, closed: bool = True, part: bytes = b"Content-Type: application/dicom\r\n") -> bytes:
    """Return the body of a request."""
    return b"".join(pieces(files, closed=closed, part=part))


def pieces(
    files: Sequence[bytes], *, closed: bool = True, part: bytes = b"Content-Type: application/dicom\r\n"
) -> Iterator[bytes]:
    """Give the body of a request, a part at a time."""
    for file in files:
        yield b"--%b\r\n%b\r\n%b\r\n" % (BOUNDARY.encode(), part, file)
    if closed:
        yield b"--%b--\r\n" % BOUNDARY.encode()


def named(module: dict[str, Any], tag: str) -> list[str]:
    """Return the SOP Instance UIDs under a sequence of the answer."""
    return [item["00081155"]["Value"][0] for item in module.get(tag, {}).get("Value", [])]


def stored(module: dict[str, Any]) -> list[str]:
    """Return what the answer names as stored: Referenced SOP Sequence."""
    return named(module, "00081199")


def reasons(module: dict[str, Any], tag: str = "00081198") -> list[int]:
    """Return why what failed did: of Failed SOP Sequence, or Other Failures Sequence (0008,119A)."""
    return [item["00081197"]["Value"][0] for item in module.get(tag, {}).get("Value", [])]

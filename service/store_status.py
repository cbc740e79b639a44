"""What the status of a C-STORE response means (PS3.4 B.2.3). STOW-RS gives the same numbers (PS3.18 I.2)."""

from typing import Final

from service.errors import ClassNotTaken, NotNow, NotTaken, PeerRefused, Unavailable

#: PS3.4 table B.2-1: 0xA7xx, refused for want of resources, passes.
_OUT_OF_RESOURCES: Final = 0xA7
#: 0xBxxx: stored, with a warning.
_WARNING: Final = 0xB
#: 0xA9xx, data set does not match SOP class; 0xCxxx, cannot understand: another try meets them again, another SOP class
#: that says the same may not.
_NOT_TAKEN: Final = frozenset({0xA, 0xC})
#: PS3.7 C.5.6: SOP class not supported, said of an object whose presentation context was accepted.
_CLASS_NOT_SUPPORTED: Final = 0x0122
#: PS3.7 annex C: general failures that another try of the same object meets again.
_PERMANENT: Final = frozenset(
    {
        0x0117,  # invalid SOP instance
        0x0124,  # not authorised
        0x0210,  # duplicate invocation
        0x0211,  # unrecognised operation
        0x0212,  # mistyped argument
    }
)
#: 0x0111 (duplicate SOP instance) says that the object is there, which is what we want: the same UID of ours always
#: names the same bytes. 0x0107 and 0x0116 are PS3.7's general warnings.
_AS_GOOD_AS_SUCCESS: Final = frozenset({0x0000, 0x0001, 0x0107, 0x0111, 0x0116})


def check_status(status: int | None, destination: str) -> None:
    """Return where the object was stored; else raise PeerRefused (for good), NotNow (passing), Unavailable (no answer).

    NotTaken, a PeerRefused, is about this object: another alternative may do.
    Of the peer's answer only the number is told: its Error Comment may quote the data set.
    """
    if status is None:
        raise Unavailable(f"{destination} gave no answer")
    if status in _AS_GOOD_AS_SUCCESS or status >> 12 == _WARNING:
        return
    why = f"{destination} answered status 0x{status:04X}"
    if status >> 8 == _OUT_OF_RESOURCES:
        raise NotNow(f"{why}: out of resources")
    if status == _CLASS_NOT_SUPPORTED:
        raise ClassNotTaken(f"{why}: SOP class not supported")
    if status >> 12 in _NOT_TAKEN:
        raise NotTaken(why)
    if status in _PERMANENT:
        raise PeerRefused(why)
    raise NotNow(why)

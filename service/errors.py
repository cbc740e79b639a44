"""Errors, in families by who must act.

Anything raised that is not one of these is a bug: it is logged with its traceback and the study fails with
"developers" as the party who must act. A vertebra that cannot be measured is no error: it is a result with a reason.
The docstring of a class is its default message.
"""

from typing import ClassVar


class SpondylError(Exception):
    """Spondyl could not do what was asked."""

    #: Who must act, in words an administrator can act on.
    who: ClassVar[str] = "developers"
    #: Of something sent: whether it may have arrived all the same, without our hearing of it.
    unsure = False
    #: Of several alternatives the name of the file that this is about, where that is known.
    of = ""

    @property
    def who_now(self) -> str:
        """Who must act where nothing tries again: after a command or a request, which is made once."""
        return self.who

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])


class Refused(SpondylError):
    """The object that was sent cannot be accepted.

    Carries the DIMSE status (PS3.4 B.2.3, PS3.7 C) and the Error Comment (0000,0902), at most 64 characters.
    """

    who = "the sender"

    def __init__(self, message: str = "", *, status: int = 0xC000) -> None:
        super().__init__(message)
        self.status = status


class OutOfSpace(Refused):
    """The spool has no room for this object."""

    who = "the administrator of this node"

    def __init__(self, message: str = "") -> None:
        super().__init__(message, status=0xA700)


class TooLarge(Refused):
    """The object is larger than node.max_object_mb."""

    who = "the administrator of this node"
    #: PS3.4 B.2.3: of the range of Refused: Out of Resources; a number of its own, so that it can be told apart.
    STATUS: ClassVar[int] = 0xA701

    def __init__(self, message: str = "") -> None:
        super().__init__(message, status=self.STATUS)


class StudyTooLarge(Refused):
    """The study has as many objects or bytes as study.max_objects and study.max_gb take."""

    who = "the administrator of this node"
    #: As `TooLarge`.
    STATUS: ClassVar[int] = 0xA702

    def __init__(self, message: str = "", *, key: str = "") -> None:
        super().__init__(message, status=self.STATUS)
        #: Of the study.
        self.key = key

    @property
    def entry(self) -> str:
        """What is entered at the study."""
        return f"{self}; who must act: {self.who}"


class Misconfigured(SpondylError):
    """The configuration cannot be used."""

    who = "the administrator of this node"


class Unavailable(SpondylError):
    """Something this node needs does not answer; a running node tries again by itself."""

    who = "nobody yet: it is tried again"
    unsure = True

    @property
    def who_now(self) -> str:
        """Nobody waits for an answer any more: whoever runs what was asked must look."""
        return "whoever looks after what does not answer; then try again"


class NotReached(Unavailable):
    """Nobody was reached: nothing was asked, and nothing was sent."""

    unsure = False


class NotNow(Unavailable):
    """The destination answered, and does not store this object now: others it may take at once."""

    def __init__(self, message: str = "", *, unsure: bool = False) -> None:
        super().__init__(message)
        self.unsure = unsure


class PeerRefused(SpondylError):
    """The destination refused the object for a reason that trying again will not change."""

    who = "the administrator of the destination"


class NotTaken(PeerRefused):
    """The destination does not take this object: another alternative of it may do."""


class MayBeThere(NotTaken):
    """Refused, and nobody can tell whether it is there, of an earlier try: no alternative of it may go."""

    unsure = True

    def __init__(self, refused: NotTaken, *, of: str) -> None:
        super().__init__(f"{refused}; it may have the object, of an earlier try: look there, then retry")
        self.of = of


class ClassNotTaken(NotTaken):
    """It takes no object of this SOP class, and said so of one: so it has not got that."""


class Quarantined(SpondylError):
    """What was made is no valid object: it is kept, with what is wrong, and not sent."""


class BadLandmarks(SpondylError):
    """The landmarks document cannot be used."""

    who = "whoever supplied the landmarks"


class NotHeld(SpondylError):
    """The ledger cannot hold such a text or number."""

    @property
    def who_now(self) -> str:
        """Of a request: whoever asked for it. In a job it would be a fault of ours."""
        return "the caller"


class Unknown(SpondylError):
    """Nothing is known under this name."""

    who = "the caller"

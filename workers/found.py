"""The landmarks of one source, or of several that go together, with the objects they rest on."""

from dataclasses import dataclass
from datetime import datetime

from pydicom.dataset import Dataset

from workers.landmarks.points import VertebraLandmarks


@dataclass(frozen=True, kw_only=True)
class Found:
    """Landmarks with the objects they rest on."""

    vertebrae: tuple[VertebraLandmarks, ...]
    #: Headers of the images that the points lie on or were derived from.
    images: tuple[Dataset, ...] = ()
    #: Headers of the segmentations, the report or the other carrier that the points come from.
    others: tuple[Dataset, ...] = ()
    #: How the points came about, in words, where that is stated.
    origin: str = ""
    #: The persons who reviewed them, as DICOM writes names.
    observers: tuple[str, ...] = ()
    #: Protocol of ours by which they were placed before a reader went over them; "" where that is not stated.
    protocol: str = ""
    #: When a document was handed in; of anything else its objects tell.
    supplied_at: datetime | None = None
    #: What was not used, as coded words.
    notes: tuple[str, ...] = ()
    #: Whether our own protocol placed the points, though their source does not say so: in a finder's masks, or before a
    #: reader went over them.
    from_masks: bool = False
    #: Whether the document that was handed in gave any of them.
    from_document: bool = False
    #: Whether the carrier is an object of ours that somebody saved: it speaks of what we measured.
    is_ours: bool = False
    #: Reviews that draw some of what we measured, the newest first, where nothing else in the study gives the rest: the
    #: finder that placed it has to.
    open_reviews: "tuple[Found, ...]" = ()
    #: Coded reason why the finder that was asked gave nothing.
    finder_gave: str | None = None

    @property
    def placed(self) -> int:
        """How many vertebrae have points."""
        return sum(vertebra.landmarks is not None for vertebra in self.vertebrae)

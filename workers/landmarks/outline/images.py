"""The radiographs of a study, as what outlines refer to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from sr_templates import headers
from workers.landmarks.image_plane import PROJECTIONS, is_projection, number_of_frames, plane_of
from workers.landmarks.outline.drawn import Where
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.points import ImagePlane


@dataclass(frozen=True, kw_only=True)
class Images:
    """The study's images by SOP Instance UID; None for one that is not in it."""

    image_of: Callable[[str], Dataset | None]

    def is_film(self, sop_class_uid: str, sop_instance_uid: str) -> bool:
        """Whether a reference is to a radiograph; one that is not in the study is judged by its SOP class."""
        image = self.image_of(sop_instance_uid)
        return sop_class_uid in PROJECTIONS if image is None else is_projection(image)

    def where(self, sop_instance_uid: str, frame: int | None) -> Where:
        """Return an image, or its frame where it has several."""
        image = self.image_of(sop_instance_uid)
        several = image is not None and number_of_frames(image) > 1
        return Where(sop_instance_uid=sop_instance_uid, frame=frame if several else None)

    def plane(self, where: Where) -> ImagePlane | Reason:
        """Return what is known of an image, or why nothing on it can be measured."""
        image = self.image_of(where.sop_instance_uid)
        plane = None if image is None else plane_of(image, where.frame)
        if image is None or plane is None:
            return Reason.IMAGE_MISSING
        if where.frame is None and number_of_frames(image) > 1:
            return Reason.SEVERAL_IMAGES
        if plane.is_lateral is False:
            return Reason.NOT_LATERAL
        return plane if plane.scale is not None or plane.square_pixels else Reason.ANISOTROPY_UNKNOWN

    def spacings(self, where: Where) -> list[list[float]]:
        """Return the spacings, (row, column) mm, that an image states: of its pixels, and on the detector."""
        image = self.image_of(where.sop_instance_uid)
        stated = (
            [] if image is None else [headers.numbers(image, name) for name in ("PixelSpacing", "ImagerPixelSpacing")]
        )
        return [pair for pair in stated if len(pair) == 2 and min(pair) > 0]  # noqa: PLR2004 - row, column


def films_of(images: Sequence[Dataset]) -> Images:
    """Return the images of a study as what outlines refer to."""
    return Images(image_of={headers.text(image, "SOPInstanceUID"): image for image in images}.get)

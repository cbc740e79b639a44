import numpy as np
from structure_sets import FRAME, images, item, structure_set

from workers.inputs import Inputs
from workers.mask_sources import measure_masks

#: One plane is no volume: whatever has a level says why it is not measured.
TRIANGLE = [np.array([[0.0, 0, 5], [10, 0, 5], [0, 10, 5]])]
OTHER = "2.25.2"


def _found(stated: dict[str, str], *object_frames: str) -> list[list[tuple[str, str | None]]]:
    """Return levels and reasons of each frame of reference, beside images of FRAME; `stated`: each region's."""
    ds = structure_set(dict.fromkeys(stated, TRIANGLE))
    ds.ReferencedFrameOfReferenceSequence = [item(FrameOfReferenceUID=uid) for uid in object_frames]
    for region, frame in zip(ds.StructureSetROISequence, stated.values(), strict=True):
        region.ReferencedFrameOfReferenceUID = frame
    inputs = Inputs(study_instance_uid=str(ds.StudyInstanceUID), headers=(ds,), files={})
    measured = measure_masks(inputs, images(np.eye(4), (2, 4, 4)))
    return [[(one.level, one.reason) for one in found.vertebrae] for found in measured]


def test_images_tell_where_regions_lie_that_state_nothing() -> None:
    """Where nobody states a frame of reference it is that of the images, for all regions together."""
    assert [[("L1", "NO_GEOMETRY"), ("L2", "NO_GEOMETRY")]] == _found({"L1": "", "L2": ""})


def test_a_region_that_may_lie_in_either_of_two_frames_is_in_neither() -> None:
    """It is refused with those of each frame; no region is read twice."""
    lost = ("L3", "FRAME_OF_REFERENCE_UNKNOWN")

    assert [[lost]] == _found({"L3": ""}, FRAME, OTHER)
    assert [[("L1", "NO_GEOMETRY"), lost], [("L2", "NO_GEOMETRY"), lost]] == _found(
        {"L1": FRAME, "L2": OTHER, "L3": ""}
    )

"""From masks of levels, whatever carries them, to landmarks: the gates, the six points, what they belong to."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pydicom import Dataset

from sr_templates.levels import ORDER
from workers.landmarks.mask.find import find
from workers.landmarks.points import VertebraLandmarks, without_points
from workers.landmarks.reasons import Reason
from workers.landmarks.regions.claims import Settled, unconfirmed
from workers.landmarks.regions.devices import Filled, held
from workers.landmarks.volumes import Volume


def landmarks_of(
    settled: Settled,
    volumes: Mapping[str, Volume | Reason],
    devices: Iterable[Filled],
    *,
    frame_of_reference_uid: str,
) -> list[VertebraLandmarks]:
    """Return points or a reason for each level, from cranial to caudal.

    `volumes` has each chosen level's mask; `devices` are only asked for where there is a mask that may hold them.
    """
    refused = dict(settled.refused)
    masks = {level: volume for level, volume in volumes.items() if isinstance(volume, Volume)}
    refused |= {level: without_points(level, reason) for level, reason in volumes.items() if isinstance(reason, Reason)}
    refused |= unconfirmed(settled.chosen, masks)
    masks = {level: mask for level, mask in masks.items() if level not in refused}
    flags = held(masks, devices) if masks else {}
    found = (
        _placed(one, settled.chosen[one.level].holder, frame_of_reference_uid, flags.get(one.level, ()))
        for one in find(masks)
    )
    return sorted([*found, *refused.values()], key=lambda vertebra: ORDER[vertebra.level])


def _placed(
    found: VertebraLandmarks, holder: Dataset, frame_of_reference_uid: str, flags: tuple[str, ...]
) -> VertebraLandmarks:
    """Say which object and frame of reference points belong to; without the latter they lie nowhere."""
    if found.landmarks is None:
        return replace(found, flags=(*found.flags, *flags))
    if not frame_of_reference_uid:
        return without_points(found.level, Reason.FRAME_OF_REFERENCE_UNKNOWN)
    landmarks = replace(
        found.landmarks, sop_instance_uid=str(holder.SOPInstanceUID), frame_of_reference_uid=frame_of_reference_uid
    )
    return replace(found, landmarks=landmarks, flags=(*found.flags, *flags))

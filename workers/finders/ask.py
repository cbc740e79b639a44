"""Ask the site's model where neither points nor usable masks came: its answer goes the way of every other carrier."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydicom.dataset import Dataset

from service.config import Settings
from service.finders import require_finder
from service.sop_classes import IMAGES
from service.spool import study_key
from sr_templates import headers
from sr_templates.findings import LandmarkSource
from workers.finders.protocol import FinderAnswer
from workers.finders.reasons import FinderReason
from workers.finders.run import Image, run
from workers.finders.scratch import scratch
from workers.inputs import Inputs, NotOneStudy, read_inputs
from workers.landmarks.document import LandmarksError
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.reasons import Note
from workers.nearby import is_computed
from workers.sources import Found, find_landmarks


def ask_finder(inputs: Inputs, found: Found, settings: Settings) -> Found:
    """Return what the configured finder finds, else `found`, of which no vertebra was placed, with the reason.

    Raises Misconfigured where the finder is not installed or cannot be set up.
    """
    require_finder(settings)
    images = [
        header for header in inputs.headers if headers.text(header, "SOPClassUID") in IMAGES and not is_computed(header)
    ]
    with scratch(settings.storage.root) as folder:
        answer = run(
            settings.finder,
            folder,
            study=study_key(inputs.study_instance_uid),
            study_instance_uid=inputs.study_instance_uid,
            images=[_offered(image, inputs) for image in images],
        )
        answered = _read(replace(inputs, headers=tuple(images)), answer) if isinstance(answer, FinderAnswer) else answer
    if isinstance(answered, FinderReason):
        return replace(found, finder_gave=answered.value)
    unusable = (Note.OWN_SOURCES_UNUSABLE.told(len(found.vertebrae)),) if found.vertebrae else ()
    return replace(answered, origin=f"finder {settings.finder.name}: {answered.origin}", notes=unusable)


def _offered(image: Dataset, inputs: Inputs) -> Image:
    path = inputs.files[headers.text(image, "SOPInstanceUID")]
    return Image(path=path, sop_class_uid=headers.text(image, "SOPClassUID"))


def _read(bare: Inputs, answer: FinderAnswer) -> Found | FinderReason:
    """Read the answer as if the study, `bare` of what it brought itself, had brought it."""
    try:
        found = find_landmarks(_with(bare, answer.objects), answer.landmarks)
    except (LandmarksError, NotOneStudy):
        return FinderReason.ANSWER_UNUSABLE
    if not any(vertebra.landmarks for vertebra in found.vertebrae):
        return FinderReason.FOUND_NOTHING
    return replace(
        found,
        vertebrae=tuple(_as_models(vertebra, bare) for vertebra in found.vertebrae),
        # What the finder wrote is in no archive: a report cannot refer to it.
        others=(),
        origin=answer.said,
        from_masks=all(vertebra.source is LandmarkSource.SEGMENTATION for vertebra in found.vertebrae),
    )


def _with(bare: Inputs, objects: Sequence[Path]) -> Inputs:
    """Return the study with what the finder wrote; raises NotOneStudy where that is no DICOM, or of another study."""
    if not objects:
        return bare
    written = read_inputs(objects)
    if written.unreadable or written.study_instance_uid != bare.study_instance_uid:
        raise NotOneStudy("expected DICOM objects of the study that was given, found others")
    together = sorted([*bare.headers, *written.headers], key=lambda header: headers.text(header, "SOPInstanceUID"))
    return replace(bare, headers=tuple(together), files={**bare.files, **written.files})


def _as_models(vertebra: VertebraLandmarks, received: Inputs) -> VertebraLandmarks:
    """Say that a model placed these points; what they were read from is named only where the study has it."""
    landmarks = vertebra.landmarks
    if landmarks is not None and landmarks.sop_instance_uid not in received.files:
        landmarks = replace(landmarks, sop_instance_uid=None)
    return replace(vertebra, source=LandmarkSource.MODEL, landmarks=landmarks)

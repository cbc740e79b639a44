"""What a landmark finder is: the whole of what a site has to write (docs/finders.md).

A finder is an entry point of the group `spondyl.landmark_finders`: something that takes a FinderSetup and gives a
LandmarkFinder. It runs in a process of its own under limits of time and memory, and answers with carriers that are
read, checked and measured as if the study had brought them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

#: Characters in which a finder names itself and its version.
LONGEST_NAME: Final = 200


class CannotRun(Exception):
    """The finder cannot be set up; who looks after this node must act. The message is shown: no patient data."""


class NoSuitableImage(Exception):
    """None of the images is one that the finder can look at."""


class NothingFound(Exception):
    """The finder looked, and there is no vertebra that it would place points on."""


@dataclass(frozen=True, kw_only=True)
class FinderSetup:
    """What the configuration says to a finder, as it stands in [finder]."""

    command: str = ""
    model: Path | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FinderTask:
    """One study to look at. `images` are DICOM files, never to be changed; `scratch` is thrown away afterwards."""

    study_instance_uid: str
    images: tuple[Path, ...]
    scratch: Path


@dataclass(frozen=True, kw_only=True)
class FinderAnswer:
    """What was found: a landmarks document, or DICOM objects, or both (then the document comes first).

    `said` is name and version of the model, as the report is to state them; every change of the model must change it.
    `landmarks` is a document spondyl.landmarks/1 on an image of the study; `objects` are files in the scratch folder,
    of the study: segmentations whose segments name vertebrae, or any other carrier that a study may bring.
    """

    said: str
    landmarks: bytes | None = None
    objects: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not (0 < len(self.said) <= LONGEST_NAME and self.said.isprintable()):
            raise ValueError(f"said: expected 1 to {LONGEST_NAME} printable characters")
        if self.landmarks is None and not self.objects:
            raise ValueError("expected landmarks or objects, found neither; raise NothingFound instead")


class LandmarkFinder(Protocol):
    """Looks at the images of one study."""

    @property
    def sop_classes(self) -> Collection[str]:
        """SOP Class UIDs of the images that it can look at; it is given these, and is not run without any."""
        ...

    def find(self, task: FinderTask) -> FinderAnswer:
        """Return what was found; raises NoSuitableImage or NothingFound. Anything else that is raised is a failure."""
        ...


class FinderFactory(Protocol):
    """What the entry point names."""

    def __call__(self, setup: FinderSetup, /) -> LandmarkFinder:
        """Return the finder, ready to run; raises CannotRun where it is not."""
        ...

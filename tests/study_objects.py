"""Whole studies with every kind of object that comes back of them, a CT and a radiograph."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import films
import numpy as np
import pytest
from spooled import write

from service.config import Settings
from service.config_peers import Destination
from sr_templates.findings import StudyFindings
from sr_templates.objects import ObjectKind
from workers.phantom import study
from workers.phantom.column import column
from workers.phantom.vertebra import Vertebra
from workers.pipeline import measure_files


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study as it was received, and what came of it: the file of each object, by what it is."""

    received: tuple[Path, ...]
    findings: StudyFindings
    made: Mapping[str, bytes]


#: Amplitude of a scoliosis, and how often it turns from side to side over the column.
_CURVE_MM, _TURNS = 25.0, 0.9
#: The same node gets every kind of object; nothing is sent to it.
_EVERYTHING = Destination(name="everything", ae_title="PACS", host="127.0.0.1", port=104, send=tuple(ObjectKind))


def measured(*folders: Path) -> Study:
    """Return the study whose files lie in these folders."""
    files = tuple(sorted(path for folder in folders for path in folder.rglob("*.dcm")))
    outcome = measure_files(files, settings=Settings(destinations=(_EVERYTHING,)))
    made: dict[str, bytes] = {}
    for each in outcome.objects:
        # "sr", "sr-1", "sr-2" are the same report in three SOP classes.
        name, same = str(each.kind), sum(key.split("-")[0] == each.kind for key in made)
        made[f"{name}-{same}" if same else name] = each.data
    return Study(received=files, findings=outcome.findings, made=made)


def ct_study(folder: Path) -> Study:
    """Return the phantom of the demo, made in `folder`: 60 sagittal slices and a segmentation of T9 to L5."""
    study.make_study(folder, patient_name="Phantom^Spine", patient_id="PHANTOM", seed=1)
    return measured(folder)


def scoliotic_column() -> tuple[Vertebra, ...]:
    """Return the column of the demo along a double curve of 25 mm to each side, each body at right angles to it."""
    straight = column()
    heights = np.array([one.centre[2] for one in straight])
    length = float(np.ptp(heights))
    phase = 2 * np.pi * _TURNS * (heights - (heights.max() + heights.min()) / 2) / length
    # Downwards along the curve it leans by the curve's own slope.
    leans = np.arctan(-_CURVE_MM * 2 * np.pi * _TURNS / length * np.sin(phase))
    bent = []
    for one, x, lean in zip(straight, _CURVE_MM * np.cos(phase) - _CURVE_MM / 2, leans, strict=True):
        turn = np.array([[np.cos(lean), 0, -np.sin(lean)], [0, 1, 0], [np.sin(lean), 0, np.cos(lean)]])
        bent.append(replace(one, centre=one.centre + np.array([x, 0, 0]), axes=one.axes @ turn))
    return tuple(bent)


def scoliotic_study(folder: Path) -> Study:
    """Return the study of the scoliotic column, made in `folder`: slices are sagittal, and none shows all of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "column", scoliotic_column)
        study.make_study(folder, patient_name="Phantom^Curved", patient_id="CURVED", seed=2)
    return measured(folder)


def dx_study(folder: Path) -> Study:
    """Return a lateral radiograph of T8 to L5, made in `folder` with its segmentation; bone is brighter there."""
    shown = films.column(posterior_elements=True)
    image = films.film(PatientName="Phantom^Film", PatientID="FILM", WindowCenter=128, WindowWidth=256)
    size = int(image.Rows), int(image.Columns)
    bone = np.sum([one.stand.shadow(one.profile, size, samples=2) for one in shown], axis=0)
    image.PixelData = np.clip(60 + 120 * bone, 0, 255).astype(np.uint8).tobytes()
    write(folder, image, films.segmented(image, shown))
    return measured(folder)

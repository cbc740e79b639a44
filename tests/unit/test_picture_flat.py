"""Flat sections: as few as hold every vertebra."""

from pathlib import Path

import numpy as np
import pytest
from pictured import ct, landmarks, moved, only, ramp, turned, written
from report_samples import findings

from sr_templates.findings import StudyFindings
from workers.inputs import Inputs
from workers.pictures.flat import sections
from workers.pictures.panels import volumes

FOUND = only(findings("patient"), ("T12", "L1"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Return slices from x = -27 to 27 mm, 3 mm apart."""
    images = [ct(place, x_mm=3.0 * (place - 10)) for place in range(1, 20)]
    return written(tmp_path_factory.mktemp("study"), *images)


def test_a_straight_spine_lies_in_one_section(study: Inputs) -> None:
    """It is the plane at x = 1, with the mean over 4 mm in each pixel: of a ramp that is the value in the middle."""
    (volume,) = volumes(FOUND, study, study.headers)
    ((section, _),) = sections(volume)
    rows, columns = section.values.shape
    places = section.origin + np.array([30 * section.pixel_mm, 40 * section.pixel_mm]) @ section.axes

    assert 1.0 == pytest.approx(section.origin[0])
    assert ramp(places) == pytest.approx(float(section.values[40, 30]), abs=0.5)
    # 34 + 25 + 45 mm wide, 57 + 36 mm high, pixels of 1 mm.
    assert (93, 104, 1.0) == (rows, columns, section.pixel_mm)


@pytest.mark.parametrize("found", [FOUND, moved(FOUND, turned)], ids=["straight", "twisted"])
def test_every_point_lies_in_one_of_the_sections(study: Inputs, found: StudyFindings) -> None:
    """Two bodies turned by 15 degrees against each other need two sections; each point is within 2 mm of its own."""
    (volume,) = volumes(found, study, study.headers)
    made = [section for section, _ in sections(volume)]

    for level in ("T12", "L1"):
        points = np.array(list(landmarks(found, level).points.values()))
        off = [np.abs((points - each.origin) @ np.cross(*each.axes)).max() for each in made]
        assert min(off) <= 2.0
    assert (1 if found is FOUND else 2) == len(made)


def test_a_section_says_which_slices_it_lacks(tmp_path: Path) -> None:
    """Of the slices at 0 and 3 mm, both within the slab around 1 mm, one cannot be read: it is counted, not named."""
    whole, damaged = ct(0), ct(1)
    damaged.PixelData = damaged.PixelData[:10]
    inputs = written(tmp_path, whole, damaged)
    (volume,) = volumes(FOUND, inputs, inputs.headers)
    ((section, sampled),) = sections(volume)

    assert "1 of 2 slices could not be read" == section.lacking
    assert [whole.SOPInstanceUID] == [image.SOPInstanceUID for image in sampled.images]


def test_without_pixels_there_is_no_section(tmp_path: Path) -> None:
    """Slices that cannot be decoded give no derived image, and no error."""
    image = ct(0)
    image.PixelData = image.PixelData[:10]
    inputs = written(tmp_path, image)
    (volume,) = volumes(FOUND, inputs, inputs.headers)

    assert [] == list(sections(volume))

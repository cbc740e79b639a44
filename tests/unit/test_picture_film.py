"""The part of a radiograph around the points."""

from pathlib import Path

import numpy as np
import pytest
from pictured import film, written
from report_samples import image_points

from workers.pictures.film import around, background

#: T12 at row 1000 and L1 32 rows lower: columns 483 to 517, so a depth of 34 pixels; rows 987.5 to 1044.5.
VERTEBRAE = [image_points(0.0), image_points(-32.0)]


def test_the_part_holds_the_points_and_what_lies_behind() -> None:
    """0.8 depths before, 1.4 behind, 0.6 above and below; four rows of the picture for one of the image at most."""
    cut = around(film(), VERTEBRAE, rows=10_000, columns=10_000)

    # 483 - 27.2, 987.5 - 20.4, 517 + 47.6, 1044.5 + 20.4, outwards to whole pixels.
    assert (455, 967, 565, 1065) == cut.box
    assert (4 * 98, 4 * 110) == (cut.rows, cut.columns)
    assert (4 * (483 - 455), 4 * (987.5 - 967 + 0.5)) == pytest.approx(cut.placed(VERTEBRAE[0])["AS"])


def test_a_patient_who_faces_right_has_the_room_on_the_other_side() -> None:
    """Mirrored points: the posterior elements are on the left, so there is more room there."""
    mirrored = [{name: (1000 - x, y) for name, (x, y) in each.items()} for each in VERTEBRAE]
    cut = around(film(), mirrored, rows=10_000, columns=10_000)

    assert (1000 - 565, 1000 - 455) == (cut.box[0], cut.box[2])


def test_pixels_that_are_not_square_are_drawn_true() -> None:
    """Pixels twice as high as wide: the picture is twice as high for its columns."""
    cut = around(film(ImagerPixelSpacing=[0.4, 0.2]), VERTEBRAE, rows=10_000, columns=400)
    left, top, right, bottom = cut.box

    assert 2 * (bottom - top) / (right - left) == pytest.approx(cut.rows / cut.columns, rel=0.01)


def test_the_part_ends_where_the_image_ends() -> None:
    """Points near an edge, or beyond it, leave a part of the image that is one."""
    beyond = [{name: (x - 490, y) for name, (x, y) in each.items()} for each in VERTEBRAE]
    cut = around(film(), beyond, rows=600, columns=600)

    assert 0 == cut.box[0]
    assert cut.box[2] > 27


def test_points_stand_on_the_pixels_they_were_placed_on(tmp_path: Path) -> None:
    """The film's value is its column: under each point the picture has the shade of the point's own column."""
    inputs = written(tmp_path, film())
    (image,) = inputs.headers
    cut = around(image, VERTEBRAE, rows=600, columns=600)
    shades = background(image, inputs.files[str(image.SOPInstanceUID)], 1, cut)

    assert shades is not None
    for name, (column, row) in cut.placed(VERTEBRAE[0]).items():
        # Values 0 to 999 span black to white; the value of a pixel is that of its centre.
        expected = (VERTEBRAE[0][name][0] - 0.5) / 999 * 255
        assert expected == pytest.approx(float(shades[int(row), int(column)]), abs=1.0)


def test_a_radiograph_without_pixels_gives_none(tmp_path: Path) -> None:
    """Damaged pixels are no error."""
    image = film()
    image.PixelData = image.PixelData[:10]
    inputs = written(tmp_path, image)
    cut = around(image, VERTEBRAE, rows=600, columns=600)

    assert background(inputs.headers[0], next(iter(inputs.files.values())), 1, cut) is None
    assert np.all(np.array(cut.box) >= 0)

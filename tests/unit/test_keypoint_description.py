"""The description of a keypoint network is read strictly."""

from pathlib import Path

import pytest
from keypoint_network import description

from service.errors import Misconfigured
from workers.finders.keypoints.description import read_description


def _read(folder: Path, text: str) -> None:
    path = folder / "model.toml"
    path.write_text(text, encoding="utf-8")
    read_description(path)


def test_a_whole_description_is_read(tmp_path: Path) -> None:
    """The samples of the tests, heatmaps and points, keep to the format."""
    _read(tmp_path, description())
    _read(tmp_path, description(kind="points", coordinates="normalised", score_threshold=None))
    _read(tmp_path, description(kind="points", first_pixel_centre=0.5))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"spondyl.keypoints/1"', '"spondyl.keypoints/2"', "format = 'spondyl.keypoints/2': must be"),
        ("[model]", "[modell]", "model: is required"),
        ('name = "Spots"', 'name = ""', "model.name = ''"),
        ("width = 160", "width = 0", "input.width = 0: must be greater than or equal to 8"),
        ("width = 160", "widht = 160", "input.widht: unknown key; known: anterior, bone"),
        ('anterior = "left"', 'anterior = "ventral"', "input.anterior = 'ventral': must be 'left', 'right' or 'any'"),
        ('range = "min_max"', 'range = "limits"', 'limits: expected with range = "limits", and only then'),
        ('range = "min_max"', "percentiles = [99, 1]", "expected the lower value first, found 99 before 1"),
        ('range = "min_max"', "std = [0.0]", "input.normalisation.std[0] = 0.0: must be greater than 0"),
        ('range = "min_max"', "mean = [0.1, 0.2]", "input.normalisation.mean: expected 1 or 1 numbers, found 2"),
        ('"L4"', '"L3"', "levels: expected each of C1, "),
        ('"L4"', '"L9"', "found ('L3', 'L9')"),
        (', "PI"', "", "points: expected AS, MS, PS, AI, MI, PI, or these without MS and MI, each once"),
        ("score_threshold = 0.5", "", "score_threshold: expected a number, since every heatmap has a highest pixel"),
        ('kind = "heatmaps"', 'kind = "points"', "first_pixel_centre: expected 0.0 or 0.5 for points in pixels"),
        ('kind = "heatmaps"', 'kind = "heatmaps"\nfirst_pixel_centre = 0.5', "first_pixel_centre: expected 0.0 or 0.5"),
        ("[output]", "[output", "is not TOML"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, message: str) -> None:
    """The message names the key, what was found, and what is allowed."""
    text = description()
    assert old in text
    with pytest.raises(Misconfigured) as raised:
        _read(tmp_path, text.replace(old, new))

    assert message in str(raised.value)


def test_no_description_is_said(tmp_path: Path) -> None:
    """A missing file is named."""
    with pytest.raises(Misconfigured, match=r"model\.toml: cannot be read: No such file"):
        read_description(tmp_path / "model.toml")

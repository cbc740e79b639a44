"""The finder onnx-keypoints with a tiny network: from a radiograph to points, in a process of its own."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from finder_sites import settings
from keypoint_network import (
    CORNERS,
    INPUT,
    LEVELS,
    SOURCE,
    SPOTS,
    description,
    heatmap_network,
    point_network,
    radiograph,
)
from report_samples import STUDY

from service.checks.check import Verdict
from service.checks.finder import finder as finder_checks
from service.errors import Misconfigured
from sr_templates.findings import LandmarkSource
from workers.finders.keypoints.finder import OnnxKeypoints
from workers.finders.protocol import CannotRun, FinderSetup, FinderTask, NoSuitableImage, NothingFound
from workers.landmarks.document import parse
from workers.pipeline import measure_files

Points = Mapping[str, Mapping[str, tuple[float, ...]]]
#: The radiograph fits the input's height; it lies in the middle of its width. Worked out here, not asked of the code.
SCALE = INPUT[1] / SOURCE[1]
LEFT = (INPUT[0] - SOURCE[0] * SCALE) / 2
CENTRES = [
    (LEFT + SCALE * SPOTS[level][name][0], SCALE * SPOTS[level][name][1]) for level in LEVELS for name in CORNERS
]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Write the network of heatmaps and its description."""
    path = tmp_path / "spots.onnx"
    heatmap_network(path, CENTRES)
    path.with_suffix(".toml").write_text(description(), encoding="utf-8")
    return path


def _found(model: Path, *images: Path) -> tuple[str, Points, str]:
    """Return the image, the points and what is said of the model, found in this process."""
    task = FinderTask(study_instance_uid=STUDY, images=images, scratch=model.parent)
    answer = OnnxKeypoints(FinderSetup(model=model)).find(task)
    assert answer.landmarks
    document = parse(answer.landmarks)
    points = {vertebra.level: vertebra.points for vertebra in document.vertebrae}
    return document.sop_instance_uid or "", points, answer.said


def _mirrored(points: Points) -> Points:
    return {level: {n: (SOURCE[0] - x, y) for n, (x, y) in named.items()} for level, named in points.items()}


def _flat(points: Points) -> list[float]:
    return [value for level in LEVELS for name in CORNERS for value in points[level][name]]


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
def test_points_come_back_to_where_they_are(tmp_path: Path, model: Path, *, inverted: bool, mirrored: bool) -> None:
    """Points lie in pixels of the radiograph, to a fifth of one, whichever way it is shown."""
    radiograph(tmp_path / "film.dcm", inverted=inverted, mirrored=mirrored)
    uid, points, said = _found(model, tmp_path / "film.dcm")

    assert f"{STUDY}.2.1" == uid
    assert _flat(_mirrored(SPOTS) if mirrored else SPOTS) == pytest.approx(_flat(points), abs=0.2)
    assert said.startswith("Spots 3 (SHA-256 of model ")


def test_points_in_shares_of_the_input(tmp_path: Path, model: Path) -> None:
    """A network that gives points instead of heatmaps gives the same vertebrae; a score too low leaves one out."""
    rows = [(x / INPUT[0], y / INPUT[1], 0.9) for x, y in CENTRES]
    rows[-1] = (*rows[-1][:2], 0.4)
    point_network(model, rows)
    text = description(kind="points", coordinates="normalised", score_threshold=0.5)
    model.with_suffix(".toml").write_text(text, encoding="utf-8")
    radiograph(tmp_path / "film.dcm")
    _, points, _ = _found(model, tmp_path / "film.dcm")

    assert {"L3"} == set(points)
    for name in CORNERS:
        assert SPOTS["L3"][name] == pytest.approx(points["L3"][name], abs=2e-3)


def test_the_radiograph_with_most_vertebrae_is_taken(tmp_path: Path, model: Path) -> None:
    """An empty film comes first by its UID and shows nothing: the points are those of the other one."""
    empty = radiograph(tmp_path / "empty.dcm", SOPInstanceUID=f"{STUDY}.2.0")
    empty.PixelData = bytes(len(empty.PixelData))
    empty.save_as(tmp_path / "empty.dcm", enforce_file_format=True)
    radiograph(tmp_path / "film.dcm")

    assert f"{STUDY}.2.1" == _found(model, tmp_path / "empty.dcm", tmp_path / "film.dcm")[0]
    with pytest.raises(NothingFound):
        _found(model, tmp_path / "empty.dcm")


def test_a_frontal_film_is_not_looked_at(tmp_path: Path, model: Path) -> None:
    """Only images that say that they are lateral are given to the network."""
    radiograph(tmp_path / "film.dcm", PatientOrientation=["L", "F"])
    with pytest.raises(NoSuitableImage):
        _found(model, tmp_path / "film.dcm")


def test_points_outside_of_the_film_are_none(tmp_path: Path, model: Path) -> None:
    """A point in the padding beside the film is not placed, however sure the network is."""
    rows = [(1.0, y, 0.9) for _, y in CENTRES]
    point_network(model, rows)
    text = description(kind="points", first_pixel_centre=0.5)
    model.with_suffix(".toml").write_text(text, encoding="utf-8")
    radiograph(tmp_path / "film.dcm")
    with pytest.raises(NothingFound):
        _found(model, tmp_path / "film.dcm")


def test_a_new_model_says_so(tmp_path: Path, model: Path) -> None:
    """Another network, or another description, is said differently, so that the report gets a new identity."""
    radiograph(tmp_path / "film.dcm")
    said = [_found(model, tmp_path / "film.dcm")[2]]
    heatmap_network(model, CENTRES, half=13.0)
    said.append(_found(model, tmp_path / "film.dcm")[2])
    model.with_suffix(".toml").write_text(description(score_threshold=0.4), encoding="utf-8")
    said.append(_found(model, tmp_path / "film.dcm")[2])

    assert 3 == len(set(said))


def test_a_study_is_measured_by_it(tmp_path: Path, model: Path) -> None:
    """The finder runs under its limits, and the vertebrae of its points are measured: Ha/Hp follows from the spots."""
    radiograph(tmp_path / "film.dcm")
    outcome = measure_files(
        [tmp_path / "film.dcm"], settings=settings(tmp_path, name="onnx-keypoints", model=str(model))
    )
    found = {vertebra.level: vertebra for vertebra in outcome.findings.vertebrae}
    heights = {
        level: [sum((a - b) ** 2 for a, b in zip(s[f"{at}S"], s[f"{at}I"], strict=True)) ** 0.5 for at in "AP"]
        for level, s in SPOTS.items()
    }

    assert set(LEVELS) == set(found)
    for level, (anterior, posterior) in heights.items():
        numbers = found[level].measured
        assert numbers
        assert anterior / posterior == pytest.approx(numbers.wedge_ratio, abs=0.01)
        assert LandmarkSource.MODEL is found[level].landmark_source
    assert outcome.report
    assert b"finder onnx-keypoints: Spots 3 (SHA-256 of model " in outcome.report.data


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        ({"model": None}, "finder.model: expected a file in the format ONNX, found none named"),
        ({"model": Path("/no/such.onnx")}, "such.toml: cannot be read: No such file or directory"),
        ({"command": "x"}, "finder.command, finder.options: expected none"),
    ],
)
def test_settings_that_cannot_work_are_said(model: Path, setup: dict[str, Any], message: str) -> None:
    """What is missing or has no meaning is named."""
    with pytest.raises(CannotRun, match=message.replace(".", r"\.")):
        OnnxKeypoints(FinderSetup(**({"model": model} | setup)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '[input]\nname = "image"',
            '[input]\nname = "picture"',
            "expected the one input of the model, image, found picture",
        ),
        (
            "height = 144",
            "height = 143",
            r"expected the shape of the model, \[1, 1, 144, 160\], found \[1, 1, 143, 160\]",
        ),
        ('[output]\nname = "found"', '[output]\nname = "lost"', "output.name: expected one of found, found lost"),
    ],
)
def test_a_description_must_fit_the_network(model: Path, old: str, new: str, message: str) -> None:
    """Names and sizes are compared with those of the model before any image is read."""
    beside = model.with_suffix(".toml")
    text = beside.read_text(encoding="utf-8")
    assert old in text
    beside.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(CannotRun, match=message):
        OnnxKeypoints(FinderSetup(model=model))


def test_what_is_no_model_is_said(model: Path) -> None:
    """A file in another format is refused by name."""
    model.write_bytes(b"not a network")
    with pytest.raises(CannotRun, match=r"finder\.model: ONNX Runtime .* cannot load it"):
        OnnxKeypoints(FinderSetup(model=model))


def test_without_the_extra_the_message_names_it(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime comes with an extra; who has not installed it is told which."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CannotRun, match=r"install spondyl\[onnx\]"):
        OnnxKeypoints(FinderSetup(model=model))


def test_doctor_sets_the_finder_up(tmp_path: Path, model: Path) -> None:
    """`spondyl doctor` loads the model as a worker would, and says what is wrong with it."""
    good, bad = (settings(tmp_path, name="onnx-keypoints", model=str(path)) for path in (model, tmp_path / "no.onnx"))
    (fine,), (wrong,) = (list(finder_checks(one)) for one in (good, bad))

    assert ("finder onnx-keypoints", Verdict.OK) == (fine.name, fine.verdict)
    assert (Verdict.FAILED, "no.toml: cannot be read: No such file or directory") == (
        wrong.verdict,
        wrong.found.rpartition("/")[2],
    )
    assert [] == list(finder_checks(settings(tmp_path)))
    with pytest.raises(Misconfigured):
        list(finder_checks(settings(tmp_path, name="unknown")))

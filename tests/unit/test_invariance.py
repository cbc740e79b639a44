"""What must not change a result: where and how the same points are written down (docs/morphometry 1.5)."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outlines import FILM, Array, Heights, named, on_image, outline, rotation, without

from sr_templates.findings import Landmarks, LandmarkSource, Space, StudyFindings
from sr_templates.findings_json import to_json
from workers.landmarks.points import ImagePlane, PixelScale, VertebraLandmarks
from workers.morphometry.findings import Policy, measure
from workers.morphometry.flags import Flag

LEVELS = ("T11", "T12", "L1", "L2", "L3", "L4", "L5")
#: A result may differ by this much, in its own unit.
TOLERANCE = 1e-6
MILLIMETRE = PixelScale(row_mm=1.0, column_mm=1.0)
few = settings(max_examples=12, deadline=None)


@dataclass(frozen=True, kw_only=True)
class Bone:
    """A vertebral body of a made-up column: heights, how far it has slipped and is tilted, whether it has a middle."""

    heights: Heights
    slip_mm: float
    tilt_deg: float
    has_middle: bool


size = st.floats(14.0, 32.0)
bones = st.builds(
    Bone,
    heights=st.tuples(size, size, size),
    slip_mm=st.floats(-12.0, 12.0),
    tilt_deg=st.floats(-8.0, 8.0),
    has_middle=st.sampled_from((True, True, True, False)),
)
columns = st.lists(bones, min_size=1, max_size=len(LEVELS))
directions = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: math.hypot(*axis) > 0.1)


def bodies(column: list[Bone]) -> Iterator[tuple[str, Bone, Array]]:
    """Yield level, bone and its (6, 2) points: x to posterior, y to superior, mm, the next 40 mm below the last."""
    slips = accumulate(bone.slip_mm for bone in column)
    for place, (level, bone, slip) in enumerate(zip(LEVELS, column, slips, strict=False)):
        turn = rotation(bone.tilt_deg, (0, 0, 1))[:2, :2]
        yield level, bone, outline(bone.heights) @ turn.T + (slip, -40.0 * place)


def on_film(
    column: list[Bone], transform: Callable[[Array], Array] = lambda points: points, **plane: Any
) -> list[VertebraLandmarks]:
    """Return the column on one image of 1 mm a pixel, its points `transform`ed, its `plane` otherwise if said."""
    film: ImagePlane = replace(FILM, **{"rows": 10**5, "columns": 10**5, "scale": MILLIMETRE, **plane})
    return [
        _with_its_middle(bone, on_image(level, named(transform(points * (1, -1) + (200.0, 60.0))), plane=film))
        for level, bone, points in bodies(column)
    ]


def in_patient(
    column: list[Bone],
    turn: Array | None = None,
    shift: tuple[float, ...] = (0, 0, 0),
    *,
    fitted: bool = False,
    **more: Any,
) -> list[VertebraLandmarks]:
    """Return the column in a patient (LPS), as a whole turned by a (3, 3) matrix and moved."""
    whole = np.eye(3) if turn is None else turn
    x, y, z = map(float, whole[:, 0])
    return [
        _with_its_middle(
            bone,
            VertebraLandmarks(
                level=level,
                source=LandmarkSource.SEGMENTATION,
                landmarks=Landmarks(
                    space=Space.PATIENT,
                    points=named(np.column_stack((np.zeros(6), points)) @ whole.T + np.array(shift)),
                    frame_of_reference_uid="1.2.4",
                ),
                midsagittal_normal=None if fitted else (x, y, z),
                **more,
            ),
        )
        for level, bone, points in bodies(column)
    ]


def _with_its_middle(bone: Bone, vertebra: VertebraLandmarks) -> VertebraLandmarks:
    return vertebra if bone.has_middle else without(vertebra, ["MS", "MI"])


def result(vertebrae: list[VertebraLandmarks], *, but: tuple[str, ...] = ("landmarks",)) -> dict[str, Any]:
    """Return all that is said of a study, but the points themselves and the word on lateral tilt."""
    findings, summary = measure(vertebrae, Policy())
    study = StudyFindings(
        study_instance_uid="1",
        software="s",
        config_digest="d",
        landmark_protocol="p",
        vertebrae=findings,
        summary=summary,
    )
    document = to_json(study)
    for vertebra, finding in zip(document["vertebrae"], findings, strict=True):
        vertebra["flags"] = [word for word in vertebra["flags"] if word != Flag.LATERAL_TILT]
        vertebra["expected"] = None if finding.measured is None else vars(finding.measured.reference.heights)
        for key in but:
            vertebra.pop(key)
    return document


def differences(a: object, b: object, path: str = "") -> list[str]:
    """Return where two documents differ: numbers by more than the tolerance, anything else at all."""
    if isinstance(a, dict) and isinstance(b, dict):
        assert a.keys() == b.keys()
        return [one for key in a for one in differences(a[key], b[key], f"{path}/{key}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [one for i, pair in enumerate(zip(a, b, strict=True)) for one in differences(*pair, f"{path}/{i}")]
    is_same = abs(a - b) <= TOLERANCE if isinstance(a, float) and isinstance(b, float) else a == b
    return [] if is_same else [f"{path}: {a} and {b}"]


def test_differences_are_seen() -> None:
    """The comparison sees a number, a word, a missing item and a null, and passes over what is below the tolerance."""
    one: dict[str, Any] = {"a": [{"x": 1.0, "flags": ["A"]}], "b": None}
    assert [] == differences(one, {"a": [{"x": 1.0 + 1e-7, "flags": ["A"]}], "b": None})
    others: list[dict[str, Any]] = [
        {"a": [{"x": 1.0 + 2e-6, "flags": ["A"]}], "b": None},
        {"a": [{"x": 1.0, "flags": ["B"]}], "b": None},
        {"a": [], "b": None},
        {"a": [{"x": 1.0, "flags": ["A"]}], "b": 0.0},
    ]
    for other in others:
        assert 1 == len(differences(one, other))


@few
@given(column=columns, angle=st.floats(-60, 60), shift=st.tuples(st.floats(2000, 5000), st.floats(2000, 5000)))
def test_rotation_and_translation_on_an_image(column: list[Bone], angle: float, shift: tuple[float, float]) -> None:
    """Turning and moving the whole column on its image changes no result, the study's included."""
    turn = rotation(angle, (0, 0, 1))[:2, :2]
    assert [] == differences(result(on_film(column)), result(on_film(column, lambda p: p @ turn.T + np.array(shift))))


@few
@given(column=columns)
def test_mirrored_images_with_their_own_directions(column: list[Bone]) -> None:
    """An image that shows anterior on the other side, or superior at the bottom, gives the same results."""
    plain = result(on_film(column))
    assert [] == differences(plain, result(on_film(column, lambda p: p * (-1, 1) + (500, 0), anterior=(1.0, 0.0))))
    assert [] == differences(plain, result(on_film(column, lambda p: p * (1, -1) + (0, 500), superior=(0.0, 1.0))))


@few
@given(column=columns)
def test_axis_order_of_an_image(column: list[Bone]) -> None:
    """A transposed image, with its spacings and directions exchanged, gives the same results."""
    upright = on_film(column, lambda p: p / (0.8, 0.4), scale=PixelScale(row_mm=0.4, column_mm=0.8))
    transposed = on_film(
        column,
        lambda p: (p / (0.8, 0.4))[:, ::-1],
        scale=PixelScale(row_mm=0.8, column_mm=0.4),
        anterior=(0.0, -1.0),
        superior=(-1.0, 0.0),
    )
    assert [] == differences(result(upright), result(transposed))


@few
@given(column=columns, row=st.floats(0.1, 2.0), across=st.floats(0.1, 2.0))
def test_affine_change_of_an_image(column: list[Bone], row: float, across: float) -> None:
    """Other pixels, square or not, give the same results where their spacing is known."""
    other = on_film(column, lambda p: p / (across, row), scale=PixelScale(row_mm=row, column_mm=across))
    assert [] == differences(result(on_film(column)), result(other))


@few
@given(column=columns, factor=st.floats(0.2, 20.0))
def test_uniform_scale_without_spacing(column: list[Bone], factor: float) -> None:
    """Without spacing the size of the pixel changes nothing but the expected heights, which are in pixels."""
    small, large = (
        result(on_film(column, lambda p, times=times: p * times, scale=None), but=("landmarks", "expected"))  # type: ignore[misc]  # a bound loop variable
        for times in (1.0, factor)
    )
    assert [] == differences(small, large)


@few
@given(
    column=columns,
    angle=st.floats(-35, 35),
    axis=directions,
    shift=st.tuples(*[st.floats(-500, 500)] * 3),
    spread=st.none() | st.floats(0.0, 1.5),
)
def test_rotation_and_translation_in_a_patient(
    column: list[Bone],
    angle: float,
    axis: tuple[float, float, float],
    shift: tuple[float, float, float],
    spread: float | None,
) -> None:
    """A patient who lies turned and elsewhere has the same results, whether the spread was measured or not."""
    sds = None if spread is None else dict.fromkeys(("anterior", "middle", "posterior"), spread)
    plain = result(in_patient(column, height_sd_mm=sds, axial_spacing_mm=1.5))
    moved = in_patient(column, rotation(angle, axis), shift, height_sd_mm=sds, axial_spacing_mm=1.5)
    assert [] == differences(plain, result(moved))


@few
@given(column=columns)
def test_left_and_right_of_a_patient(column: list[Bone]) -> None:
    """Left and right exchanged, the planes' normals turned round, or no normals at all: the same results."""
    plain = result(in_patient(column))
    assert [] == differences(plain, result(in_patient(column, np.diag((-1.0, 1.0, 1.0)), (7.0, 0.0, 0.0))))
    assert [] == differences(plain, result(in_patient(column, fitted=True)))


@few
@given(column=columns)
def test_an_image_and_the_patient_it_shows(column: list[Bone]) -> None:
    """Points on a calibrated image have the results of the same points in the patient, but for whose mm they are."""
    but = ("landmarks", "landmark_source", "spacing_source")
    assert [] == differences(result(on_film(column), but=but), result(in_patient(column), but=but))


@few
@given(column=columns, order=st.randoms(use_true_random=False))
def test_the_order_of_the_input(column: list[Bone], order: Any) -> None:
    """In whatever order vertebrae and points come, every byte is the same."""
    vertebrae = on_film(column)
    shuffled = []
    for vertebra in order.sample(vertebrae, len(vertebrae)):
        assert vertebra.landmarks is not None
        names = order.sample(list(vertebra.landmarks.points), len(vertebra.landmarks.points))
        points = {name: vertebra.landmarks.points[name] for name in names}
        shuffled.append(replace(vertebra, landmarks=replace(vertebra.landmarks, points=points)))
    assert result(vertebrae) == result(shuffled)


@pytest.mark.parametrize("spread", [None, {"anterior": 0.9, "middle": 0.3, "posterior": 0.6}])
def test_equal_losses_have_one_largest(spread: dict[str, float] | None) -> None:
    """Where losses are equal, binary noise does not choose which of them the uncertainty is that of."""
    alike = [Bone(heights=(27.3, 27.3, 27.3), slip_mm=0.0, tilt_deg=0.0, has_middle=True)] * 4
    plain = result(in_patient(alike, height_sd_mm=spread))
    for angle in (11.0, 17.0, 23.0):
        assert [] == differences(plain, result(in_patient(alike, rotation(angle, (1, 2, 3)), height_sd_mm=spread)))

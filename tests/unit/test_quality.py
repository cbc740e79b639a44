import math
from dataclasses import replace

import pytest
from outlines import FILM, Heights, film, moved, named, on_image, outline, patient, rotation, stack, without

from workers.landmarks.points import PixelScale, VertebraLandmarks
from workers.morphometry.flags import Flag
from workers.morphometry.quality import misplaced, out_of_order, rejection, remarks
from workers.morphometry.vertebra import Vertebra, outlines

FLAT = replace(FILM, scale=None)


def placed(vertebra: VertebraLandmarks) -> Vertebra:
    """Return the placed vertebra."""
    (found,) = outlines([vertebra])
    return found


def where(vertebra: VertebraLandmarks) -> Flag | None:
    """Return what keeps the points from being placed."""
    assert vertebra.landmarks is not None
    return misplaced(vertebra.landmarks, vertebra.plane)


@pytest.mark.parametrize(
    ("vertebra", "expected"),
    [
        (film("L3"), None),
        (without(film("L3"), ["MS", "MI"]), None),
        (without(film("L3"), ["PI"]), Flag.INCOMPLETE_POINTS),
        (moved(film("L3"), {"MS": (math.nan, 1.0)}), Flag.NOT_FINITE),
        (moved(film("L3"), {"MS": (1.0, -math.inf)}), Flag.NOT_FINITE),
        (moved(patient("L3"), {"MS": (1.0, 1e300, 0.0)}), Flag.NOT_FINITE),
        (moved(film("L3"), {"AS": (0.0, 0.0)}), None),
        (moved(film("L3"), {"AS": (800.0, 4000.0)}), None),
        (moved(film("L3"), {"AS": (-0.1, 0.0)}), Flag.OUT_OF_IMAGE),
        (moved(film("L3"), {"AS": (0.0, 4000.1)}), Flag.OUT_OF_IMAGE),
        (moved(film("L3"), {"AS": (800.1, 0.0)}), Flag.OUT_OF_IMAGE),
        (replace(film("L3"), plane=FLAT), None),
        (replace(film("L3"), plane=replace(FLAT, square_pixels=False)), Flag.ANISOTROPY_UNKNOWN),
        (replace(film("L3"), plane=replace(FILM, square_pixels=False)), None),
        (patient("L3", at=(-900, -900, -900)), None),
    ],
)
def test_points_that_cannot_be_placed(vertebra: VertebraLandmarks, expected: Flag | None) -> None:
    """Points must be complete, finite, within their image, and their pixels' shape known (3.5)."""
    assert expected is where(vertebra)


def swapped(vertebra: VertebraLandmarks, pairs: str) -> VertebraLandmarks:
    """Return the vertebra with point names exchanged: `A-P`, `S-I` or both."""
    assert vertebra.landmarks is not None
    other = str.maketrans(pairs.replace("-", ""), pairs.replace("-", "")[::-1])
    points = {name.translate(other): point for name, point in vertebra.landmarks.points.items()}
    return moved(vertebra, points)


@pytest.mark.parametrize("make", [film, patient])
@pytest.mark.parametrize(
    ("pairs", "expected"),
    [("", None), ("AP", Flag.AP_SWAPPED), ("SI", Flag.SI_SWAPPED), ("APSI", Flag.ORIENTATION_CONFLICT)],
)
def test_exchanged_sides(make: type, pairs: str, expected: Flag | None) -> None:
    """Exchanged point names are told from the image's or the patient's directions, never from ratios."""
    vertebra = make("L3")
    for pair in (pairs[i : i + 2] for i in range(0, len(pairs), 2)):
        vertebra = swapped(vertebra, pair)
    assert expected is rejection(placed(vertebra))


@pytest.mark.parametrize("pairs", ["AP", "SI"])
def test_an_image_without_directions_cannot_tell(pairs: str) -> None:
    """Where the image does not say where anterior or superior is, the names are believed, and that is said."""
    silent = replace(FILM, anterior=None, superior=None)
    vertebra = placed(replace(swapped(film("L3"), pairs), plane=silent))
    assert rejection(vertebra) is None
    assert (Flag.ORIENTATION_UNVERIFIED,) == remarks(vertebra)


def made(points: dict[str, tuple[float, float]], *, level: str = "L3") -> VertebraLandmarks:
    """Return a vertebra with some of its outline's points elsewhere: (u, v), mm."""
    pixels = {name: (300 + 2 * u, 300 - 2 * v) for name, (u, v) in points.items()}
    standard = named(outline() * (2, -2) + 300)
    return on_image(level, {**standard, **pixels})


@pytest.mark.parametrize(
    ("vertebra", "expected"),
    [
        (film("L3", depth=7.9), Flag.DEGENERATE),
        (film("L3", (2.9, 10.0, 20.0)), Flag.DEGENERATE),
        (film("L3", (3.5, 10.0, 20.0)), Flag.IMPLAUSIBLE_SIZE),
        (replace(film("L3", (0.5, 0.5, 0.5)), plane=FLAT), Flag.DEGENERATE),
        (replace(film("L3", (0.0, 20.0, 20.0)), plane=FLAT), Flag.DEGENERATE),
        (
            on_image("L3", dict.fromkeys(("AS", "MS", "PS", "AI", "MI", "PI"), (100.0, 100.0)), plane=FLAT),
            Flag.DEGENERATE,
        ),
        (made({"MS": (-20.0, 14.0)}), Flag.SELF_INTERSECTION),
        (made({"MI": (20.0, -14.0)}), Flag.SELF_INTERSECTION),
        (made({"MS": (0.0, -16.0), "MI": (0.0, 14.0)}), Flag.SELF_INTERSECTION),
        (made({"AI": (24.0, -14.0), "MI": (41.0, -14.0), "PI": (58.0, -14.0)}), Flag.SELF_INTERSECTION),
        (film("L3", depth=11.9), Flag.IMPLAUSIBLE_SIZE),
        (film("L3", depth=55.1), Flag.IMPLAUSIBLE_SIZE),
        (film("L3", (45.1, 44.0, 44.0), depth=40.0), Flag.IMPLAUSIBLE_SIZE),
        (film("L3", (33.0, 33.0, 33.0), depth=20.0), Flag.IMPLAUSIBLE_SIZE),
        (film("C3", (12.0, 12.0, 12.0), depth=11.0), None),
        (film("T3", (15.0, 15.0, 15.0), depth=11.5), None),
        (replace(film("L3", (45.1, 44.0, 44.0), depth=40.0), plane=FLAT), None),
        (film("L3", (44.0, 30.0, 11.0), depth=40.0), None),
        (film("L3", (44.0, 30.0, 10.8), depth=40.0), Flag.IMPLAUSIBLE_ANGLE),
        (film("L3", (10.8, 30.0, 44.0), depth=40.0), Flag.IMPLAUSIBLE_ANGLE),
        (without(film("L3"), ["MS", "MI"]), None),
        (without(film("L3"), ["MI"]), None),
    ],
)
def test_points_that_are_no_vertebra(vertebra: VertebraLandmarks, expected: Flag | None) -> None:
    """Shape, size and angle must be those of a vertebral body (3.5); the first that is not gives the reason."""
    assert where(vertebra) is None
    assert expected is rejection(placed(vertebra))


@pytest.mark.parametrize(
    ("off", "rejected", "warned"), [(2.0, False, False), (2.1, False, True), (5.0, False, True), (5.1, True, True)]
)
def test_distance_from_the_plane(off: float, rejected: bool, warned: bool) -> None:
    """A point off the plane is a warning above 2 mm and too much above 5 mm."""
    vertebra = placed(moved(patient("L3"), {"AS": (off, -17.0, 14.0)}))
    assert rejected == (rejection(vertebra) is Flag.OFF_PLANE)
    assert warned == (Flag.OFF_PLANE in remarks(vertebra))


@pytest.mark.parametrize(
    ("vertebra", "expected"),
    [
        (film("L3"), ()),
        (film("C5"), (Flag.LEVEL_NOT_GRADED,)),
        (film("L3", axial_spacing_mm=1.5), ()),
        (film("L3", axial_spacing_mm=1.6), (Flag.LIMITED_SAMPLING,)),
        (film("L3", axial_spacing_mm=3.5), (Flag.LIMITED_SAMPLING,)),
        (film("L3", axial_spacing_mm=3.6), (Flag.SAMPLING_TOO_COARSE,)),
        (replace(film("L3"), plane=FLAT), (Flag.UNCALIBRATED,)),
        (
            replace(film("L3"), plane=replace(FILM, scale=PixelScale(row_mm=1, column_mm=1, kind="detector_plane"))),
            (Flag.DETECTOR_PLANE,),
        ),
        (
            replace(
                film("L3"), plane=replace(FILM, scale=PixelScale(row_mm=1, column_mm=1, kind="magnification_corrected"))
            ),
            (Flag.MAGNIFICATION_CORRECTED,),
        ),
        (patient("L3", turn=rotation(19, (0, 1, 0))), ()),
        (patient("L3", turn=rotation(-21, (0, 1, 0))), (Flag.LATERAL_TILT,)),
        (patient("L3", turn=rotation(40, (1, 0, 0))), ()),
    ],
)
def test_remarks(vertebra: VertebraLandmarks, expected: tuple[Flag, ...]) -> None:
    """What a reader should know is said, and nothing else."""
    assert expected == remarks(placed(vertebra))


HEIGHTS: dict[str, Heights] = dict.fromkeys(("T11", "T12", "L1", "L2"), (28.0, 27.0, 28.0))


def test_ordered_labels() -> None:
    """A column that runs down as its labels say has nothing wrong."""
    assert frozenset() == out_of_order([placed(one) for one in stack(HEIGHTS)])


def test_exchanged_labels() -> None:
    """Two exchanged labels are both not believed; their neighbours are."""
    order = ("T11", "L1", "T12", "L2")
    bodies = {one.level: placed(one) for one in stack({level: HEIGHTS[level] for level in order})}
    assert {"T12", "L1"} == out_of_order([bodies[level] for level in HEIGHTS])


def test_kyphosis_does_not_disturb_the_order() -> None:
    """Where the column leans far forward, the vertebrae's own axes decide, not the patient's."""
    turn = rotation(75, (1, 0, 0))
    down = turn @ (0, 0, -40)
    column = [placed(patient(level, at=tuple(i * down), turn=turn)) for i, level in enumerate(HEIGHTS)]
    assert frozenset() == out_of_order(column)


def test_order_is_judged_within_one_image() -> None:
    """Vertebrae on different images have no order."""
    upper, lower = film("T12", at=(150.0, 300.0)), film("L1", at=(150.0, 100.0), sop_instance_uid="1.2.9")
    assert frozenset() == out_of_order([placed(upper), placed(lower)])

"""The search for a least value: the places that scipy's Nelder-Mead finds, from the same corners."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import optimize

from workers.landmarks.mask.search import Place, least

Function = Callable[[Place], float]
CORNERS = ((3.0, -2.0, 1.0), (4.0, -2.0, 1.0), (3.0, -1.0, 1.0), (3.0, -2.0, 1.5))


def _bowl(place: Place) -> float:
    return (place[0] - 1) ** 2 + 3 * (place[1] + 2) ** 2 + 0.5 * (place[2] - 4) ** 2


def _banana(place: Place) -> float:
    """Rosenbrock's valley, in which a search turns and shrinks often."""
    return 100 * (place[1] - place[0] ** 2) ** 2 + (1 - place[0]) ** 2 + 100 * (place[2] - place[1] ** 2) ** 2


def _walled(place: Place) -> float:
    """Flat beyond a wall, as the search for a plane is."""
    return 2.0 if abs(place[0]) > 3.5 else _bowl(place) / 100


def _ragged(place: Place) -> float:
    return _bowl(place) + 0.3 * float(np.sin(20 * place[0]) + np.cos(17 * place[1]) + np.sin(13 * place[2]))


@pytest.mark.parametrize("function", [_bowl, _banana, _walled, _ragged])
@pytest.mark.parametrize("most", [5, 30, 120, 500])
@pytest.mark.parametrize(("nearness", "cost_nearness"), [(0.5, 1e-2), (1e-4, 1e-5)])
def test_it_ends_where_scipy_ends(function: Function, most: int, nearness: float, cost_nearness: float) -> None:
    """To the last bit: its steps are the same, so is its end."""
    options = {"initial_simplex": np.array(CORNERS), "xatol": nearness, "fatol": cost_nearness, "maxiter": most}
    expected = optimize.minimize(
        lambda place: function((float(place[0]), float(place[1]), float(place[2]))),
        CORNERS[0],
        method="Nelder-Mead",
        options=options,
    )

    found = least(function, CORNERS, nearness=nearness, cost_nearness=cost_nearness, most=most)

    assert tuple(expected.x) == found


def test_it_finds_the_bottom_of_a_bowl() -> None:
    """The least value of a sum of squares lies where each of them is zero."""
    found = least(_bowl, CORNERS, nearness=1e-6, cost_nearness=1e-12, most=500)

    assert (1, -2, 4) == pytest.approx(found, abs=1e-5)

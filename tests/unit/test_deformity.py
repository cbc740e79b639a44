import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_templates.findings import Deformity, ReferenceRule
from workers.morphometry.deformity import Losses, shape, shape_flags
from workers.morphometry.flags import Flag

FIT, OWN = ReferenceRule.FIT, ReferenceRule.WITHIN_VERTEBRA
percent = st.integers(-100, 900).map(lambda n: n / 10)


def of(anterior: float, middle: float | None, posterior: float) -> Losses:
    """Return losses."""
    return Losses(anterior=anterior, middle=middle, posterior=posterior)


@pytest.mark.parametrize(
    ("losses", "rule", "name", "flags"),
    [
        (of(19.9, 19.9, 19.9), FIT, Deformity.NONE, ()),
        (of(20, 0, 20), FIT, Deformity.CRUSH, ()),
        (of(45, 0, 35), FIT, Deformity.CRUSH, (Flag.PREDOMINANCE_ANTERIOR,)),
        (of(44.9, 60, 35), FIT, Deformity.CRUSH, ()),
        (of(25, 0, 35), FIT, Deformity.CRUSH, (Flag.PREDOMINANCE_POSTERIOR,)),
        (of(25.1, 0, 35), FIT, Deformity.CRUSH, ()),
        (of(15, 20, 0), FIT, Deformity.BICONCAVE, ()),
        (of(25.1, 30.1, 0), FIT, Deformity.BICONCAVE, ()),
        (of(25.1, 30, 0), FIT, Deformity.ANTERIOR_WEDGE, (Flag.MIXED,)),
        (of(25, 20.1, 0), FIT, Deformity.ANTERIOR_WEDGE, (Flag.MIXED,)),
        (of(25, 20, 0), FIT, Deformity.ANTERIOR_WEDGE, ()),
        (of(22, 19.9, 0), FIT, Deformity.ANTERIOR_WEDGE, ()),
        (of(0, 10, 20), FIT, Deformity.POSTERIOR_WEDGE, ()),
        (of(16, 20, 0), FIT, Deformity.BICONCAVE, (Flag.MIXED,)),
        (of(0, 20, 16), FIT, Deformity.BICONCAVE, (Flag.MIXED,)),
        (of(0, 10, 0), OWN, Deformity.NONE, (Flag.CRUSH_NOT_ASSESSABLE,)),
        (of(30, 10, 0), OWN, Deformity.ANTERIOR_WEDGE, (Flag.CRUSH_NOT_ASSESSABLE,)),
        (of(30, None, 0), FIT, Deformity.ANTERIOR_WEDGE, (Flag.BICONCAVITY_NOT_ASSESSABLE,)),
        (of(0, None, 30), FIT, Deformity.POSTERIOR_WEDGE, (Flag.BICONCAVITY_NOT_ASSESSABLE,)),
        (of(30, None, 30), FIT, Deformity.CRUSH, (Flag.BICONCAVITY_NOT_ASSESSABLE,)),
    ],
)
def test_decision_table(losses: Losses, rule: ReferenceRule, name: Deformity, flags: tuple[Flag, ...]) -> None:
    """The first matching row of the table names the shape; the flags say what is beside it."""
    assert (name, flags) == (shape(losses, rule), shape_flags(losses, rule))


@settings(max_examples=15, deadline=None)
@given(a=percent, m=percent | st.none(), p=percent, rule=st.sampled_from(list(ReferenceRule)))
def test_a_shape_is_named_exactly_from_20_percent_on(a: float, m: float | None, p: float, rule: ReferenceRule) -> None:
    """A loss of 20 % or more always has a shape, less never has one."""
    assert (max(a, p, -100 if m is None else m) < 20) == (shape(of(a, m, p), rule) is Deformity.NONE)


@settings(max_examples=15, deadline=None)
@given(a=percent, m=percent, p=percent)
def test_exchanging_sides_exchanges_the_wedges(a: float, m: float, p: float) -> None:
    """A mirrored loss has the mirrored shape."""
    mirror = {Deformity.ANTERIOR_WEDGE: Deformity.POSTERIOR_WEDGE, Deformity.POSTERIOR_WEDGE: Deformity.ANTERIOR_WEDGE}
    found = shape(of(a, m, p), FIT)
    assert mirror.get(found, found) is shape(of(p, m, a), FIT)


@settings(max_examples=15, deadline=None)
@given(a=percent, m=percent, p=percent)
def test_crush_needs_neighbours(a: float, m: float, p: float) -> None:
    """Against the vertebra's own heights there is no crush."""
    assert shape(of(a, m, p), OWN) is not Deformity.CRUSH

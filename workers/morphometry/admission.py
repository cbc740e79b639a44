"""Who is measured: each vertebra by itself, then by its label and its place among the others. PURE."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sr_templates.levels import ORDER
from workers.landmarks.points import VertebraLandmarks
from workers.morphometry.flags import Effect, Flag, strongest
from workers.morphometry.quality import misplaced, out_of_order, rejection
from workers.morphometry.vertebra import Vertebra, outlines


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A vertebra without numbers, and the coded reason."""

    given: VertebraLandmarks
    reason: str


def admit(vertebrae: Sequence[VertebraLandmarks]) -> list[Vertebra | Rejected]:
    """Return every vertebra, in the given order (cranial to caudal), as one to be measured or as rejected.

    The first reason counts: the finder's, the input's flags, the label, the points, the order down the column.
    """
    twice = {level for level, count in Counter(given.level for given in vertebrae).items() if count > 1}
    reasons = [_unplaced(given, given.level in twice) for given in vertebrae]
    placed = iter(outlines([given for given, reason in zip(vertebrae, reasons, strict=True) if reason is None]))
    judged = [
        _judged(next(placed)) if reason is None else Rejected(given=given, reason=reason)
        for given, reason in zip(vertebrae, reasons, strict=True)
    ]
    wrong = out_of_order([one for one in judged if isinstance(one, Vertebra)])
    return [
        Rejected(given=one.given, reason=Flag.LABEL_ORDER) if isinstance(one, Vertebra) and one.level in wrong else one
        for one in judged
    ]


def _unplaced(given: VertebraLandmarks, duplicated: bool) -> str | None:
    """Return why there are no points to place, None where there are."""
    reason = given.reason or strongest(given.flags, Effect.REJECTS) or _label(given.level, duplicated)
    if reason is not None or given.landmarks is None:
        return str(reason)
    return misplaced(given.landmarks, given.plane)


def _judged(vertebra: Vertebra) -> Vertebra | Rejected:
    flag = rejection(vertebra)
    return vertebra if flag is None else Rejected(given=vertebra.given, reason=flag)


def _label(level: str, duplicated: bool) -> Flag | None:
    if level not in ORDER:
        return Flag.LEVEL_UNKNOWN
    return Flag.LEVEL_DUPLICATED if duplicated else None

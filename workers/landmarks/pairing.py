"""Which text of a presentation state belongs to which graphic.

DICOM has no such reference. What shares a Graphic Group ID or a Tracking UID (PS3.3 C.10.5) belongs together, else
what stands in one item, else what lies near; of several texts the nearest counts where that leaves no doubt.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from workers.landmarks.annotations import Annotations, Graphic, Text, annotations_of
from workers.landmarks.claims import SHAPE_SIZES
from workers.landmarks.labels import Naming, Said, naming
from workers.landmarks.nearness import Array, boxes, distances

#: The next one must be more than so many times as far for the nearest one to be the one that is meant.
FARTHER: Final = 2.0
#: So many graphics that no text is near, and texts that are near none, together: the texts stand beside other graphics.
_DISPLACED: Final = 2
#: Pairs of texts and graphics in one item beyond which nearness is not looked at: no spine has so many.
MOST_PAIRS: Final = 1_000_000
_POINT, _LINE, _SHAPE = "point", "line", "shape"
_LINE_POINTS: Final = 2


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One graphic that could place points or outline a body, with what it is called."""

    graphic: Graphic
    #: Which vertebra; no level where no label names one.
    naming: Naming
    #: Which of the six points a single point is; "" where no label says so, or it is none.
    point: str = ""
    #: Which of the three heights a line of two points is.
    position: str = ""
    #: Levels of labels that may or may not belong to it; it then has no name.
    doubtful: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Pool:
    """Graphics and texts that can belong to each other."""

    graphics: list[Graphic] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def levels(self) -> tuple[str, ...]:
        """Return every level that is named in it."""
        named = [text.said.level for text in self.texts] + [graphic.said.level for graphic in self.graphics]
        return tuple(dict.fromkeys(level for level in named if level))


@dataclass(frozen=True, kw_only=True)
class _Found:
    """The text of a graphic, or the texts that could be it."""

    text: Text | None = None
    candidates: tuple[Text, ...] = ()


def drawn(state: Dataset) -> list[Drawn]:
    """Return every graphic of a presentation state that could place points or outline a body.

    A single point needs its name, a line of two points the height it stands for, any other shape its level only.
    """
    annotations = annotations_of(state)
    pools = _pools(annotations)
    found: dict[int, _Found] = {}
    for pool in pools:
        found |= _matched(pool, is_together=True)
    for pool in _left_over(pools, found):
        found |= _matched(pool, is_together=False)
    in_items = _levels_of_items(annotations)
    return [
        _drawn(
            graphic,
            found.get(id(graphic), _Found()),
            # A level that stands somewhere beside it does not name a shape; its layer does.
            (named or in_items[graphic.item] if _kind(graphic) != _SHAPE else ()) or annotations.layers[graphic.item],
        )
        for pool, named in zip(pools, [pool.levels() for pool in pools], strict=True)
        for graphic in pool.graphics
        if _kind(graphic)
    ]


def _pools(annotations: Annotations) -> list[_Pool]:
    """Return what shares a group, else a Tracking UID that a text and a graphic have, else an item."""
    shared = {text.tracking_uid for text in annotations.texts} & {one.tracking_uid for one in annotations.graphics}
    pools: dict[tuple[str, str], _Pool] = {}
    for graphic in annotations.graphics:
        pools.setdefault(_key(graphic, shared), _Pool()).graphics.append(graphic)
    for text in annotations.texts:
        pools.setdefault(_key(text, shared), _Pool()).texts.append(text)
    return list(pools.values())


def _levels_of_items(annotations: Annotations) -> list[tuple[str, ...]]:
    """Return the levels that are named in each item of the Graphic Annotation Sequence."""
    items = [_Pool() for _ in annotations.layers]
    for graphic in annotations.graphics:
        items[graphic.item].graphics.append(graphic)
    for text in annotations.texts:
        if text.item is not None:
            items[text.item].texts.append(text)
    return [item.levels() for item in items]


def _key(thing: Graphic | Text, shared: set[str]) -> tuple[str, str]:
    if thing.group:
        return "group", thing.group
    if thing.tracking_uid and thing.tracking_uid in shared:
        return "uid", thing.tracking_uid
    return "item", str(thing.item)


def _left_over(pools: Iterable[_Pool], found: Mapping[int, _Found]) -> list[_Pool]:
    """Return graphics without a text, and texts without a graphic, of the same images.

    Nearness alone makes no region of interest the corners of a body, so four and six points are left out.
    """
    used = {id(text) for one in found.values() for text in (one.text, *one.candidates)}
    rest: dict[object, _Pool] = {}
    for pool in pools:
        for graphic in pool.graphics:
            if id(graphic) not in found and len(graphic.points) not in SHAPE_SIZES:
                rest.setdefault(graphic.images, _Pool()).graphics.append(graphic)
        for text in pool.texts:
            if id(text) not in used and text.images is not None:
                rest.setdefault(text.images, _Pool()).texts.append(text)
    return list(rest.values())


def _kind(graphic: Graphic) -> str:
    """Return what a graphic could be; "" where nothing that is read."""
    count = len(graphic.points)
    if count <= _LINE_POINTS:
        return _POINT if count == 1 else _LINE
    return _SHAPE if count in SHAPE_SIZES or graphic.is_outline else ""


def _suits(said: Said, kind: str) -> bool:
    """Whether a label is one that a graphic of this kind needs."""
    if kind == _SHAPE:
        return said.is_level_only
    return bool(said.point if kind == _POINT else said.position)


def _matched(pool: _Pool, *, is_together: bool) -> dict[int, _Found]:
    """Return the text of each graphic, or those that could be it; `is_together` where more than nearness says so."""
    found: dict[int, _Found] = {}
    for kind in (_POINT, _LINE, _SHAPE):
        graphics = [graphic for graphic in pool.graphics if _kind(graphic) == kind]
        texts = [text for text in pool.texts if _suits(text.said, kind)]
        if graphics and texts:
            found |= _of_one_kind(graphics, texts, is_together=is_together)
    strange = {id(graphic) for graphic in pool.graphics if id(graphic) in found and _is_a_region(graphic, pool, found)}
    return {key: one for key, one in found.items() if key not in strange}


def _of_one_kind(graphics: Sequence[Graphic], texts: Sequence[Text], *, is_together: bool) -> dict[int, _Found]:
    """Return what `_matched` does of points, lines or shapes only.

    Where labels of points or lines all stand as far from what they name as the next one is, each is nearest to the next
    one: a disc would be a vertebra, or L2 be L1. Some are left over at both ends of such a row; then none is believed.
    """
    belongs, away = _table(graphics, texts)
    if is_together and belongs.size == 1:
        return {id(graphics[0]): _Found(text=texts[0])} if belongs[0, 0] else {}
    # The nearest and those not much farther; where no place is known, all of them or none.
    limit = FARTHER * away.min(axis=1, keepdims=True)
    near = np.where(np.isfinite(limit), away <= limit, belongs & is_together)
    unnamed = [number for number, one in enumerate(graphics) if not _suits(one.said, _kind(one))]
    sole: dict[int, int] = {}
    for number in unnamed:
        place = int(np.argmax(near[number]))
        rivals = belongs[:, place] & (away[:, place] <= FARTHER * away[number, place])
        # The one text of a graphic is its own where every other graphic is much farther away from it.
        if near[number].sum() == 1 and rivals.sum() <= 1:
            sole[number] = place
    free = sorted(set(range(len(texts))) - set(sole.values()))
    rest = [number for number in unnamed if number not in sole]
    doubts = {number: [texts[place] for place in free if near[number, place]] for number in rest}
    lost = sum(not some and bool(np.isfinite(away[number]).any()) for number, some in doubts.items())
    idle = sum(not near[rest, place].any() and bool(np.isfinite(away[:, place]).any()) for place in free)
    if _kind(graphics[0]) != _SHAPE and min(lost, idle) >= _DISPLACED:
        return {id(graphics[number]): _Found(candidates=tuple(texts)) for number in unnamed}
    found = {id(graphics[number]): _Found(text=texts[place]) for number, place in sole.items()}
    return found | {id(graphics[number]): _Found(candidates=tuple(some)) for number, some in doubts.items() if some}


def _table(graphics: Sequence[Graphic], texts: Sequence[Text]) -> tuple[NDArray[np.bool_], Array]:
    """Return (n, m) whether each text may belong to each graphic, and how far it is away, inf where that is not known.

    It must be of the same images, and no farther from a shape than that is wide or high, whichever is less: what stands
    in a vertebra must not name the disc below it.
    """
    places = boxes([text.places for text in texts])
    held = list({one.images for one in graphics})
    fits = {images: np.array([text.images in {None, images} for text in texts], dtype=np.bool_) for images in held}
    belongs = np.array([fits[one.images] for one in graphics])
    away = np.full(belongs.shape, inf)
    for row, graphic in enumerate(graphics):
        if graphic.in_pixels and belongs.size <= MOST_PAIRS:
            away[row] = distances(graphic.points, places)
            if _kind(graphic) == _SHAPE:
                belongs[row] &= (away[row] <= _size(graphic)) | np.isinf(away[row])
    away[~belongs] = inf
    return belongs, away


def _size(graphic: Graphic) -> float:
    """Return the smaller side of the box around a shape."""
    x, y = [x for x, _ in graphic.points], [y for _, y in graphic.points]
    return min(max(x) - min(x), max(y) - min(y))


def _is_a_region(graphic: Graphic, pool: _Pool, found: Mapping[int, _Found]) -> bool:
    """Whether a shape's own text is another one, which names no vertebra: the values of a region, a remark."""
    if _kind(graphic) != _SHAPE:
        return False
    others = [text for text in pool.texts if not text.said.is_something and text.places]
    if not others:
        return False
    one = found[id(graphic)]
    named = [text for text in (one.text, *one.candidates) if text is not None]
    nearest_other = float(_table([graphic], others)[1].min())
    return nearest_other < inf and nearest_other <= float(_table([graphic], named)[1].min())


def _drawn(graphic: Graphic, found: _Found, around: tuple[str, ...]) -> Drawn:
    sayings = [graphic.said, *([] if found.text is None else [found.text.said])]
    levels = [one.level for one in sayings if one.level] or list(around)
    points, positions = ({one.point for one in sayings} - {""}, {one.position for one in sayings} - {""})
    nameless = {_POINT: not points, _LINE: not positions}.get(_kind(graphic), False)
    if found.candidates:
        could_be = [text.said.level for text in found.candidates if text.said.level] or list(around)
        return Drawn(graphic=graphic, naming=Naming(), doubtful=tuple(dict.fromkeys(could_be)))
    if nameless or not levels:
        return Drawn(graphic=graphic, naming=Naming())
    has_own = any(one.level for one in sayings)
    if len(points | positions) > 1 or (len(set(levels)) > 1 and not has_own):
        return Drawn(graphic=graphic, naming=Naming(), doubtful=tuple(dict.fromkeys(levels)))
    return Drawn(graphic=graphic, naming=naming((), levels), point="".join(points), position="".join(positions))

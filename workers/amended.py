"""A review of what we measured: what it does not say is taken from what would have been measured without it.

A report of ours holds every level, so that one which somebody took out of it stays out, with a reason. A presentation
state of ours draws what one series shows; the other levels stay as they were, unreviewed, as does what a report could
not draw. Any other review serves the study alone, but what is known of a body hangs on nobody's points.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.findings import LandmarkSource, Space
from workers.found import Found
from workers.inputs import REPORTS
from workers.landmarks.claims import Reason
from workers.landmarks.lifted import in_patient
from workers.landmarks.points import VertebraLandmarks, without_points
from workers.landmarks.reasons import Flag
from workers.landmarks.sr import LASTING
from workers.morphometry.flags import INPUT_WORDS
from workers.morphometry.levels import sort_key

#: What is known of a body, or of the study, whoever placed the points.
_OF_THE_BODY: Final = frozenset({*INPUT_WORDS, Flag.DEVICE_UNREADABLE})
ImageOf = Callable[[str], Dataset | None]


def is_review(found: Found) -> bool:
    """Whether these points speak of what was measured before: an object of ours, or what a reader went over."""
    return found.is_ours or any(one.source is LandmarkSource.REVIEWED for one in found.vertebrae)


def amended(review: Found, rest: Found, image_of: ImageOf) -> Found:
    """Return a review with what it does not say from `rest`, which is what would be measured without it."""
    if not review.is_ours:
        return _with_words(review, rest, _OF_THE_BODY)
    known = {one.level for one in review.vertebrae}
    others = [one for one in rest.vertebrae if one.level not in known]
    if headers.text(review.others[0], "SOPClassUID") in REPORTS:
        gone = [_gone(one.level, review) for one in others]
        undrawn = {one.level for one in review.vertebrae if one.reason == Reason.NOT_DRAWN}
        more = [one for one in rest.vertebrae if one.level in undrawn and one.landmarks is not None]
        return _joined(_replacing(review, gone), more, rest, image_of) if more else _replacing(review, gone)
    review = replace(
        _with_words(review, rest, LASTING),
        protocol=rest.protocol or (rest.origin if _all_from(rest, LandmarkSource.MODEL) else ""),
        open_reviews=() if rest.placed and not rest.open_reviews else (review, *rest.open_reviews),
    )
    return _joined(review, others, rest, image_of)


def _with_words(review: Found, rest: Found, words: frozenset[str]) -> Found:
    """Return the vertebrae with those of the words that the other source says of them."""
    said = {one.level: [flag for flag in one.flags if flag in words] for one in rest.vertebrae}
    vertebrae = (
        replace(one, flags=tuple(dict.fromkeys((*one.flags, *said.get(one.level, ()))))) for one in review.vertebrae
    )
    return replace(review, vertebrae=tuple(vertebrae))


def with_reported(found: Found, reported: Iterable[str]) -> Found:
    """Return a review of ours with a reason for each level that was reported before and is now nowhere in the study."""
    known = {one.level for one in found.vertebrae}
    gone = [level for level in dict.fromkeys(reported) if level not in known] if found.is_ours else []
    return _replacing(found, [_gone(level, found) for level in gone]) if gone else found


def _gone(level: str, review: Found) -> VertebraLandmarks:
    return replace(without_points(level, Reason.NOT_IN_REVIEW), source=review.vertebrae[0].source)


def _joined(review: Found, more: Sequence[VertebraLandmarks], rest: Found, image_of: ImageOf) -> Found:
    """Return the review with some vertebrae of `rest`, in one space where a section says how, by one protocol."""
    is_by_us = rest.from_masks or _all_from(rest, LandmarkSource.SEGMENTATION)
    review = replace(review, from_masks=is_by_us and _all_from(review, LandmarkSource.REVIEWED))
    if not more:
        return review
    if any(one.landmarks is not None and one.landmarks.space is Space.PATIENT for one in more):
        # Heights in another space would not be compared with their neighbours'.
        uid = headers.text(review.others[0], "SOPInstanceUID")
        lifted = (in_patient(one, image_of, carrier_uid=uid) for one in review.vertebrae)
        review = replace(review, vertebrae=tuple(lifted))
    levels = ", ".join(one.level for one in review.vertebrae if one.landmarks is not None)
    sources = " and ".join(dict.fromkeys(str(one.source) for one in more))
    return replace(
        _replacing(review, more),
        images=once((*review.images, *rest.images)),
        others=once((*review.others, *rest.others)),
        origin=f"{levels}: {review.origin}; other levels: {rest.origin or sources}",
        observers=tuple(dict.fromkeys((*review.observers, *rest.observers))),
        from_document=review.from_document or rest.from_document,
    )


def _replacing(found: Found, vertebrae: Sequence[VertebraLandmarks]) -> Found:
    """Return the source with these vertebrae in the place of its own of the same levels."""
    levels = {one.level: one for one in (*found.vertebrae, *vertebrae)}
    return replace(found, vertebrae=tuple(sorted(levels.values(), key=lambda one: sort_key(one.level))))


def _all_from(found: Found, source: LandmarkSource) -> bool:
    return bool(found.vertebrae) and all(one.source is source for one in found.vertebrae)


def once(objects: Iterable[Dataset]) -> tuple[Dataset, ...]:
    """Return each object once, by its UID."""
    return tuple({headers.text(one, "SOPInstanceUID"): one for one in objects}.values())

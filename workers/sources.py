"""Which objects of a study say where the six points are: a document, reports and other carriers, segmentations.

One source serves the whole study, since heights from two protocols must not be compared with each other. All
segmentations of one frame of reference are one source; a review of what we measured amends the source below it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Final

from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.findings import LandmarkSource
from sr_templates.identity import is_own
from sr_templates.slices import frame_of_reference
from workers.amended import amended, is_review, once
from workers.found import Found
from workers.inputs import FIDUCIALS, PRESENTATIONS, REPORTS, SEGMENTATIONS, Inputs, newest_date
from workers.landmarks.agreement import is_moved
from workers.landmarks.claims import Claims, Study
from workers.landmarks.document import LandmarksDocument, LandmarksError, landmarks_of, parse
from workers.landmarks.fiducials import from_fiducials
from workers.landmarks.observer import creator, observers, person, shown
from workers.landmarks.outline.devices import told
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.presentation import claims_of as claims_of_state
from workers.landmarks.presentation import from_presentation
from workers.landmarks.presentation import is_ours as is_our_state
from workers.landmarks.reasons import Note
from workers.landmarks.sampling import sampled
from workers.landmarks.sr import claims_of as claims_of_report
from workers.landmarks.sr import from_report
from workers.landmarks.sr import is_ours as is_our_report
from workers.mask_sources import Measured, measure_masks, of_series, segmentations, structure_sets, uids
from workers.morphometry.levels import sort_key
from workers.nearby import images_at, is_computed
from workers.outline_sources import devices_on_films, measure_outlines
from workers.own_report import stated_protocol

__all__ = ["Found", "find_landmarks", "with_finder"]

_ORDER: Final = list(LandmarkSource)
#: What is said of the carriers that were not used.
_CARRIERS: Final = {
    Note.REPORTS_NOT_USED: REPORTS,
    Note.PRESENTATIONS_NOT_USED: PRESENTATIONS,
    Note.FIDUCIALS_NOT_USED: FIDUCIALS,
}
#: How far a clock without an offset from UTC may be from UTC (PS3.3 C.12.1.1.8: -1200 to +1400).
_CLOCKS_APART: Final = timedelta(hours=14)
#: Names of persons that one line of the report holds.
_MOST_PERSONS: Final = 3


def find_landmarks(inputs: Inputs, supplied: bytes | None = None, *, supplied_at: datetime | None = None) -> Found:
    """Return the landmarks of the first source that has any: reviewed, supplied (SR, GSPS, fiducials, JSON), masks.

    `supplied_at` is when the document `supplied` was handed in; without it, it is newer than all that is there. Raises
    LandmarksError where the document is bad, or does not fit the study.
    """
    document = [] if supplied is None else [_from_document(inputs, parse(supplied), supplied_at)]
    carried = [one for one in _carried(inputs) if one.vertebrae]
    found = [one for one in (*document, *carried) if one.vertebrae]
    zone = next(filter(None, map(headers.offset, inputs.headers)), None)
    rank = partial(_preference, zone=zone)
    if not any(one.placed for one in found):
        masks = _masks(inputs)
        carried, found = [*carried, *masks], [*found, *masks]
    elif is_review(min(found, key=rank)):
        found = [*found, *_masks(inputs)]
    ranked = sorted(found, key=rank)
    chosen = ranked[0] if ranked else Found(vertebrae=())
    best = _with_devices(_settled(ranked, inputs) or chosen, inputs)
    study = _study(inputs)
    unused = {
        Note.DOCUMENT_NOT_USED: len(document) if not best.from_document else 0,
        Note.OWN_REPORT_UNSIGNED: sum(is_moved(claims, best.vertebrae, study) for claims in _unsigned(inputs)),
        **{note: len(_holders(carried, classes) - uids(best.others)) for note, classes in _CARRIERS.items()},
        Note.SEGMENTATIONS_NOT_USED: len(uids(segmentations(inputs)) - uids(best.others)),
        Note.STRUCTURE_SETS_NOT_USED: len(uids(structure_sets(inputs)) - uids(best.others)),
        Note.REVIEW_ORDER_UNSURE: sum(_is_order_unsure(chosen, one, zone) for one in found),
    }
    return replace(best, notes=tuple(note.told(count) for note, count in unused.items() if count))


def _masks(inputs: Inputs) -> list[Found]:
    """Return what masks and outlines of the study give."""
    acquired = _acquired(inputs)
    measured = [*measure_masks(inputs, acquired), *measure_outlines(inputs, acquired)]
    return [_of_masks(one, inputs) for one in measured if one.vertebrae]


def _settled(ranked: Sequence[Found], inputs: Inputs) -> Found | None:
    """Return the first source, a review with what would be measured without it; None where there is no source."""
    if not ranked:
        return None
    first = _with_the_rest(ranked[0], ranked, inputs)
    if not is_review(first):
        return first
    rest = _settled(ranked[1:], inputs) or Found(vertebrae=())
    return amended(first, rest, _by_uid(_images(inputs)))


def with_finder(found: Found, answered: Found, inputs: Inputs) -> Found:
    """Return reviews that draw some of what the finder placed, with what it placed anew, or the reason why it did not.

    `found` is what the study holds, `answered` what the finder gave.
    """
    if not answered.placed:
        return replace(found, finder_gave=answered.finder_gave)
    settled = answered
    for review in reversed(found.open_reviews):
        settled = amended(review, settled, _by_uid(_images(inputs)))
    return replace(_with_devices(settled, inputs), notes=found.notes)


def _unsigned(inputs: Inputs) -> Iterator[Claims]:
    """Give what each report and presentation state says that is our answer, or an edit of it that names nobody."""
    for header in inputs.of_classes(REPORTS | PRESENTATIONS):
        whole = inputs.whole(header)
        is_report = headers.text(header, "SOPClassUID") in REPORTS
        if _is_our_answer(header, observers(whole) if is_report else creator(header)):
            yield claims_of_report(whole) if is_report else claims_of_state(whole)


def _with_the_rest(best: Found, found: Sequence[Found], inputs: Inputs) -> Found:
    """Return the source with what else its own objects name: outlines beside points are measured, the rest says why."""
    carriers = [one for one in best.others if headers.text(one, "SOPClassUID") in REPORTS | PRESENTATIONS]
    measured = measure_outlines(inputs, _acquired(inputs)) if carriers and best.placed else []
    beside = [
        one for one in (*found, *(_of_masks(one, inputs) for one in measured)) if uids(one.others) & uids(carriers)
    ]
    known = {vertebra.level for vertebra in best.vertebrae}
    more: dict[str, VertebraLandmarks] = {}
    for vertebra in (vertebra for one in beside for vertebra in one.vertebrae if vertebra.level not in known):
        more.setdefault(vertebra.level, vertebra)
    if not more:
        return best
    added = [one for one in beside if any(vertebra in more.values() for vertebra in one.vertebrae)]
    return replace(
        best,
        vertebrae=tuple(sorted((*best.vertebrae, *more.values()), key=lambda one: sort_key(one.level))),
        images=once(image for one in (best, *added) for image in one.images),
        others=once(other for one in (best, *added) for other in one.others),
    )


def _with_devices(found: Found, inputs: Inputs) -> Found:
    """Return the vertebrae with what the study's objects say that they hold, whoever placed their points."""
    if not found.placed:
        return found
    reports = [one for one in inputs.of_classes(REPORTS) if not _is_our_answer(one, observers(inputs.whole(one)))]
    devices = devices_on_films(inputs, _acquired(inputs), [*reports, *inputs.of_classes(PRESENTATIONS)])
    return replace(found, vertebrae=told(found.vertebrae, devices))


def _of_masks(measured: Measured, inputs: Inputs) -> Found:
    """Return vertebrae that were measured, with who drew the lines they were measured in, where that is stated."""
    found = _resting_on(measured.vertebrae, measured.images, measured.holders)
    persons: list[str] = []
    for one in measured.holders:
        is_report = headers.text(one, "SOPClassUID") in REPORTS
        is_state = headers.text(one, "SOPClassUID") in PRESENTATIONS
        persons += observers(inputs.whole(one)) if is_report else creator(one) if is_state else ()
    by = " and ".join(map(shown, list(dict.fromkeys(persons))[:_MOST_PERSONS]))
    return replace(found, origin=f"measured in lines drawn by {by}") if by else found


def _preference(found: Found, zone: tzinfo | None) -> tuple[bool, int, float, float]:
    """Return the rank: points before reasons, the order of the sources, the most vertebrae, the newest object.

    Of two reviews the newer one counts, whatever it holds: who reviewed last has seen the other one's points.
    """
    moment, _ = _moment(found, zone)
    age = -moment.timestamp()
    source = _source(found)
    rank = (age, -found.placed) if source is LandmarkSource.REVIEWED else (-found.placed, age)
    return found.placed == 0, _ORDER.index(source), *rank


def _source(found: Found) -> LandmarkSource:
    return min((vertebra.source for vertebra in found.vertebrae), key=_ORDER.index)


def _moment(found: Found, zone: tzinfo | None) -> tuple[datetime, bool]:
    """Return when points were placed, and whether its offset from UTC is known.

    Where the carrier states none, `zone`, which another object of the study states, is that of the site; without any
    the clock is taken as UTC, as dates of inputs are compared everywhere.
    """
    newest = found.supplied_at or newest_date(found.others)
    known = newest.tzinfo or zone
    return newest.replace(tzinfo=known or UTC), known is not None


def _is_order_unsure(chosen: Found, other: Found, zone: tzinfo | None) -> bool:
    """Whether nobody can tell which of two reviews is the newer one: one clock's offset is not known."""
    if other is chosen or {_source(chosen), _source(other)} != {LandmarkSource.REVIEWED}:
        return False
    (mine, is_known), (yours, is_theirs_known) = _moment(chosen, zone), _moment(other, zone)
    return is_known != is_theirs_known and abs(mine - yours) <= _CLOCKS_APART


def _from_document(inputs: Inputs, document: LandmarksDocument, supplied_at: datetime | None) -> Found:
    if document.study_instance_uid != inputs.study_instance_uid:
        both = f"{inputs.study_instance_uid}, found {document.study_instance_uid}"
        raise LandmarksError(f"study_instance_uid: expected that of the study, {both}")
    images = _images(inputs)
    vertebrae = landmarks_of(document, _by_uid(images), _frames(images))
    named = _by_uid(images)(document.sop_instance_uid or "")
    around = images if named is None else of_series(images, {headers.text(named, "SeriesInstanceUID")})
    by = f", by {document.observer}" if document.observer else ""
    persons = (person(document.observer),) if document.source == "reviewed" and document.observer else ()
    return replace(
        _resting_on(vertebrae, around, ()),
        origin=f"{document.source}{by}",
        observers=persons,
        from_document=True,
        supplied_at=supplied_at or datetime.max.replace(tzinfo=UTC),
    )


def _carried(inputs: Inputs) -> Iterator[Found]:
    """Give what each report, presentation state and fiducial set holds."""
    images, study = _images(inputs), _study(inputs)
    for header in inputs.of_classes(REPORTS):
        whole = inputs.whole(header)
        persons = observers(whole)
        if not _is_our_answer(header, persons):
            found = _placed_by(persons, "SR", _resting_on(from_report(whole, study), images, (header,)))
            ours = is_our_report(whole)
            yield replace(found, protocol=stated_protocol(whole) if ours else "", is_ours=ours)
    for header in inputs.of_classes(PRESENTATIONS):
        persons = creator(header)
        if not _is_our_answer(header, persons):
            whole = inputs.whole(header)
            found = _placed_by(persons, "GSPS", _resting_on(from_presentation(whole, study), images, (header,)))
            yield replace(found, is_ours=is_our_state(whole))
    for header in inputs.of_classes(FIDUCIALS):
        for vertebrae in from_fiducials(inputs.whole(header), study):
            yield _placed_by(creator(header), "fiducials", _resting_on(vertebrae, images, (header,)))


def _placed_by(persons: tuple[str, ...], carrier: str, found: Found) -> Found:
    """Return what a carrier gave with how its points came about; a person's name must not reach a log."""
    reviewed = any(vertebra.source is LandmarkSource.REVIEWED for vertebra in found.vertebrae)
    by = f", by {' and '.join(map(shown, persons[:_MOST_PERSONS]))}" if persons else ""
    origin = f"{'reviewed' if reviewed else 'supplied'} (DICOM {carrier}){by}"
    return replace(found, origin=origin, observers=persons[:_MOST_PERSONS] if reviewed else ())


def _holders(carried: Iterable[Found], classes: frozenset[str]) -> set[str]:
    """Return the objects of these SOP classes that hold something of a vertebra."""
    return uids(one for found in carried for one in found.others if headers.text(one, "SOPClassUID") in classes)


def _is_our_answer(carrier: Dataset, persons: Sequence[str]) -> bool:
    """Whether a report or presentation state is what we said of this study: it is no landmark source.

    A reader's tool may keep our name. Then somebody has verified it, or is named in it: we name a person only as who
    placed the points.
    """
    ours = is_own(headers.text(carrier, "Manufacturer"), headers.text(carrier, "ManufacturerModelName"))
    return ours and headers.text(carrier, "VerificationFlag") != "VERIFIED" and not persons


def _resting_on(
    vertebrae: Sequence[VertebraLandmarks], images: Sequence[Dataset], others: tuple[Dataset, ...]
) -> Found:
    """Return the vertebrae with their sampling and the nearest of `images`."""
    frames = {one.landmarks.frame_of_reference_uid for one in vertebrae if one.landmarks is not None}
    inside = [image for image in images if frame_of_reference(image) in frames and not is_computed(image)]
    return Found(
        vertebrae=tuple(sampled(vertebrae, inside)),
        images=images_at(vertebrae, images),
        others=others,
    )


def _images(inputs: Inputs) -> list[Dataset]:
    """Return the images that a report can refer to, without segmentations."""
    return [
        header
        for header in inputs.headers
        if "Rows" in header
        and headers.text(header, "SOPClassUID") not in SEGMENTATIONS
        and headers.text(header, "SeriesInstanceUID")
    ]


def _acquired(inputs: Inputs) -> list[Dataset]:
    """Return the images that masks and outlines may lie on: none that we have computed."""
    return [image for image in _images(inputs) if not is_computed(image)]


def _study(inputs: Inputs) -> Study:
    images = _images(inputs)
    frames = _frames([*images, *inputs.of_classes(SEGMENTATIONS)])
    return Study(image_of=_by_uid([*images, *inputs.sections]), frames=frames)


def _by_uid(images: Sequence[Dataset]) -> Callable[[str], Dataset | None]:
    return {headers.text(image, "SOPInstanceUID"): image for image in images}.get


def _frames(objects: Sequence[Dataset]) -> set[str]:
    return {frame for one in objects if (frame := frame_of_reference(one))}

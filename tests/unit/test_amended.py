"""What a review does not say: taken from what would be measured without it, refused, or left alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydicom.dataset import Dataset
from report_samples import FRAME_OF_REFERENCE, ct_slice, header, image_points, patient_points

from sr_templates.findings import Landmarks, LandmarkSource, Space
from workers.amended import amended, is_review, with_reported
from workers.found import Found
from workers.inputs import Inputs
from workers.landmarks.points import VertebraLandmarks, without_points
from workers.sources import with_finder

GSPS = header("1.2.840.10008.5.1.4.1.1.11.1", 90, "PR")
SR = header("1.2.840.10008.5.1.4.1.1.88.34", 91, "SR")
SLICE = ct_slice(1)
MIDDLES = {"T12": 40.0, "L1": 0.0, "L2": -40.0}


def _image_of(uid: str) -> Dataset | None:
    return SLICE if uid == SLICE.SOPInstanceUID else None


def _vertebra(level: str, source: LandmarkSource, *flags: str, drawn: bool = False) -> VertebraLandmarks:
    """Return a vertebra in the patient, or drawn on a slice."""
    points = (image_points if drawn else patient_points)(MIDDLES[level])
    space = Space.IMAGE if drawn else Space.PATIENT
    landmarks = Landmarks(
        space=space,
        points=points,
        sop_instance_uid=SLICE.SOPInstanceUID if drawn else "1.2",
        frame_of_reference_uid=None if drawn else FRAME_OF_REFERENCE,
    )
    return VertebraLandmarks(level=level, source=source, landmarks=landmarks, flags=flags)


def _rest(source: LandmarkSource = LandmarkSource.SEGMENTATION, **changes: Any) -> Found:
    """Return what would be measured: T12 and L1, which holds cement, and L2, which could not be."""
    vertebrae = (
        _vertebra("T12", source),
        _vertebra("L1", source, "CEMENT", "FRAGMENTED"),
        replace(without_points("L2", "NO_BODY"), source=source),
    )
    return replace(Found(vertebrae=vertebrae, others=(header("1.2.3", 1, "SEG"),)), **changes)


def _drawn(*levels: str, **changes: Any) -> Found:
    """Return a reviewed presentation state of ours that draws these levels."""
    vertebrae = tuple(_vertebra(level, LandmarkSource.REVIEWED, drawn=True) for level in levels)
    found = Found(vertebrae=vertebrae, others=(GSPS,), images=(SLICE,), origin="reviewed", observers=("Doe^Jane",))
    return replace(found, is_ours=True, **changes)


def _of(found: Found, what: Callable[[VertebraLandmarks], object]) -> dict[str, object]:
    return {one.level: what(one) for one in found.vertebrae}


def test_what_a_state_does_not_draw_stays_as_it_was() -> None:
    """From the masks, unreviewed, by our protocol; the drawn body is moved into their space; both are evidence."""
    found = amended(_drawn("L1"), _rest(), _image_of)

    assert {"T12": "segmentation", "L1": "reviewed", "L2": "segmentation"} == _of(found, lambda one: one.source)
    assert {"T12": None, "L1": None, "L2": "NO_BODY"} == _of(found, lambda one: one.reason)
    assert {Space.PATIENT} == {one.landmarks.space for one in found.vertebrae if one.landmarks}
    assert (True, ()) == (found.from_masks, found.open_reviews)
    assert [GSPS, *_rest().others] == list(found.others)
    assert "L1: reviewed; other levels: segmentation" == found.origin


def test_words_of_the_input_stay_with_a_level_that_is_drawn_anew() -> None:
    """A state says nothing of cement, nor of the mask in which the points were found that a reader went over."""
    assert ("CEMENT", "FRAGMENTED") == _of(amended(_drawn("L1"), _rest(), _image_of), lambda one: one.flags)["L1"]


def test_any_other_review_keeps_what_is_known_of_the_body_alone() -> None:
    """Whoever reviewed points of their own: the body holds cement all the same; a mask's words are not theirs."""
    review = replace(_drawn("L1"), is_ours=False)
    found = amended(review, _rest(), _image_of)

    assert is_review(review)
    assert {"L1": ("CEMENT",)} == _of(found, lambda one: one.flags)
    assert review.others == found.others


def test_a_report_of_ours_holds_every_level() -> None:
    """What another source has and it has not was taken out; what it could not draw comes from there, unreviewed."""
    refused = replace(without_points("T12", "NOT_DRAWN"), source=LandmarkSource.REVIEWED)
    review = _drawn("L1", others=(SR,), protocol="spondyl-six-point/1")
    review = replace(review, vertebrae=(refused, *review.vertebrae))
    found = amended(review, _rest(), _image_of)

    assert {"T12": None, "L1": None, "L2": "NOT_IN_REVIEW"} == _of(found, lambda one: one.reason)
    assert {"T12": "segmentation", "L1": "reviewed", "L2": "reviewed"} == _of(found, lambda one: one.source)
    assert {"L1": ()} == _of(amended(_drawn("L1", others=(SR,)), Found(vertebrae=()), _image_of), lambda one: one.flags)


def test_a_level_of_the_report_before_is_not_lost_without_a_word() -> None:
    """Where no source of the study has it any more, the reason still stands; foreign points owe nothing."""
    review = _drawn("L1", others=(SR,))

    assert {"L1": None, "L2": "NOT_IN_REVIEW"} == _of(with_reported(review, ["L1", "L2"]), lambda one: one.reason)
    assert {"L1": None} == _of(with_reported(replace(review, is_ours=False), ["L2"]), lambda one: one.reason)


def test_two_states_amend_each_other() -> None:
    """The newer one goes before; each keeps what it alone draws, and masks give the rest."""
    older = _drawn("T12", observers=("Roe^Richard",))
    found = amended(_drawn("L1"), amended(older, _rest(), _image_of), _image_of)

    assert {"T12": "reviewed", "L1": "reviewed", "L2": "segmentation"} == _of(found, lambda one: one.source)
    assert (("Doe^Jane", "Roe^Richard"), True) == (found.observers, found.from_masks)


def test_the_finder_gives_what_a_review_of_its_points_does_not_draw() -> None:
    """Nothing else in the study has it: the finder is asked again, and its protocol stays; a failure is said."""
    open_one = amended(_drawn("L1"), Found(vertebrae=()), _image_of)
    inputs = Inputs(study_instance_uid="1.2", headers=(SLICE,), files={})
    answered = _rest(LandmarkSource.MODEL, origin="finder Tells: 7", others=())
    found = with_finder(open_one, answered, inputs)

    assert [_drawn("L1").vertebrae] == [review.vertebrae for review in open_one.open_reviews]
    assert {"T12": "model", "L1": "reviewed", "L2": "model"} == _of(found, lambda one: one.source)
    assert "finder Tells: 7" == found.protocol
    assert (
        "FINDER_FAILED" == with_finder(open_one, Found(vertebrae=(), finder_gave="FINDER_FAILED"), inputs).finder_gave
    )

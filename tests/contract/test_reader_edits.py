"""The round trip: what we wrote comes back with points that a reader moved, and is measured anew in their name."""

import copy
import json
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from measuring_node import arrive, deliver, findings, measure, measuring_node, work, written
from pydicom.dataset import Dataset
from pydicom.uid import UID
from report_samples import STUDY, groups, named
from reviewing import verified
from spooled import file_of
from two_studies import SOUND, document, slice_of

from service.landmarks import supply
from service.wiring import Node
from workers.document_format import FORMAT

DATE = "20260304"
READER = "Doe^Jane"


@pytest.fixture
def node(sqlite_url: str, tmp_path: Path) -> Iterator[Node]:
    """Open a node that has measured and reported the study: T12 to L2, L1 is 25 mm high in front."""
    with measuring_node(sqlite_url, tmp_path) as opened:
        measure(opened, STUDY, DATE, SOUND)
        deliver(opened, STUDY)
        yield opened


def read(data: bytes) -> Dataset:
    """Read an object."""
    return pydicom.dcmread(BytesIO(data))


def saved(edited: Dataset) -> bytes:
    """Return an object as an editor saves it: under UIDs of its own."""
    edited.SOPInstanceUID = UID(f"{STUDY}.99.1")
    edited.file_meta.MediaStorageSOPInstanceUID = edited.SOPInstanceUID
    edited.SeriesInstanceUID = f"{STUDY}.99"
    out = BytesIO()
    edited.save_as(out)
    return out.getvalue()


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return a code."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def person(name: str = READER) -> list[Dataset]:
    """Return Observer Type and Person Observer Name (TID 1002, TID 1003)."""
    kind, named_one = Dataset(), Dataset()
    kind.RelationshipType, kind.ValueType = "HAS OBS CONTEXT", "CODE"
    kind.ConceptNameCodeSequence = [code("121005", "DCM", "Observer Type")]
    kind.ConceptCodeSequence = [code("121006", "DCM", "Person")]
    named_one.RelationshipType, named_one.ValueType = "HAS OBS CONTEXT", "PNAME"
    named_one.ConceptNameCodeSequence = [code("121008", "DCM", "Person Observer Name")]
    named_one.PersonName = name
    return [kind, named_one]


def lowered(report: Dataset) -> Dataset:
    """Return our report with the front of L1's superior endplate 5 mm lower; the outline was left behind."""
    edited = copy.deepcopy(report)
    l1 = next(group for group in groups(edited) if named(group, "Tracking Identifier")[0].TextValue == "L1 vertebra")
    (height,) = named(l1, "Anterior vertebral body height")
    line = height.ContentSequence[0]
    x, y, z, *inferior = line.GraphicData
    line.GraphicData = [x, y, z - 5.0, *inferior]
    return edited


def by_tool(report: Dataset) -> Dataset:
    """Name the reader as a tool does that keeps our name, and says nothing of a verification."""
    report.ContentSequence.extend(person())
    return report


def by_workstation(report: Dataset) -> Dataset:
    """Verify it as another maker's workstation does (PS3.3 C.17.2)."""
    report.Manufacturer, report.ManufacturerModelName = "Somebody", "Workstation"
    return verified(report, READER)


def by_other_tool(report: Dataset) -> Dataset:
    """Name the reader under another maker's name, without a verification."""
    report.Manufacturer = "Somebody"
    return by_tool(report)


def replaced(report: Dataset) -> str:
    """Return the report that this one replaces (PS3.3 C.17.2)."""
    (study,) = report.PredecessorDocumentsSequence
    return str(study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def l1_of(found: Any) -> Any:
    """Return L1 of findings."""
    return next(vertebra for vertebra in found["vertebrae"] if vertebra["level"] == "L1")


def check_reviewed(node: Node, before: Dataset, anterior_mm: float) -> None:
    """Check that the newest report takes the place of `before`, on points that READER reviewed."""
    found, report = findings(node, STUDY), read(written(node, STUDY))
    assert {"reviewed"} == {vertebra["landmark_source"] for vertebra in found["vertebrae"]}
    assert [READER] == found["observers"]
    assert anterior_mm == pytest.approx(l1_of(found)["heights_mm"]["anterior"], abs=1e-4)
    assert [READER] == [item.PersonName for item in named(report, "Person Observer Name")]
    assert before.InstanceNumber + 1 == report.InstanceNumber == node.ledger.admin.study(STUDY).study.revision
    assert before.SOPInstanceUID == replaced(report)


@pytest.mark.parametrize("editor", [by_tool, by_workstation, by_other_tool])
def test_a_report_with_moved_points_comes_back(node: Node, editor: Any) -> None:
    """Whoever's name the tool writes: a new revision on the moved points, reviewed, by the person who moved them."""
    before = read(written(node, STUDY))
    work(node, arrive(node, STUDY, saved(editor(lowered(before)))))

    check_reviewed(node, before, 20.0)
    after = read(written(node, STUDY))
    trackings = [
        [str(named(group, "Tracking Unique Identifier")[0].UID) for group in groups(report)]
        for report in (before, after)
    ]
    assert trackings[0] == trackings[1]


def test_a_report_that_was_only_verified_has_the_same_numbers(node: Node) -> None:
    """Nothing was moved: the heights stand, and a person stands for them now."""
    before = read(written(node, STUDY))
    heights = l1_of(findings(node, STUDY))["heights_mm"]
    work(node, arrive(node, STUDY, saved(by_workstation(copy.deepcopy(before)))))

    check_reviewed(node, before, 25.0)
    assert heights == pytest.approx(l1_of(findings(node, STUDY))["heights_mm"], abs=1e-4)


def untouched(carrier: Dataset) -> Dataset:
    """Change nothing."""
    return carrier


def shifted(state: Dataset) -> Dataset:
    """Return our presentation state with the front of L1's superior endplate 5 mm lower."""
    lines = [graphic for item in state.GraphicAnnotationSequence for graphic in item.GraphicObjectSequence]
    (line,) = (graphic for graphic in lines if graphic.TrackingID == "L1 anterior height")
    column, row, *inferior = line.GraphicData
    # 1 mm a pixel; rows run to the feet.
    line.GraphicData = [column, row + 5.0, *inferior]
    return state


@pytest.mark.parametrize(
    ("kind", "edit", "notes"),
    [
        ("sr", untouched, []),
        ("gsps", untouched, []),
        ("sr", lowered, ["OWN_REPORT_UNSIGNED: 1"]),
        ("gsps", shifted, ["OWN_REPORT_UNSIGNED: 1"]),
    ],
)
def test_what_names_nobody_is_no_source(node: Node, kind: str, edit: Any, notes: list[str]) -> None:
    """Our own answer, under another UID: the points that were handed in count; that it has other ones is said."""
    work(node, arrive(node, STUDY, saved(edit(read(written(node, STUDY, kind))))))
    found = findings(node, STUDY)
    assert {"supplied_json"} == {vertebra["landmark_source"] for vertebra in found["vertebrae"]}
    assert ([], notes) == (found["observers"], found.get("notes", []))


def test_a_presentation_state_with_moved_points_comes_back(node: Node) -> None:
    """A line that a reader moved in our GSPS, saved under their name: reviewed, on the image it is drawn on."""
    before, state = read(written(node, STUDY)), read(written(node, STUDY, "gsps"))
    state.ContentCreatorName = READER
    shifted(state)
    work(node, arrive(node, STUDY, saved(state)))

    check_reviewed(node, before, 20.0)
    assert f"{STUDY}.2.1" == l1_of(findings(node, STUDY))["landmarks"]["sop_instance_uid"]


def with_cement(l2: Any) -> bytes:
    """Return a document of T12, which holds cement, of L1, and of L2 with each of its points changed."""
    made = json.loads(document(STUDY, SOUND))
    made["vertebrae"][0]["flags"] = ["CEMENT"]
    points = made["vertebrae"][2]["points"]
    points |= {name: l2(name, point) for name, point in points.items()}
    return json.dumps(made).encode()


def turned(name: str, point: list[float]) -> list[float]:
    """Turn a body out of the slice, which shows the others whole."""
    return [7.0 if name[1] == "S" else -1.0, *point[1:]]


def nowhere(_name: str, _point: list[float]) -> list[float]:
    """Put all points in one place."""
    return [3.0, 0.0, 40.0]


def test_a_state_that_draws_some_levels_leaves_the_others(node: Node) -> None:
    """L2 stands as it stood, unreviewed, beside its reviewed neighbours; T12 holds cement as before."""
    work(node, supply(node, STUDY, with_cement(turned), check=FORMAT.check).job)
    before = findings(node, STUDY)
    state = shifted(read(written(node, STUDY, "gsps")))
    assert "2 of 3 vertebrae" in state.ContentDescription
    state.ContentCreatorName = READER
    work(node, arrive(node, STUDY, saved(state)))
    found = findings(node, STUDY)
    t12, l1, l2 = found["vertebrae"]

    assert ["reviewed", "reviewed", "supplied_json"] == [one["landmark_source"] for one in (t12, l1, l2)]
    assert 20.0 == pytest.approx(l1["heights_mm"]["anterior"], abs=2e-3)
    assert before["vertebrae"][2]["heights_mm"] == l2["heights_mm"]
    assert ("CEMENT" in t12["flags"], None) == (True, t12["genant_grade"])
    assert ([], before["landmark_protocol"]) == (found.get("notes", []), found["landmark_protocol"])


def without_l1(report: Dataset) -> Dataset:
    """Take the group of L1 out of our report."""
    (measurements,) = named(report, "Imaging Measurements")
    labels = [named(group, "Tracking Identifier")[0].TextValue for group in groups(report)]
    measurements.ContentSequence = [
        group for group, label in zip(groups(report), labels, strict=True) if label != "L1 vertebra"
    ]
    return report


def test_levels_of_a_review_do_not_vanish(node: Node) -> None:
    """L2, which could not be measured, keeps its reason; L1, whose group the reader took out, gets one."""
    work(node, supply(node, STUDY, with_cement(nowhere), check=FORMAT.check).job)
    work(node, arrive(node, STUDY, saved(without_l1(by_tool(read(written(node, STUDY)))))))

    expected = {"T12": None, "L1": "NOT_IN_REVIEW", "L2": "DEGENERATE"}
    assert expected == {one["level"]: one["reason"] for one in findings(node, STUDY)["vertebrae"]}


def test_a_level_of_the_revision_before_does_not_vanish(node: Node, empty_sqlite: Path, tmp_path: Path) -> None:
    """A reader saves the same report again without L1, and nothing else in the study has it: the ledger still knows."""
    report = by_tool(read(written(node, STUDY)))
    ledger = shutil.copy(empty_sqlite, tmp_path / "other.sqlite")
    with measuring_node(f"sqlite:///{ledger}", tmp_path / "other") as other:
        work(other, arrive(other, STUDY, file_of(slice_of(STUDY, DATE)), saved(report)))
        assert 3 == sum(one["reason"] is None for one in findings(other, STUDY)["vertebrae"])
        work(other, arrive(other, STUDY, saved(without_l1(report))))

        assert "NOT_IN_REVIEW" == l1_of(findings(other, STUDY))["reason"]


def test_a_document_that_was_reviewed_names_its_reader(node: Node) -> None:
    """By PUT: the same revision on the document's points, and its observer is a person of the report."""
    before = read(written(node, STUDY))
    moved = {**SOUND, "L1": (20.0, *SOUND["L1"][1:])}
    reviewed = document(STUDY, moved, source="reviewed", observer=READER)
    work(node, supply(node, STUDY, reviewed, check=FORMAT.check).job)
    found, report = findings(node, STUDY), read(written(node, STUDY))

    assert ("reviewed", [READER]) == (l1_of(found)["landmark_source"], found["observers"])
    assert 20.0 == pytest.approx(l1_of(found)["heights_mm"]["anterior"])
    assert [READER] == [item.PersonName for item in named(report, "Person Observer Name")]
    assert before.SOPInstanceUID == replaced(report)


@pytest.mark.parametrize(("report_date", "expected"), [("19600101", 22.0), ("20990101", 20.0)])
def test_of_two_reviews_the_newer_one_counts(node: Node, report_date: str, expected: float) -> None:
    """A document that was put after a report was saved is what the last reader saw, and the other way round."""
    edited = by_tool(lowered(read(written(node, STUDY))))
    edited.InstanceCreationDate = edited.ContentDate = report_date
    work(node, arrive(node, STUDY, saved(edited)))
    moved = document(STUDY, {**SOUND, "L1": (22.0, *SOUND["L1"][1:])}, source="reviewed", observer="Roe^Richard")
    work(node, supply(node, STUDY, moved, check=FORMAT.check).job)

    found = findings(node, STUDY)
    assert expected == pytest.approx(l1_of(found)["heights_mm"]["anterior"], abs=1e-4)
    assert (["Roe^Richard"] if expected == 22.0 else [READER]) == found["observers"]


@pytest.mark.parametrize(
    ("offset", "expected", "notes"),
    [("", 20.0, {"REVIEW_ORDER_UNSURE: 1", "DOCUMENT_NOT_USED: 1"}), ("+0300", 22.0, {"REPORTS_NOT_USED: 1"})],
)
def test_a_review_without_an_offset_has_the_clock_of_its_study(
    node: Node, offset: str, expected: float, notes: set[str]
) -> None:
    """Saved at 02:00 by a clock that does not say which, put at 00:03 UTC: a scanner's offset tells, else a note.

    Three hours east of UTC the report was saved an hour before midnight.
    """
    edited = by_tool(lowered(read(written(node, STUDY))))
    edited.InstanceCreationDate, edited.InstanceCreationTime = "19700101", "020000"
    late = slice_of(STUDY, DATE, SOPInstanceUID=f"{STUDY}.2.9", InstanceNumber=9)
    if offset:
        late.TimezoneOffsetFromUTC = offset
    arrive(node, STUDY, saved(edited), file_of(late))
    moved = document(STUDY, {**SOUND, "L1": (22.0, *SOUND["L1"][1:])}, source="reviewed", observer="Roe^Richard")
    work(node, supply(node, STUDY, moved, check=FORMAT.check).job)

    found = findings(node, STUDY)
    assert expected == pytest.approx(l1_of(found)["heights_mm"]["anterior"], abs=1e-4)
    assert notes == set(found.get("notes", []))


def test_a_prior_and_a_review_go_together(node: Node) -> None:
    """A reviewed revision keeps the tracking UIDs and is compared anew with what is known by then."""
    earlier = f"{STUDY}.7"
    arrive(node, earlier, file_of(slice_of(earlier, "20250304")))
    work(node, supply(node, earlier, document(earlier, SOUND), check=FORMAT.check).job)
    work(node, arrive(node, STUDY, saved(by_tool(lowered(read(written(node, STUDY)))))))
    compared = findings(node, STUDY)["comparison"]
    l1 = next(level for level in compared["levels"] if level["level"] == "L1")
    assert -5.0 == pytest.approx(l1["heights"]["anterior"]["change_mm"], abs=1e-4)
    assert "PROTOCOL_NOT_STATED" in compared["remarks"]

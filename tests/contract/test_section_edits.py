"""The round trip over a sagittal section of ours: a reader's points lie on what we computed, and never sent to us."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from measuring_node import arrive, deliver, findings, measuring_node, work, written
from pictured import ct
from pydicom.dataset import Dataset
from pydicom.uid import UID
from report_samples import STUDY, groups, named
from reviewing import verified
from spooled import file_of, landmarks

from service.landmarks import supply
from service.spool import study_key
from service.wiring import Node
from workers.document_format import FORMAT

READER = "Doe^Jane"


@pytest.fixture
def reported(sqlite_url: str, tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Give what opens a node that has reported L1, 24 mm high in front, of thin slices none of which shows a point."""
    with ExitStack() as opened:

        def report(sop_class: str = "comprehensive") -> Node:
            node = opened.enter_context(
                measuring_node(sqlite_url, tmp_path, "sr", "gsps", "sagittal", sop_classes=(sop_class,))
            )
            slices = [ct(place, x_mm=3.0 * (place - 2)) for place in range(1, 5)]
            for image in slices:
                image.SliceThickness = 1.5
            arrive(node, STUDY, *map(file_of, slices))
            points = landmarks(sop_instance_uid=slices[0].SOPInstanceUID, source="manual")
            work(node, supply(node, STUDY, points, check=FORMAT.check).job)
            deliver(node, STUDY)
            return node

        yield report


def read(node: Node, kind: str = "sr") -> Dataset:
    """Read the newest object of a kind."""
    return pydicom.dcmread(BytesIO(written(node, STUDY, kind)))


def come_back(node: Node, edited: Dataset) -> None:
    """Have an object arrive under a UID of its own, as an editor saves it, and be measured."""
    edited.SOPInstanceUID = edited.file_meta.MediaStorageSOPInstanceUID = UID(f"{STUDY}.99.1")
    edited.SeriesInstanceUID = f"{STUDY}.99"
    out = BytesIO()
    edited.save_as(out)
    work(node, arrive(node, STUDY, out.getvalue()))


def lower(line: Dataset, section: Dataset, by_mm: float) -> None:
    """Move the first point of a line on the section, its superior one, towards the feet."""
    column, row, *inferior = line.GraphicData
    line.GraphicData = [column, row + by_mm / float(section.PixelSpacing[0]), *inferior]


def check(node: Node, section: Dataset, anterior_mm: float) -> None:
    """Check that L1 is reviewed and so high, and that report and overlay refer to a section made anew, not to this."""
    (l1,) = findings(node, STUDY)["vertebrae"]
    assert ("reviewed", [READER]) == (l1["landmark_source"], findings(node, STUDY)["observers"])
    assert {"anterior": anterior_mm, "middle": 21.0, "posterior": 25.0} == pytest.approx(l1["heights_mm"], abs=0.01)
    assert {None} == {row.finding for row in node.ledger.admin.study(STUDY).reports}
    new = read(node, "sagittal").SOPInstanceUID
    assert new != section.SOPInstanceUID
    for kind in ("sr", "gsps"):
        data = written(node, STUDY, kind)
        assert (True, False) == (new.encode() in data, section.SOPInstanceUID.encode() in data)


@pytest.mark.parametrize(("sop_class", "moved_mm"), [("comprehensive", 5.0), ("enhanced", 5.0), ("enhanced", 0.0)])
def test_a_report_whose_points_lie_on_our_section_comes_back(
    reported: Callable[..., Node], sop_class: str, moved_mm: float
) -> None:
    """Only verified: the same heights, reviewed. Moved: the moved ones. The section itself was never sent to us."""
    node = reported(sop_class)
    report, section = read(node), read(node, "sagittal")
    (group,) = groups(report)
    (height,) = named(group, "Anterior vertebral body height")
    lower(height.ContentSequence[0], section, moved_mm)
    come_back(node, verified(report, READER))

    check(node, section, 24.0 - moved_mm)


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_presentation_state_of_our_section_comes_back(reported: Callable[..., Node], *, is_kept: bool) -> None:
    """A line that a reader moved in our overlay of our section: reviewed, and the other heights as they were.

    The section is the one that the node keeps; after retention it is the one that the PACS sent again.
    """
    node = reported()
    state, section = read(node, "gsps"), read(node, "sagittal")
    if not is_kept:
        (kept,) = (row.file_name for row in node.ledger.admin.study(STUDY).reports if row.kind == "sagittal")
        file = node.spool.report(study_key(STUDY), kept)
        uids = {"study_instance_uid": STUDY, "sop_instance_uid": section.SOPInstanceUID}
        node.spool.store(**uids, header=b"", data=file.read_bytes(), own=True)
        file.unlink()
    state.ContentCreatorName = READER
    graphics = [one for item in state.GraphicAnnotationSequence for one in item.GraphicObjectSequence]
    (line,) = (one for one in graphics if one.get("TrackingID") == "L1 anterior height")
    lower(line, section, 5.0)
    come_back(node, state)

    check(node, section, 19.0)

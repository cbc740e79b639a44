"""Points from every DICOM carrier, from files to report."""

import subprocess
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from annotated import (
    annotation,
    by_highdicom,
    fiducial,
    fiducial_set,
    fiducials,
    graphic,
    presentation,
    reference,
    text,
)
from plain_settings import REPORT_ALONE
from pydicom.dataset import Dataset
from report_samples import (
    FRAME_OF_REFERENCE,
    STUDY,
    ct_slice,
    dx_lateral,
    groups,
    named,
    patient_points,
    report_bytes,
)
from servers import program
from spooled import write

from sr_templates.findings import Point
from workers.inputs import read_inputs
from workers.pipeline import measure_files
from workers.sources import Found, find_landmarks

#: Three vertebrae 40 mm apart, each Ha = 24, Hm = 21, Hp = 25 mm, 34 mm deep.
MIDDLES = {"T12": 40.0, "L1": 0.0, "L2": -40.0}


def _on_film(middle: float) -> dict[str, Point]:
    """Return the body on the radiograph: 0.2 mm a pixel, columns go posterior, rows go inferior."""
    return {name: (500.0 + 5 * y, 1000.0 - 5 * z) for name, (_, y, z) in patient_points(middle).items()}


def _on_slice(middle: float) -> dict[str, Point]:
    """Return the body on a sagittal slice: 1 mm a pixel; the centre of the first pixel is y = -100, z = 128."""
    return {name: (y + 100.5, 128.5 - z) for name, (_, y, z) in patient_points(middle).items()}


def _by_text(image: Dataset) -> Dataset:
    """Return a presentation state of one slice among many: points with texts beside them, as viewers write it."""
    graphics, texts = [], []
    for level, middle in MIDDLES.items():
        for name, (x, y) in _on_slice(middle).items():
            graphics.append(graphic((x, y)))
            texts.append(text(f"{level} {name}", box=[(x + 1, y - 2), (x + 4, y - 1)]))
    return presentation(image, annotation(graphics, texts, ReferencedImageSequence=[reference(image)]))


def _in_space() -> Dataset:
    made = [
        fiducial(f"{level} {name}", point)
        for level, middle in MIDDLES.items()
        for name, point in patient_points(middle).items()
    ]
    return fiducials(fiducial_set(*made, FrameOfReferenceUID=FRAME_OF_REFERENCE))


def _study(folder: Path, carrier: str) -> list[Path]:
    if carrier == "radiograph":
        image = dx_lateral()
        state = by_highdicom(image, {level: _on_film(middle) for level, middle in MIDDLES.items()})
        return write(folder, image, state)
    slices = [ct_slice(number) for number in (1, 2, 3)]
    return write(folder, *slices, _by_text(slices[0]) if carrier == "slices" else _in_space())


def _evidence(report: Dataset) -> set[str]:
    return {
        item.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }


@pytest.mark.parametrize(
    ("carrier", "source", "said"),
    [
        ("radiograph", "supplied_gsps", b"supplied (DICOM GSPS), by Doe Jane"),
        ("slices", "supplied_gsps", b"supplied (DICOM GSPS), by Doe Jane"),
        ("space", "supplied_fiducials", b"supplied (DICOM fiducials), by Doe Jane"),
    ],
)
def test_points_of_a_carrier_become_a_report(tmp_path: Path, carrier: str, source: str, said: bytes) -> None:
    """Heights are as worked out by hand; the report names who placed the points, and rests on image and carrier.

    Who placed them stands in the report alone: findings go to the ledger, the page and the log. The report keeps to
    its IOD with such evidence.
    """
    outcome = measure_files(_study(tmp_path / "study", carrier), settings=REPORT_ALONE)
    found = {vertebra.level: vertebra for vertebra in outcome.findings.vertebrae}

    assert (set(MIDDLES), {source}) == (set(found), {vertebra.landmark_source for vertebra in found.values()})
    for vertebra in found.values():
        assert vertebra.measured is not None
        assert vertebra.measured.heights_mm is not None
        heights = vertebra.measured.heights_mm
        assert (24.0, 21.0, 25.0) == pytest.approx((heights.anterior, heights.middle, heights.posterior), abs=1e-4)
    assert "Doe" not in repr(outcome.findings)
    assert outcome.report is not None
    assert said in outcome.report.data
    carrier_uid = f"{STUDY}.{6 if carrier == 'space' else 5}.1"
    assert {f"{STUDY}.2.1", carrier_uid} == _evidence(pydicom.dcmread(BytesIO(outcome.report.data)))
    assert [] == _errors(tmp_path / "report.dcm", outcome.report.data)


def _errors(path: Path, data: bytes) -> list[str]:
    """Return the errors that dciodvfy finds in a Structured Report."""
    path.write_bytes(data)
    command = [program("dciodvfy"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    said = (done.stdout + done.stderr).splitlines()
    assert said[0].startswith("Comprehensive")
    return [line for line in said if line.startswith("Error")]


def _found(files: Iterable[Path]) -> Found:
    return find_landmarks(read_inputs(files))


def test_one_carrier_serves_the_study_and_the_others_are_named(tmp_path: Path) -> None:
    """A report comes before a presentation state, that before fiducials; what was not used is said with its number."""
    folder = tmp_path / "study"
    slices = [ct_slice(number) for number in (1, 2, 3)]
    without_report = _found(write(folder, *slices, _by_text(slices[0]), _in_space()))
    report = pydicom.dcmread(BytesIO(report_bytes("patient")))
    report.Manufacturer = "Somebody"
    report.save_as(folder / "sr.dcm")
    with_report = _found(folder.iterdir())

    assert ("FIDUCIALS_NOT_USED: 1",) == without_report.notes
    assert {"supplied_gsps"} == {vertebra.source for vertebra in without_report.vertebrae}
    assert ("PRESENTATIONS_NOT_USED: 1", "FIDUCIALS_NOT_USED: 1") == with_report.notes
    assert {"supplied_sr"} == {vertebra.source for vertebra in with_report.vertebrae}


#: Where somebody put the anterior superior corner of T12, 2 mm above where it was.
MOVED = (1.0, -17.0, 14.0)


def _after_a_move(folder: Path, person: Dataset | None = None, **changes: str) -> Found:
    """Return what is found in a study with our own report, in which a point was moved."""
    report = pydicom.dcmread(BytesIO(report_bytes("patient")))
    line = named(groups(report)[0], "Anterior vertebral body height")[0].ContentSequence[0]
    line.GraphicData = [*MOVED, 1.0, -17.0, -12.0]
    if person is not None:
        report.ContentSequence.insert(1, person)
    for keyword, value in {"SOPInstanceUID": "1.2.3", **changes}.items():
        setattr(report, keyword, value)
    write(folder, *(ct_slice(number) for number in (1, 2, 3)))
    report.save_as(folder / "sr.dcm")
    return _found(folder.iterdir())


def _person() -> Dataset:
    concept, item = Dataset(), Dataset()
    concept.CodeValue, concept.CodingSchemeDesignator, concept.CodeMeaning = "121008", "DCM", "Person Observer Name"
    item.RelationshipType, item.ValueType = "HAS OBS CONTEXT", "PNAME"
    item.ConceptNameCodeSequence, item.PersonName = [concept], "Doe^Jane"
    return item


@pytest.mark.parametrize(
    ("changes", "source"),
    [
        ({"VerificationFlag": "VERIFIED"}, "reviewed"),
        ({"VerificationFlag": "VERIFIED", "Manufacturer": "Viewer"}, "reviewed"),
        ({"Manufacturer": "Viewer"}, "supplied_sr"),
        ({"person": _person()}, "reviewed"),
    ],
    ids=["verified under our name", "verified by a viewer", "saved by a viewer", "saved under our name by a person"],
)
def test_points_that_a_reader_moved_are_read_anew(tmp_path: Path, changes: dict[str, Any], source: str) -> None:
    """Our report comes back with a moved point: verified, under another maker's name, or with a person's.

    It states the protocol by which the points were placed before.
    """
    found = _after_a_move(tmp_path / "study", **changes)
    t12 = found.vertebrae[0]

    assert "spondyl-six-point/1" == found.protocol
    assert t12.landmarks is not None
    assert ("T12", source, MOVED) == (t12.level, t12.source, t12.landmarks.points["AS"])


def test_our_report_without_a_sign_of_a_reader_is_our_answer(tmp_path: Path) -> None:
    """Under our name, unverified, without a person in it, a report cannot be told from what we said ourselves."""
    assert () == _after_a_move(tmp_path / "study").vertebrae


@pytest.mark.parametrize("which", ["first", "second"])
def test_of_two_alike_the_newest_counts(tmp_path: Path, which: str) -> None:
    """Who saves twice means the second one, whatever UID it was given."""
    first, second = _in_space(), _in_space()
    second.SOPInstanceUID = f"{STUDY}.6.2"
    second.FiducialSetSequence[0].FiducialSequence[0].ContourData = ["1", "-17", "54"]
    first.ContentTime, second.ContentTime = ("060000", "050000") if which == "first" else ("050000", "060000")
    t12 = _found(write(tmp_path / "study", ct_slice(1), first, second)).vertebrae[0]

    assert t12.landmarks is not None
    assert (1.0, -17.0, 52.0 if which == "first" else 54.0) == t12.landmarks.points["AS"]


def test_reasons_of_one_carrier_do_not_hide_the_points_of_another(tmp_path: Path) -> None:
    """A presentation state whose points cannot be used gives reasons; they count only where nothing else has points."""
    image = ct_slice(1)
    state = presentation(image, annotation([graphic((0.1, 0.1), units="DISPLAY", TrackingID="L1 AS")]))
    alone = _found(write(tmp_path / "alone", image, state))
    beside = _found(write(tmp_path / "beside", image, state, _in_space()))

    assert [("L1", "DISPLAY_UNITS")] == [(vertebra.level, vertebra.reason) for vertebra in alone.vertebrae]
    assert {"supplied_fiducials"} == {vertebra.source for vertebra in beside.vertebrae}
    assert ("PRESENTATIONS_NOT_USED: 1",) == beside.notes

"""Two studies of one patient, a year apart: what the report of the second says of the first."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from plain_settings import REPORT_ALONE
from pydicom.dataset import Dataset
from pydicom.uid import UID
from report_samples import STUDY, dx_lateral, groups, named, patient_points
from spooled import file_of
from two_studies import EARLIER, LOWER, SOUND, Heights, document, slice_of

from sr_templates.comparison import LevelComparison, Remark
from workers.inputs import NotOneStudy
from workers.phantom import study as phantom_study
from workers.phantom.column import column
from workers.phantom.study import make_study
from workers.phantom.vertebra import Vertebra
from workers.pipeline import Outcome, measure_files


def write(folder: Path, **files: bytes) -> list[Path]:
    """Write files; return all that the folder has."""
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / f"{name}.dcm").write_bytes(data)
    return sorted(folder.iterdir())


def then(folder: Path, heights: Heights = SOUND, **changes: Any) -> bytes:
    """Return the report on the earlier study."""
    files = write(folder / "then", ct=file_of(slice_of(EARLIER, "20250304", **changes)))
    return report_of(measure_files(files, settings=REPORT_ALONE, supplied=document(EARLIER, heights)))


def now(folder: Path, earlier: bytes, **changes: Any) -> Outcome:
    """Measure the later study, the report on the earlier one among its files."""
    files = write(folder / "now", ct=file_of(slice_of(STUDY, "20260304", **changes)), prior=earlier)
    return measure_files(files, settings=REPORT_ALONE, supplied=document(STUDY, LOWER))


def report_of(outcome: Outcome) -> bytes:
    """Return the preferred report."""
    assert outcome.report is not None
    return outcome.report.data


def read(data: bytes) -> Dataset:
    """Read a report."""
    return pydicom.dcmread(BytesIO(data))


def levels_of(outcome: Outcome) -> dict[str, LevelComparison]:
    """Return what was compared, by level."""
    assert outcome.findings.comparison is not None
    return {level.level: level for level in outcome.findings.comparison.levels}


def trackings(report: Dataset) -> dict[str, str]:
    """Return the Tracking Unique Identifier of each vertebra."""
    return {
        named(group, "Tracking Identifier")[0].TextValue: str(named(group, "Tracking Unique Identifier")[0].UID)
        for group in groups(report)
    }


def test_a_vertebra_that_lost_height_is_named_with_what_can_be_told(tmp_path: Path) -> None:
    """L1 is 6 mm and 24 % lower in front, beyond 1.96 (4.4 % of 25 and of 19 mm); grade 0 then, 1 now; T12 is not."""
    earlier = then(tmp_path)
    outcome = now(tmp_path, earlier)

    levels = levels_of(outcome)
    l1 = levels["L1"].heights.anterior
    assert l1 is not None
    assert pytest.approx((25.0, 19.0, -6.0, -24.0)) == (l1.then_mm, l1.now_mm, l1.change_mm, l1.change_percent)
    assert 1.96 * 0.044 * np.hypot(25.0, 19.0) == pytest.approx(l1.least_significant_mm)
    assert (True, True, 0, 1) == (l1.is_significant, l1.meets_rule, levels["L1"].grade_then, levels["L1"].grade_now)
    t12 = levels["T12"].heights.anterior
    assert t12 is not None
    assert not t12.is_significant
    report = read(report_of(outcome))
    assert b"CHANGE" in report_of(outcome)
    assert trackings(read(earlier)) == trackings(report)
    (named_study,) = report.PertinentOtherEvidenceSequence
    assert EARLIER == named_study.StudyInstanceUID


def test_a_third_study_keeps_the_uids_of_the_first(tmp_path: Path) -> None:
    """Each report hands the UIDs on, so the chain needs its last link only."""
    second = report_of(now(tmp_path, then(tmp_path)))
    third = f"{STUDY}.8"
    files = write(tmp_path / "third", ct=file_of(slice_of(third, "20270304")), prior=second)
    last = measure_files(files, settings=REPORT_ALONE, supplied=document(third, LOWER))
    assert trackings(read(then(tmp_path))) == trackings(read(report_of(last)))


def test_a_radiograph_is_not_compared_with_a_ct(tmp_path: Path) -> None:
    """The report says that there is a prior, and why nothing is compared; the vertebrae keep their UIDs."""
    earlier = then(tmp_path)
    # 0.2 mm a pixel.
    points = {name: [500 + 5 * y, 1000 - 5 * z] for name, (_, y, z) in patient_points(0.0).items()}
    landmarks = json.loads(document(STUDY, SOUND)) | {
        "space": "image",
        "vertebrae": [{"level": "L1", "points": points}],
    }
    files = write(tmp_path / "film", dx=file_of(dx_lateral()), prior=earlier)
    outcome = measure_files(files, settings=REPORT_ALONE, supplied=json.dumps(landmarks).encode())

    compared = outcome.findings.comparison
    assert compared is not None
    assert ("OTHER_MODALITY", ()) == (compared.reason, compared.levels)
    assert b"OTHER_MODALITY" in report_of(outcome)
    assert trackings(read(earlier))["L1 vertebra"] == trackings(read(report_of(outcome)))["L1 vertebra"]


@pytest.mark.parametrize(
    "other", [{"PatientID": "P-4712"}, {"IssuerOfPatientID": "OTHER"}, {"PatientBirthDate": "19500204"}]
)
def test_the_report_of_another_patient_is_another_study(tmp_path: Path, other: dict[str, Any]) -> None:
    """Files of two patients are two studies, as they always were; nothing is compared."""
    with pytest.raises(NotOneStudy, match="found 2"):
        now(tmp_path, then(tmp_path, **other))


def test_a_later_report_is_no_prior(tmp_path: Path) -> None:
    """The study of a later date tells nothing about the time before."""
    assert now(tmp_path, then(tmp_path, StudyDate="20270304")).findings.comparison is None


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    """With a prior too, in whatever order its reports and the images are read."""
    earlier = then(tmp_path)
    once = now(tmp_path, earlier)
    files = sorted((tmp_path / "now").iterdir(), reverse=True)
    assert once.objects == measure_files(files, settings=REPORT_ALONE, supplied=document(STUDY, LOWER)).objects


# ---- phantoms: masks, by our own protocol


def _healthy(vertebra: Vertebra) -> Vertebra:
    """Return L1 with the sound body of T11; any other vertebra as it is."""
    if vertebra.level != "L1":
        return vertebra
    high = next(other.shape for other in column() if other.level == "T11")
    return Vertebra(level="L1", shape=high, centre=vertebra.centre, axes=vertebra.axes)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write two studies of one patient: L1 was sound in 2025, and is crushed in 2026."""
    folders = tmp_path_factory.mktemp("then"), tmp_path_factory.mktemp("now")
    some = [vertebra for vertebra in column() if vertebra.level in {"T11", "L1", "L2", "L3"}]
    with pytest.MonkeyPatch.context() as patched:
        for folder, seed, date, vertebrae in (
            (folders[0], 1, "20250105", tuple(map(_healthy, some))),
            (folders[1], 2, "20260105", tuple(some)),
        ):
            patched.setattr(phantom_study, "column", lambda chosen=vertebrae: chosen)
            patched.setattr(phantom_study, "_DATE", date)
            make_study(folder, patient_name="PHANTOM^ONE", patient_id="P1", seed=seed)
    return folders


@pytest.fixture(scope="module")
def crushed(phantoms: tuple[Path, Path]) -> tuple[Outcome, Outcome]:
    """Measure both, the report on the first among the files of the second."""
    first = measure_files(sorted(phantoms[0].rglob("*.dcm")), settings=REPORT_ALONE)
    (phantoms[1] / "prior.dcm").write_bytes(report_of(first))
    return first, measure_files(sorted(phantoms[1].rglob("*.dcm")), settings=REPORT_ALONE)


def test_a_crushed_phantom_is_told_from_its_sound_prior(crushed: tuple[Outcome, Outcome]) -> None:
    """From masks, as the node has them: only L1 changed, by what it was made lower, within the error of the method."""
    first, outcome = crushed
    levels = levels_of(outcome)
    lower = next(vertebra for vertebra in column() if vertebra.level == "L1")
    true = _healthy(lower).shape.anterior_mm - lower.shape.anterior_mm
    l1 = levels["L1"].heights.anterior
    assert l1 is not None
    assert -true == pytest.approx(l1.change_mm, abs=2.0)
    assert (True, True) == (l1.is_significant, l1.meets_rule)
    others = [levels[level].heights.anterior for level in ("T11", "L2", "L3")]
    assert [False] * 3 == [one.is_significant for one in others if one is not None]
    assert {"spondyl-six-point/1"} == {outcome.findings.landmark_protocol, first.findings.landmark_protocol}
    assert trackings(read(report_of(first))) == trackings(read(report_of(outcome)))


def test_a_reviewed_report_is_still_compared(
    phantoms: tuple[Path, Path], crushed: tuple[Outcome, Outcome], tmp_path: Path
) -> None:
    """A reader verified our report: it keeps to our protocol, so the change stands; that a reader looked is said."""
    report = read(report_of(crushed[1]))
    report.SOPInstanceUID, report.VerificationFlag = UID("1.2.3.4.5"), "VERIFIED"
    report.save_as(tmp_path / "reviewed.dcm")
    outcome = measure_files([*sorted(phantoms[1].rglob("*.dcm")), tmp_path / "reviewed.dcm"], settings=REPORT_ALONE)

    compared = outcome.findings.comparison
    assert compared is not None
    assert ("spondyl-six-point/1", None) == (outcome.findings.landmark_protocol, compared.reason)
    assert (Remark.REVIEWED_IN_ONE,) == compared.remarks
    before, after = (levels_of(each)["L1"].heights.anterior for each in (crushed[1], outcome))
    assert before is not None
    assert after is not None
    assert before.change_mm == pytest.approx(after.change_mm, abs=1e-3)

"""Roles killed at random moments, study after study: SPONDYL_TEST_ROUNDS rounds, a few of them by default."""

import os
import random
import time
from pathlib import Path

import pydicom
from nodes import Running, reports_in, serving, storescu, write_config
from pydicom.uid import generate_uid
from servers import Orthanc, wait_until
from small_study import make_small_study

from service.spool import study_key

ROUNDS = int(os.environ.get("SPONDYL_TEST_ROUNDS", "3"))
#: A study takes about so long from the first object to its report, seconds: kills fall anywhere in it.
LONGEST_WAIT_S = 6.0
#: For all studies together: every lease that ended, every back-off, every restart.
RECOVERY_S = 60.0 + 15.0 * ROUNDS


def _studies(folder: Path, count: int) -> dict[str, Path]:
    """Write `count` small studies, copies of the phantom's masks and of a few images under new UIDs."""
    make_small_study(folder / "phantom", patient_name="Kill^Campaign", patient_id="K-1", seed=4)
    originals = [folder / "phantom" / "SEG" / "seg.dcm", *sorted((folder / "phantom" / "CT").iterdir())[28:32]]
    studies = {}
    for number in range(count):
        place = folder / f"{number:04d}"
        place.mkdir()
        uid = generate_uid(entropy_srcs=["kills", str(number)])
        for path in originals:
            dataset = pydicom.dcmread(path)
            dataset.StudyInstanceUID = uid
            dataset.SOPInstanceUID = generate_uid(entropy_srcs=[uid, dataset.SOPInstanceUID])
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            dataset.save_as(place / path.name)
        studies[str(uid)] = place
    return studies


def _send(node: Running, study: Path) -> None:
    """Send a study as a PACS does: again, until every object is acknowledged."""
    wait_until(lambda: storescu([study], node.port).returncode == 0, "the study is sent", step=0.5)


def test_whatever_dies_each_study_is_reported_once(orthanc: Orthanc, tmp_path: Path) -> None:
    """After listener, workers and broker were killed at random, each study has one report and all its objects."""
    chance = random.Random(ROUNDS)
    studies = _studies(tmp_path / "studies", ROUNDS)
    killed = []
    with serving(write_config(tmp_path / "node", {"pacs": (orthanc.ae_title, orthanc.port)})) as node:
        for study in studies.values():
            _send(node, study)
            time.sleep(chance.uniform(0, LONGEST_WAIT_S))
            role = chance.choice(["listen", "work", "valkey"])
            killed += node.kill(role)
        node.wait_for("reported", count=ROUNDS, seconds=RECOVERY_S)

        held = {uid: len(node.spool.files(study_key(uid))) for uid in studies}
        reports = {uid: len(reports_in(orthanc, uid)) for uid in studies}

    assert killed
    assert dict.fromkeys(studies, 5) == held
    assert dict.fromkeys(studies, 1) == reports

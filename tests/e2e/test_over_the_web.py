"""The main job by DICOMweb alone: a study is posted to a whole node, its report goes to a real Orthanc by STOW-RS."""

from pathlib import Path

import httpx
import pydicom
import pytest
from nodes import reports_in, serving, wait_for_report, write_config
from servers import listens, run_orthanc, wait_until
from small_study import make_small_study
from stowing import KIND, body, stored

SECRET = "planted-secret-0123456789"
#: Of the report, the overlay and the summary picture.
OBJECTS = 3


@pytest.mark.long
def test_a_study_that_was_posted_comes_back_by_stow(tmp_path: Path) -> None:
    """Every object is acknowledged; the report arrives once, proven by QIDO-RS; the secret stands in no log."""
    make_small_study(tmp_path / "study", patient_name="Web^Planted", patient_id="WEB-PLANTED", seed=5)
    files = [path.read_bytes() for path in sorted((tmp_path / "study").rglob("*.dcm"))]
    uid = str(pydicom.dcmread(next((tmp_path / "study").rglob("*.dcm")), stop_before_pixels=True).StudyInstanceUID)
    node = write_config(tmp_path / "node", {})
    (node.folder / "secret").write_text(SECRET, encoding="utf-8")
    web = {"Enable": True, "Root": "/dicom-web/"}
    with run_orthanc(tmp_path / "orthanc", dicomweb=True, user=("spine", SECRET), DicomWeb=web) as orthanc:
        who = 'user = "spine"\nsecret_file = "secret"'
        where = f'protocol = "dicomweb"\ndicomweb_url = "{orthanc.url}/dicom-web"\n{who}'
        text = node.config.read_text(encoding="utf-8")
        node.config.write_text(f'{text}[[destinations]]\nname = "cloud"\n{where}\n', encoding="utf-8")
        with serving(node):
            token = node.command("user", "token", "gateway", "--role", "sender").stdout.strip()
            wait_until(lambda: listens(node.web), "the page answers")
            headers = {"Content-Type": KIND, "Authorization": f"Bearer {token}"}
            url = f"http://127.0.0.1:{node.web}/dicom-web/studies/{uid}"
            answer = httpx.post(url, content=body(files), headers=headers, timeout=60)
            assert (200, len(files)) == (answer.status_code, len(stored(answer.json())))
            wait_for_report(orthanc, uid)
            node.wait_for("reported")
            assert 1 == len(reports_in(orthanc, uid))
            with node.ledger() as ledger:
                [study] = ledger.admin.studies()
                sent = ledger.lists.sent(study.id)
            assert ("gateway", OBJECTS) == (study.source, len(sent))
            assert all(each.detail.endswith("; proven by QIDO-RS") for each in sent)
        assert not [each for each in (SECRET, token, "Planted", "WEB-PLANTED", uid) if each in node.log]

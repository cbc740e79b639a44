"""Proof with a whole node and a real Orthanc: the worker asks, another process hears the answer."""

import re
from pathlib import Path

import pytest
from nodes import reports_in, serving, storescu, wait_for_report, write_config
from servers import free_port, run_orthanc, wait_until
from small_study import make_small_studies


@pytest.mark.long
def test_a_report_is_proven_by_whoever_hears_of_it(tmp_path: Path) -> None:
    """Orthanc commits on an association to the listener: reported only then, and each object once, proof beside it."""
    [(uid, study)] = make_small_studies(tmp_path / "study", 1, name="Proof^Sought").items()
    port, node = free_port(), write_config(tmp_path / "node", {})
    committing = 'name = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\ntimeout_s = 5\nstorage_commitment = true'
    text = node.config.read_text(encoding="utf-8")
    node.config.write_text(f"{text}[[destinations]]\n{committing}\nport = {port}\n", encoding="utf-8")
    unknown = {"spondyl": ["SPONDYL", "127.0.0.1", free_port()]}  # where nobody listens: no report can be brought
    with serving(node):
        with run_orthanc(tmp_path / "orthanc", port=port, DicomModalities=unknown):
            assert storescu([study], node.port).returncode == 0
            wait_until(lambda: '"action": "proof_awaited"' in node.log, "it was asked for proof that does not come")
            assert node.kill("work")
            assert ["delivering"] == [study.state for study in node.studies()]
        known = {"spondyl": ["SPONDYL", "127.0.0.1", node.port]}
        with run_orthanc(tmp_path / "orthanc", port=port, DicomModalities=known) as orthanc:
            assert node.command("retry", uid).returncode == 0
            wait_for_report(orthanc, uid)
            node.wait_for("reported")
            assert 1 == len(reports_in(orthanc, uid))
            shown = node.command("studies", uid).stdout
            assert len(re.findall(r"at pacs: storage commitment", shown.replace("\n", " "))) == 3, shown

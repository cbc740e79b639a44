"""The topology of deploy/compose.yaml as processes: Orthanc routes, PostgreSQL and Redis serve, roles run apart."""

from pathlib import Path

import pydicom
from nodes import reports_in, serving, storescu, wait_for_report, write_config
from servers import run_orthanc
from small_study import make_small_study

REPOSITORY = Path(__file__).resolve().parents[2]


def test_orthanc_routes_to_roles_apart_and_gets_the_report(tmp_path: Path, postgres_url: str, valkey: str) -> None:
    """A study sent to Orthanc is routed to the listener, measured by the worker and reported back, once."""
    make_small_study(tmp_path / "study", patient_name="Compose^Case", patient_id="CC-1", seed=2)
    first = next(path for path in (tmp_path / "study").rglob("*") if path.is_file())
    uid = str(pydicom.dcmread(first, stop_before_pixels=True).StudyInstanceUID)
    route = (REPOSITORY / "deploy" / "orthanc" / "route.lua").read_text(encoding="utf-8")

    with run_orthanc(tmp_path / "orthanc", lua=route) as orthanc:
        destinations = {"pacs": ("PACS", orthanc.port)}
        node = write_config(tmp_path / "node", destinations, broker=valkey, ledger=postgres_url)
        migrated = node.command("migrate")
        assert migrated.returncode == 0, migrated.stderr
        with serving(node, "listen", "work", "web"):
            orthanc.add_modality("spondyl", "SPONDYL", node.port)
            assert storescu([tmp_path / "study"], orthanc.port, "-aec", "PACS").returncode == 0

            wait_for_report(orthanc, uid)
            node.wait_for("reported")

            assert 1 == len(reports_in(orthanc, uid))
            assert 200 == node.get("/readyz")[0]

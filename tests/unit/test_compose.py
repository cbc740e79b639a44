import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.config import load

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
OURS = ("listener", "worker", "web", "migrate")
#: Since 26.7.0 the image refuses other names: ORTHANC__<Key>, <PLUGIN>_PLUGIN_ENABLED, and what its start-up reads.
ORTHANC_NAMES = re.compile(r"^(ORTHANC__[A-Z0-9]+(_[A-Z0-9]+)*|[A-Z_]+_PLUGIN_ENABLED|GENERATE_HOST_ID_IF_MISSING)$")
#: Read by DCMTK (dcmnet/libsrc/dcmlayer.cc), not by the image.
DCMTK_NAMES = {"TCP_NODELAY"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Give the compose file."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def test_every_part_is_there(compose: dict[str, Any]) -> None:
    """Orthanc, queue, ledger, and the node's roles apart."""
    assert {"orthanc", "valkey", "postgres", *OURS} == set(compose["services"])


def test_every_container_is_locked_down(compose: dict[str, Any]) -> None:
    """Read-only, without capabilities or new privileges, with logs that rotate."""
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name


def test_nothing_runs_as_root_that_need_not(compose: dict[str, Any]) -> None:
    """All but Orthanc, whose image decides, run under a user of their own; ours is the image's."""
    users = {name: service.get("user", "") for name, service in compose["services"].items() if name != "orthanc"}

    assert [] == [name for name, user in users.items() if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)]
    assert {users[name] for name in OURS} == {"10001:10001"}
    assert "USER 10001:10001" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def test_ports_are_published_on_loopback_only(compose: dict[str, Any]) -> None:
    """No port is open to the network of the host unless somebody edits this file."""
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert ports
    assert [] == [port for port in ports if not port.startswith("127.0.0.1:")]


def test_queue_and_ledger_are_not_reachable_from_outside(compose: dict[str, Any]) -> None:
    """They live on an internal network and publish nothing."""
    for name in ("valkey", "postgres"):
        assert compose["services"][name]["networks"] == ["data"]
        assert "ports" not in compose["services"][name]
    assert compose["networks"]["data"] == {"internal": True}


def test_the_worker_reaches_destinations_outside(compose: dict[str, Any]) -> None:
    """Reports go to any PACS, so the worker has a network with a way out; nothing on it can be reached from outside."""
    networks, services = compose["networks"], compose["services"]
    out = [name for name in services["worker"]["networks"] if not networks[name].get("internal", False)]

    assert ["out"] == out
    assert ["worker"] == [name for name, service in services.items() if "out" in service["networks"]]
    assert "ports" not in services["worker"]


def test_the_queue_keeps_what_it_is_given(compose: dict[str, Any]) -> None:
    """Append-only file, and a full memory refuses."""
    command = compose["services"]["valkey"]["command"]

    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_no_role_starts_before_the_migration(compose: dict[str, Any]) -> None:
    """A one-shot service migrates; listener, worker and page wait until it has succeeded."""
    services = compose["services"]

    assert (["migrate"], "no") == (services["migrate"]["command"], services["migrate"]["restart"])
    for name in ("listener", "worker", "web"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_servers_are_watched(compose: dict[str, Any]) -> None:
    """Everything that others wait for, or that answers requests, has a health check."""
    for name in ("orthanc", "valkey", "postgres", "listener", "web"):
        assert {"test", "interval", "timeout", "retries"} <= set(compose["services"][name]["healthcheck"]), name


def test_secrets_come_from_files_that_the_script_makes(compose: dict[str, Any], tmp_path: Path) -> None:
    """Each secret is a file, make-secrets.sh makes it, once, where nobody else can reach it; none is in the file."""
    script = tmp_path / "make-secrets.sh"
    script.write_bytes((DEPLOY / "make-secrets.sh").read_bytes())
    for _ in range(2):
        subprocess.run(["sh", str(script)], check=True, capture_output=True, env={"PATH": os.defpath})
        made = {path.name: path.read_text(encoding="ascii") for path in (tmp_path / "secrets").iterdir()}
    again = {path.name: path.read_text(encoding="ascii") for path in (tmp_path / "secrets").iterdir()}

    assert {Path(secret["file"]).name for secret in compose["secrets"].values()} == set(made)
    assert made == again
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert made["postgres_password"] in made["ledger_url"]
    assert made["valkey_password"] in made["broker_url"]
    assert made["valkey.conf"] == f"requirepass {made['valkey_password']}"
    assert len({made["postgres_password"], made["valkey_password"], made["web_token"]}) == 3
    used = {name for service in compose["services"].values() for name in service.get("secrets", [])}
    assert used == set(compose["secrets"])


def test_orthanc_gets_the_names_of_2026(compose: dict[str, Any]) -> None:
    """Variables follow the rule of the image, and a user is declared: without either it refuses to start."""
    orthanc = compose["services"]["orthanc"]
    names = set(orthanc["environment"]) - DCMTK_NAMES

    assert [] == [name for name in names if not ORTHANC_NAMES.match(name)]
    assert "ORTHANC__REGISTERED_USERS" in orthanc["secrets"]
    assert all(isinstance(value, str) for value in orthanc["environment"].values())


def test_orthanc_and_node_know_each_other(compose: dict[str, Any]) -> None:
    """AE titles, hosts and ports of both sides agree, and Orthanc loads the script that routes."""
    orthanc, listener = compose["services"]["orthanc"], compose["services"]["listener"]
    environment = orthanc["environment"]
    settings = load(DEPLOY / "spondyl.compose.toml", {})
    modality = yaml.safe_load(environment["ORTHANC__DICOM_MODALITIES"])["spondyl"]
    destination = settings.destinations[0]

    assert modality == {"AET": settings.node.ae_title, "Host": "listener", "Port": settings.node.port}
    assert (environment["ORTHANC__DICOM_AET"], "orthanc", 4242) == (
        destination.ae_title,
        destination.host,
        destination.port,
    )
    assert settings.sources[0].ae_titles == (environment["ORTHANC__DICOM_AET"],)
    assert f"127.0.0.1:{settings.node.port}:{settings.node.port}" in listener["ports"]
    script = yaml.safe_load(environment["ORTHANC__LUA_SCRIPTS"])[0]
    assert f"./orthanc/route.lua:{script}:ro" in orthanc["volumes"]
    assert {"dicom"} <= set(orthanc["networks"]) & set(listener["networks"])


def test_a_secret_named_like_a_setting_is_one(compose: dict[str, Any]) -> None:
    """The image's entry point turns such a secret into the variable, and the configuration takes it."""
    ours = {name for name in compose["secrets"] if name.startswith("SPONDYL_")}
    environ = {name: f"redis://:secret@{name.lower()}/0" for name in ours}
    settings = load(DEPLOY / "spondyl.compose.toml", environ)

    assert ours == {"SPONDYL_QUEUE__BROKER", "SPONDYL_STORAGE__LEDGER"}
    assert environ["SPONDYL_QUEUE__BROKER"] == settings.queue.broker.get_secret_value()
    assert environ["SPONDYL_STORAGE__LEDGER"] == settings.storage.ledger_url


def _run_entrypoint(folder: Path, *words: str) -> list[str]:
    """Run the image's `spondyl` with its secrets and the program below `folder`; give the lines of the program."""
    script = (DEPLOY / "entrypoint.sh").read_text(encoding="utf-8")
    for place in ("/run/secrets/", "/opt/spondyl/bin/"):
        assert place in script
        script = script.replace(place, f"{folder}/")
    program = folder / "spondyl"
    program.write_text('#!/bin/sh\necho "$@"\nenv | sed -n /^SPONDYL_/p | sort\n', encoding="utf-8")
    program.chmod(0o755)
    command, environment = ["sh", "-c", script, "sh", *words], {"PATH": os.defpath}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_command_by_hand_gets_the_secrets_too(tmp_path: Path) -> None:
    """`docker compose exec listener spondyl ...` finds queue and ledger: the image's `spondyl` reads the secrets."""
    (tmp_path / "SPONDYL_STORAGE__LEDGER").write_text("postgresql://spondyl:a b$c@postgres/spondyl\n", encoding="utf-8")
    (tmp_path / "SPONDYL_QUEUE__BROKER").write_text("redis://:secret@valkey/0", encoding="utf-8")
    (tmp_path / "web_token").write_text("not a setting", encoding="utf-8")

    assert [
        "ignore 1.2.3 --why a test",
        "SPONDYL_QUEUE__BROKER=redis://:secret@valkey/0",
        "SPONDYL_STORAGE__LEDGER=postgresql://spondyl:a b$c@postgres/spondyl",
    ] == _run_entrypoint(tmp_path, "ignore", "1.2.3", "--why", "a test")


def test_without_secrets_the_command_is_the_same(tmp_path: Path) -> None:
    """The image runs without compose as well: no secret is no error."""
    assert ["serve"] == _run_entrypoint(tmp_path, "serve")


def test_there_is_one_command_in_the_image() -> None:
    """The program itself is not on PATH; what is, and what the roles start with, reads the secrets."""
    image = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")

    assert "deploy/entrypoint.sh /usr/local/bin/spondyl\n" in image
    assert 'ENTRYPOINT ["spondyl"]' in image
    assert "PATH=/opt" not in image


def test_a_running_measurement_may_finish(compose: dict[str, Any]) -> None:
    """A worker that is told to stop gets longer than a task may take."""
    grace_s = int(compose["services"]["worker"]["stop_grace_period"].removesuffix("s"))

    assert grace_s > load(DEPLOY / "spondyl.compose.toml", {}).queue.time_limit_s


def test_the_image_refuses_a_stranger_named_service() -> None:
    """A folder called `service` in the working directory must not stand in for ours."""
    assert "PYTHONSAFEPATH=1" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")

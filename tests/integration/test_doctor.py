import importlib.metadata
import json
import logging
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import structlog
from ledgers import migrated
from proving import archive
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, Verification  # type: ignore[attr-defined]  # made at import
from servers import free_port
from typer.testing import CliRunner

from service.checks import machine, peers, servers
from service.checks.check import Check, Verdict
from service.checks.examine import examine
from service.checks.proofs import provable
from service.config import Settings
from service.metrics import Metrics
from service.receive import Listener
from service.small_pacs import SmallPacs
from service.wiring import open_node
from workers.cli import app

#: PS3.6: Comprehensive SR and Comprehensive 3D SR, the two that a report of ours can be.
SR, SR_3D = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.34"
GSPS, SC = "1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    """Give a configuration in which nothing is wrong: free ports, a migrated ledger, no destination."""
    document: dict[str, Any] = {
        "node": {"port": free_port()},
        "web": {"port": free_port()},
        "storage": {"root": str(tmp_path / "state"), "min_free_gb": 0},
    }
    (tmp_path / "state").mkdir()
    migrated(Settings.model_validate(document).storage.ledger_url)
    return document


def _found(document: dict[str, Any]) -> dict[str, Check]:
    return {check.name: check for check in examine(Settings.model_validate(document), Path("own.toml"))}


def _destination(port: int) -> dict[str, Any]:
    return {"name": "pacs", "ae_title": "SMALLPACS", "host": "127.0.0.1", "port": port, "timeout_s": 3}


@contextmanager
def _listening(port: int) -> Iterator[None]:
    """Hold a port as some other program."""
    with socket.create_server(("127.0.0.1", port)):
        yield


def test_nothing_is_wrong_with_a_new_node(document: dict[str, Any]) -> None:
    """Free ports, a writable spool, a migrated ledger: nothing failed; what does not run yet is a remark."""
    document["report"] = {"dciodvfy": False}
    found = _found(document)
    ours = {name: check.verdict for name, check in found.items() if not name.startswith("package")}

    assert ours == {
        "configuration": Verdict.OK,
        "decoders": Verdict.OK,
        "gate": Verdict.NOTE,
        "spool": Verdict.OK,
        f"DICOM port {document['node']['port']}": Verdict.OK,
        f"web port {document['web']['port']}": Verdict.OK,
        "ledger": Verdict.OK,
        "broker": Verdict.NOTE,
        "clock, disk": Verdict.OK,
        "destinations": Verdict.NOTE,
    }


def test_the_configuration_is_named(tmp_path: Path) -> None:
    """Which file was read stands first; that there was none is a remark, with how to name one."""
    file = machine.configuration(tmp_path / "own.toml")
    nothing = machine.configuration(None)

    assert (Verdict.OK, str(tmp_path / "own.toml")) == (file.verdict, file.found)
    assert (Verdict.NOTE, True) == (nothing.verdict, "defaults and environment alone" in nothing.found)
    assert "SPONDYL_CONFIG" in nothing.remedy


@pytest.mark.parametrize(("section", "name"), [("node", "DICOM port"), ("web", "web port")])
def test_a_port_that_another_program_holds(document: dict[str, Any], section: str, name: str) -> None:
    """A taken port is a fault of this machine, and the key to change is named."""
    port = document[section]["port"]
    with _listening(port):
        check = _found(document)[f"{name} {port}"]

    assert (Verdict.FAILED, False) == (check.verdict, check.peer)
    assert f"{section}.port" in check.remedy


def test_a_port_that_another_dicom_node_holds(document: dict[str, Any]) -> None:
    """Another DICOM node on our port is told from ours by its implementation class UID."""
    with SmallPacs(Path(document["storage"]["root"]) / "pacs", ae_title="SPONDYL") as other:
        document["node"]["port"] = other.port
        check = _found(document)[f"DICOM port {other.port}"]

    assert check.verdict is Verdict.FAILED


@pytest.mark.parametrize("sources", [[], [{"name": "web", "ae_titles": []}, {"name": "ct1", "ae_titles": ["CT1"]}]])
def test_our_own_listener_is_no_fault(document: dict[str, Any], sources: list[dict[str, Any]]) -> None:
    """Where this node listens already, the port is taken by the right one; also where a source sends by STOW-RS."""
    settings = Settings.model_validate(document | {"sources": sources})
    with open_node(settings) as node:
        listener = Listener(
            settings=settings, spool=node.spool, ledger=node.ledger, clock=node.clock, metrics=Metrics(settings)
        )
        listener.start()
        try:
            checks = list(machine.dicom_port(settings))
        finally:
            listener.stop()

    assert [(Verdict.OK, "this node listens")] == [(check.verdict, check.found) for check in checks]


def test_a_spool_that_cannot_be_written(document: dict[str, Any], tmp_path: Path) -> None:
    """Where the spool's folder is no folder, doctor says so and what to do."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    document["storage"]["root"] = str(tmp_path / "file")
    check = next(machine.storage(Settings.model_validate(document)))

    assert (Verdict.FAILED, True) == (check.verdict, "cannot be written" in check.found)
    assert "storage.root" in check.remedy


def test_a_spool_without_room(document: dict[str, Any]) -> None:
    """Too little room is a fault before it refuses the first study."""
    document["storage"]["min_free_gb"] = 1e9

    assert _found(document)["spool"].failed


def test_a_ledger_that_is_not_migrated(document: dict[str, Any]) -> None:
    """A missing schema is ours to repair: the remedy is `spondyl migrate`."""
    (Path(document["storage"]["root"]) / "ledger.sqlite").unlink()
    check = _found(document)["ledger"]

    assert (Verdict.FAILED, False) == (check.verdict, check.peer)
    assert "spondyl migrate" in check.remedy


def test_a_ledger_that_does_not_answer(document: dict[str, Any]) -> None:
    """A database server that is away is a peer that does not answer."""
    document["storage"]["ledger"] = f"postgresql://nobody@127.0.0.1:{free_port()}/x"
    check = _found(document)["ledger"]

    assert (Verdict.FAILED, True) == (check.verdict, check.peer)


def test_a_broker_that_does_not_answer(document: dict[str, Any]) -> None:
    """A broker that is away is a peer that does not answer; its URL, which may hold a password, is not shown."""
    document["queue"] = {"broker": f"redis://:hunter2@127.0.0.1:{free_port()}/0"}
    check = _found(document)["broker"]

    assert (Verdict.FAILED, True) == (check.verdict, check.peer)
    assert "hunter2" not in str(check)


def test_a_broker_that_keeps_messages(document: dict[str, Any], valkey: str) -> None:
    """A broker with an append-only file that never drops a key is fine."""
    document["queue"] = {"broker": valkey}
    found = {name: check.verdict for name, check in _found(document).items() if name.startswith("broker")}

    assert found == {
        "broker": Verdict.OK,
        "broker appendonly": Verdict.OK,
        "broker maxmemory-policy": Verdict.OK,
    }


@pytest.mark.parametrize(("key", "value"), [("appendonly", "no"), ("maxmemory-policy", "allkeys-lru")])
def test_a_broker_that_may_lose_messages(document: dict[str, Any], valkey: str, key: str, value: str) -> None:
    """A broker that forgets at a restart, or under memory pressure, is a fault, with the setting that cures it."""
    with closing(redis.Redis.from_url(valkey)) as client:
        client.config_set(key, value)
    document["queue"] = {"broker": valkey}
    found = {check.name: check for check in servers.broker(Settings.model_validate(document))}

    assert found[f"broker {key}"].failed
    assert found[f"broker {key}"].remedy.startswith(f"set {key} ")


def test_a_destination_that_is_well(document: dict[str, Any], tmp_path: Path) -> None:
    """A destination that answers and takes our reports is fine."""
    with SmallPacs(tmp_path / "pacs") as pacs:
        document["destinations"] = [_destination(pacs.port)]
        check = next(peers.destinations(Settings.model_validate(document)))

    assert (Verdict.OK, True) == (check.verdict, "takes our reports" in check.found)


@pytest.mark.parametrize(
    ("wished", "installed", "verdict", "said"),
    [
        (True, True, Verdict.OK, "then dciodvfy"),
        (True, False, Verdict.NOTE, "no dciodvfy is found"),
        (False, True, Verdict.NOTE, "report.dciodvfy is false"),
    ],
)
def test_who_looks_before_sending_is_said(
    document: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wished: bool,
    installed: bool,
    verdict: Verdict,
    said: str,
) -> None:
    """Without dciodvfy, or where the site does not want it, our own check is all there is: no fault, but said."""
    if installed:
        _install(tmp_path, "echo 'Error - Missing attribute' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    document["report"] = {"dciodvfy": wished}
    check = machine.gate(Settings.model_validate(document))

    assert (verdict, True) == (check.verdict, said in check.found)


@pytest.mark.parametrize(
    ("text", "said"),
    [("exit 127", "it ended with code 127 and named no error"), ("exit 0", "it finds nothing wrong")],
)
def test_a_dciodvfy_that_does_not_work_is_found(
    document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    """It is run once, on an object that has nothing: being on PATH alone proves nothing."""
    _install(tmp_path, text)
    monkeypatch.setenv("PATH", str(tmp_path))
    document["report"] = {"dciodvfy": True}
    check = machine.gate(Settings.model_validate(document))

    assert (Verdict.FAILED, True) == (check.verdict, said in check.found)
    assert "report.dciodvfy = false" in check.remedy


def _install(folder: Path, text: str) -> None:
    """Install a stand-in for dciodvfy."""
    (folder / "dciodvfy").write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
    (folder / "dciodvfy").chmod(0o755)


def test_a_destination_that_is_down(document: dict[str, Any]) -> None:
    """A destination that does not answer is named with where it should be."""
    document["destinations"] = [_destination(free_port())]
    check = _found(document)["destination pacs"]

    assert (Verdict.FAILED, True) == (check.verdict, check.peer)
    assert "SMALLPACS at 127.0.0.1" in check.remedy


def test_a_destination_that_does_not_know_us(document: dict[str, Any]) -> None:
    """A destination that rejects our AE title is told from one that is down."""
    ae = AE(ae_title="SMALLPACS")
    ae.add_supported_context(Verification)
    ae.require_calling_aet = ["SOMEBODY"]
    server = ae.start_server(("127.0.0.1", 0), block=False)
    document["destinations"] = [_destination(server.server_address[1])]  # type: ignore[union-attr]  # not blocking
    try:
        check = next(peers.destinations(Settings.model_validate(document)))
    finally:
        server.shutdown()  # type: ignore[union-attr]  # as above

    assert (Verdict.FAILED, True) == (check.verdict, "rejected the association" in check.found)


@pytest.mark.parametrize(
    ("wish", "taken", "verdict", "said"),
    [
        (["comprehensive_3d", "comprehensive"], [], Verdict.FAILED, f"Comprehensive 3D SR ({SR_3D}), Comprehensive SR"),
        (["comprehensive_3d"], [SR], Verdict.FAILED, f"({SR_3D})"),
        (["comprehensive_3d", "comprehensive"], [SR, GSPS, SC], Verdict.OK, "takes our reports as Comprehensive SR"),
        (["comprehensive", "comprehensive_3d"], [SR, SR_3D, GSPS, SC], Verdict.OK, "as Comprehensive SR"),
        (["comprehensive_3d"], [SR_3D, SC], Verdict.NOTE, "does not take gsps"),
    ],
)
def test_a_destination_that_does_not_take_our_reports(
    document: dict[str, Any], wish: list[str], taken: list[str], verdict: Verdict, said: str
) -> None:
    """One SOP class of the report must be taken, and the first that is is named; another kind of object need not."""
    ae = AE(ae_title="SMALLPACS")
    for sop_class in (Verification, CTImageStorage, *taken):
        ae.add_supported_context(sop_class)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    document["destinations"] = [_destination(server.server_address[1])]  # type: ignore[union-attr]  # not blocking
    document["report"] = {"sop_classes": wish}
    try:
        check = next(peers.destinations(Settings.model_validate(document)))
    finally:
        server.shutdown()  # type: ignore[union-attr]  # as above

    assert verdict is check.verdict
    assert said in check.found


def test_a_destination_without_the_section_that_reports_refer_to(document: dict[str, Any]) -> None:
    """It is to get the sagittal section and takes no CT and no MR: its reports will refer to what it does not have."""
    ae = AE(ae_title="SMALLPACS")
    for sop_class in (Verification, SR_3D):
        ae.add_supported_context(sop_class)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    port = server.server_address[1]  # type: ignore[union-attr]  # not blocking
    document["destinations"] = [{**_destination(port), "send": ["sr", "sagittal"]}]
    try:
        check = next(peers.destinations(Settings.model_validate(document)))
    finally:
        server.shutdown()  # type: ignore[union-attr]  # as above

    assert Verdict.NOTE is check.verdict
    assert "does not take sagittal; reports may refer to the section" in check.found


@pytest.mark.parametrize(
    ("owners", "expected"),
    [(["spondyl"], Verdict.OK), (["service", "spondyl"], Verdict.FAILED), ([], Verdict.OK)],
)
def test_packages_that_another_distribution_overwrote(
    monkeypatch: pytest.MonkeyPatch, owners: list[str], expected: Verdict
) -> None:
    """Our packages belong to us alone, or, installed editable, to nobody; `pip check` does not see it otherwise."""
    monkeypatch.setattr(
        importlib.metadata,
        "packages_distributions",
        lambda: {"service": owners, "workers": ["spondyl", "spondyl"], "sr_templates": ["spondyl"]},
    )
    verdicts = {check.name: check.verdict for check in machine.packages()}

    assert verdicts == {
        "package service": expected,
        "package workers": Verdict.OK,
        "package sr_templates": Verdict.OK,
    }


def test_tls_files_that_are_not_there(document: dict[str, Any]) -> None:
    """TLS files are loaded, so a wrong path is found before the first association."""
    document["node"]["tls"] = {"cert_file": "no.pem", "key_file": "no.key", "ca_file": "no.ca"}
    check = _found(document)["TLS files of node"]

    assert (Verdict.FAILED, False) == (check.verdict, check.peer)
    assert "no.pem" in check.found


def test_the_command_prints_a_table_or_json(
    document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command exits 4 where only a destination is down, and tells what to do, for readers and for programs."""
    owned = {name: ["spondyl"] for name in ("service", "workers", "sr_templates")}
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: owned)
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))
    file = tmp_path / "own.toml"
    file.write_text(
        f"[node]\nport = {document['node']['port']}\n[web]\nport = {document['web']['port']}\n"
        f'[storage]\nroot = "state"\nmin_free_gb = 0\n'
        f'[[destinations]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = {free_port()}\n',
        encoding="utf-8",
    )
    try:
        table = CliRunner().invoke(app, ["doctor", "--config", str(file)])
        answer = CliRunner().invoke(app, ["--config", str(file), "doctor", "--json"])
    finally:
        structlog.reset_defaults()

    assert (4, 4) == (table.exit_code, answer.exit_code)
    assert "PACS at 127.0.0.1" in table.stdout
    assert table.stderr == ""
    checks = {check["name"]: check["verdict"] for check in json.loads(answer.stdout)["checks"]}
    assert ("failed", "ok") == (checks["destination pacs"], checks["ledger"])
    assert str(file) in table.stdout


@pytest.mark.parametrize(
    ("how", "verdict", "says"),
    [
        ({}, Verdict.NOTE, "closed by the status of its C-STORE"),
        ({"proof": "status"}, Verdict.OK, "trusted, as the configuration says"),
        ({"storage_commitment": True}, Verdict.FAILED, "accepted no presentation context: Storage Commitment"),
        ({"proof": "query"}, Verdict.FAILED, "accepted no presentation context: Study Root"),
        (
            {"proof": "qido", "dicomweb_url": "http://127.0.0.1:9/"},
            Verdict.FAILED,
            "does not answer at its dicomweb_url",
        ),
    ],
)
def test_a_destination_is_asked_for_proof(
    document: dict[str, Any], tmp_path: Path, how: dict[str, Any], verdict: Verdict, says: str
) -> None:
    """What the site declares is tried: a destination that cannot prove is found before the first report."""
    with SmallPacs(tmp_path / "pacs") as pacs:
        document["destinations"] = [_destination(pacs.port) | how]
        found = {check.name: check for check in peers.destinations(Settings.model_validate(document))}

    check = found["destination pacs, proof"]
    assert (verdict, True) == (check.verdict, says in check.found), check.found


def test_a_destination_that_commits_is_well(document: dict[str, Any]) -> None:
    """Asked for an object that nobody has, it takes the request."""
    with archive(reports="never") as pacs:
        pair = _destination(pacs.port) | {"ae_title": "PACS", "storage_commitment": True}
        document["destinations"] = [pair]
        check = provable(Settings.model_validate(document).destinations[0], Settings.model_validate(document))

    assert (Verdict.OK, "takes requests for storage commitment") == (check.verdict, check.found)

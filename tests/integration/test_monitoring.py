"""The alert rules and the dashboard: they parse, and name metrics and labels that a node shows."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from ledgers import migrated
from prometheus_client.parser import text_string_to_metric_families
from servers import program
from sinks import make_certificate

from service.config import Settings, Storage
from service.config_peers import Destination, Node, Tls
from service.ledger import Ledger
from service.metrics import Metrics

REPOSITORY = Path(__file__).resolve().parents[2]
RULES = REPOSITORY / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = REPOSITORY / "deploy" / "grafana" / "spondyl.json"
#: What Prometheus puts to every sample.
OF_PROMETHEUS = {"job", "instance"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Give the metrics that a node with everything shows, each with its labels."""
    folder = tmp_path_factory.mktemp("node")
    file, key = make_certificate(folder)
    settings = Settings(
        node=Node(tls=Tls(cert_file=file, key_file=key, ca_file=file)),
        storage=Storage(root=folder),
        destinations=(Destination(name="pacs", ae_title="PACS", host="h", port=104),),
    )
    listener = Metrics(settings)
    listener.received("ct1")
    listener.association_rejected("address")
    listener.object_refused("paused")
    listener.context_refused("CT Image Storage")
    listener.own_report()
    listener.save(104, free_bytes=1)
    migrated(settings.storage.ledger_url)
    with closing(Ledger.open(settings.storage.ledger_url)) as ledger:
        families = text_string_to_metric_families(Metrics(settings).text(ledger))
        return {sample.name: set(sample.labels) for family in families for sample in family.samples}


def _rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return panels


def _expressions() -> Iterator[tuple[str, str]]:
    """Give each expression, and what is written with the labels of its result."""
    for rule in _rules():
        yield rule["expr"], " ".join(rule["annotations"].values())
    for panel in _panels():
        for target in panel["targets"]:
            yield target["expr"], target["legendFormat"]


def test_every_metric_that_is_named_exists(shown: dict[str, set[str]]) -> None:
    """Rules and dashboard ask for metrics that a node shows, under the names that it shows them by."""
    named = {name for expression, _ in _expressions() for name in re.findall(r"\bspondyl_\w+", expression)}

    assert set() == named - set(shown)


def test_every_label_that_is_named_exists(shown: dict[str, set[str]]) -> None:
    """A label that an expression selects or groups by, or that a text quotes, is one of a metric in it."""
    for expression, text in _expressions():
        metrics = re.findall(r"\bspondyl_\w+", expression)
        labels = OF_PROMETHEUS.union(*(shown[name] for name in metrics))
        selected = re.findall(r"(\w+)[!=]~?=?\"", expression)
        grouped = [
            word.strip() for words in re.findall(r"(?:by|on) \(([^)]*)\)", expression) for word in words.split(",")
        ]
        quoted = re.findall(r"\$labels\.(\w+)", text) + re.findall(r"\{\{(\w+)\}\}", text)

        assert set() == {*selected, *grouped, *quoted} - labels, expression


def test_every_rule_says_what_to_do() -> None:
    """Each has a severity, one sentence on what is wrong and one on what to do; names are unique."""
    rules = _rules()

    assert {"critical", "warning"} == {rule["labels"]["severity"] for rule in rules}
    assert [{"summary", "description"}] * len(rules) == [set(rule["annotations"]) for rule in rules]
    assert len(rules) == len({rule["alert"] for rule in rules})


def test_the_dashboard_can_be_imported() -> None:
    """It has a title and a UID, asks for the data source, and no two panels have one number or one place."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    places = {
        (x, y)
        for place in (panel["gridPos"] for panel in _panels())
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    }

    assert ("Spondyl", "spondyl") == (dashboard["title"], dashboard["uid"])
    assert ["datasource"] == [each["name"] for each in dashboard["templating"]["list"]]
    assert {"${datasource}"} == {target["datasource"]["uid"] for panel in _panels() for target in panel["targets"]}
    assert len(_panels()) == len({panel["id"] for panel in _panels()})
    assert len(places) == sum(panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in _panels())
    assert max(x for x, _ in places) < 24


@pytest.mark.server
def test_the_rules_fire_where_they_should(tmp_path: Path) -> None:
    """Prometheus' own tool reads the rules; they fire on a broken node and are silent on one that is well."""
    shutil.copy(RULES, tmp_path)
    shutil.copy(REPOSITORY / "tests" / "alert_rules_test.yml", tmp_path)
    command = [program("promtool"), "test", "rules", "alert_rules_test.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.server
def test_the_expressions_of_the_dashboard_can_be_asked(tmp_path: Path) -> None:
    """Each expression of a panel is one that Prometheus understands."""
    rules = [{"record": f"spondyl:panel{n}", "expr": t["expr"]} for n, p in enumerate(_panels()) for t in p["targets"]]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run(
        [program("promtool"), "check", "rules", str(file)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr

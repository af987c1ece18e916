"""Metrics of a real daemon, the alerts and the dashboard, held to Prometheus' own tool."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from chronotick.metrics import exposition
from chronotick.metrics.collector import OWN, PARTS
from chronotick.metrics.metric import Kind, Metric
from chronotick.metrics.sources import SLUGS
from chronotick.shm.layout import Status
from chronotick.views import Snapshot

DEPLOY = Path(__file__).parents[1] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
BEHAVIOUR = ALERTS.with_name("alerts.test.yml")
DASHBOARD: Mapping[str, Any] = json.loads((DEPLOY / "grafana" / "chronotick.json").read_text())
PANELS: Sequence[Mapping[str, Any]] = DASHBOARD["panels"]
EVERY = [*OWN, *(metric for part in PARTS for metric in part.metrics)]
SERIES = re.compile(r"\b(?:chronotick|node)_[a-z0-9_]+\b")
OF_OTHERS = {"node_textfile_mtime_seconds"}
"""node_exporter's own."""


@pytest.fixture(scope="module")
def promtool() -> str:
    """The program; without it tests are skipped, under CI they fail."""
    program = shutil.which("promtool")
    if program is None:
        why = "promtool is not installed. Run: apt-get install prometheus"
        if os.environ.get("CI"):
            pytest.fail(f"{why} (CI is set: skipping is not allowed)")
        pytest.skip(why)
    return program


def check(*command: str | Path, text: str | None = None) -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""  # where remarks on metrics go


def names_of(metric: Metric) -> Iterator[str]:
    if metric.kind is Kind.HISTOGRAM:
        yield from (f"{metric.name}_{suffix}" for suffix in ("bucket", "sum", "count"))
    else:
        yield metric.name


KNOWN = {name for metric in EVERY for name in names_of(metric)}


def test_metrics_of_a_real_daemon_pass_the_tool(promtool: str, start_daemon, chronyd: str):
    daemon = start_daemon("--server", chronyd, "--models", "line")
    daemon.wait_for(Status.SYNCHRONISED)
    snapshot = Snapshot(daemon.record, daemon.directory / "control.sock")
    texts: list[str] = []

    def complete() -> bool:
        texts.append(exposition(snapshot)[0].decode())
        forecast = 'chronotick_model_latency_p90_seconds{model="line"}' in texts[-1]
        return forecast and not re.search(r"\nchronotick_scrape_errors\{.*\} [^0]", texts[-1])

    daemon.wait_until(complete)
    text = texts[-1]
    check(promtool, "check", "metrics", text=text)
    told = {name for name in KNOWN if f"\n{name} " in text or f"\n{name}{{" in text}
    of_workers = {"restarts_total", "memory_bytes", "deadline_misses_total"}
    elsewhere = {f"chronotick_model_{name}" for name in of_workers}
    elsewhere |= {"chronotick_companion_running", "chronotick_companion_restarts_total"}
    elsewhere |= {name for name in KNOWN if name.startswith("chronotick_watchdog_")}
    by_horizon = {name for name in KNOWN if name.startswith("chronotick_horizon_")}
    assert KNOWN - told - by_horizon == elsewhere  # forecasts are judged later
    for line in ('chronotick_status{state="synchronised"} 1.0', "chronotick_up 1.0"):
        assert line in text
    assert "\nchronotick_publication_lateness_seconds_count 0.0\n" not in text
    assert daemon.stop() == 0
    assert "\nchronotick_up 0.0\n" in exposition(snapshot)[0].decode()


def test_the_rules_are_rules(promtool: str):
    check(promtool, "check", "rules", "--lint=all", "--lint-fatal", ALERTS)


def test_alerts_fire_when_they_should_and_only_then(promtool: str):
    check(promtool, "test", "rules", BEHAVIOUR)


def test_every_alert_is_seen_to_fire():
    fires = re.findall(r'labels: \'ALERTS\{alertname="(\w+)"', BEHAVIOUR.read_text())
    fires += re.findall(
        r"alertname: (\w+)\n +eval_time: .*\n +exp_alerts:\n", BEHAVIOUR.read_text()
    )
    assert set(fires) == {rule["alert"] for rule in rules()}


def test_alerts_use_metrics_and_reasons_that_exist():
    asked = " ".join(rule["expr"] for rule in rules())
    assert set(SERIES.findall(asked)) - KNOWN == OF_OTHERS
    reasons = set(re.findall(r'reason="([^"]+)"', asked))
    assert reasons
    assert reasons <= set(SLUGS.values())
    series = set(SERIES.findall(BEHAVIOUR.read_text()))
    assert series - KNOWN == OF_OTHERS


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def test_the_dashboard_shows_every_metric_and_no_other():
    used = {name for expr in expressions() for name in SERIES.findall(expr)}
    assert used == KNOWN


def test_the_dashboards_expressions_are_understood(promtool: str, tmp_path: Path):
    records = [
        {"record": f"panel:{n}", "expr": expr.replace("$__rate_interval", "5m")}
        for n, expr in enumerate(expressions())
    ]
    groups = {"groups": [{"name": "dashboard", "rules": records}]}
    (tmp_path / "rules.yml").write_text(json.dumps(groups))
    check(promtool, "check", "rules", tmp_path / "rules.yml")


def expressions() -> list[str]:
    return [target["expr"] for panel in PANELS for target in panel.get("targets", ())]


def test_panels_have_names_of_their_own_and_do_not_overlap():
    identifiers = [panel["id"] for panel in PANELS]
    assert len(set(identifiers)) == len(identifiers)
    for one, other in itertools.combinations([panel["gridPos"] for panel in PANELS], 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in PANELS)


def test_panels_ask_the_chosen_source_for_the_chosen_host():
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource", "instance"}
    named = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(DASHBOARD)))
    assert named == variables
    for panel in PANELS:
        assert panel["title"]
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"
            selected = len(re.findall(r'\{instance="\$instance"[},]', target["expr"]))
            assert selected == len(SERIES.findall(target["expr"]))


def test_panels_that_plot_have_units_where_metrics_have_them():
    for panel in PANELS:
        asked = " ".join(target["expr"] for target in panel.get("targets", ()))
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
        if re.search(r"_seconds(_bucket)?\{", asked) and panel["type"] != "table":
            assert unit == "s", panel["title"]
        if "_bytes{" in asked:
            assert unit == "bytes", panel["title"]

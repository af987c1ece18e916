"""Configuration and answers on the pages are what reads or makes them would take or give.

Each block of data is held against the real thing: ChronoTick's loader, systemd, kustomize,
Prometheus, chronyd, the types of the answers.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml

from chronotick.config import load
from chronotick.config.keys import keys
from chronotick.daemon.logs import JsonFormatter
from chronotick.daemon.status import StateMachine
from chronotick.http import shapes
from chronotick.mcp.planning import ActionPlan
from chronotick.shm.layout import Status

sys.path.insert(0, str(Path(__file__).parent))  # test folders are not packages
from command_lines import refusal
from documents import ROOT, WRITTEN, Block, blocks, json_documents, spans

ALL = [block for page in WRITTEN for block in blocks(page)]
KEYS = {key.dotted for key in keys()}
SECTIONS = {dotted.partition(".")[0] for dotted in KEYS}


def of_language(*languages: str) -> list[Block]:
    return [block for block in ALL if block.language in languages]


def the_block(page: str, beginning: str) -> Block:
    (found,) = [each for each in blocks(page) if each.text.startswith(beginning)]
    return found


def needed(program: str) -> str:
    """Skip where a program is missing; fail where CI must have it."""
    found = shutil.which(program)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"{program} is missing (CI is set: skipping is not allowed)")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def accepted(*command: str, **environ: str) -> str:
    """What a program prints that has nothing against what it is given."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environ}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


# --------------------------------------------------------------------- ChronoTick's configuration


@pytest.mark.parametrize("block", of_language("yaml"), ids=str)
def test_a_configuration_is_taken_by_the_loader(block: Block, tmp_path: Path):
    document = yaml.safe_load(block.text)
    if {"kind", "scrape_configs"} & set(document):
        return  # of kustomize and Prometheus, which are asked below
    assert set(document) <= SECTIONS
    (tmp_path / "page.yaml").write_text(block.text)
    load(tmp_path / "page.yaml", {}, {})  # raises and says what is wrong


@pytest.mark.parametrize("page", WRITTEN)
def test_settings_in_sentences_are_taken_by_the_loader(page: str, tmp_path: Path):
    for text in filter(is_setting, spans(page)):
        name, _, value = text.partition(": ")
        if name in SECTIONS:
            (tmp_path / "page.yaml").write_text(text)
            load(tmp_path / "page.yaml", {}, {})
        else:
            servers = {"clock_measurement.ntp.servers": ["nts://time.example.org"]}  # `require`
            load(None, {}, {**servers, name: yaml.safe_load(value)})


def is_setting(text: str) -> bool:
    """Whether it is ``section.key: value`` or ``section: {key: value}``."""
    name, _, value = text.partition(": ")
    return name in KEYS or (name in SECTIONS and value.startswith("{"))


def test_settings_are_told_from_other_words():
    assert is_setting("clock_measurement.ntp.max_falsetickers: 0")
    assert is_setting('http: {listen: "127.0.0.1:8123"}')
    assert not is_setting("history: cannot write to …")
    assert [page for page in WRITTEN if any(map(is_setting, spans(page)))]


# -------------------------------------------------------------------- what others are told to read


@pytest.mark.parametrize("block", of_language("ini"), ids=str)
def test_systemd_takes_a_drop_in(block: Block, tmp_path: Path):
    ours = r"(?<=ExecStartPre=)\S+"  # need not be installed
    assert remarks(re.sub(ours, sys.executable, block.text), tmp_path) == []


def test_a_mistake_in_a_drop_in_would_be_found(tmp_path: Path):
    (remark,) = remarks("[Unit]\nAftr=chronotick.service\n", tmp_path)
    assert "Aftr" in remark


def remarks(drop_in: str, folder: Path) -> list[str]:
    """What systemd says of a drop-in to some service."""
    unit, file = folder / "mine.service", folder / "mine.service.d" / "page.conf"
    file.parent.mkdir()
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    file.write_text(drop_in)
    command = [needed("systemd-analyze"), "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [line for line in done.stderr.splitlines() if file.name in line]


def test_kustomize_takes_the_overlay_of_the_tutorial(tmp_path: Path):
    page = "docs/tutorial-kubernetes.md"
    shutil.copytree(ROOT / "deploy" / "kubernetes", tmp_path / "deploy" / "kubernetes")
    (tmp_path / "mine").mkdir()
    configuration = the_block(page, "clock_measurement:").text
    (tmp_path / "mine" / "config.yaml").write_text(configuration)
    overlay = the_block(page, "# mine/kustomization.yaml").text
    (tmp_path / "mine" / "kustomization.yaml").write_text(overlay)
    if not (kubectl := shutil.which("kubectl")):
        pytest.skip("kubectl is not installed")
    made = accepted(kubectl, "kustomize", str(tmp_path / "mine"), KUBECONFIG=os.devnull)
    found = {each["kind"]: each for each in yaml.safe_load_all(made)}
    assert found["ConfigMap"]["data"] == {"config.yaml": configuration}
    (pod,) = found["DaemonSet"]["spec"]["template"]["spec"]["containers"]
    assert pod["image"] == "registry.example.org/chronotick:0.1.0"


def test_prometheus_takes_the_configuration_of_the_page(tmp_path: Path):
    promtool = needed("promtool")
    (tmp_path / "prometheus.yml").write_text(the_block("docs/metrics.md", "scrape_configs").text)
    (tmp_path / "chronotick").mkdir()
    shutil.copy(ROOT / "deploy" / "prometheus" / "alerts.yml", tmp_path / "chronotick")
    assert "SUCCESS" in accepted(promtool, "check", "config", str(tmp_path / "prometheus.yml"))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with 3.11")
@pytest.mark.parametrize("block", of_language("toml"), ids=str)
def test_toml_can_be_read(block: Block):
    import tomllib

    assert tomllib.loads(block.text)


@pytest.mark.parametrize("beginning", ["server ", "refclock "])
def test_chronyd_takes_the_lines_of_the_page(beginning: str, tmp_path: Path):
    line = the_block("docs/neighbours.md", beginning).text
    (tmp_path / "chrony.conf").write_text(line)
    printed = accepted(needed("chronyd"), "-p", "-f", str(tmp_path / "chrony.conf"))
    assert line.strip() in printed


# ----------------------------------------------------------------------------- what is answered


@pytest.mark.parametrize("block", of_language("json"), ids=str)
def test_answers_are_json(block: Block):
    assert json_documents(block.text)


def test_several_documents_are_told_apart():
    assert json_documents('{"a": 1}\n{"b": []} ') == [{"a": 1}, {"b": []}]


def test_a_plan_on_the_page_of_agents_has_fields_of_a_plan():
    (plan,) = json_documents(the_block("docs/agents.md", '{\n  "remaining_seconds"').text)
    assert set(plan) <= set(ActionPlan.model_fields)


def test_rows_on_the_page_of_http_have_the_fields_of_their_types():
    (history,) = json_documents(the_block("docs/http.md", '{"from_ns"').text)
    assert history["rows"].keys() == shapes.Rows.model_fields.keys()
    for name, field in shapes.Rows.model_fields.items():
        (row,), (kind,) = history["rows"][name], get_args(field.annotation)
        assert row.keys() == kind.model_fields.keys()
        kind.model_validate(row)


def test_programs_that_agents_are_told_to_start_exist():
    (configured,) = json_documents(the_block("docs/agents.md", '{\n  "mcpServers"').text)
    server = configured["mcpServers"]["chronotick"]
    assert server["command"] == "chronotick"
    assert refusal(server["args"]) is None


def test_a_line_of_the_log_has_the_fields_of_the_page(caplog: pytest.LogCaptureFixture):
    (shown,) = json_documents(the_block("docs/operating.md", '{"time_ns"').text)
    caplog.set_level(logging.INFO)
    StateMachine(lambda _: None).change(1, Status.WARMING_UP, "first measurement accepted")
    (record,) = caplog.records
    assert json.loads(JsonFormatter().format(record)).keys() == shown.keys()

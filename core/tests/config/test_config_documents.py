"""Templates, generated documents and ready-made files agree with the schema."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import chronotick.config
from chronotick.config import Config, json_schema, load, template
from chronotick.config.document import documents
from chronotick.config.keys import keys

ROOT = Path(__file__).parents[3]
READY = sorted((ROOT / "configs").glob("*.yaml"))
NAMES = ["default", "single-short-term", "single-long-term", "dual", "lab", "datacenter"]
BY_MODEL = [
    "cpu_only_chronos",
    "cpu_only_ttm",
    "gpu_only_timesfm",
    "gpu_only_toto",
    "hybrid_chronos_ttm",
    "multi_device_full",
]


@pytest.fixture
def clean_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which the defaults that depend on it are those the documents show."""
    for name in ("XDG_DATA_HOME", "CHRONOTICK_SHM", "CHRONOTICK_CONTROL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def test_the_template_gives_the_defaults(tmp_path: Path):
    path = tmp_path / "c.yaml"
    path.write_text(template())
    loaded = load(path, {}, {})
    assert loaded.config == Config()
    assert {origin.kind for origin in loaded.origins.values()} == {"default"}


@pytest.mark.skipif(sys.platform != "linux", reason="the template shows Linux' record path")
def test_the_template_with_everything_switched_on_gives_the_defaults(
    tmp_path: Path, clean_machine: None
):
    path = tmp_path / "c.yaml"
    path.write_text(re.sub(r"^( +)#(?=\w)", r"\1", template(), flags=re.MULTILINE))
    loaded = load(path, {}, {})
    assert loaded.config == Config()
    assert {origin.kind for origin in loaded.origins.values()} == {"file"}


def test_every_key_is_described_and_says_what_it_accepts():
    for key in keys():
        assert key.description.endswith("."), key.dotted
        assert key.accepted, key.dotted
        assert "|" not in key.description + key.accepted, key.dotted  # it ends in a table


@pytest.mark.parametrize("name", documents())
def test_generated_documents_are_up_to_date(name: str):
    assert (ROOT / name).read_text() == documents()[name], (
        "run: python -m chronotick.config.document ."
    )


def test_the_documents_can_be_written(tmp_path: Path):
    for name in documents():
        (tmp_path / name).parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "chronotick.config.document", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"wrote {name}" for name in documents()]
    for name, text in documents().items():
        assert (tmp_path / name).read_text() == text


def test_all_ready_files_are_there():
    assert {path.stem for path in READY} == {*NAMES, *BY_MODEL, "no-models"}


@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
def test_ready_files_load_and_say_for_whom_they_are(path: Path):
    load(path, {}, {})
    assert re.match(r"# .*\b(For|for)\b", path.read_text())


def test_no_models_switches_off_all_that_forecasts():
    config = load(ROOT / "configs" / "no-models.yaml", {}, {}).config
    assert not config.short_term.enabled
    assert not config.long_term.enabled
    assert config.fusion.method == "none"


def test_the_lab_keeps_away_from_a_real_daemons_files(clean_machine: None):
    lab, real = load(ROOT / "configs" / "lab.yaml", {}, {}).config, Config()
    assert lab.shm.path != real.shm.path
    assert lab.control.socket != real.control.socket
    assert lab.history.path != real.history.path
    assert all(s.startswith("127.0.0.1:") for s in lab.clock_measurement.ntp.servers)


def test_the_json_schema_is_one_and_forbids_unknown_keys():
    schema = json.loads(json.dumps(json_schema()))
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["additionalProperties"] is False
    assert all(d["additionalProperties"] is False for d in schema["$defs"].values())


def test_all_public_names_exist():
    for name in chronotick.config.__all__:
        assert getattr(chronotick.config, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = chronotick.config.nothing


def test_importing_the_package_does_not_import_pydantic():
    """`chronotick --help` imports this package and must stay fast."""
    code = "import sys, chronotick.config; sys.exit('pydantic' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

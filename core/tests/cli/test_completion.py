"""The Tab key: what real shells are given, by the real program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from chronotick.cli.completion import PROGRAM, VALUES, VARIABLE, model_names
from chronotick.cli.document import walk
from chronotick.cli.main import chronotick
from chronotick.config.shipped import shipped
from chronotick.models.builtin import chronotick_models
from chronotick.plugin.registry import load_plugins

BIN = Path(sys.executable).parent
CHECKS = {"zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}


def environment(**variables: str) -> dict[str, str]:
    return os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", **variables}


def offered(*words: str, to: str = "bash") -> list[str]:
    """What the program answers to the script of a shell, the last word being incomplete."""
    command = "\n".join([PROGRAM, *words])
    position = words[-1] if to == "fish" else str(len(words))  # fish gives the word itself
    asked = environment(COMP_WORDS=command, COMP_CWORD=position)
    asked[VARIABLE] = f"{to}_complete"
    done = subprocess.run([BIN / PROGRAM], env=asked, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture(scope="module")
def script() -> str:
    command = [BIN / PROGRAM, "completion", "bash"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def pressed(script: str, line: str) -> list[str]:
    """What bash itself has after the Tab key at the end of a line; words as bash splits them."""
    words = line.replace("=", " = ").split(" ")
    quoted = " ".join(f"'{word}'" for word in words if word or line.endswith(" "))
    ask = f"{script}\nCOMP_WORDS=({quoted}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))\n"
    ask += f"_chronotick_completion {PROGRAM} 2>/dev/null; printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    command = ["bash", "--norc", "-c", ask]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("chronotick wait", ["waitsync"]),
        ("chronotick models rem", ["remove"]),
        ("chronotick run --rec", ["--recommended"]),
        ("chronotick run --models=kalman,li", ["kalman,line"]),
        ("chronotick models pull chro", ["chronos"]),
        ("chronotick run --config cpu_only_t", ["cpu_only_ttm"]),
        ("chronotick completion ", ["bash", "zsh", "fish"]),
        ("chronotick waitsinc --", []),
        ("chronotick man waitsy", ["waitsync"]),
        ("chronotick man models pul", ["pull"]),
        ("chronotick man models pull ", []),
        ("chronotick lab serve --world wifi-hv", ["wifi-hvac", "wifi-hvacs"]),
        ("chronotick demo --world=dc-ca", ["dc-calm"]),
        ("chronotick lab simulate loopback-id", ["loopback-ideal"]),
    ],
)
def test_bash_completes(script: str, line: str, words: list[str]):
    assert pressed(script, line) == words


def test_bash_takes_the_script_and_knows_the_command(script: str):
    ask = f"set -eu\n{script}\ncomplete -p {PROGRAM}"
    command = ["bash", "--norc", "-c", ask]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(f"-F _chronotick_completion {PROGRAM}")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_the_one_that_click_makes(run, shell: str):
    made = run("completion", shell)
    asked = environment(**{VARIABLE: f"{shell}_source"})
    done = subprocess.run([BIN / PROGRAM], env=asked, capture_output=True, text=True, check=True)
    assert made.exit_code == 0
    assert made.output == done.stdout
    assert f"{VARIABLE}={shell}_complete" in made.output


@pytest.mark.parametrize("shell", CHECKS)
def test_another_shell_understands_its_script(run, tmp_path: Path, shell: str):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "script"
    path.write_text(run("completion", shell).output)
    subprocess.run([*CHECKS[shell], path], check=True, capture_output=True)


def test_an_unknown_shell_is_refused(run):
    result = run("completion", "tcsh")
    assert result.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in result.output


def test_zsh_and_fish_are_told_what_a_configuration_is_for():
    words = ("run", "--config", "cpu_only_ttm")
    assert "plain cpu_only_ttm For small hosts" in " ".join(offered(*words, to="zsh"))
    assert "plain,cpu_only_ttm For small hosts" in " ".join(offered(*words, to="fish"))


def test_names_of_models_are_those_that_plugins_provide():
    assert set(model_names()) == set(load_plugins().models)


def test_the_first_names_of_models_are_the_built_in_ones():
    """They are written down: where their plugin is imported, numpy is, which takes long."""
    built_in = {spec.name for spec in chronotick_models()}
    assert set(model_names()[: len(built_in)]) == built_in


def test_a_list_of_models_offers_each_once():
    rest = offered("run", "--models", "kalman,hold,")
    assert "plain,kalman,hold,line" in rest
    assert not [line for line in rest if line.count("kalman") + line.count("hold") > 2]


def test_every_ready_made_configuration_is_offered_and_files_as_well():
    lines = offered("doctor", "--config", "")
    assert lines[0] == "file,"
    assert {f"plain,{name}" for name in shipped()} == set(lines[1:])
    assert offered("lab", "replay", "me") == ["file,me"]


def test_a_choice_keeps_its_own_values():
    assert offered("envs", "sync", "--device", "c") == ["plain,cpu", "plain,cuda"]


def test_every_rule_is_for_a_parameter_that_exists():
    root = click.Context(chronotick, info_name=PROGRAM)
    names = {param.name for context in walk(root) for param in context.command.params}
    assert set(VALUES) <= names

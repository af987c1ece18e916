"""Write bills of materials (CycloneDX, JSON): of the daemon, and of each model environment.

    python deploy/release/sbom.py --wheels dist --out dist/sbom

The daemon's is that of a fresh environment with the wheel and the extras of the container image.
Those of models are made from the locks, hashes included; what a recipe installs before its lock
(torch, in a build that suits the machine) is named without hashes, as it is not locked.
"""
# ruff: noqa: INP001 - a program, no package

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chronotick.plugin import load_plugins
from chronotick.workers.uv import find_uv, uv_variables

TOOL = "cyclonedx-bom==7.5.0"  # in an environment of its own: it would be in the daemon's bill
EXTRAS = "daemon,http"
ROOT = Path(__file__).parents[2]


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wheels", type=Path, required=True, help="directory of built wheels")
    parser.add_argument("--out", type=Path, required=True, help="directory to write into")
    given = parser.parse_args()
    wheels = sorted(given.wheels.glob("chronotick-*.whl"))
    if not wheels:
        sys.exit(f"{given.wheels} has no wheel of chronotick. Run: uv build core --out-dir DIR")
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        daemon_bill(wheels[-1], Path(scratch), given.out / "chronotick.cdx.json")
        for recipe, lines in locked().items():
            requirements = Path(scratch) / f"{recipe}.txt"
            requirements.write_text(lines)
            cyclonedx("requirements", requirements, given.out / f"{recipe}.cdx.json")


def daemon_bill(wheel: Path, scratch: Path, out: Path) -> None:
    """Write what the daemon's environment holds."""
    environment = scratch / "daemon"
    uv("venv", "--no-project", "--python", sys.executable, str(environment))
    python = environment / "bin" / "python"
    uv("pip", "install", "--python", str(python), f"{wheel}[{EXTRAS}]")
    cyclonedx("environment", python, out)


def locked() -> dict[str, str]:
    """Return the requirements of each model environment by the name of its recipe."""
    before = dict(_preinstalled())
    return {
        lock.stem: "\n".join([*before.get(lock.stem, ()), lock.read_text()])
        for lock in sorted((ROOT / "envs").glob("*.lock"))
    }


def _preinstalled() -> Iterator[tuple[str, tuple[str, ...]]]:
    for spec in load_plugins().models.values():
        if spec.environment is not None:
            yield spec.environment.recipe, spec.environment.preinstall


def cyclonedx(what: str, source: Path, out: Path) -> None:
    """Write one bill; the tool checks it against the schema."""
    about = ["--pyproject", str(ROOT / "core" / "pyproject.toml"), "--mc-type", "application"]
    form = ["--output-format", "JSON", "--spec-version", "1.6", "--output-reproducible"]
    command = ["cyclonedx-py", what, str(source), *about, *form, "--output-file", str(out)]
    uv("tool", "run", "--from", TOOL, *command)
    print(out)  # noqa: T201 - what was written


def uv(*arguments: str) -> None:
    """Run uv, as the daemon would; its errors are told, and end this program."""
    variables = uv_variables(os.environ, offline=False)
    done = subprocess.run(
        [find_uv(), *arguments], env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"uv {' '.join(arguments)} failed:\n{done.stderr}")


if __name__ == "__main__":
    main()

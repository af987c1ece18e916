"""What model environments cost, beside ``python -m venv``, which holds nothing but pip.

``python bench/environments.py [MODEL...]``, default: every installed model. Everything is built in
temporary directories, first with an empty uv cache: all packages but local wheels are downloaded.
Nothing is compared with earlier runs: each line was measured in this one.

A second model with the same lock, and a new version of a plugin, live in the environment that is
there. A second root, for instance another user's, is built again; its packages are hard links to
uv's cache, and its bytecode is its own. Disk is what a line added, each file counted once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from chronotick.plugin import ModelSpec, load_plugins
from chronotick.testing.installed import lay_out
from chronotick.workers import list_environments, provide

BAR_S, BAR_SHARE = 1.0, 0.05


class Scale:
    """Measures steps in time and disk, and prints them beside a bare virtual environment."""

    def __init__(self, place: Path) -> None:
        self.place = place
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "venv", place / "bare"], check=True)
        self.bare_s, self.bare_bytes = time.perf_counter() - began, used_bytes(place)
        print(f"python -m venv: {self.bare_s:.2f} s, {self.bare_bytes / 1e6:.0f} MB")

    def step(self, what: str, work: Callable[[], object], whole_bytes: int = 0) -> None:
        """Do something and print the time and disk it took; with a whole, beside the bar."""
        before, began = used_bytes(self.place), time.perf_counter()
        work()
        took_s, took = time.perf_counter() - began, used_bytes(self.place) - before
        line = (
            f"{what:<44} {took_s:7.2f} s {took / 1e6:7.1f} MB"
            f"  {took_s / self.bare_s:6.1f} x {took / self.bare_bytes:6.1f} x venv"
        )
        if whole_bytes:
            share = took / whole_bytes
            met = took_s <= BAR_S and share <= BAR_SHARE
            line += f"  {share:6.2%} of the first; bar 1 s, 5 %: {'met' if met else 'MISSED'}"
        print(line, flush=True)


def used_bytes(directory: Path) -> int:
    """Disk space of a directory; a file with several names counts once."""
    entries = (entry.lstat() for entry in directory.rglob("*"))
    return sum({(entry.st_dev, entry.st_ino): entry.st_blocks * 512 for entry in entries}.values())


def sync(spec: ModelSpec, root: Path) -> None:
    """Provide a model's environment, and print when its stages began."""
    began = time.perf_counter()
    marks: list[str] = []

    def progress(stage: str, _message: str) -> None:
        if stage != "download":
            marks.append(f"{stage} {time.perf_counter() - began:.1f}")

    provide(spec, root, "cpu", progress=progress).release()
    print(f"  stages began after, in seconds: {', '.join(marks) or 'nothing to do'}")


def install_plugin(site: Path, version: str) -> None:
    """Lay out a plugin as pip installs it, in place of an earlier version."""
    files = {"ct_bench_plugin/__init__.py": f"version = {version!r}\n"}
    lay_out(site, "ct-bench-plugin", files, version=version)


def second_users(scale: Scale, spec: ModelSpec, root: Path, whole_bytes: int) -> None:
    """Measure what lives in the environment that is there."""
    site = scale.place / "site"
    sys.path.insert(0, str(site))
    install_plugin(site, "1")
    other = replace(spec, name="other", worker="ct_bench_plugin.worker:Model")
    scale.step("second plugin, same lock", partial(sync, other, root), whole_bytes)
    install_plugin(site, "2")
    scale.step("new version of that plugin", partial(sync, other, root), whole_bytes)
    install_plugin(site, "1")
    scale.step("back to the earlier version", partial(sync, other, root), whole_bytes)


def main() -> None:
    plugins = load_plugins()
    specs = [plugins.find(name) for name in sys.argv[1:] or plugins.models]
    specs = [spec for spec in specs if spec.environment is not None and spec.environment.recipe]
    if not specs:
        raise SystemExit("no installed model has an environment of its own")
    with tempfile.TemporaryDirectory(prefix="ct-bench-") as name:
        place = Path(name)
        os.environ["UV_CACHE_DIR"] = str(place / "cache")
        scale = Scale(place)
        for spec in specs:
            scale.step(f"{spec.name}, cold, uv's cache", partial(sync, spec, place / "first"))
        built = list_environments(place / "first")
        print(
            f"{len(specs)} models, cold: {sum(item.build_s for item in built):.1f} s, "
            f"{used_bytes(place / 'first') / 1e6:.0f} MB in {len(built)} environments, "
            f"{sum(item.downloaded_bytes for item in built) / 1e6:.0f} MB downloaded"
        )
        second_users(scale, specs[0], place / "first", built[0].installed_bytes)
        sizes = {item.recipe: item.installed_bytes for item in built}
        for spec in specs:
            assert spec.environment is not None  # noqa: S101 - chosen above
            scale.step(
                f"{spec.name}, second root, warm cache",
                partial(sync, spec, place / "second"),
                sizes[spec.environment.recipe],
            )


if __name__ == "__main__":
    main()

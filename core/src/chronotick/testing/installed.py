"""Distributions laid out as an installer does, without one: for tests and benchmarks."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from chronotick.plugin.hooks import ENTRY_POINT_GROUP


def lay_out(
    site: Path,
    name: str,
    files: Mapping[str, str],
    *,
    version: str = "1.0",
    entry_points: Mapping[str, str] | None = None,
) -> None:
    """Install a distribution into a folder, in place of an earlier version of it.

    Args:
        site: the folder, for ``sys.path``; made if it is not there.
        name: of the distribution.
        files: their texts by path in ``site``.
        version: of the distribution.
        entry_points: of plugins, object reference by name.
    """
    stem = name.replace("-", "_")
    for earlier in site.glob(f"{stem}-*.dist-info"):
        shutil.rmtree(earlier)
    info = f"{stem}-{version}.dist-info"
    lines = [f"{key} = {value}" for key, value in (entry_points or {}).items()]
    whole = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/entry_points.txt": "\n".join([f"[{ENTRY_POINT_GROUP}]", *lines, ""]),
    }
    whole[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*whole, f"{info}/RECORD"))
    for path, text in whole.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text, encoding="utf-8")

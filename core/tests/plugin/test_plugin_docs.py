"""The pages for authors say what the code does."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np

from chronotick.plugin import ContextBatch, check_forecast
from chronotick.plugin.echo import _SWITCHES
from chronotick.workers.messages import MESSAGES

DOCS = Path(__file__).parents[3] / "docs"
PLUGINS = (DOCS / "plugins.md").read_text(encoding="utf-8")
PROTOCOL = (DOCS / "protocol.md").read_text(encoding="utf-8")


def test_shortest_plugin_works_as_printed():
    block = PLUGINS.split("# my_model.py\n")[1].split("\n## ")[0]
    namespace: dict[str, object] = {"__name__": "json"}  # a module that can be found
    exec(textwrap.dedent(block), namespace)  # noqa: S102 - the page's own code
    (spec,) = namespace["chronotick_models"]()
    assert len(block.strip().splitlines()) < 20
    values = np.array([[1.0, 2.0, np.nan]])
    model = namespace[spec.worker.split(":")[1]]()
    model.load("", "cpu", 1)
    batch = ContextBatch(values=values, noise=values, step_s=1.0, trend_covariance=np.zeros((1, 4)))
    assert check_forecast(model.forecast(batch, 3, ()), 1, 3, 0).mean.tolist() == [[2.0] * 3]


def test_every_switch_of_echo_is_on_the_page():
    assert [name for name in sorted(_SWITCHES) if f"`{name}" not in PLUGINS] == []


def test_every_message_is_on_the_page_with_its_fields():
    for message in MESSAGES:
        row = next(line for line in PROTOCOL.splitlines() if line.startswith(f"| `{message.TAG}`"))
        missing = [name for name in message.__dataclass_fields__ if f"`{name}`" not in row]
        assert [name for name in missing if name != "TAG"] == []

"""``docs/protocol.md`` names everything a writer of a worker must know, as it is in the code."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from chronotick.workers import child, doorway, wire, zap
from chronotick.workers.messages import MESSAGES, PROTOCOL, Message
from chronotick.workers.terms import Patience

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "protocol.md").read_text()
ROWS = dict(re.findall(r"^\| `([A-Z]+)` \| \W+ \w+ \| (.*) \|$", PAGE, re.MULTILINE))
TYPES = {
    "list of two integers": "tuple[int, int]",
    "integer": "int",
    "float": "float",
    "list of floats, ascending, between 0 and 1": "tuple[float, ...]",
    "boolean": "bool",
}


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.TAG)
def test_every_field_stands_with_its_message_and_its_default(kind: type[Message]):
    row = ROWS[kind.TAG]
    named = dict(re.findall(r"`(\w+)`([^`]*)", row))
    assert set(named) == {item.name for item in fields(kind)}
    for item in fields(kind):
        optional = re.match(r'.*\((""|0|true)(?=[ )])', named[item.name]) is not None
        has_default = item.default is not MISSING
        assert optional is has_default or item.name == "arrays", item.name


def test_every_message_and_no_other_is_there():
    assert set(ROWS) == {kind.TAG for kind in MESSAGES}


def test_every_field_has_the_type_it_has_in_the_code():
    table = PAGE.partition("| fields | type |")[2].partition("\n\n")[0]
    documented = {}
    for names, words in re.findall(r"^\| (.*`.*) \| (.*) \|$", table, re.MULTILINE):
        documented |= dict.fromkeys(re.findall(r"`(\w+)`", names), TYPES[words])
    for kind in MESSAGES:
        for item in fields(kind):
            if item.name not in ("arrays", "protocol"):
                assert documented.get(item.name, "str") == item.type, (kind.TAG, item.name)


def test_kinds_of_failure_are_those_of_the_code():
    source = "".join(
        path.read_text() for path in (ROOT / "core/src/chronotick/workers").glob("*.py")
    )
    sent = set(re.findall(r'kind="(\w+)"', source))
    sent |= set(re.findall(r'failure\([\w.]+, "(\w+)"', source))
    sent |= {"load", "unavailable", "expired"}
    table = PAGE.partition("| `kind` | meaning |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == sent


def test_types_statuses_limits_and_times_are_those_of_the_code():
    for code in wire.DTYPES:
        assert f"| `{code}` |".replace("`|b1`", "`\\|b1`") in PAGE
    for status in (0, child.EXIT_REFUSED, child.EXIT_LOAD_FAILED, child.EXIT_ORPHAN):
        assert f"\n| {status} | " in PAGE
    assert f"\n| {child.EXIT_BAD_BOOTSTRAP} | " in PAGE
    assert f"# The worker protocol, version {PROTOCOL[1]}\n" in PAGE
    assert f"Frames above {wire.MAX_FRAME_BYTES // 2**20} MiB" in PAGE
    assert f"accepts frames up to {doorway.MAX_FRAME_BYTES // 2**20} MiB" in PAGE
    assert f"frames of at most\n  {wire.MAX_ANSWER_BYTES // 2**20} MiB" in PAGE
    assert f"more than {wire.MAX_FRAMES} frames" in PAGE
    assert f"`{zap.DOMAIN.decode()}`" in PAGE
    assert (Patience().late_s, "thirty seconds after the deadline" in PAGE) == (30.0, True)
    assert (Patience().silent_s, "nothing for fifteen\nseconds" in PAGE.replace("  ", "")) == (
        15.0,
        True,
    )
    for key in child.Bootstrap.__dataclass_fields__:
        assert f"| `{key}` |" in PAGE

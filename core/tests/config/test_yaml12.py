"""YAML as people mean it."""

import math

import pytest

from chronotick.config.yaml12 import YamlError, dump, parse, quoted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-9", 1e-9),
        ("+1.5E3", 1500.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-.inf", -math.inf),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("12:30", "12:30"),
        ("2026-11-20", "2026-11-20"),
        ("192.0.2.1:123", "192.0.2.1:123"),
        ("1_000", "1_000"),
        ("none", "none"),
        ("yes", True),
        ("~", None),
        ("", None),
        ("[a, 1, {b: c}]", ["a", 1, {"b": "c"}]),
    ],
)
def test_scalars_mean_what_they_look_like(text: str, value: object):
    assert parse(text).value == value
    assert type(parse(text).value) is type(value)


def test_every_key_and_item_knows_its_line():
    document = parse("a:\n  - x\n  - y: 1\n\nb: 2\n")
    assert document.lines == {("a",): 1, ("a", 0): 2, ("a", 1): 3, ("a", 1, "y"): 3, ("b",): 5}


def test_duplicates_are_found_at_every_depth():
    document = parse("a:\n  b: 1\n  b: 2\n  b: 3\n")
    assert document.duplicates == [(("a", "b"), 2, 3), (("a", "b"), 2, 4)]


def test_anchors_and_merges_work_and_an_override_is_no_duplicate():
    document = parse("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n")
    assert document.value["b"] == {"x": 1, "y": 3}
    assert document.duplicates == []


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: [", "expected the node content", 1),
        ("a: 1\nb: &x [*x]\n", "an alias refers to what contains it", 2),
        ("a: 1\n---\nb: 2\n", "expected a single document", 2),
        ("a: !!python/object:os.system x\n", "could not determine a constructor", 1),
        ("a:\n  b: !!int x\n", "invalid literal", 2),
        ("? [a]\n: b\n", "a key must be a plain word", 1),
        ("a: \x07", "is not allowed in YAML", 1),
        ("[" * 5000, "nested too deeply", None),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text: str, message: str, line: int | None):
    with pytest.raises(YamlError, match=message) as caught:
        parse(text)
    assert caught.value.line == line


def test_dumped_values_come_back():
    for value in (1e-9, "a: b", "#x", ["a", "b c"], {"k": "v"}, None, True, "true", "é"):
        assert parse(dump(value)).value == value


def test_messages_show_even_what_yaml_cannot():
    assert quoted({1, 2}.__class__) == "<class 'set'>"
    assert quoted("fast") == "'fast'"

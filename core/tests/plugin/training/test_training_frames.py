"""The stream of examples: what goes in comes out, and everything else is refused with a reason."""

from __future__ import annotations

import io
import json
from dataclasses import fields, replace

import numpy as np
import pytest

from chronotick.plugin.training.frames import (
    Batch,
    Header,
    read_batches,
    read_header,
    write_batch,
    write_header,
)

HEADER = Header(
    model="m",
    recipe={"training": {"steps": 3}},
    out="/somewhere",
    context=4,
    reach=2,
    validation=1,
    kinds=("calm", "cycle"),
    card={"Data": "Worlds."},
)


def batch(n: int = 3, *, validation: bool = False) -> Batch:
    rng = np.random.default_rng(n)
    values = rng.standard_normal((n, 4)).astype(np.float32)
    values[0, 1] = np.nan
    ahead = {
        name: rng.standard_normal((n, 2)).astype(np.float32)
        for name in ("target", "expected", "sigma")
    }
    return Batch(
        values=values,
        noise=abs(values),
        **ahead,
        step_s=np.full(n, 16.0),
        trend=rng.random((n, 4)),
        kind=np.arange(n, dtype=np.int32) % 2,
        validation=validation,
    )


def written(*batches: Batch, header: Header = HEADER) -> bytes:
    stream = io.BytesIO()
    write_header(stream, header)
    for each in batches:
        write_batch(stream, each)
    return stream.getvalue()


def read(content: bytes) -> list[Batch]:
    stream = io.BytesIO(content)
    return list(read_batches(stream, read_header(stream)))


def test_what_is_written_is_read():
    sent = [batch(3, validation=True), batch(1)]
    content = written(*sent)
    assert read_header(io.BytesIO(content)) == HEADER
    for before, after in zip(sent, read(content), strict=True):
        assert len(before) == len(after)
        for field in fields(Batch):
            np.testing.assert_array_equal(getattr(before, field.name), getattr(after, field.name))
    assert read(written()) == []


def test_a_pipe_may_give_a_byte_at_a_time():
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(1, size or 0))

    stream = Trickle(written(batch()))
    (found,) = read_batches(stream, read_header(stream))
    np.testing.assert_array_equal(found.target, batch().target)


def test_arrays_of_another_floating_type_are_converted():
    wide = replace(batch(), values=batch().values.astype(np.float64))
    assert read(written(wide))[0].values.dtype == np.float32


@pytest.mark.parametrize("missing", [1, 3, 40, 100])
def test_a_stream_that_is_cut_within_a_batch_is_no_end(missing: int):
    with pytest.raises(ValueError, match=r"batch 1 of the examples was cut: \d+ of \d+ bytes"):
        read(written(batch(), batch())[:-missing])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "no header"),
        (b"GET / HTTP/1.1", "no header"),
        (b"{\n", "no JSON"),
        (b"[" * 100_000 + b"\n", "no JSON"),
        (b"[]\n", "no object"),
        (b'{"format": 2}\n', "not of format 1"),
        (b'{"format": 1, "model": "m", "recipe": {}}\n', "lacks out"),
        (b'{"format": 1, "model": "m", "recipe": {}, "out": "", "a": 1}\n', "unknown entries: a"),
        (b'{"format": 1, "model": "m", "recipe": 5, "out": ""}\n', "recipe is no object"),
        (
            b'{"format": 1, "model": "m", "recipe": {}, "out": "", "context": 0}\n',
            "context, reach must be above 0",
        ),
        (
            b'{"format": 1, "model": "m", "recipe": {}, "out": "", "validation": -1}\n',
            "validation is a number",
        ),
    ],
)
def test_what_is_no_header_is_refused(line: bytes, words: str):
    with pytest.raises(ValueError, match=words):
        read_header(io.BytesIO(line))


def described(**arrays: object) -> bytes:
    """A batch that describes its arrays so; without their bytes."""
    about = {
        "values": {"dtype": "<f4", "shape": [1, 4]},
        "noise": {"dtype": "<f4", "shape": [1, 4]},
        "target": {"dtype": "<f4", "shape": [1, 2]},
        "expected": {"dtype": "<f4", "shape": [1, 2]},
        "sigma": {"dtype": "<f4", "shape": [1, 2]},
        "step_s": {"dtype": "<f8", "shape": [1]},
        "trend": {"dtype": "<f8", "shape": [1, 4]},
        "kind": {"dtype": "<i4", "shape": [1]},
    }
    text = json.dumps({"arrays": about | arrays, "validation": False}).encode()
    return written() + len(text).to_bytes(4, "big") + text + bytes(200)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (described(values={"dtype": "|O", "shape": [1, 4]}), "values must be of type <f4"),
        (described(values=[]), "values must be of type <f4"),
        (described(values={"dtype": "<f4", "shape": [1, 5]}), r"shape \(1, 5\), not \(1, 4\)"),
        (described(values={"dtype": "<f4", "shape": [1 << 40, 4]}), "impossible shape"),
        (described(trend={"dtype": "<f8", "shape": [1, 3]}), r"shape \(1, 3\), not \(1, 4\)"),
        (described(values={"dtype": "<f4", "shape": []}), "impossible shape"),
        (described(values={"dtype": "<f4", "shape": [-1, 4]}), "has no shape"),
        (described(values={"dtype": "<f4", "shape": "14"}), "has no shape"),
        (
            described(values={"dtype": "<f4", "shape": [0, 4]}),
            r"noise has shape \(1, 4\), not \(0, 4\)",
        ),
        (described(more={"dtype": "<f4", "shape": [1]}), "must hold the arrays values, noise"),
        (written() + b"\xff\xff\xff\xff", "no batch: its description would have"),
        (written() + (2).to_bytes(4, "big") + b"{]", "no JSON"),
        (written() + (2).to_bytes(4, "big") + b"{}", "must hold the arrays"),
    ],
)
def test_what_is_no_batch_is_refused(content: bytes, words: str):
    with pytest.raises(ValueError, match=words):
        read(content)


def test_nothing_heavy_is_imported_for_it():
    """The command reads and writes the stream where there is no torch."""
    import subprocess
    import sys

    program = "import sys, chronotick.plugin.training.frames; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"

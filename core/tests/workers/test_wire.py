"""The format on the wire: golden bytes, round trips, and everything that must be refused."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chronotick.plugin import ContextBatch
from chronotick.workers import messages as m
from chronotick.workers import wire

GOLDEN = Path(__file__).parent / "golden"

EXAMPLES = {
    "attach": m.Attach(
        protocol=(1, 1),
        model="ttm",
        token="example",  # noqa: S106 - not a secret
        clock="rack-7",
    ),
    "hello": m.Hello(
        protocol=(1, 1),
        token="example",  # noqa: S106 - not a secret
        pid=4711,
        runtime="python 3.11.7",
        platform="Linux",
    ),
    "welcome": m.Welcome(
        protocol=1,
        model="chronotick_chronos.worker:Chronos",
        checkpoint="amazon/chronos-bolt-small",
        device="cpu",
        threads=1,
    ),
    "refuse": m.Refuse(reason="wrong token"),
    "loading": m.Loading(stage="loading weights", done=3, total=7),
    "ready": m.Ready(
        checkpoint="amazon/chronos-bolt-small@0123abc",
        device="cpu",
        max_context=2048,
        max_horizon=1024,
        parameters=47_719_040,
        load_ns=700_000_000,
    ),
    "forecast": m.ForecastRequest(
        id=1,
        deadline_ns=4_000_000_000,
        horizon=2,
        quantiles=(0.1, 0.5, 0.9),
        step_s=4.0,
        arrays={
            "values": np.array([[1e-6, 2e-6, np.nan]]),
            "noise": np.array([[1e-7, 1e-7, np.nan]]),
            "trend_covariance": np.array([[1e-14, 0.0, 1e-16, 1e-20]]),
            "covariate:temperature": np.array([[40.0, 40.5, 41.0]]),
        },
    ),
    "result": m.Result(
        id=1,
        compute_ns=42_000_000,
        arrays={
            "mean": np.array([[2e-6, 2e-6]]),
            "quantiles": np.array([[[1e-6, 2e-6, 3e-6], [0.5e-6, 2e-6, 3.5e-6]]]),
        },
    ),
    "failed": m.Failed(
        id=1, kind="exception", message="ValueError: no", traceback="Traceback ...", retryable=True
    ),
    "cancel": m.Cancel(id=1),
    "drain": m.Drain(),
    "bye": m.Bye(reason="drained"),
}


def assert_same(left: m.Message, right: m.Message) -> None:
    assert type(left) is type(right)
    for item in fields(left):
        mine, theirs = getattr(left, item.name), getattr(right, item.name)
        if item.name == "arrays":
            assert list(mine) == list(theirs)
            for name in mine:
                np.testing.assert_array_equal(mine[name], theirs[name], strict=True)
        else:
            assert mine == theirs


@pytest.mark.parametrize("name", EXAMPLES)
def test_bytes_are_the_golden_ones(name: str):
    """A changed byte is a changed protocol: it must be seen in a diff."""
    golden = [bytes.fromhex(line) for line in (GOLDEN / f"{name}.hex").read_text().splitlines()]
    assert wire.encode(EXAMPLES[name]) == golden
    assert_same(wire.decode(golden), EXAMPLES[name])


def test_every_message_has_a_golden_file():
    assert {type(example) for example in EXAMPLES.values()} == set(m.MESSAGES)
    assert {path.stem for path in GOLDEN.glob("*.hex")} == set(EXAMPLES)


@pytest.mark.parametrize("dtype", sorted(wire.DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (1, 0, 4), (2, 1, 3, 2)])
def test_arrays_survive_in_every_type_and_shape(dtype: str, shape: tuple[int, ...]):
    array = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    frames = wire.encode(m.Result(id=1, compute_ns=0, arrays={"mean": array}))
    received = wire.decode(frames).arrays["mean"]
    np.testing.assert_array_equal(received, array, strict=True)
    assert not received.flags.writeable


def test_memory_layout_and_byte_order_do_not_matter():
    array = np.arange(12, dtype=">f8").reshape(3, 4).T
    received = wire.decode(wire.encode(m.Result(id=1, compute_ns=0, arrays={"x": array})))
    np.testing.assert_array_equal(received.arrays["x"], array)
    assert received.arrays["x"].dtype == np.dtype("<f8")


@pytest.mark.parametrize("array", [np.array(["text"]), np.array([1j]), np.array([None])])
def test_other_types_are_not_sent(array: NDArray[Any]):
    with pytest.raises(wire.WireError, match="cannot be sent"):
        wire.encode(m.Result(id=1, compute_ns=0, arrays={"x": array}))


def result_head(**changes: object) -> bytes:
    head = {"t": "RESULT", "id": 1, "compute_ns": 0, "arrays": [["x", "<f8", [2]]]}
    return msgpack.packb(head | changes)


SIXTEEN = bytes(16)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([], "no frames"),
        ([b""], "not msgpack"),
        ([b"\xc1"], "not msgpack"),
        ([msgpack.packb([1, 2])], "not a map"),
        ([msgpack.packb({1: 2})], "not msgpack"),
        ([msgpack.packb({"t": "RESULT", "x": msgpack.ExtType(5, b"")})], "extension 5"),
        ([msgpack.packb({"t": "HELLO"})], "lacks pid, protocol, token"),
        ([b"\x91" * 100_000], "not msgpack"),
        ([bytes(2**20 + 1)], "head of"),
        ([result_head()], "1 arrays described, 0 frames came"),
        ([result_head(), bytes(15)], "needs 16 bytes, 15 came"),
        ([result_head(), SIXTEEN, b""], "1 arrays described, 2 frames came"),
        ([result_head(id="one"), SIXTEEN], "id must be int"),
        ([result_head(id=True), SIXTEEN], "id must be int"),
        ([result_head(arrays=[["x", "|O", [2]]]), SIXTEEN], "has type"),
        ([result_head(arrays=[["x", "<f8", [-2]]]), SIXTEEN], "shape"),
        ([result_head(arrays=[["x", "<f8", [2**62, 4]]]), SIXTEEN], "shape"),
        ([result_head(arrays=[["x", "<f8", [1, 1, 1, 1, 2]]]), SIXTEEN], "shape"),
        ([result_head(arrays=[["x", "<f8", [2]]] * 2), SIXTEEN, SIXTEEN], "same name"),
        ([result_head(arrays="x"), SIXTEEN], "must be a list"),
        ([msgpack.packb({"t": "DRAIN"}), b"more"], "carries no arrays"),
    ],
)
def test_malformed_frames_are_refused(frames: list[bytes], words: str):
    with pytest.raises(wire.WireError, match=words):
        wire.decode(frames)


def test_nothing_times_too_much_is_refused():
    head = result_head(arrays=[["x", "<f8", [0, 2**26, 2**26, 2**26]]])
    with pytest.raises(wire.WireError, match="shape"):
        wire.decode([head, b""])


def test_unknown_message_and_unknown_field_are_told_apart():
    """Newer peers may send both: the first is skipped and counted, the second ignored."""
    with pytest.raises(wire.UnknownMessage, match="PING"):
        wire.decode([msgpack.packb({"t": "PING"})])
    assert wire.decode([msgpack.packb({"t": "CANCEL", "id": 3, "why": "new"})]) == m.Cancel(id=3)


def test_missing_optional_field_takes_its_default():
    assert wire.decode([msgpack.packb({"t": "REFUSE", "reason": "r"})]) == m.Refuse(reason="r")


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_random_frames_never_do_more_than_raise(frames: list[bytes]):
    try:
        wire.decode(frames)
    except wire.WireError:
        return


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(
    tag=st.sampled_from([message.TAG for message in m.MESSAGES]),
    values=st.dictionaries(
        st.sampled_from(sorted({f.name for kind in m.MESSAGES for f in fields(kind)})), json_like
    ),
    frames=st.lists(st.binary(max_size=40), max_size=3),
)
def test_well_formed_nonsense_never_does_more_than_raise(
    tag: str, values: dict[str, object], frames: list[bytes]
):
    try:
        message = wire.decode([msgpack.packb(values | {"t": tag}), *frames])
    except wire.WireError:
        return
    assert tag == message.TAG


@given(
    st.lists(st.floats(width=64), min_size=1, max_size=30),
    st.floats(1e-3, 1e3),
    st.integers(1, 2**53),
)
def test_contexts_survive_bit_for_bit(values: list[float], step_s: float, deadline_ns: int):
    array = np.array([values])
    request = m.ForecastRequest(
        id=1,
        deadline_ns=deadline_ns,
        horizon=1,
        quantiles=(0.5,),
        step_s=step_s,
        arrays={"values": array, "noise": array, "trend_covariance": np.zeros((1, 4))},
    )
    batch = m.batch_of(wire.decode(wire.encode(request)))
    assert batch.values.tobytes() == array.tobytes()
    assert batch.step_s == step_s


def test_what_the_estimator_expects_is_sent_where_it_is_known():
    usual = {"values": np.zeros((1, 3)), "noise": np.ones((1, 3)), "step_s": 1.0}
    usual["trend_covariance"] = np.zeros((1, 4))
    for expected in (np.array([[1e-6, 2e-6]]), np.empty((0, 0))):
        batch = ContextBatch(**usual, expected=expected, expected_sigma=2 * expected)
        request = m.request_of(batch, request_id=1, deadline_ns=1, horizon=1, quantiles=())
        assert ("expected" in request.arrays) == bool(expected.size)
        found = m.batch_of(wire.decode(wire.encode(request)))
        np.testing.assert_array_equal(found.expected, expected)
        np.testing.assert_array_equal(found.expected_sigma, 2 * expected)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "named values"),
        ({"values": np.zeros(3)}, "named values"),
        ({"values": np.zeros((1, 3)), "noise": np.zeros((1, 3))}, "named trend_covariance"),
        (
            {
                "values": np.zeros((1, 3)),
                "noise": np.zeros((1, 2)),
                "trend_covariance": np.zeros((1, 4)),
            },
            "shape of values",
        ),
        (
            {
                "values": np.zeros((1, 3)),
                "noise": np.zeros((1, 3)),
                "trend_covariance": np.zeros((2, 4)),
            },
            r"\[series, 4\]",
        ),
        (
            {
                "values": np.zeros((1, 3)),
                "noise": np.zeros((1, 3)),
                "trend_covariance": np.zeros((1, 4)),
                "expected": np.zeros((2, 4)),
            },
            "expected and expected_sigma must be",
        ),
    ],
)
def test_request_without_a_context_is_refused(arrays: dict[str, NDArray[Any]], words: str):
    request = m.ForecastRequest(
        id=1, deadline_ns=1, horizon=1, quantiles=(), step_s=1.0, arrays=arrays
    )
    with pytest.raises(ValueError, match=words):
        m.batch_of(request)

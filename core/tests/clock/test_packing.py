from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from chronotick.clock.packing import packed, unpacked

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(arrays(np.float64, array_shapes(max_dims=3), elements=finite))
def test_arrays_come_back_exactly_through_json(values):
    text = json.loads(json.dumps(packed(values)))
    restored = unpacked(text, values.shape)
    np.testing.assert_array_equal(restored, values)
    restored += 1.0  # it is its own, and writable


def test_the_order_in_memory_does_not_matter():
    values = np.arange(6.0).reshape(2, 3).T
    np.testing.assert_array_equal(unpacked(packed(values), (3, 2)), values)


def test_without_a_shape_it_is_a_list():
    assert unpacked(packed(np.array([1.0, 2.0])), None).tolist() == [1.0, 2.0]
    assert unpacked(packed(np.array([])), None).size == 0


@given(st.text())
def test_any_other_text_is_refused_or_an_array_of_finite_numbers(text):
    try:
        values = unpacked(text, None)
    except ValueError:
        return
    assert np.isfinite(values).all()


@pytest.mark.parametrize(
    ("text", "shape", "said"),
    [
        (packed(np.zeros(4)), (3,), "cannot reshape"),
        (packed(np.array([np.nan])), (1,), "not finite"),
        (packed(np.array([np.inf])), None, "not finite"),
        (base64.b64encode(b"odd").decode(), None, "cannot be read"),
        ("no base64!", None, "cannot be read"),
        (None, None, "cannot be read"),
        ([1.0], None, "cannot be read"),
    ],
)
def test_damage_is_refused(text, shape, said):
    with pytest.raises(ValueError, match=said):
        unpacked(text, shape)

"""Weights of one byte are off by half a step."""

import numpy as np
import pytest

from tinygrad_lite.support.quantized import dequantized, quantized


@pytest.mark.parametrize("shape", [(5, 7), (3, 2, 4, 4)])
def test_one_byte_a_weight_is_off_by_half_a_step(shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x[1] = 0
    numbers, scales = quantized(x)
    assert numbers.dtype == np.int8
    steps = scales.reshape(-1, *[1] * (len(shape) - 1))
    assert (abs(dequantized(numbers, scales) - x) <= 0.501 * steps).all()
    again, same = quantized(dequantized(numbers, scales))
    assert np.array_equal(again, numbers)
    np.testing.assert_allclose(same, scales, rtol=1e-6)

"""NumPy's functions have the values and two derivatives of those of the same name in JAX and PyTorch, where installed.

The cases are those that `test_witness` draws.
"""

from __future__ import annotations

import functools
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tests.witness.test_witness import WITNESSES, assert_same, by_rules, derivatives
from tinygrad_lite.support.formatting import numpy_name

# Those whose arguments, ties and edges are the same in all three libraries.
ALIKE = [
    *("float_power", "logaddexp2", "i0", "deg2rad", "rad2deg", "copysign", "frexp", "real", "where"),
    *("matmul", "inner", "einsum", "kron", "cross"),
    *("linalg.solve", "linalg.inv", "linalg.pinv", "linalg.tensorinv", "linalg.matrix_power", "linalg.det"),
    "linalg.slogdet",
]


def mapped(f, x):
    """Return what is in tuples and lists, each changed by ``f``."""
    if not isinstance(x, (tuple, list)):
        return f(x)
    parts = [mapped(f, y) for y in x]
    return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)


class Peer(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of another library, whose functions NumPy's of the same name call."""

    def __init__(self, array, library, convert):
        self.array, self.library, self.convert = array, library, convert

    shape = property(lambda self: self.array.shape)
    ndim = property(lambda self: self.array.ndim)
    size = property(lambda self: np.prod(self.shape, dtype=int))
    dtype = property(lambda self: np.dtype(np.float64))

    def of(self, y):
        return mapped(lambda y: Peer(y, self.library, self.convert) if hasattr(y, "shape") else y, y)

    def theirs(self, x):
        return mapped(lambda x: x.array if isinstance(x, Peer) else self.convert(x), x)

    def __getitem__(self, index):
        return self.of(self.array[self.theirs(index)])

    def __array_function__(self, function, types, args, kwargs):
        f = operator.attrgetter(numpy_name(function)[3:])(self.library)
        return self.of(f(*self.theirs(args), **{k: self.theirs(v) for k, v in kwargs.items()}))

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        return self.__array_function__(ufunc, (), args, kwargs)


def assert_like_peer(name, data, library, vjp, grad, to_array, convert=lambda x: x):
    witness = WITNESSES[f"np.{name}"]
    f = witness.call or operator.attrgetter(name)(np)
    inputs, params = data.draw(witness.cases)
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    shape = np.shape(f(*inputs, **params))
    weights = [rng.uniform(0.5, 1.5, x.shape) for x in inputs]
    at = inputs, np.asarray(rng.normal(size=shape)), weights

    def peer(*xs):
        return f(*(Peer(x, library, convert) for x in xs), **params).array

    expected = derivatives(vjp, grad, peer, *mapped(to_array, at))
    assert_same(derivatives(by_rules, tg.grad, functools.partial(f, **params), *at), [*map(np.asarray, expected)])


@pytest.mark.whole
@settings(deadline=None, max_examples=5, derandomize=True)
@given(data=st.data())
@pytest.mark.parametrize("name", ALIKE)
def test_functions_have_the_values_and_two_derivatives_of_jax(name, data):
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    with jax.enable_x64(True):
        assert_like_peer(name, data, jax.numpy, jax.vjp, jax.grad, jax.numpy.asarray)


@pytest.mark.whole
@settings(deadline=None, max_examples=5, derandomize=True)
@given(data=st.data())
@pytest.mark.parametrize("name", ALIKE)
def test_functions_have_the_values_and_two_derivatives_of_pytorch(name, data):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")

    def convert(x):
        return torch.as_tensor(x) if isinstance(x, np.ndarray) else x

    assert_like_peer(name, data, torch, torch.func.vjp, torch.func.grad, torch.as_tensor, convert)

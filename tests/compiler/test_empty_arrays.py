"""On arrays without elements, too, a jitted function gives and refuses what the function does."""

import numpy as np
import pytest

import tinygrad_lite as tg


def written(x):
    y = x.copy()
    y[...] = 1
    y[:0] = 2
    np.add.at(y, np.array([], int), 1)
    return y


def changed(x):
    x *= 2
    x += 1
    return x


NONE = np.array([], int)
FUNCTIONS = {
    "made like it": lambda x: (x * 2, np.zeros_like(x), np.ones_like(x), np.full_like(x, 3), np.full_like(x, x.sum())),
    "constants": lambda x: (x + np.zeros(x.shape, x.dtype), x * 2, np.zeros(x.shape, bool), np.eye(0), np.arange(0)),
    "sums": lambda x: (x.sum(), x.sum(axis=0), x.prod(), np.cumsum(x), np.count_nonzero(x), x.any(), x.all(axis=-1)),
    "means": lambda x: x.mean(axis=-1),
    "maximum": lambda x: x.max(axis=0),
    "argmax": lambda x: x.argmax(axis=-1),
    "element by element": lambda x: (-x, x + 1, x > 0, np.where(x > 0, x, 1), np.clip(x, 0, 1), x**2, np.round(x)),
    "moved": lambda x: (x.T, x.reshape(-1), np.flip(x), np.roll(x, 1), np.pad(x, 1), np.tile(x, 2), np.repeat(x, 2)),
    "joined": lambda x: np.concatenate([x, x, np.ones((2, *x.shape[1:]), x.dtype)]),
    "stretched": lambda x: np.broadcast_to(x, (2, *x.shape)) + 1,
    "sorted": lambda x: (np.sort(x), np.argsort(x), np.take_along_axis(x, np.argsort(x), -1), np.diff(x)),
    "compared": lambda x: (np.isclose(x, x), np.allclose(x, x), np.array_equal(x, x)),
    "searched": lambda x: np.searchsorted(np.array([1.0, 2.0]), x),
    "taken": lambda x: (x[NONE], x[:0], np.take(x, NONE, axis=0), x.reshape(-1)[NONE]),
    "out of range": lambda x: x[np.array([7])],
    "multiplied": lambda x: (x @ x.T, x.T @ x, np.trace(x @ x.T), np.einsum("...i->...", x)),
    "scaled": lambda x: 0.5 * (x.T @ x),
    "written into": written,
    "changed in place": lambda x: changed(x),
    "softmax": lambda x: tg.Tensor(x).softmax(-1),
    "slope": lambda x: tg.grad(lambda x: (np.tanh(x * 1.0) ** 2).sum())(x.astype(float)),
    "slope of a product": lambda x: tg.grad(lambda x: (x @ x.T).sum() * 0.5)(x.astype(float)),
    "slope of a part": lambda x: tg.grad(lambda x: x[NONE].sum())(x.astype(float)),
    "curvature": lambda x: tg.grad(lambda x: tg.grad(lambda x: np.exp(x).sum())(x).sum())(x.astype(float)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3), (0, 0)])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of means
def test_a_jitted_function_of_no_elements(name, shape, dtype):
    function, x = FUNCTIONS[name], np.zeros(shape, dtype)
    jitted = tg.jit(function)
    try:
        expected = function(x.copy())
    except Exception as error:
        for _ in range(2):
            with pytest.raises(type(error)):
                jitted(x.copy())
        return
    for _ in range(2):
        found = jitted(x.copy())
        assert type(found) is type(expected)
        pairs = zip(expected, found, strict=True) if isinstance(found, tuple) else [(expected, found)]
        for a, b in pairs:
            assert type(a) is type(b)
            a, b = np.asarray(getattr(a, "data", a)), np.asarray(getattr(b, "data", b))
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            np.testing.assert_array_equal(a, b)

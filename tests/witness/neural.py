"""The witnesses of activations, losses, windows and convolutions."""

from __future__ import annotations

import math

import autograd
import autograd.numpy as anp
import numpy as np
from hypothesis import strategies as st

from tests.witness.cases import along, each, filled, nonnegative, number, solid, tied
from tests.witness.formulas import Witness
from tests.witness.reductions import reductions
from tinygrad_lite.rules.windows import Geometry


@st.composite
def losses(draw, second):
    shape = draw(solid)
    return [draw(filled(shape)), draw(filled(shape, second))], {}


def softmax(z, axis=-1):
    e = anp.exp(z)
    return e / anp.sum(e, axis=axis, keepdims=True)


def windowed(positions, window, axes, stride, dilation):
    """Return the elements of an array of positions in each window: the window's axes come last."""
    parts = []
    for offset in np.ndindex(*window):
        part = positions
        for axis, i, k, s, d in zip(axes, offset, window, stride, dilation, strict=True):
            last = part.shape[axis] - d * (k - 1)
            part = np.take(part, np.arange(0, last, s) + i * d, axis=axis)
        parts.append(part)
    return np.stack(parts, axis=-1).reshape((*parts[0].shape, *window))


def windows(x, window, axes, stride, dilation):
    positions = windowed(np.arange(x.size).reshape(x.shape), window, axes, stride, dilation)
    return anp.reshape(anp.ravel(x)[np.ravel(positions)], positions.shape)


def overlap_add(v, shape, window, axes, stride, dilation):
    positions = windowed(np.arange(math.prod(shape)).reshape(shape), window, axes, stride, dilation)
    return anp.reshape(anp.dot(anp.ravel(v), np.eye(math.prod(shape))[np.ravel(positions)]), shape)


def conv2d(x, w, how):
    (p, q), groups = how.padding, how.groups
    x = anp.pad(x, ((0, 0), (0, 0), (p, p), (q, q)), "constant")
    seen = windows(x, w.shape[2:], (2, 3), how.stride, how.dilation)
    n, c, rows, columns, *kernel = seen.shape
    seen = anp.reshape(seen, (n, groups, c // groups, rows, columns, *kernel))
    kernels = anp.reshape(w, (groups, w.shape[0] // groups, *w.shape[1:]))
    return anp.reshape(anp.einsum("ngcijkl,gockl->ngoij", seen, kernels), (n, w.shape[0], rows, columns))


def conv2d_input(v, w, size, how):
    x = np.zeros((v.shape[0], w.shape[1] * how.groups, *size))
    return autograd.grad(lambda x: anp.sum(v * conv2d(x, w, how)))(x)


def conv2d_weight(x, v, kernel, how):
    w = np.zeros((v.shape[1], x.shape[1] // how.groups, *kernel))
    return autograd.grad(lambda w: anp.sum(v * conv2d(x, w, how)))(w)


def max_pool(x, window, axes, stride):
    seen = windows(x, window, axes, stride, (1,) * len(window))
    return anp.max(anp.reshape(seen, (*seen.shape[: x.ndim], -1)), axis=-1)


def erf(x):
    return (
        2
        / math.sqrt(math.pi)
        * sum((-1) ** n * x ** (2 * n + 1) / (math.factorial(n) * (2 * n + 1)) for n in range(40))
    )


def moving(kind):
    """Return cases of windows, of their sums, of their maxima, or of convolutions, of all that a geometry can be."""

    @st.composite
    def cases(draw):
        window, stride, dilation = (draw(st.tuples(st.integers(1, 2), st.integers(1, 2))) for _ in range(3))
        rng = np.random.default_rng(draw(st.integers(0, 1000)))
        groups, size = draw(st.integers(1, 2)), draw(st.tuples(st.integers(4, 5), st.integers(3, 5)))
        how = Geometry(stride, draw(st.tuples(st.integers(0, 1), st.integers(0, 1))), dilation, groups)
        x = rng.permutation(2 * 2 * math.prod(size)).reshape(2, 2, *size) / 10
        w = rng.normal(size=(2 * groups, 2 // groups, *window))
        v = rng.normal(size=(2, 2 * groups, *how.windows_in(size, window)))
        where = {"window": window, "axes": (2, 3), "stride": stride}
        return {
            "windows": ([x], where | {"dilation": dilation}),
            "overlap_add": (
                [rng.normal(size=windows(x, window, (2, 3), stride, dilation).shape)],
                {"shape": x.shape} | where | {"dilation": dilation},
            ),
            "max_pool": ([x], where),
            "conv2d": ([x, w], {"how": how}),
            "conv2d_input": ([v, w], {"size": size, "how": how}),
            "conv2d_weight": ([x, v], {"kernel": window, "how": how}),
        }[kind]

    return cases()


WITNESSES = {
    "relu": Witness(lambda x: anp.where(x > 0, x, 0.0), each(tied)),
    "sigmoid": Witness(lambda x: 1 / (1 + anp.exp(-x)), each()),
    "softmax": Witness(softmax, along()),
    "log_softmax": Witness(lambda z, axis: anp.log(softmax(z, axis)), along()),
    "logsumexp": Witness(
        lambda x, axis, keepdims: anp.log(anp.sum(anp.exp(x), axis=axis, keepdims=keepdims)), reductions()
    ),
    "squared_loss": Witness(lambda p, t: anp.sum((p - t) ** 2) / math.prod(p.shape[:-1]), losses(number)),
    "cross_entropy": Witness(
        lambda z, t: -anp.sum(t * anp.log(softmax(z))) / math.prod(z.shape[:-1]), losses(nonnegative)
    ),
    "erf": Witness(erf, each()),
    "windows": Witness(windows, moving("windows")),
    "overlap_add": Witness(overlap_add, moving("overlap_add")),
    "max_pool": Witness(max_pool, moving("max_pool")),
    "conv2d": Witness(conv2d, moving("conv2d")),
    "conv2d_input": Witness(conv2d_input, moving("conv2d_input")),
    "conv2d_weight": Witness(conv2d_weight, moving("conv2d_weight")),
}

"""NumPy's functions that lay elements out anew: each call has NumPy's values in every mode, and two derivatives.

The first argument of a call is NumPy's or this library's array; the calls are those of NumPy's documentation, with all
forms of arguments.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.rules.numpy_functions import NUMPY_FUNCTIONS

M = np.random.default_rng(0).normal(size=(3, 4))
V = np.array([0.5, -1.0, 2.0])
T = np.random.default_rng(1).normal(size=(2, 3, 4))
WHOLE = np.arange(12).reshape(3, 4)

CALLS = {
    "reshape": [
        lambda x: np.reshape(x, (2, 6), order="F"),
        lambda x: np.reshape(x, (4, -1), "F"),
        lambda x: np.reshape(x, -1, copy=True),
        lambda x: np.ravel(x, "F"),
        lambda x: np.ravel(x, order="C"),
    ],
    "atleast": [
        lambda x: np.atleast_1d(x.sum(), x)[0],
        lambda x: np.atleast_2d(x[0]),
        lambda x: np.atleast_2d(x.sum()),
        lambda x: np.atleast_3d(x.sum(), x[0], x)[0],
        lambda x: np.atleast_3d(x[0]),
        lambda x: np.atleast_3d(x),
    ],
    "rollaxis": [lambda x, a=a, s=s: np.rollaxis(x[None], a, s) for a in (0, 1, -1) for s in (-1, 0, 1, 2, 3)],
    "broadcast_arrays": [lambda x: np.broadcast_arrays(x, x[0])[1], lambda x: np.broadcast_arrays(x[:, None], x)[0]],
    "flips": [np.flipud, np.fliplr, lambda x: np.flipud(x[0])],
    "rot90": [
        *(lambda x, k=k: np.rot90(x, k) for k in (-1, 0, 1, 2, 3, 5)),
        lambda x: np.rot90(x[None], axes=(2, 0)),
        lambda x: np.rot90(x[None], 3, axes=(-1, 1)),
    ],
    "joined": [
        lambda x: np.concatenate([x, x * 2], axis=1, dtype=x.dtype, casting="no"),
        lambda x: np.concat([x, x[:1]]),
        lambda x: np.concatenate([x, [1.0, 2.0]], axis=None),
        lambda x: np.stack([x, x], 1, dtype=x.dtype),
        lambda x: np.vstack([x, x[0]], dtype=x.dtype),
        lambda x: np.hstack([x, x], casting="same_kind"),
        lambda x: np.dstack([x, x * 2]),
        lambda x: np.dstack([x[0], x[1]]),
        lambda x: np.column_stack([x[:, 0], x, x[:, 1]]),
        lambda x: np.append(x, [1.0, 2.0]),
        lambda x: np.append(x, x[:1], axis=0),
    ],
    "block": [
        lambda x: np.block([[x, np.eye(3)], [np.ones((2, 7))]]),
        lambda x: np.block([x, x]),
        lambda x: np.block([[x[0]], [x[1]]]),
        lambda x: np.block([x.sum(), 2.0, x[0]]),
        lambda x: np.block([[[x]], [[x]]]),
        lambda x: np.block(x),
        lambda x: np.block([[x[None], x[None]]]),
    ],
    "split": [
        lambda x: np.array_split(x, 3, axis=1)[0],
        lambda x: np.array_split(x, 5)[2],
        lambda x: np.array_split(x, [1, -1], axis=1)[1],
        lambda x: np.vsplit(x, 3)[1],
        lambda x: np.hsplit(x, [1])[1],
        lambda x: np.hsplit(x[0], 2)[1],
        lambda x: np.dsplit(x[None], 2)[0],
        lambda x: np.unstack(x)[1],
        lambda x: np.unstack(x, axis=-1)[3],
    ],
    "take": [
        lambda x: np.take(x, [7, -9], axis=1, mode="wrap"),
        lambda x: np.take(x, [[7, -9]], mode="clip"),
        lambda x: np.take_along_axis(x, np.array([[0, 1, 1, 0], [2, 2, 0, 1]]), axis=0),
        lambda x: np.take_along_axis(x, np.array([[1, -1]]), axis=1),
        lambda x: np.take_along_axis(x, np.array([5, 5, 0]), None),
        lambda x: np.take_along_axis(x, np.argsort(x, axis=1), 1),
        lambda x: np.choose([0, 1, 1, 0], x[:2]),
        lambda x: np.choose([[5], [-1]], [x[0], x[:, 0].sum(), 2.0], mode="wrap"),
        lambda x: np.choose(np.array([9, 1, 0, -1]), [x, x[0] * 2], mode="clip"),
        lambda x: np.compress([True, False, True], x, axis=1),
        lambda x: np.compress([0, 1, 1], x),
        lambda x: np.extract(np.eye(3, 4), x),
    ],
    "repeat": [
        lambda x: np.repeat(x, 2),
        lambda x: np.repeat(x, 3, axis=0),
        lambda x: np.repeat(x, 0, axis=1),
        lambda x: np.repeat(x, [1, 0, 2], axis=-2),
        lambda x: np.repeat(x, [2], axis=1),
        lambda x: np.repeat(x.sum(), 3),
        lambda x: np.tile(x, 2),
        lambda x: np.tile(x, (2, 1, 3)),
        lambda x: np.tile(x[None], (3,)),
        lambda x: np.tile(x, ()),
        lambda x: np.tile(x, (0, 1)),
        lambda x: np.resize(x, (5, 3)),
        lambda x: np.resize(x, 4),
        lambda x: np.resize(x, (2, 0)),
        lambda x: np.resize(x[:0], (2, 2)),
    ],
    "insert": [
        lambda x: np.insert(x, 1, 7),
        lambda x: np.insert(x, 1, 7, axis=0),
        lambda x: np.insert(x, -1, x[0], axis=0),
        lambda x: np.insert(x, 1, x[:, 0], axis=1),
        lambda x: np.insert(x, [1], x[:, :2], axis=1),
        lambda x: np.insert(x, [1, 1, 3], x[:, :3], axis=1),
        lambda x: np.insert(x, [2, 0], [[5], [6]], axis=0),
        lambda x: np.insert(x, slice(0, 3, 2), 9, axis=1),
        lambda x: np.insert(x, 3, x[:2], axis=0),
        lambda x: np.insert(np.zeros(4), 2, x[0]),
        lambda x: np.insert(x, np.array([True, False, True]), 0, axis=0),
    ],
    "delete": [
        lambda x: np.delete(x, 1),
        lambda x: np.delete(x, [0, -1], axis=1),
        lambda x: np.delete(x, slice(1, None), axis=0),
        lambda x: np.delete(x, np.array([True, False, True]), axis=0),
        lambda x: np.delete(x, [], axis=0),
    ],
    "diagonals": [
        *(lambda x, k=k: np.diagonal(x, k) for k in range(-4, 6)),
        *(lambda x, k=k: np.diag(x, k) for k in (-1, 0, 2)),
        *(lambda x, k=k: np.diag(x[0], k) for k in (-2, 0, 1)),
        lambda x: np.diagonal(x[None] * V[:, None, None], 1, 2, 0),
        lambda x: np.diagonal(x[None], axis1=-1, axis2=0),
        lambda x: np.diagflat(x, 1),
        lambda x: np.diagflat(x.sum()),
        np.trace,
        lambda x: np.trace(x, 1),
        lambda x: np.trace(x, -5),
        lambda x: np.trace(x[None], 0, 1, 2, dtype=x.dtype),
    ],
    "triangles": [
        *(lambda x, k=k, f=f: f(x, k) for k in (-2, 0, 1, 4) for f in (np.tril, np.triu)),
        lambda x: np.tril(x[0]),
        lambda x: np.triu(x[None], k=1),
    ],
    "kron": [
        lambda x: np.kron(x, x[:2, :2]),
        lambda x: np.kron(x[0], x),
        lambda x: np.kron(V, x),
        lambda x: np.kron(x, x.sum()),
        lambda x: np.kron(x[None], x[:, 0]),
    ],
    "grids": [
        lambda x: np.linspace(x, 1, 4),
        lambda x: np.linspace(0, x[0, 0]),
        lambda x: np.linspace(x[0], x, 3, endpoint=False, axis=1),
        lambda x: np.linspace(x, x[0] + 1, 5, retstep=True, axis=-1)[1],
        lambda x: np.linspace(x, 2, 1),
        lambda x: np.linspace(x, 2, 0),
        lambda x: np.linspace(x, 2, num=1, endpoint=False),
        lambda x: np.logspace(x[0], 1, 3),
        lambda x: np.logspace(0, x[0], 4, base=2.0, endpoint=False),
        lambda x: np.logspace(0, x[0, 0], 4, base=x[0] ** 2 + 1, axis=1),
        lambda x: np.logspace(x[0], x, 2, base=abs(V)[:, None]),
        lambda x: np.linspace(x, 2, 3, dtype=x.dtype),
        lambda x: np.geomspace(2, x[0] ** 2 + 1, 3, dtype=x.dtype if x.dtype.kind == "f" else float),
        lambda x: np.geomspace(x[0] ** 2 + 1, 100, 4),
        lambda x: np.geomspace(-1, -(x**2) - 1, 3, axis=1),
        lambda x: np.meshgrid(x[0], x[:, 0])[0],
        lambda x: np.meshgrid(x[0], x[:, 0], V)[1],
        lambda x: np.meshgrid(x[0], x[:, 0], sparse=True, indexing="ij")[1],
        lambda x: np.meshgrid(x[0, 0], x[:, 0], copy=False)[1],
        lambda x: x[np.ix_([0, 2], [True, False, True, True])],
        lambda x: np.ix_(x[0], x[1])[1],
    ],
    "types and places": [
        lambda x: np.astype(x, x.dtype),
        lambda x: np.astype(x, x.dtype, copy=False),
        lambda x: x[np.diag_indices_from(x[:, :3])],
        lambda x: x[np.tril_indices_from(x)] + x[np.triu_indices_from(x, 0)][:6],
        lambda x: np.expand_dims(x, [0, 2]),
    ],
    "pad": [
        *(
            lambda x, mode=mode, width=width: np.pad(x, width, mode)
            for mode in ("edge", "reflect", "symmetric", "wrap", "linear_ramp", "maximum", "minimum", "mean")
            for width in (1, ((2, 0), (1, 3)), ((9, 7), (0, 0)))
        ),
        *(
            lambda x, mode=mode, width=width: np.pad(x, width, mode, reflect_type="odd")
            for mode in ("reflect", "symmetric")
            for width in (1, ((0, 3), (5, 1)), ((9, 8), (0, 0)))
        ),
        lambda x: np.pad(x[:1], 3, "reflect", reflect_type="odd"),
        lambda x: np.pad(x[:1], 3, "reflect"),
        lambda x: np.pad(x, 2, constant_values=((1, 2), (3, 4))),
        lambda x: np.pad(x, ((1, 2), (2, 0)), constant_values=x[0, :2]),
        lambda x: np.pad(x, {-1: 2}, constant_values=x[:2, :2]),
        lambda x: np.pad(x, 2, "linear_ramp", end_values=x[0, :2]),
        lambda x: np.pad(x, ((2, 1), (0, 0)), "linear_ramp", end_values=(1, -1)),
        lambda x: np.pad(x, 1, "mean", stat_length=2),
        lambda x: np.pad(x, 1, "maximum", stat_length=((1, 2), (3, 9))),
        lambda x: np.pad(x, {0: (1, 2)}, mode="edge"),
        lambda x: np.pad(x[:0], ((0, 0), (1, 1)), "edge"),
    ],
}
# Edges: no elements, one, no axes; and numbers that are no floats.
EDGES = {
    "edges": [
        *(
            lambda x, f=f, g=g: f(g(x))
            for g in (lambda x: x[:0], lambda x: x[:, :0], lambda x: x[1:2, :1])
            for f in (
                np.atleast_3d,
                lambda x: np.rollaxis(x, -1),
                np.rot90,
                lambda x: np.concatenate([x, x], axis=None),
                lambda x: np.block([[x, x], [x, x]]),
                lambda x: np.array_split(x, 2, axis=1)[1],
                lambda x: np.take_along_axis(x, np.zeros(x.shape, int), -1),
                lambda x: np.compress([], x, axis=0),
                lambda x: np.repeat(x, 2, axis=1),
                lambda x: np.tile(x, (2, 2)),
                lambda x: np.resize(x, (2, 2)),
                lambda x: np.insert(x, 0, 5, axis=1),
                lambda x: np.append(x, x),
                lambda x: np.delete(x, [], axis=1),
                np.diagonal,
                np.diagflat,
                np.trace,
                np.tril,
                lambda x: np.kron(x, x),
                lambda x: np.linspace(x, 1, 3),
                lambda x: np.pad(x, 1, constant_values=((1, 2), (3, 4))),
                lambda x: np.meshgrid(x.ravel(), x.ravel())[1],
            )
        ),
        *(
            lambda x, f=f: f(x[0, 1])
            for f in (
                np.atleast_1d,
                np.atleast_3d,
                np.diagflat,
                lambda x: np.repeat(x, 2),
                lambda x: np.repeat(x, [3], axis=-1),
                lambda x: np.take(x, [0, 0], axis=0),
                lambda x: np.compress([True], x, axis=0),
                lambda x: np.tile(x, (2, 1)),
                lambda x: np.resize(x, 3),
                lambda x: np.append(x, x),
                lambda x: np.insert(x, 0, 2),
                lambda x: np.kron(x, x),
                lambda x: np.linspace(x, 1, 3),
                lambda x: np.take(x, [0, 0]),
                lambda x: np.meshgrid(x, x)[0],
                lambda x: np.broadcast_arrays(x, V)[0],
            )
        ),
    ],
}
CALLS |= EDGES

CASES = [pytest.param(f, id=f"{name} {i}") for name, calls in CALLS.items() for i, f in enumerate(calls)]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("f", CASES)
def test_a_call_has_the_values_of_numpy(f):
    expected = np.asarray(f(M))
    for dtype in (np.float32, np.float64):
        close = {"rtol": 2e-5 if dtype == np.float32 else 1e-12, "atol": 1e-6 if dtype == np.float32 else 1e-14}
        for mode in (lambda f: f, tg.jit):
            found = mode(lambda x: f(tg.Tensor(x)))(M.astype(dtype))
            assert isinstance(found, tg.Tensor)
            assert (found.dtype, found.shape) == (dtype, expected.shape)
            np.testing.assert_allclose(found.numpy(), expected, **close)
        of_arrays = tg.jit(f)(M.astype(dtype))
        assert of_arrays.dtype == f(M.astype(dtype)).dtype
        np.testing.assert_allclose(of_arrays, expected, **close)


DIRECTION, STEP = np.random.default_rng(3).normal(size=M.shape), 1e-5


@pytest.mark.parametrize("f", CASES)
def test_a_call_has_two_derivatives_that_differences_of_numpy_confirm(f):
    """In one direction; the first derivative is that of NumPy's function, the second that of the first."""

    def cubes(x):
        return (f(x) ** 3).sum()

    def slope(x):
        return (tg.grad(cubes)(x) * DIRECTION).sum()

    for function, derivative in ((cubes, slope), (slope, lambda x: (tg.grad(slope)(x) * DIRECTION).sum())):
        ahead, behind = (np.asarray(function(M + step * DIRECTION)) for step in (STEP, -STEP))
        np.testing.assert_allclose(np.asarray(derivative(M)), (ahead - behind) / (2 * STEP), rtol=2e-6, atol=1e-7)


@pytest.mark.whole
@pytest.mark.parametrize("f", CASES)
def test_a_call_has_two_derivatives(f):
    assert tg.gradcheck(lambda x: (f(x) ** 2).sum(), M, order=2)


@pytest.mark.whole
@pytest.mark.parametrize("f", CASES)
def test_derivatives_of_a_program_in_both_precisions_are_those_of_the_graph(f):
    def first(x):
        return tg.grad(lambda x: (f(x) ** 3).sum())(x)

    def second(x):
        return tg.grad(lambda x: (first(x) ** 2).sum())(x)

    for derivative in (first, second):
        expected = derivative(M).numpy()
        for dtype in (np.float32, np.float64):
            for found in (derivative(M.astype(dtype)), tg.jit(derivative)(M.astype(dtype))):
                assert found.dtype == dtype
                limit = 1e-3 if dtype == np.float32 else 1e-11
                np.testing.assert_allclose(found.numpy(), expected, rtol=limit, atol=limit)


@pytest.mark.whole
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64"])
@pytest.mark.parametrize("f", CASES)
def test_a_program_of_narrow_whole_numbers_is_that_of_numpy(f, dtype):
    x = (M * 3).astype(dtype)
    try:
        expected = f(x)
    except (ValueError, TypeError):
        with pytest.raises((ValueError, TypeError)):
            tg.jit(f)(x)
        return
    if not (abs(expected * 1.0) < 1e30).all():
        return  # a grid through 0, which is refused, or numbers that float32 does not have
    try:
        found = tg.jit(f)(x)
    except tg.JitError:  # a mask decides on the shape of the result
        return
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    found = np.asarray(f(tg.Tensor(x)))
    assert found.dtype.kind == expected.dtype.kind
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("f", CASES)
def test_a_call_on_whole_numbers_has_the_values_of_numpy(f):
    try:
        expected = f(WHOLE)
    except ValueError as error:  # an end of a grid may be 0
        with pytest.raises(type(error)):
            f(tg.Tensor(WHOLE))
        return
    found = f(tg.Tensor(WHOLE))
    found = found.numpy() if isinstance(found, tg.Tensor) else found
    np.testing.assert_allclose(found, expected, rtol=2e-6)
    assert (found.dtype.kind, found.shape) == (expected.dtype.kind, expected.shape)


# Calls that NumPy refuses: a Tensor refuses them with an error of the same kind.
WRONG = [
    lambda x: np.reshape(x, (5, 3)),
    lambda x: np.reshape(x, (-1, -1)),
    lambda x: np.reshape(x, 2.5),
    lambda x: np.reshape(x, "ab"),
    lambda x: np.transpose(x, (0,)),
    lambda x: np.transpose(x, (0, 0)),
    lambda x: np.swapaxes(x, 0, 2),
    lambda x: np.moveaxis(x, 0, 5),
    lambda x: np.rollaxis(x, 2),
    lambda x: np.rollaxis(x, 0, 4),
    lambda x: np.rollaxis(x, 0, -4),
    lambda x: np.expand_dims(x, (0, 0)),
    lambda x: np.expand_dims(x, 5),
    lambda x: np.squeeze(x, 0),
    lambda x: np.squeeze(x, 3),
    lambda x: np.broadcast_arrays(x, x[:, :3]),
    lambda x: np.broadcast_to(x, (2, 4)),
    lambda x: np.flip(x, 2),
    lambda x: np.flipud(x.sum()),
    lambda x: np.fliplr(x[0]),
    lambda x: np.rot90(x[0]),
    lambda x: np.rot90(x, axes=(0, 0)),
    lambda x: np.rot90(x, axes=(0, 2)),
    lambda x: np.rot90(x, axes=(0, 1, 0)),
    lambda x: np.roll(x, 1, 2),
    lambda x: np.concatenate([x, x[0]]),
    lambda x: np.concatenate([x, x[:, :3]]),
    lambda x: np.concatenate([]),
    lambda x: np.concatenate([x, x], axis=2),
    lambda x: np.concatenate([x.sum(), x.sum()]),
    lambda x: np.concatenate([x, x], dtype=int),
    lambda x: np.concatenate([x, x], dtype=int, casting="safe"),
    lambda x: np.stack([x, x[0]]),
    lambda x: np.stack([x, x], axis=3),
    lambda x: np.vstack([x, x[:, :3]]),
    lambda x: np.hstack([x, x[:2]]),
    lambda x: np.dstack([x, x[:2]]),
    lambda x: np.column_stack([x, x[0]]),
    lambda x: np.append(x, x[0], axis=0),
    lambda x: np.block([[x, x], [x]]),
    lambda x: np.block([x, [x]]),
    lambda x: np.block([[]]),
    lambda x: np.array_split(x, 2, axis=2),
    lambda x: np.split(x, 2),
    lambda x: np.split(x, -1),
    lambda x: np.vsplit(x[0], 2),
    lambda x: np.hsplit(x.sum(), 1),
    lambda x: np.dsplit(x, 2),
    lambda x: np.unstack(x, axis=2),
    lambda x: np.unstack(x.sum()),
    lambda x: np.take(x, 12),
    lambda x: np.take(x, 4, axis=1),
    lambda x: np.take(x, [0], axis=2),
    lambda x: np.take(x[:0], [0], mode="wrap"),
    lambda x: np.take(x[:0], [0], axis=0, mode="clip"),
    lambda x: np.take(x, [0], mode="around"),
    lambda x: np.take_along_axis(x, np.array([0]), axis=0),
    lambda x: np.take_along_axis(x, np.array([[9]]), axis=0),
    lambda x: np.take_along_axis(x, np.array([[0, 0, 0]]), axis=0),
    lambda x: np.take_along_axis(x, np.array([[0]]), None),
    lambda x: np.take_along_axis(x, np.array([[0]]), 2),
    lambda x: np.choose([0, 3], [x[0], x[1]]),
    lambda x: np.choose([0, 2, 0, 0], [x[0], x[1]]),
    lambda x: np.choose([0, -1, 0, 0], [x[0], x[1]]),
    lambda x: np.choose([0], []),
    lambda x: np.choose([0], [x[0]], mode="no"),
    lambda x: np.compress([True] * 5, x, axis=0),
    lambda x: np.compress([0, 0, 0, 1], x, axis=0),
    lambda x: np.compress([True], x, axis=2),
    lambda x: np.compress([[True, False]], x),
    lambda x: np.extract([True] * 13, x),
    lambda x: np.repeat(x, -1),
    lambda x: np.repeat(x, [1, 2], axis=0),
    lambda x: np.repeat(x, [1, -2, 1], axis=0),
    lambda x: np.repeat(x, 2, axis=2),
    lambda x: np.repeat(x, [[1, 2, 3]], axis=0),
    lambda x: np.tile(x, -1),
    lambda x: np.tile(x, 1.5),
    lambda x: np.resize(x, (-1, 2)),
    lambda x: np.resize(x, 2.5),
    lambda x: np.insert(x, 13, 0),
    lambda x: np.insert(x, 4, 0, axis=0),
    lambda x: np.insert(x, -5, 0, axis=0),
    lambda x: np.insert(x, 0.5, 0),
    lambda x: np.insert(x, [0.5], 0),
    lambda x: np.insert(x, 1, [1, 2, 3], axis=0),
    lambda x: np.insert(x, [1, 2], [[1], [2], [3]], axis=0),
    lambda x: np.insert(x, 1, 0, axis=2),
    lambda x: np.insert(x, [[1]], 0, axis=0),
    lambda x: np.delete(x, 12),
    lambda x: np.delete(x, 3, axis=0),
    lambda x: np.delete(x, [0, 3], axis=0),
    lambda x: np.delete(x, 0.5),
    lambda x: np.delete(x, 0, axis=2),
    lambda x: np.delete(x, np.array([True, False]), axis=0),
    lambda x: np.diagonal(x[0]),
    lambda x: np.diagonal(x, axis1=0, axis2=0),
    lambda x: np.diagonal(x, axis1=0, axis2=2),
    lambda x: np.diagonal(x, 0.5),
    lambda x: np.diag(x[None]),
    lambda x: np.diag(x.sum()),
    lambda x: np.diag(x, 0.5),
    lambda x: np.diagflat(x, 0.5),
    lambda x: np.trace(x[0]),
    lambda x: np.trace(x, axis1=0, axis2=0),
    lambda x: np.linspace(x, 1, -1),
    lambda x: np.linspace(x, 1, 2.5),
    lambda x: np.linspace(x, x[:, :3], 2),
    lambda x: np.linspace(x, 1, 3, axis=3),
    lambda x: np.geomspace(x, 0),
    lambda x: np.meshgrid(x[0], indexing="ji"),
    lambda x: np.ix_(x),
    lambda x: np.ix_(x.sum()),
    lambda x: np.pad(x, -1),
    lambda x: np.pad(x, 1.5),
    lambda x: np.pad(x, (1, 2, 3)),
    lambda x: np.pad(x, ((1, 2), (3, 4), (5, 6))),
    lambda x: np.pad(x, 1, "round"),
    lambda x: np.pad(x, 1, "edge", constant_values=1),
    lambda x: np.pad(x, 1, "maximum", stat_length=0),
    lambda x: np.pad(x, 1, "mean", stat_length=-1),
    lambda x: np.pad(x[:0], 1, "edge"),
    lambda x: np.pad(x[:0], 1, "reflect"),
    lambda x: np.pad(x[:0], 1, "wrap"),
    lambda x: np.pad(x[:0], 1, "mean"),
    lambda x: np.pad(x[:0], 1, "maximum"),
    lambda x: np.pad(x[:0], 1, "linear_ramp"),
    lambda x: np.pad(x, 1, constant_values=(1, 2, 3)),
    lambda x: np.pad(x, {5: 1}),
    lambda x: np.full_like(x, [1, 2]),
]


@pytest.mark.parametrize("f", WRONG)
def test_what_numpy_refuses_is_refused(f):
    with pytest.raises((ValueError, IndexError, TypeError)) as error:
        f(M)
    kinds = (ValueError, IndexError) if isinstance(error.value, np.exceptions.AxisError) else error.type
    with pytest.raises(kinds):
        f(tg.Tensor(M))
    with pytest.raises(kinds):
        tg.jit(lambda x: f(tg.Tensor(x)))(M)


REFUSED = {
    r"the order 'K' depends on the memory": lambda x: np.ravel(x, "K"),
    r"reshape\(copy=False\) asks for a view": lambda x: np.reshape(x, -1, copy=False),
    r"stack of \(3, 4\) and \(4,\): all must have one shape": lambda x: np.stack([x, x[0]]),
    r"np\.pad of a Tensor takes one of the modes edge, .*, median, not 'empty'": lambda x: np.pad(x, 1, "empty"),
    r"np\.pad of a Tensor takes one of the modes edge, .*, median, not <func": lambda x: np.pad(x, 1, lambda *_: None),
    r"np\.pad takes no negative widths, as in -1: cut with a slice": lambda x: np.pad(x, -1),
    # NumPy turns three times.
    r"'float' object cannot be interpreted as an integer": lambda x: np.rot90(x, 0.5),
    r"np\.pad takes whole numbers as widths, not 0\.5": lambda x: np.pad(x, 0.5),
    r"stat_length must be positive, not 0": lambda x: np.pad(x, 1, "mean", stat_length=0),
    r"insert: float64 does not fit into int64": lambda x: np.insert(np.arange(3), 1, x[0, 0]),
    r"float64 is not converted to float32 with casting='no': use \.astype\(\)": lambda x: np.concatenate(
        [x, x], dtype=np.float32, casting="no"
    ),
    r"casting='no' needs a dtype to convert to": lambda x: np.concatenate([x, x], casting="no"),
    r"transpose of .* must name each of the 3 axes once; swapaxes exchanges two": lambda x: x[None].transpose(0, 1),
    r"choose: the numbers must be those of the 2 choices": lambda x: np.choose([0, 0, 0, 2], [x[0], x[1]]),
    r"np\.full has no derivative rule.*: write np\.broadcast_to\(value, shape\)": lambda x: np.full(3, x[0], like=x),
    r"np\.arange has no derivative rule.*: write start \+ step \* np\.arange\(n\)": lambda x: np.arange(
        x[0, 0], like=x
    ),
    r"would lose the gradient.* np\.stack\(\[a, b\]\)": lambda x: np.array([x[0], x[1]]),
    r"lose the gradient\. .*np\.stack": lambda x: np.asarray([[x[0, 0]], [x[1, 1]]]),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_refused_says_what_to_write(words):
    for call in (REFUSED[words], lambda x: tg.grad(lambda x: REFUSED[words](x).sum())(x)):
        with pytest.raises((ValueError, TypeError), match=words):
            call(tg.Tensor(M, requires_grad=True))


# Functions that write into their argument, and the arguments of what is to be written instead.
MASK, INDICES, PLACES = M > 0, np.array([0, 5, -1]), np.array([[2, 0, 1, 1]])
WRITING = {
    np.copyto: (lambda y: np.copyto(y, V[:, None], where=MASK), {"mask": MASK, "values": V[:, None]}),
    np.putmask: (lambda y: np.putmask(y, MASK, -M), {"mask": MASK, "values": -M}),
    np.place: (lambda y: np.place(y, MASK, 7.0), {"mask": MASK, "value": 7.0}),
    np.put: (lambda y: np.put(y, INDICES, V), {"indices": INDICES, "values": V}),
    np.put_along_axis: (
        lambda y: np.put_along_axis(y, PLACES, M[:1], 0),
        {"axis": 0, "indices": PLACES, "values": M[:1]},
    ),
    np.fill_diagonal: (lambda y: np.fill_diagonal(y, 9.0), {"value": 9.0}),
}


@pytest.mark.parametrize("function", WRITING, ids=lambda f: f.__name__)
def test_what_writes_into_an_array_is_refused_with_an_expression_that_does_not(function):
    write, arguments = WRITING[function]
    expected = M.copy()
    write(expected)
    row = NUMPY_FUNCTIONS[function]

    def f(x, **given):
        return eval(row.code, {"np": np, "tg": tg, "x": x, **arguments, **given})

    np.testing.assert_array_equal(f(tg.Tensor(M)).numpy(), expected)
    assert tg.gradcheck(lambda x: (f(x) ** 2).sum(), M, order=2)
    by = "values" if "values" in arguments else "value"
    assert tg.gradcheck(lambda v: (f(M, **{by: v}) ** 2).sum(), np.asarray(arguments[by]), order=2)
    for x in (tg.Tensor(M), tg.Tensor(M, requires_grad=True)):
        words = rf"np\.{function.__name__} writes into an array.* write {re.escape(str(row))},"
        with pytest.raises(TypeError, match=words):
            write(x)


INDEX = np.array([[2, 0, 1, 1], [0, 1, 2, -1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", [lambda f: f, tg.jit], ids=["eager", "jit"])
@pytest.mark.parametrize(
    ("axis", "index", "source"),
    [
        (0, INDEX, -T[0, :2]),
        (-2, INDEX, -M),
        (0, INDEX[:, :2], -M),
        (1, [[3, 0], [1, 2]], -M),
        (1, [[3, 0], [1, 2]], 5),
        (0, np.zeros((0, 4), int), M),
        (0, np.zeros((1, 0), int), 2.5),
    ],
)
def test_scatter_writes_at_positions_as_an_assignment_does(axis, index, source, mode, dtype):
    index = np.array(index, int)
    shape, expected = index.shape, M.astype(dtype)
    places = [index if i == axis % 2 else along for i, along in enumerate(np.ix_(*map(np.arange, shape)))]
    expected[tuple(places)] = source if np.ndim(source) == 0 else source[: shape[0], : shape[1]]
    for x in (M.astype(dtype), tg.Tensor(M.astype(dtype))):
        found = mode(lambda x: tg.scatter(x, axis, index, source))(x)
        by_traced = mode(lambda x, index: tg.scatter(x, axis, index, 0 * x[: shape[0], : shape[1]]))(x, index)
        assert (found.dtype, found.shape) == (dtype, M.shape)
        np.testing.assert_array_equal(np.asarray(found), expected)
        np.testing.assert_array_equal(np.asarray(by_traced) == 0, expected != M.astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", [lambda f: f, tg.jit], ids=["eager", "jit"])
@pytest.mark.parametrize(
    ("axis", "index", "source"),
    [
        (0, [2, 0, 2, 2], -T[0, :1] * np.ones((4, 1))),
        (1, [1, -1], M[:, :2]),
        (-1, [0, 0, 0], V),
        (0, [], M[:0]),
        (0, [1, 1], 0.5),
        (0, [1, 1], [1.0, 2.0, 3.0, 4.0]),
    ],
)
def test_index_add_adds_as_numpy_adds_at(axis, index, source, mode, dtype):
    expected = M.copy()
    np.add.at(expected, (*[slice(None)] * (axis % 2), np.array(index, int)), source)
    for x in (M.astype(dtype), tg.Tensor(M.astype(dtype))):
        for found in (
            mode(lambda x: tg.index_add(x, axis, index, source))(x),
            mode(lambda x, index: tg.index_add(x, axis, index, source + 0 * x[:1, :1]))(x, np.array(index, int)),
        ):
            assert found.dtype == dtype
            np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64"])
@pytest.mark.parametrize("mode", [lambda f: f, tg.jit], ids=["eager", "jit"])
def test_whole_numbers_are_added_in_the_type_of_the_array(mode, dtype):
    x = np.eye(2, dtype=dtype)
    expected = x.copy()
    np.add.at(expected, [0, 0], x.sum().astype(dtype))
    for found in (mode(lambda x: tg.index_add(x, 0, [0, 0], x.sum()))(y) for y in (x, tg.Tensor(x))):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)


def test_what_is_written_has_derivatives_by_the_old_and_the_new():
    for f, source in [
        (lambda x, s: tg.scatter(x, 0, INDEX, s), -M),
        (lambda x, s: tg.scatter(x, 1, [[3, 0]], s), np.array(2.0)),
        (lambda x, s: tg.index_add(x, 0, [2, 2, 0], s), -M),
        (lambda x, s: tg.index_add(x, 1, [1, 1, 0], s), V[:, None]),
    ]:
        assert tg.gradcheck(lambda x, s, f=f: (f(x, s) ** 2).sum(), M, source, order=2)


def test_what_cannot_be_written_is_refused():
    for x in (M, tg.Tensor(M)):
        for mode in (lambda f: f, tg.jit):
            for kind, words, f in [
                (ValueError, "writes to a position twice: tg.index_add adds", lambda x: tg.scatter(x, 1, [[1, 1]], 0)),
                (ValueError, "writes to a position twice", lambda x: tg.scatter(x, 1, [[3, -1]], 0)),
                (
                    tg.ShapeError,
                    r"index of shape \(1,\) does not fit into \(3, 4\)",
                    lambda x: tg.scatter(x, 1, [1], 0),
                ),
                (tg.ShapeError, "no greater length", lambda x: tg.scatter(x, 1, [[0]] * 4, 0)),
                (tg.ShapeError, "too short", lambda x: tg.scatter(x, 1, [[0, 1]], x[:, :1])),
                (TypeError, "whole numbers as positions, not float64", lambda x: tg.scatter(x, 1, [[0.5]], 0)),
                (TypeError, "whole numbers as positions, not bool", lambda x: tg.index_add(x, 1, [True, False], 0)),
                (tg.ShapeError, "a vector of positions", lambda x: tg.index_add(x, 1, 0, 0)),
                (tg.ShapeError, r"it needs the shape \(2, 4\)", lambda x: tg.index_add(x, 0, [0, 1], x)),
                (IndexError, "out of bounds", lambda x: tg.index_add(x, 0, [5], x[:1])),
                (ValueError, "axis 2 is out of bounds", lambda x: tg.index_add(x, 2, [0], 0)),
            ]:
                with pytest.raises(kind, match=words):
                    mode(f)(x)
    with pytest.raises(TypeError, match="index_add: float64 does not fit into int64"):
        tg.index_add(np.arange(3), 0, [0], 0.5)


METHODS = {
    "repeat": [(2,), ([1, 0, 2], 0), (3, 1)],
    "take": [([5, 1],), ([[0, -1]], 1), ([7], 1, {"mode": "wrap"})],
    "diagonal": [(), (1,), (0, 1, 0)],
    "trace": [(), (-1,)],
    "swapaxes": [(0, 1)],
    "compress": [([True, False, True], 0), ([0, 1],)],
    "ravel": [(), ("F",)],
    "flatten": [(), ("F",), ({"order": "F"},)],
    "reshape": [(2, 6), ((2, 6),), (-1,), (4, -1, {"order": "F"}), ((6, 2), {"copy": True})],
    "transpose": [(), (1, 0), ((1, 0),), (None,)],
    "squeeze": [(), ((),)],
    "astype": [(np.float64,), (np.float64, {"copy": False})],
}


@pytest.mark.parametrize(("name", "given"), [(name, given) for name, calls in METHODS.items() for given in calls])
def test_a_method_of_an_array_is_one_of_a_tensor(name, given):
    named = given[-1] if given and isinstance(given[-1], dict) else {}
    args = given[:-1] if named else given
    for mode in (lambda f: f, tg.jit):
        found = mode(lambda x: getattr(tg.Tensor(x), name)(*args, **named))(M)
        np.testing.assert_array_equal(found.numpy(), getattr(M, name)(*args, **named))
    assert tg.gradcheck(lambda x: (getattr(x, name)(*args, **named) ** 2).sum(), M, order=2)


def test_a_tensor_of_numbers_chooses():
    numbers = np.array([1, 0, 1])
    choices = np.stack([M[0, :3], V])
    for given in (choices, list(choices), tg.Tensor(choices)):
        np.testing.assert_array_equal(np.asarray(tg.Tensor(numbers).choose(given)), numbers.choose(choices))
    for f in (lambda a: np.choose(a, choices), lambda a: np.choose(a, tg.Tensor(choices))):
        np.testing.assert_array_equal(np.asarray(tg.jit(f)(numbers)), numbers.choose(choices))
    np.testing.assert_array_equal(np.take([3.0, 1.0], tg.Tensor([1, 0, 1])), [1, 3, 1])
    with pytest.raises(ValueError, match="the numbers must be those of the 2 choices"):
        tg.jit(lambda a: np.choose(a, choices))(numbers + 1)


def test_numbers_between_truth_values_and_a_number_of_numpy_have_the_type_of_that_number():
    x = np.array([True, False])
    assert tg.jit(lambda x: np.linspace(x, np.float32(0.5), 3))(x).dtype == np.linspace(x, np.float32(0.5), 3).dtype


@pytest.mark.parametrize("x", [M.astype(np.float32), tg.Tensor(M.astype(np.float32))], ids=["array", "Tensor"])
@pytest.mark.parametrize("index", [np.array([[2, 0, 1, 1]], np.uint8), tg.Tensor(np.array([[2, 0, 1, 1]]))])
def test_a_program_writes_constants_at_positions_that_it_is_given(x, index):
    for f in (
        lambda x, index: tg.scatter(x, 0, index, M[:1]),
        lambda x, index: tg.scatter(x, 0, index, 7.0),
        lambda x, index: tg.index_add(x, 0, index[0], M[[0, 1, 2, 2]]),
        lambda x, index: tg.index_add(x, 0, index[0], 1.0),
    ):
        found, expected = tg.jit(f)(x, index), f(x, index)
        assert found.dtype == expected.dtype == np.float32
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


@pytest.mark.parametrize(
    "f",
    [
        lambda x, n: np.linspace(x, n, 3),
        lambda x, n: np.geomspace(x**2 + 1, n, 3),
        lambda x, n: np.insert(x, 1, n, axis=0),
        lambda x, n: np.append(x, n),
        lambda x, n: np.hstack([x[0], n]),
        lambda x, n: np.choose([0, 1, 0, 1], [x[0], n]),
        lambda x, n: np.broadcast_arrays(x, n)[1] * x,
        lambda x, n: np.meshgrid(x[0], n)[1] * x[0],
        lambda x, n: np.kron(x, n),
        lambda x, n: np.pad(x, 1, constant_values=(n, 2.0)),
        lambda x, n: np.pad(x, 1, "linear_ramp", end_values=n),
        lambda x, n: np.block([x[0], n]),
        lambda x, n: np.repeat(x, int(n), axis=0),
        lambda x, n: tg.scatter(x, 0, [[0, 1, 2, 0]], n),
        lambda x, n: tg.index_add(x, 0, [1, 1], n),
    ],
)
def test_a_program_reads_a_number_anew_at_each_call(f):
    jitted = tg.jit(lambda x, n: f(tg.Tensor(x), n))
    for n in (2.0, 3.0, 2.5):
        found = jitted(M.astype(np.float32), n)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.numpy(), f(tg.Tensor(M), n).numpy(), rtol=1e-5)


def test_a_grid_of_equal_ratios_ends_without_rounding():
    start = np.linspace(0.1, 0.9, 50, dtype=np.float32)
    np.testing.assert_array_equal(np.geomspace(tg.Tensor(start), 100, 4)[-1].numpy(), np.full(50, 100))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.tile(x, 1),
        lambda x: np.repeat(x, 1),
        lambda x: np.resize(x[:1], 3),
        lambda x: np.pad(x, 0),
        lambda x: np.pad(x, 0, "reflect"),
        lambda x: np.pad(x.sum(), 1, "edge"),
        lambda x: np.pad(x.sum(), 1),
    ],
)
@pytest.mark.parametrize("mode", [lambda f: f, tg.jit])
def test_what_is_repeated_or_padded_is_an_array_of_its_own_that_can_be_changed(f, mode):
    x = tg.Tensor([1.0, 2.0])
    y = mode(f)(x)
    y += 1
    np.testing.assert_array_equal(x, [1, 2])
    np.testing.assert_array_equal(y, f(x.numpy()) + 1)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind", ["uint8", "int64"])
def test_the_ends_of_a_grid_adapt_to_each_other_and_are_reached(dtype, kind):
    floating, whole = tg.Tensor([np.nan, 0.5, -2.0], dtype=dtype), tg.Tensor(np.array([3, 200, 7], kind))
    for start, stop in ((floating, whole), (whole, floating[1:][[0, 0, 1]])):
        for f in (np.linspace, tg.jit(lambda a, b: np.linspace(a, b, 5))):
            y = f(start, stop) if f is not np.linspace else f(start, stop, 5)
            assert y.dtype == dtype
            np.testing.assert_array_equal(y[-1], stop.numpy().astype(dtype))
    for n in (3, np.float64(3)):
        assert np.linspace(whole, n, 2).dtype == tg.get_default_dtype()


IN_ROWS = [
    *(lambda x, axis=axis: np.take(x, [0, 1], axis) for axis in (0, 1, 2)),
    lambda x: np.compress([True, False, True], x, 1),
    lambda x: np.repeat(x, [1, 2, 1], 1),
    lambda x: np.insert(x, 1, 5.0, 1),
    lambda x: np.delete(x, 1, 2),
    lambda x: np.gradient(x, axis=1),
    lambda x: np.cross(x[..., 1:], x[..., :3]),
    *(lambda x, mode=mode: np.pad(x, ((1, 1), (0, 1), (1, 0)), mode) for mode in ("edge", "wrap", "mean", "constant")),
]


@pytest.mark.parametrize("f", IN_ROWS)
def test_a_view_of_a_result_is_a_view_as_in_numpy(f):
    def changed(x):
        whole = f(x)
        part = whole.reshape(-1)  # a view, since the elements lie in C order
        part -= 100
        return whole

    np.testing.assert_array_equal(changed(tg.Tensor(T)).numpy(), changed(T))


@pytest.mark.parametrize("ends", [(-np.inf, 2.0), (0.0, np.inf), (np.nan, 1.0), (1.0, 4.0)])
def test_a_grid_with_an_infinite_end_is_that_of_numpy(ends):
    start, stop = map(np.array, ends)
    with np.errstate(invalid="ignore"):
        expected = np.linspace(start, stop, 4)
        for f in (np.linspace, tg.jit(lambda a, b, n: np.linspace(a, b, n))):
            np.testing.assert_allclose(f(tg.Tensor(start), stop, 4).numpy(), expected, rtol=1e-15)

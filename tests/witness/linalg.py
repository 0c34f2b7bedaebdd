"""The witnesses of linear algebra, over matrices whose singular values are 1, 2, 3."""

from __future__ import annotations

import functools
import itertools

import autograd.numpy as anp
import numpy as np
from hypothesis import strategies as st

from tests.witness.cases import along, filled, nonzero, pairs, side, solid, tied
from tests.witness.formulas import Witness, linear, listed, moved, parts
from tests.witness.products import cross, in_rows, vecdot
from tests.witness.reductions import reductions


def transposed(x):
    return anp.swapaxes(x, -1, -2)


def mirrored(x):
    """Return the symmetric matrix that the lower triangle of another stands for: autograd's derivative is symmetric."""
    return anp.tril(x) + transposed(anp.tril(x, -1))


def qr(a):
    """Return Q and R, from the decomposition R'R of A'A, with the signs that NumPy's have."""
    plain = a
    while hasattr(plain, "_value"):
        plain = plain._value
    m = a.shape[-2]
    columns = a[..., :m]
    signs = np.sign(np.linalg.diagonal(np.linalg.qr(plain).R))[..., None]
    r = signs * transposed(anp.linalg.cholesky(anp.matmul(transposed(columns), columns)))
    return anp.concatenate([anp.matmul(columns, anp.linalg.inv(r)), r], axis=-2)


def eigh(a, triangle):
    w, v = anp.linalg.eigh(a, triangle)
    return anp.concatenate([w[..., None, :], v], axis=-2)


def svd(a):
    u, s, vh = anp.linalg.svd(a, full_matrices=False)
    return anp.concatenate([u, s[..., None, :], transposed(vh)], axis=-2)


def slogdet(a):
    sign, logarithm = anp.linalg.slogdet(a)
    return anp.stack([sign, logarithm], axis=-1)


@st.composite
def matrices(draw, kind="square"):
    """Draw matrices, one or several, with the singular values 1, 2, 3: square, definite, high, or of any shape."""
    n = draw(st.integers(1, 3))
    m = n if kind in ("square", "definite") else draw(st.integers(n if kind == "high" else 1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    u, _, vh = np.linalg.svd(rng.normal(size=(*draw(st.sampled_from([(), (2,), (1, 2)])), m, n)), full_matrices=False)
    vh = u.mT if kind == "definite" else vh
    return [u * np.arange(1, u.shape[-1] + 1) @ vh], {}


@st.composite
def systems(draw, kind="square"):
    (a,), _ = draw(matrices(kind))
    columns = draw(st.integers(1, 2))
    return [a, np.random.default_rng(draw(st.integers(0, 1000))).normal(size=(*a.shape[:-1], columns))], {}


@st.composite
def single(draw, cases):
    """Draw one matrix where others draw several."""
    (a, *others), params = draw(cases)
    return [x.reshape(-1, *x.shape[-2:])[0] for x in (a, *others)], params


@st.composite
def with_options(draw, cases, **options):
    inputs, params = draw(cases)
    return inputs, params | {k: draw(v) for k, v in options.items()}


@st.composite
def wide(draw):
    """Draw a square matrix, and columns beside it."""
    [a, b], _ = draw(systems())
    return [np.concatenate([a, b], axis=-1)], {}


def whole_qr(a):
    m = a.shape[-2]
    y = qr(a)
    q, r = y[..., :m, :], y[..., m:, :]
    r = anp.concatenate([r, anp.matmul(transposed(q), a[..., m:])], axis=-1)
    return anp.concatenate([anp.ravel(q), anp.ravel(r)])


def lstsq(a, b):
    """Return the solution, the sums of squares of what is left, and the singular values."""
    x = anp.dot(anp.linalg.pinv(a), b)
    left = anp.sum((anp.dot(a, x) - b) ** 2, axis=0) if a.shape[0] > a.shape[1] else np.zeros(0)
    return anp.concatenate([anp.ravel(x), left, anp.linalg.svd(a, full_matrices=False)[1]])


def lstsq_parts(a, b):
    x, left, _, s = np.linalg.lstsq(a, b)
    return np.concatenate([np.ravel(x), left, s])


def eigh_parts(a, UPLO):
    w, v = np.linalg.eigh(a, UPLO)
    return np.concatenate([w[..., None, :], v], axis=-2)


def svd_parts(a):
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return np.concatenate([u, s[..., None, :], vh.mT], axis=-2)


def cholesky(a, upper=False):
    """Return the triangle of the matrix that the one of the same name stands for."""
    if upper:
        return transposed(cholesky(transposed(a)))
    return anp.linalg.cholesky(mirrored(a))


def matrix_power(a, n):
    factor = anp.linalg.inv(a) if n < 0 else a
    return functools.reduce(anp.matmul, [factor] * abs(n), 0 * a + np.eye(a.shape[-1]))


def vector_norm(x, ord, axis=None, keepdims=False):
    size = anp.abs(x)
    if ord in (np.inf, -np.inf):
        return (anp.max if ord > 0 else anp.min)(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return anp.sum(0 * x + 1, axis=axis, keepdims=keepdims)
    ord = 2 if ord is None else ord
    return anp.sum(size**ord, axis=axis, keepdims=keepdims) ** (1 / ord)


def matrix_norm(x, ord, axis=(-2, -1), keepdims=False):
    rows, columns = axis
    if ord in ("fro", None):
        return vector_norm(x, 2, axis, keepdims)
    reduce = anp.max if ord in (1, 2, np.inf) else anp.min
    if ord in (2, -2, "nuc"):
        s = anp.linalg.svd(anp.moveaxis(x, axis, (-2, -1)), full_matrices=False)[1]
        y = (anp.sum if ord == "nuc" else reduce)(s, axis=-1)
    else:
        sums = anp.sum(anp.abs(x), axis=rows if abs(ord) == 1 else columns, keepdims=True)
        y = reduce(sums, axis=axis)
    return anp.expand_dims(y, axis) if keepdims else y


def norm(x, ord, axis=None, keepdims=False):
    return (matrix_norm if isinstance(axis, tuple) else vector_norm)(x, ord, axis, keepdims)


def cond(x, p):
    if p in (None, 2, -2):
        s = anp.linalg.svd(x, full_matrices=False)[1]
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return matrix_norm(x, p) * matrix_norm(anp.linalg.inv(x), p)


@st.composite
def chains(draw):
    """Draw matrices that fit; the first and the last may be vectors."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=3, max_size=5))
    shapes_of_all = [*itertools.pairwise(sizes)]
    if draw(st.booleans()):
        shapes_of_all[0] = shapes_of_all[0][1:]
    if draw(st.booleans()):
        shapes_of_all[-1] = shapes_of_all[-1][:1]
    return [draw(filled(shape)) for shape in shapes_of_all], {}


def tensorinv(a, ind):
    shape = a.shape[ind:] + a.shape[:ind]
    return anp.reshape(anp.linalg.inv(anp.reshape(a, (4, 4))), shape)


def tensorsolve(a, b, axes=None):
    a = a if axes is None else anp.moveaxis(a, axes, (-1,))
    return anp.reshape(anp.linalg.solve(anp.reshape(a, (4, 4)), anp.ravel(b)), (4,) if b.ndim == 2 else (2, 2))


four = st.integers(0, 1000).map(lambda seed: 3 * np.eye(4) + np.random.default_rng(seed).uniform(-0.5, 0.5, (4, 4)))
orders_of_vectors = st.sampled_from([None, 2, 1, 3, 0, -1, 2.5, np.inf, -np.inf])
orders_of_matrices = st.sampled_from([None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])


@st.composite
def tensors_to_invert(draw):
    ind, shape = draw(st.sampled_from([(2, (2, 2, 4)), (1, (4, 2, 2))]))
    return [draw(four).reshape(shape)], {"ind": ind}


@st.composite
def tensor_systems(draw):
    drawn = [((2, 2, 4), (2, 2), None), ((4, 2, 2), (4,), None), ((4, 2, 2), (2, 2), (0,))]
    shape, right, axes = draw(st.sampled_from(drawn))
    return [draw(four).reshape(shape), draw(filled(right))], {"axes": axes}


@st.composite
def norms_of_vectors(draw):
    [x], params = draw(reductions(nonzero))
    return [x], params | {"ord": draw(orders_of_vectors)}


@st.composite
def norms(draw):
    """Draw vectors along an axis, matrices in two, or an array that is one vector."""
    kind = draw(st.sampled_from(["all", "vectors", "matrices"]))
    if kind == "matrices":
        [x], _ = draw(matrices("any"))
        axis, ord = draw(st.sampled_from([(-2, -1), (-1, -2)])), draw(orders_of_matrices)
    else:
        [x], params = draw(along(solid, elements=nonzero))
        axis, ord = (params["axis"], draw(orders_of_vectors)) if kind == "vectors" else (None, None)
    return [x], {"ord": ord, "axis": axis, "keepdims": draw(st.booleans())}


def as_vectors(cases):
    """Return systems of equations whose right side is a vector, where there is one matrix."""
    return single(cases).map(lambda case: ([case[0][0], case[0][1][:, 0]], case[1]))


vectors = st.tuples(*[st.tuples(side).flatmap(filled)] * 2).map(lambda inputs: ([*inputs], {}))

triangles = with_options(matrices("definite"), UPLO=st.sampled_from("LU"))

WITNESSES = {
    "quotient": Witness(anp.divide, pairs(tied, nonzero)),
    "solve": Witness(anp.linalg.solve, systems()),
    "inv": Witness(anp.linalg.inv, matrices()),
    "pinv": Witness(lambda a: anp.linalg.pinv(a), matrices("any")),
    "det": Witness(anp.linalg.det, matrices()),
    "slogdet": Witness(slogdet, matrices()),
    "cholesky": Witness(lambda a: anp.linalg.cholesky(mirrored(a)), matrices("definite")),
    "qr": Witness(qr, matrices("high")),
    "eigh": Witness(
        eigh,
        st.tuples(matrices("definite"), st.sampled_from("LU")).map(lambda drawn: (drawn[0][0], {"triangle": drawn[1]})),
    ),
    "svd": Witness(svd, matrices("any")),
    # functions of NumPy
    "np.linalg.solve": Witness(anp.linalg.solve, st.one_of(systems(), as_vectors(systems()))),
    "np.linalg.inv": Witness(anp.linalg.inv, matrices()),
    "np.linalg.pinv": Witness(lambda a: anp.linalg.pinv(a), matrices("any")),
    "np.linalg.lstsq": Witness(lstsq, single(systems("any")), lstsq_parts),
    "np.linalg.tensorsolve": Witness(tensorsolve, tensor_systems()),
    "np.linalg.tensorinv": Witness(tensorinv, tensors_to_invert()),
    "np.linalg.matrix_power": Witness(matrix_power, with_options(matrices(), n=st.integers(-2, 3))),
    "np.linalg.det": Witness(anp.linalg.det, matrices()),
    "np.linalg.slogdet": Witness(slogdet, matrices(), lambda a: np.stack(np.linalg.slogdet(a), axis=-1)),
    "np.linalg.cholesky": Witness(cholesky, with_options(matrices("definite"), upper=st.booleans())),
    "np.linalg.qr": Witness(whole_qr, st.one_of(matrices("high"), wide()), parts(np.linalg.qr)),
    "np.linalg.eigh": Witness(lambda a, UPLO: eigh(a, UPLO), triangles, eigh_parts),
    "np.linalg.eigvalsh": Witness(lambda a, UPLO: eigh(a, UPLO)[..., 0, :], triangles),
    "np.linalg.svd": Witness(svd, matrices("any"), svd_parts),
    "np.linalg.svdvals": Witness(lambda a: anp.linalg.svd(a, full_matrices=False)[1], matrices("any")),
    "np.linalg.norm": Witness(norm, norms()),
    "np.linalg.vector_norm": Witness(vector_norm, norms_of_vectors()),
    "np.linalg.matrix_norm": Witness(
        matrix_norm, with_options(matrices("any"), ord=orders_of_matrices, keepdims=st.booleans())
    ),
    "np.linalg.cond": Witness(cond, with_options(matrices(), p=st.sampled_from([None, 2, -2, 1, -1, np.inf, "fro"]))),
    "np.linalg.multi_dot": Witness(lambda *xs: functools.reduce(anp.dot, xs), chains(), listed(np.linalg.multi_dot)),
    "np.linalg.outer": Witness(anp.outer, vectors),
    "np.linalg.vecdot": Witness(vecdot, in_rows()),
    "np.linalg.cross": Witness(cross, in_rows(3)),
    "np.linalg.diagonal": Witness(moved(np.linalg.diagonal), with_options(matrices("any"), offset=st.integers(-2, 2))),
    "np.linalg.trace": Witness(linear(np.linalg.trace), with_options(matrices("any"), offset=st.integers(-2, 2))),
}

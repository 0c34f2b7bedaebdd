"""NumPy's linear algebra on Tensors: NumPy's values, two derivatives that differences confirm, eager and compiled.

Also what is said of the edges: equal eigenvalues, singular matrices, what is refused; and the advice on `numpy.fft`.
"""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.rules.numpy_functions import NUMPY_FUNCTIONS, PLAIN, Instead
from tinygrad_lite.support.formatting import numpy_name

la = np.linalg
MODES = pytest.mark.parametrize("mode", [lambda f: f, tg.jit], ids=["eager", "jit"])


def normal(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).normal(size=shape)


def definite(*shape):
    """Return positive definite matrices, of which the upper triangle is right, too."""
    x = normal(*shape)
    return x @ x.mT + np.eye(shape[-1])


TALL, WIDE, SQUARE, BATCH = normal(3, 2), normal(2, 3), normal(3, 3), normal(2, 2, 2)

CASES = {
    "solve": [
        (la.solve, SQUARE, normal(3)),
        (la.solve, SQUARE, normal(3, 2)),
        (la.solve, BATCH, normal(2)),
        (lambda a: la.solve(a, [[1.0], [2.0]]), BATCH),
        (lambda b: la.solve([[2, 1], [1, 3]], b), normal(2)),
    ],
    "inv": [(la.inv, SQUARE), (la.inv, BATCH)],
    "pinv": [
        (la.pinv, TALL),
        (la.pinv, WIDE),
        (lambda a: la.pinv(a, rtol=None), TALL),
        (lambda a: la.pinv(a, 0.5), BATCH),
    ],
    "lstsq": [
        (la.lstsq, TALL, normal(3)),
        (la.lstsq, TALL, normal(3, 2)),
        (lambda a, b: la.lstsq(a, b, rcond=1e-3), WIDE, normal(2)),
        (lambda a, b: la.lstsq(a, b, rcond=-1), SQUARE, normal(3)),
    ],
    "tensorsolve": [
        (la.tensorsolve, normal(2, 3, 6), normal(2, 3)),
        (lambda a, b: la.tensorsolve(a, b, axes=(0,)), normal(4, 2, 2), normal(2, 2)),
    ],
    "tensorinv": [(la.tensorinv, normal(2, 2, 4)), (lambda a: la.tensorinv(a, ind=1), normal(4, 2, 2))],
    "matrix_power": [(lambda a, n=n: la.matrix_power(a, n), BATCH) for n in (0, 1, 2, 5, -1, -2)],
    "det": [(la.det, SQUARE), (la.det, BATCH), (la.det, np.ones((1, 1)))],
    "slogdet": [(la.slogdet, SQUARE), (la.slogdet, BATCH)],
    "cholesky": [(la.cholesky, definite(3, 3)), (lambda a: la.cholesky(a, upper=True), definite(2, 2, 2))],
    "qr": [
        (la.qr, TALL),
        (la.qr, WIDE),
        (la.qr, BATCH),
        (lambda a: la.qr(a, "r"), TALL),
        (lambda a: la.qr(a, mode="complete"), WIDE),
    ],
    "eigh": [(la.eigh, SQUARE), (lambda a: la.eigh(a, "U"), BATCH), (lambda a: la.eigh(a, UPLO="u"), SQUARE)],
    "eigvalsh": [(la.eigvalsh, SQUARE), (lambda a: la.eigvalsh(a, "U"), SQUARE)],
    "svd": [
        (la.svd, SQUARE),
        (lambda a: la.svd(a, full_matrices=False), TALL),
        (lambda a: la.svd(a, False), WIDE),
        (lambda a: la.svd(a, compute_uv=False), WIDE),
    ],
    "svdvals": [(la.svdvals, TALL), (la.svdvals, BATCH)],
    "norm": [
        (la.norm, normal(2, 2, 2)),
        (la.norm, np.array(-2.5)),
        *((lambda x, p=p: la.norm(x, p), normal(3)) for p in (None, 1, 2, 3, 0.5, 1.5, -1, 0, np.inf, -np.inf)),
        *((lambda x, p=p: la.norm(x, p), SQUARE) for p in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)),
        (lambda x: la.norm(x, axis=0), TALL),
        (lambda x: la.norm(x, 3, axis=-1, keepdims=True), TALL),
        (lambda x: la.norm(x, 1, axis=(2, 0)), normal(2, 2, 3)),
        (lambda x: la.norm(x, "nuc", axis=(0, -1), keepdims=True), normal(2, 2, 3)),
        (lambda x: la.norm(x, keepdims=True), TALL),
    ],
    "vector_norm": [
        (la.vector_norm, TALL),
        (lambda x: la.vector_norm(x, axis=(0, 2), ord=3, keepdims=True), normal(2, 2, 2)),
    ],
    "matrix_norm": [(la.matrix_norm, BATCH), (lambda x: la.matrix_norm(x, ord=2, keepdims=True), BATCH)],
    "cond": [(lambda a, p=p: la.cond(a, p), BATCH) for p in (None, 2, -2, 1, "fro", np.inf)] + [(la.cond, TALL)],
    "multi_dot": [
        (lambda *xs: la.multi_dot(xs), normal(2, 3), normal(3, 1), normal(1, 2)),
        (lambda *xs: la.multi_dot(xs), normal(2), normal(2, 3), normal(3)),
        (lambda *xs: la.multi_dot(xs), normal(2, 3), normal(3)),
    ],
    "outer": [(la.outer, normal(2), normal(3))],
    "vecdot": [(la.vecdot, TALL, normal(2)), (lambda a, b: la.vecdot(a, b, axis=0), TALL, normal(3, 1))],
    "cross": [(la.cross, normal(2, 3), normal(3)), (lambda a, b: la.cross(a, b, axis=0), normal(3, 2), normal(3, 1))],
    "diagonal": [(lambda x, k=k: la.diagonal(x, offset=k), normal(2, 2, 3)) for k in (0, 1, -1, 3, -5)],
    "trace": [(lambda x, k=k: la.trace(x, offset=k), normal(2, 2, 3)) for k in (0, 2, -3)],
    "matmul": [(la.matmul, TALL, WIDE)],
    "tensordot": [(la.tensordot, BATCH, TALL[:2]), (lambda a, b: la.tensordot(a, b, axes=1), TALL, WIDE)],
    "matrix_transpose": [(la.matrix_transpose, normal(2, 1, 3))],
    "fftshift": [(np.fft.fftshift, normal(2, 3)), (lambda x: np.fft.fftshift(x, axes=-1), normal(2, 3))],
    "ifftshift": [(np.fft.ifftshift, normal(3)), (lambda x: np.fft.ifftshift(x, [0, 1]), normal(2, 3))],
}
each_case = pytest.mark.parametrize(
    ("f", "arrays"),
    [pytest.param(f, xs, id=f"{name}-{i}") for name, cases in CASES.items() for i, (f, *xs) in enumerate(cases)],
)


def leaves(y):
    return [leaf for part in y for leaf in leaves(part)] if isinstance(y, tuple) else [y]


def total(f):
    """Return the sum of all results, each element with a weight of its own."""

    def weighted(*xs):
        terms = [y for y in leaves(f(*xs)) if isinstance(y, tg.Tensor)]
        return sum((y * np.linspace(0.5, 1.5, y.size).reshape(y.shape)).sum() for y in terms)

    return weighted


def test_every_function_has_a_case():
    places = ("np.linalg.", "np.fft.")
    rows = {f: row for f, row in NUMPY_FUNCTIONS.items() if numpy_name(f).startswith(places)}
    assert set(CASES) == {f.__name__ for f, row in rows.items() if not isinstance(row, Instead) and row is not PLAIN}


@each_case
@MODES
def test_the_values_are_those_of_numpy(f, arrays, mode):
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-4)):
        xs = [x.astype(dtype) for x in arrays]
        expected = f(*xs)
        found = mode(lambda *xs: f(*map(tg.Tensor, xs)))(*xs)
        assert type(found).__name__ == type(expected).__name__ or isinstance(found, tg.Tensor)
        for a, b in zip(leaves(found), leaves(expected), strict=True):
            assert np.shape(a) == np.shape(b)
            assert not isinstance(a, tg.Tensor) or a.dtype == dtype
            np.testing.assert_allclose(np.asarray(a), b, rtol=tolerance, atol=tolerance)
    for a, b in zip(leaves(mode(f)(*arrays)), leaves(f(*arrays)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@each_case
def test_two_derivatives_are_those_of_differences_eager_and_compiled(f, arrays):
    assert tg.gradcheck(total(f), *arrays, order=2)
    gradients = tg.grad(total(f), tuple(range(len(arrays))))
    compiled = tg.jit(gradients)
    for dtype, tolerance in ((np.float64, 1e-11), (np.float32, 1e-3)):
        xs = [x.astype(dtype) for x in arrays]
        for a, b, c in zip(gradients(*xs), compiled(*xs), gradients(*arrays), strict=True):
            assert a.dtype == b.dtype == dtype
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5 if dtype == np.float32 else 1e-13, atol=1e-13)
            np.testing.assert_allclose(a.numpy(), c.numpy(), rtol=tolerance, atol=tolerance)


# Equal values, singular matrices, and what is read of a matrix.


def test_equal_eigenvalues_have_derivatives():
    """The sum of the squares of eigenvalues is that of the elements; of the largest ones it is one subgradient."""
    for x in (np.eye(3), np.diag([2.0, 2.0, 5.0]), np.zeros((2, 2))):
        found = tg.grad(lambda a: (la.eigvalsh((a + a.mT) / 2) ** 2).sum())(x)
        np.testing.assert_allclose(found.numpy(), 2 * x, atol=1e-12)
        found = tg.grad(lambda a: (la.eigh((a + a.mT) / 2).eigenvalues ** 2).sum())(x)
        np.testing.assert_allclose(found.numpy(), 2 * x, atol=1e-12)
        found = tg.grad(lambda a: (la.svdvals(a) ** 2).sum())(x)
        np.testing.assert_allclose(found.numpy(), 2 * x, atol=1e-12)


def test_values_that_rounding_alone_tells_apart_are_equal():
    q = la.qr(normal(4, 4)).Q
    x = q @ np.diag([1.0, 1.0, 1.0, 3.0]) @ q.T
    assert len(set(la.eigvalsh(x))) > 2
    with np.errstate(all="ignore"):
        turned = tg.grad(lambda a: la.eigh(a).eigenvectors[0, 0])(x).numpy()
        kept = tg.grad(lambda a: la.eigh(a).eigenvectors[0, 3])(x).numpy()
    assert not np.isfinite(turned).any()
    assert np.isfinite(kept).all()


@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value) encountered:RuntimeWarning")
def test_vectors_of_equal_values_have_no_derivative_and_none_is_made_up():
    """Neither have functions of a matrix by way of such vectors, whose derivative would come out wrong."""
    for f in (
        lambda a: la.eigh(a).eigenvectors[0].sum(),
        lambda a: ((la.eigh(a).eigenvectors * np.exp(la.eigh(a).eigenvalues)) @ la.eigh(a).eigenvectors.mT)[0, 1],
        lambda a: la.svd(a).U[0].sum(),
        lambda a: (la.svd(a).U @ la.svd(a).Vh)[0, 1],
    ):
        assert not np.isfinite(tg.grad(f)(np.eye(2)).numpy()).all()
    values, vectors = (tg.jvp(lambda a, k=k: la.eigh(a)[k], np.eye(2), np.ones((2, 2)))[1] for k in (0, 1))
    assert values.tolist() == [1, 1]
    assert not np.isfinite(vectors.numpy()).all()


def test_a_singular_value_of_zero_has_a_subgradient():
    u, v = la.qr(normal(3, 3)).Q[:, 0], la.qr(normal(2, 2)).Q[:, 0]
    x = 2 * np.outer(u, v)  # of rank 1
    found = tg.grad(lambda a: la.norm(a, "nuc"))(x).numpy()
    assert la.norm(found, 2) == pytest.approx(1)
    assert (found * x).sum() == pytest.approx(2)
    for kind in (None, 2, "fro", 1, np.inf):
        assert np.isfinite(tg.grad(lambda a, p=kind: la.norm(a, p))(np.zeros((2, 2))).numpy()).all()
    assert tg.grad(lambda x: la.norm(x))(np.zeros(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_determinant_of_a_singular_matrix_has_its_derivative(n):
    x = normal(n, n)
    x[-1] = x[:-1].sum(axis=0)
    found = tg.grad(lambda a: la.det(a))(x).numpy()
    np.testing.assert_allclose(found[-1], [la.det(np.vstack([x[:-1], e])) for e in np.eye(n)], atol=1e-12)
    assert tg.gradcheck(lambda a: la.det(a) ** 2, x, order=2)


@pytest.mark.parametrize("f", [lambda a: la.det(a), lambda a: la.slogdet(a).logabsdet])
def test_what_has_no_derivative_at_a_singular_matrix_says_so(f):
    with (
        pytest.raises(la.LinAlgError, match=r"^Singular matrix\nin the derivative of <rule \w+\(a\)>"),
        np.errstate(divide="ignore"),
    ):
        tg.grad(f)(np.zeros((5, 5)))


def test_of_a_symmetric_matrix_one_triangle_is_read_and_has_the_derivative():
    a = definite(3, 3)
    for f in (la.cholesky, lambda a: la.eigh(a).eigenvectors, la.eigvalsh):
        g = tg.grad(lambda a, f=f: f(a).sum())(a).numpy()
        np.testing.assert_array_equal(g, np.tril(g))
        symmetric = tg.grad(lambda a, f=f: f((a + a.mT) / 2).sum())(a).numpy()
        np.testing.assert_allclose(symmetric, (g + g.T) / 2, rtol=1e-12)


@MODES
def test_whole_numbers_and_truths_take_the_type_of_the_tensor(mode):
    b = np.array([1.0, 2.0], np.float32)
    for a in (np.array([[2, 1], [1, 3]]), np.array([[True, True], [False, True]])):
        found = mode(lambda b, a=a: la.solve(a, tg.Tensor(b)))(b)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.numpy(), la.solve(a, b), rtol=1e-6)
        found = mode(lambda b, a=a: la.solve(tg.Tensor(b)[:, None] * np.eye(2), a))(b)
        assert found.dtype == np.float32
    assert la.inv(tg.Tensor([[2, 1], [1, 3]])).dtype == tg.get_default_dtype()
    assert la.norm(tg.Tensor([3, 4])).item() == 5


@MODES
def test_least_squares_of_dependent_columns_are_refused(mode):
    a = np.ones((3, 2))
    with pytest.raises(la.LinAlgError, match=r"write np\.linalg\.pinv\(a\) @ b"):
        mode(lambda a: la.lstsq(tg.Tensor(a), np.ones(3))[0])(a)
    x, residuals, rank, _ = la.lstsq(tg.Tensor(a.T), np.ones(2))
    assert (x.shape, residuals.shape, rank) == ((3,), (0,), 1)


@MODES
def test_a_singular_matrix_is_noticed_even_if_its_inverse_is_not_used(mode):
    def f(a):
        la.inv(tg.Tensor(a))
        return tg.Tensor(a) * 2

    function = mode(f)
    function(np.eye(2))
    with pytest.raises(la.LinAlgError, match="Singular matrix"):
        function(np.ones((2, 2)))


@MODES
@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value) encountered:RuntimeWarning")
@pytest.mark.parametrize("p", [None, -2])
def test_the_condition_of_a_singular_matrix_is_infinite_and_has_no_derivative(p, mode):
    for x in (np.diag([1.0, 0.0]), np.zeros((2, 2))):
        assert mode(lambda x: la.cond(tg.Tensor(x), p))(x).item() == la.cond(x, p)
        slopes = tg.grad(lambda x: la.cond(x, p))(x).numpy()
        assert np.isfinite(slopes).all() == (p == -2 and x.any())


@MODES
def test_a_rank_is_plain(mode):
    for x in (SQUARE, np.ones((2, 3, 3))):
        np.testing.assert_array_equal(mode(lambda x: la.matrix_rank(tg.Tensor(x)))(x), la.matrix_rank(x))


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: la.inv(x), r"np\.linalg\.inv takes square matrices, .* of shape \(2, 3\)$"),
        (lambda x: la.eigvalsh(x[0]), r"np\.linalg\.eigh takes square matrices, .* of shape \(3,\)$"),
        (lambda x: la.svd(x[0]), r"np\.linalg\.svd takes matrices, .* of shape \(3,\)$"),
        (
            lambda x: la.solve(x.T @ x, np.ones(2)),
            r"np\.linalg\.solve of \(3, 3\) and \(2,\): 3 equations need as many",
        ),
        (
            lambda x: la.solve(np.ones((2, 3, 3)) * x[0], np.ones((4, 3, 1))),
            r"^solve of \(2, 3, 3\) and \(4, 3, 1\): axis -3 has length 2 and 4",
        ),
        (lambda x: la.lstsq(x, np.ones(3)), r"np\.linalg\.lstsq of \(2, 3\) and \(3,\)"),
        (lambda x: la.tensorsolve(x, np.ones(2)), r"np\.linalg\.tensorsolve of \(2, 3\) and \(2,\)"),
        (lambda x: la.tensorinv(x, ind=1), r"np\.linalg\.tensorinv of \(2, 3\)"),
        (lambda x: la.norm(x[None]), None),
        (lambda x: la.norm(x[None], 2), r"np\.linalg\.norm\(ord=2\) of shape \(1, 2, 3\): one axis is for vectors"),
        (lambda x: la.norm(x, 5), "Invalid norm order 5 for matrices"),
        (lambda x: la.norm(x[0], "fro"), "Invalid norm order 'fro' for vectors"),
        (lambda x: la.eigh(x.T @ x, "X"), r"np\.linalg\.eigh\(UPLO='X'\)"),
        (lambda x: la.multi_dot([x]), r"np\.linalg\.multi_dot takes two matrices or more"),
        (lambda x: la.multi_dot([x, x]), r"matmul of \(2, 3\) @ \(2, 3\)"),
        (lambda x: la.cross(x, x[:, :2]), r"np\.linalg\.cross of \(2, 3\) and \(2, 2\)"),
        (lambda x: la.outer(x, x), r"np\.linalg\.outer takes two vectors"),
        (lambda x: la.cholesky(-(x.T @ x)), r"^cholesky of \(3, 3\): Matrix is not positive definite"),
        (lambda x: la.inv(0 * x.T @ x), r"^inv of \(3, 3\): Singular matrix"),
    ],
)
def test_what_does_not_fit_is_said_in_words(f, message):
    x = tg.Tensor(WIDE)
    if message is None:
        f(x)
    else:
        with pytest.raises(ValueError, match=message):
            f(x)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: la.svd(x), r"np\.linalg\.svd\(full_matrices=True\) of shape \(2, 3\) .*: write full_matrices=False"),
        (lambda x: la.svd(x, hermitian=True), r"np\.linalg\.svd of a Tensor: .*takes the arguments a, full_matrices, "),
        (
            lambda x: la.qr(x.T, "complete"),
            r"np\.linalg\.qr\(mode='complete'\) of shape \(3, 2\) has no derivative rule",
        ),
        (lambda x: la.qr(x, "raw"), r"np\.linalg\.qr\(mode='raw'\)"),
        (lambda x: la.solve(x @ x.T, np.ones(2) * 1j), r"np\.linalg\.solve of complex numbers has no derivative rule"),
        (lambda x: la.norm(tg.Tensor(np.ones(2) * 1j)), r"np\.linalg\.norm of complex numbers"),
        (lambda x: la.eig(x @ x.T), r"np\.linalg\.eig has no derivative rule.*np\.linalg\.eigh\(x\) for a symmetric"),
        (lambda x: la.eigvals(x @ x.T), r"np\.linalg\.eigvals has no derivative rule.*np\.linalg\.eigvalsh\(x\)"),
        (lambda x: la.inv(x[:, :2].astype(np.float16)), "float16 is unsupported in linalg"),
    ],
)
def test_what_has_no_derivative_here_is_refused_in_words(f, message):
    with pytest.raises(TypeError, match=message):
        f(tg.Tensor(WIDE))


def test_the_advice_on_eigenvalues_holds():
    x = definite(3, 3)
    np.testing.assert_allclose(la.eigvalsh(tg.Tensor(x)).numpy(), np.sort(la.eigvals(x)))
    w, v = la.eigh(tg.Tensor(x))
    np.testing.assert_allclose((x @ v).numpy(), (w * v).numpy())


TRANSFORMS = [
    f for f, row in NUMPY_FUNCTIONS.items() if numpy_name(f).startswith("np.fft") and isinstance(row, Instead)
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=numpy_name)
def test_a_transform_is_refused_with_what_to_write(transform):
    with pytest.raises(TypeError, match=r"np\.fft\.\w+ has no derivative rule.*: write .*np\.cos\(w\).*np\.sin\(w\)"):
        transform(tg.Tensor(SQUARE))


@pytest.mark.parametrize("n", [4, 5])
def test_the_advice_on_transforms_holds(n):
    x, k = normal(2, n), n // 2 + 1
    w = 2 * np.pi / n * np.outer(np.arange(n), np.arange(k))
    a, b = eval(NUMPY_FUNCTIONS[np.fft.rfft].code, {"np": np, "x": tg.Tensor(x), "w": w})
    y = np.fft.rfft(x)
    np.testing.assert_allclose(a.numpy(), y.real, atol=1e-12)
    np.testing.assert_allclose(b.numpy(), y.imag, atol=1e-12)
    share = np.where((np.arange(k) == 0) | (2 * np.arange(k) == n), 1, 2) / n
    code = NUMPY_FUNCTIONS[np.fft.irfft].code
    np.testing.assert_allclose(eval(code, {"np": np, "a": a * share, "b": b * share, "w": w}).numpy(), x, atol=1e-12)


@pytest.mark.parametrize("mode", [lambda f: f, tg.jit])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_singular_values_of_what_is_not_finite_are_refused(mode, bad):
    """NumPy's LAPACK never ends for some infinite elements."""
    x = normal(3, 4)
    for f in (la.pinv, lambda x: la.svd(x, full_matrices=False)[1], la.svdvals, lambda x: la.norm(x, 2)):
        g = mode(f)
        np.testing.assert_allclose(g(tg.Tensor(x)).numpy(), f(x), atol=1e-12)
        with pytest.raises(la.LinAlgError, match=r"np\.linalg\.\w+ of an element that is not finite"):
            g(tg.Tensor(np.where(x == x[1, 2], bad, x)))


@pytest.mark.parametrize("mode", [lambda f: f, tg.jit])
def test_a_least_square_of_dependent_columns_is_refused(mode):
    f, b = mode(lambda a, b: la.lstsq(a, b)[0]), normal(3)
    np.testing.assert_allclose(f(tg.Tensor(normal(3, 2)), b).numpy(), la.lstsq(normal(3, 2), b)[0], atol=1e-12)
    with pytest.raises(la.LinAlgError, match="linearly independent"):
        f(tg.Tensor(np.ones((3, 2))), b)

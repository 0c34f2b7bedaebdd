"""Order and statistics: whatever arguments NumPy's functions have, values and derivatives are right.

`CASES` are calls. Their names are arrays, see `ARRAYS`: those of floats become Tensors. What NumPy makes of the arrays
themselves is expected; finite differences confirm the first and the second derivatives.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_lite as tg

_rng = np.random.default_rng(0)
# fmt: off
ARRAYS = {
    "x": _rng.permutation(24).reshape(2, 3, 4) / 7 - 1.3,  # distinct, as are those of each other array
    "m": np.array([[0.5, -2.0, 1.25, 0.1], [3.0, 0.25, 4.0, -1.0], [1.5, 0.75, -2.5, 2.0]]),
    "v": np.array([0.5, 2.0, -1.0, 3.5, 1.75]),
    "w": np.array([1.0, 0.5, 2.0, 0.25, 3.0]),
    "u": np.array([0.3, -0.7, 1.1]),
    "s": np.array(0.4),
    "t": np.array([-1.0, 0.5, 1.5, 4.0, 6.0]),  # in order
    "o": np.array([0.7]),
    "q": np.array([[0.1, 0.55], [0.8, 0.3]]),
    "n": np.array([[0.5, np.nan, 1.25, 0.1], [np.nan, np.nan, 4.0, -1.0], [1.5, 0.75, -2.5, 2.0]]),  # some NaN
    "h": np.array([[np.nan, 2.0, 0.5], [np.nan, np.nan, np.nan]]),  # a row of NaN alone
    "i": np.array([2, 0, 3, 2, 0]),
}

CASES = """
    np.sort(x) | np.sort(x, axis=0) | np.sort(x, 1) | np.sort(x, axis=None) | np.sort(v, kind="heapsort")
    np.sort(m, stable=True) | np.sort(n, axis=0) | np.sort(o) | np.partition(v, 2) | np.partition(x, [1, 2], axis=-1)
    np.partition(m, -1, axis=0) | np.partition(m, 3, axis=None) | np.unique(v) | np.unique(m, return_index=True)
    np.unique(m, return_inverse=True) | np.unique(n) | np.unique(m, True, True, True) | np.unique(n, equal_nan=False)
    np.unique(s) | np.unique(m, axis=0)
    np.unique(m, axis=1, return_index=True, return_inverse=True, return_counts=True) | np.unique_values(m)
    np.unique_counts(v) | np.unique_inverse(m) | np.unique_all(m) | np.union1d(v, t - 0.1) | np.union1d(m, u)
    np.setdiff1d(v, t - 0.1) | np.setdiff1d(t - 0.1, v, assume_unique=True) | np.setxor1d(v, t - 0.1)
    np.setxor1d(u, v, True)

    np.median(x) | np.median(x, axis=1) | np.median(x, axis=(0, 2)) | np.median(m, axis=-1, keepdims=True)
    np.median(s) | np.median(v) | np.median(m, overwrite_input=True) | np.median(x, (2, 0), keepdims=True)
    np.median(n, axis=0) | np.quantile(x, 0.3) | np.quantile(x, 0.3, axis=1) | np.quantile(x, q)
    np.quantile(x, q, axis=(0, 2), keepdims=True) | np.quantile(m, [0.0, 0.5, 1.0], axis=0) | np.percentile(m, 30)
    np.percentile(m, [10, 90], axis=1, keepdims=True) | np.quantile(n, 0.4, axis=1) | np.quantile(v, s)
    np.percentile(v, 100 * q) | np.quantile(s, 0.3) | np.quantile(o, q)
    np.quantile(m, 0.35, axis=0, weights=abs(u), method="inverted_cdf")
    np.percentile(m, 60, weights=abs(m), method="inverted_cdf")
    np.quantile(x, q, axis=(0, 2), weights=abs(x) + 0.77, method="inverted_cdf", keepdims=True)
    np.quantile(v, [0, 0.2, 1], weights=i, method="inverted_cdf") | np.nanmedian(n) | np.nanmedian(n, axis=0)
    np.nanmedian(n, axis=(0, 1), keepdims=True) | np.nanmedian(h, axis=1) | np.nanquantile(n, 0.3)
    np.nanquantile(n, q, axis=1) | np.nanpercentile(n, [20, 70], axis=0, keepdims=True)
    np.nanquantile(h, 0.3, axis=0) | np.nanquantile(x, 0.3, axis=(0, 2)) | np.nanmedian(x, (0, 1))

    np.average(x) | np.average(x, axis=1) | np.average(x, (0, 2), keepdims=True) | np.average(v, weights=w)
    np.average(x, axis=1, weights=u) | np.average(x, axis=(1, 2), weights=abs(m))
    np.average(x, axis=(2, 1), weights=m.T) | np.average(m, weights=m, axis=0, keepdims=True, returned=True)
    np.average(v, weights=i) | np.average(m, returned=True) | np.ptp(x) | np.ptp(x, axis=1)
    np.ptp(x, (0, 2), keepdims=True) | np.ptp(s) | np.cov(m) | np.cov(m, rowvar=False) | np.cov(v) | np.cov(v, w)
    np.cov(m, bias=True) | np.cov(m, ddof=2) | np.cov(v, v * u[:, None]) | np.cov(m, u, False)
    np.cov(m, u[None], False) | np.cov(m, m * m, False) | np.cov(v, fweights=i) | np.cov(v, w, aweights=abs(t))
    np.cov(v, w, fweights=i, aweights=w, ddof=0) | np.cov(v, w, bias=True, aweights=w)
    np.cov(v, y=w, dtype=np.float64) | np.corrcoef(m) | np.corrcoef(v, w) | np.corrcoef(m, rowvar=False)
    np.corrcoef(v) | np.corrcoef(v, w, dtype=np.float64) | np.nansum(n) | np.nansum(n, axis=0)
    np.nansum(n, axis=(0, 1), keepdims=True) | np.nansum(h, 1) | np.nansum(n, initial=2.0, where=n > 0) | np.nanprod(n)
    np.nanprod(n, axis=1) | np.nanprod(h, 1) | np.nanprod(n, axis=0, initial=2.0) | np.nanprod(n, where=n > 0.2)
    np.nanmean(n) | np.nanmean(n, axis=0) | np.nanmean(n, axis=(0, 1), keepdims=True) | np.nanmean(h, axis=1)
    np.nanmean(n, 1, where=n > 0) | np.nanvar(n) | np.nanvar(n, axis=0) | np.nanvar(n, ddof=1, axis=1)
    np.nanvar(n, correction=1) | np.nanvar(n, where=n > 0) | np.nanvar(n, mean=np.nanmean(n)) | np.nanstd(n, axis=1)
    np.nanstd(n, axis=1, ddof=1, keepdims=True) | np.nanstd(n) | np.nanstd(n, correction=0.5)
    np.nanvar(n, axis=0, dtype=np.float64) | np.nanmean(n, dtype=np.float64) | np.nanmax(n) | np.nanmax(n, axis=0)
    np.nanmin(n, axis=(0, 1), keepdims=True) | np.nanmin(h, axis=1) | np.nanmax(n, initial=1.0)
    np.nanmax(n, axis=1, where=n > 0, initial=0.7) | np.nanmin(n, where=n > 0, initial=9.0) | np.nanmax(s)
    np.nanmin(x, 1)

    np.convolve(v, u) | np.convolve(u, v, "same") | np.convolve(v, u, mode="valid") | np.convolve(v, w, "same")
    np.convolve(v, s) | np.convolve(m[0], u, "same") | np.convolve(m[0], v, "valid") | np.convolve(v, [1, 2])
    np.convolve(v, o, "same") | np.correlate(v, u) | np.correlate(u, v) | np.correlate(v, u, "full")
    np.correlate(u, v, "full") | np.correlate(v, u, "same") | np.correlate(m[0], u, "same")
    np.correlate(u, m[0], "same") | np.correlate(v, w, "same") | np.correlate([1, 2], v, "full") | np.diff(x)
    np.diff(x, axis=0) | np.diff(x, n=2, axis=1) | np.diff(v, 0) | np.diff(v, 3) | np.diff(v, n=7)
    np.diff(m, prepend=0) | np.diff(m, append=m[:, :2], axis=1) | np.diff(m, 2, 0, prepend=s, append=m[:1])
    np.diff(v, prepend=[1, 2]) | np.ediff1d(m) | np.ediff1d(v, to_end=s) | np.ediff1d(v, to_begin=[1, 2], to_end=w)
    np.ediff1d(s) | np.gradient(v) | np.gradient(m) | np.gradient(m, 0.5) | np.gradient(x, axis=1)
    np.gradient(x, 2.0, axis=(0, 2)) | np.gradient(v, t) | np.gradient(m, u, 0.5)
    np.gradient(m, s, m[0] * 0 + [0, 1, 3, 4]) | np.gradient(v, edge_order=2) | np.gradient(v, t, edge_order=2)
    np.gradient(m, 2.0, axis=-1, edge_order=2) | np.gradient(x, s, axis=2) | np.gradient(v, w.sum()) | np.trapezoid(v)
    np.trapezoid(v, t) | np.trapezoid(x, dx=0.5) | np.trapezoid(x, axis=1) | np.trapezoid(x, u, axis=1)
    np.trapezoid(m, m ** 3, axis=0) | np.trapezoid(v, dx=s) | np.trapezoid(v, x=w) | np.trapezoid(x, m)
    np.apply_along_axis(np.sort, 1, x) | np.apply_along_axis(lambda a: a[:, None] * a, 1, m)
    np.apply_along_axis(np.sum, 0, m) | np.apply_over_axes(np.sum, x, (0, 2)) | np.apply_over_axes(np.median, x, -1)

    np.histogram(x) | np.histogram(x, bins=4, range=(-1, 1)) | np.histogram(x, [-1.01, 0.0, 0.5, 1.0])
    np.histogram(v, 4, weights=w) | np.histogram(x, bins=3, density=True) | np.histogram(v, t + 0.1) | np.histogram(s)
    np.histogram(v, t + 0.1, density=True, weights=w) | np.histogram(i, weights=w, bins=2)
    np.histogram_bin_edges(x, 4) | np.histogram(m, 3, weights=m) | np.histogram2d(v, w, 4)
    np.histogram2d(v, w, [2, 4], weights=w) | np.histogram2d(v, w, t - 0.1, density=True) | np.histogramdd(m[:, :3], 4)
    np.bincount(i, w) | np.histogramdd([v, w], [2, t - 0.3], density=True, weights=t + 3)
    np.bincount(i, w, minlength=7) | np.histogramdd((v, w, v * w), 2, range=[(0, 1.1), (0, 2.2), (0, 1.2)])

    np.convolve(v, m[0], "same") | np.correlate(v, m[0], "same") | np.correlate(m[0], v, "same")
    np.polyval(u, x) | np.polyval([1, 2, 3], v) | np.polyval(u, s) | np.polyadd(v, u) | np.polyadd(s, u)
    np.polysub(u, v) | np.polymul(u, v) | np.polymul(u, [1, 2]) | np.polyder(v) | np.polyder(v, 2) | np.polyder(o)
    np.polyder(u, 5) | np.polyint(v) | np.polyint(v, 2) | np.polyint(u, 2, k=[1, 2]) | np.polyint(u, 2, s) | np.poly(u)
    np.poly(o) | np.vander(u) | np.vander(v, 3) | np.vander(u, 4, increasing=True)

    np.vdot(m, 2 * m) | np.vdot(v, w) | np.vdot(s, o) | np.vdot(v, [1, 2, 3, 4, 5]) | np.vecdot(v, w) | np.vecdot(x, m)
    np.vecdot(x, x[0, 1]) | np.vecdot(m, m * 2, keepdims=True) | np.vecdot(x, x[0], axis=-2)
    np.vecdot(x, x[:, :1], axis=2) | np.cross(u, [1.0, 2.0, 3.0]) | np.cross(m[:, :3], u) | np.cross(x, x * x, 1, 1, 0)
    np.cross(x, m, axisa=1, axisb=0) | np.cross(x, x * x, axis=1) | np.outer(m, v) | np.outer(s, v) | np.inner(x, m)
    np.inner(v, w) | np.inner(s, v) | np.tensordot(x, m) | np.tensordot(x, m, ([1, 2], [0, 1]))
    np.tensordot(x, x, axes=((0, 2), (0, 2))) | np.tensordot(v, w, 0) | np.tensordot(m, u, axes=(0, 0))
    np.tensordot(x, m, axes=[-1, 1])
"""
# NumPy takes vectors in a plane up to 2.4.
IN_A_PLANE = """
    np.cross(u[:2], u[1:]) | np.cross(u, u[:2]) | np.cross(m[:, 1:], m[:, :2]) | np.cross(x, m, axis=0)
    np.cross(x[:, :2], x[:, 1:], axis=1) | np.cross(x[:, :2], m, axisa=1, axisb=0, axisc=0)
"""
# Where two elements are equal their sets have no derivative.
OF_EQUAL = """
    np.union1d(v, w) | np.intersect1d(v, w) | np.setdiff1d(v, w) | np.setxor1d(v, w) | np.union1d(m, v)
    np.intersect1d(n, m) | np.intersect1d(v, w, return_indices=True)
    np.intersect1d(m, t, assume_unique=True, return_indices=True) | np.setdiff1d(v, w, assume_unique=True)
    np.setxor1d(v, w, True) | np.setxor1d(n, m) | np.unique(m[0] * 0) | np.sort(m * 0)
"""
NEWER = """
    np.matvec(m, v[1:]) | np.matvec(x, m[:2]) | np.vecmat(u, m) | np.vecmat(m[:2, :3], x) | np.matvec(x, v[:4])
    np.vecmat(u, x)
"""
QUANTILES = ("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen")
QUANTILES += ("weibull", "linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest")
# What is recorded of plain arrays as NumPy's own takes no arrays by keyword.
REFUSED = """
    np.quantile(m, 0.35, axis=0, weights=abs(u), method="inverted_cdf")
    np.percentile(m, 60, weights=abs(m), method="inverted_cdf")
    np.quantile(x, q, axis=(0, 2), weights=abs(x) + 0.77, method="inverted_cdf", keepdims=True)
    np.quantile(v, [0, 0.2, 1], weights=i, method="inverted_cdf") | np.cov(v, fweights=i)
    np.cov(v, w, aweights=abs(t)) | np.cov(v, w, fweights=i, aweights=w, ddof=0) | np.cov(v, w, bias=True, aweights=w)
    np.nansum(n, initial=2.0, where=n > 0) | np.nanprod(n, where=n > 0.2) | np.nanmean(n, 1, where=n > 0)
    np.nanvar(n, where=n > 0) | np.nanvar(n, mean=np.nanmean(n)) | np.nanmax(n, axis=1, where=n > 0, initial=0.7)
    np.nanmin(n, where=n > 0, initial=9.0) | np.vecdot(m, m * 2, keepdims=True) | np.vecdot(x, x[0], axis=-2)
    np.vecdot(x, x[:, :1], axis=2)
"""
# fmt: on


def cases(text):
    """Return the calls in a text, of which the lines and the bars are the ends."""
    return [case.strip() for line in text.strip().splitlines() for case in line.split(" | ") if case.strip()]


CALLS = cases(CASES) + (cases(NEWER) if hasattr(np, "matvec") else [])
CALLS += cases(IN_A_PLANE) if np.lib.NumpyVersion(np.__version__) < "2.5.0" else []
_first_of = {call.partition("(")[0]: call for call in reversed(CALLS)}
# The first call of each function is made in every run of the tests, the rest in those of the whole.
REFUSED = cases(REFUSED)
each_call = pytest.mark.parametrize(
    "call", [pytest.param(call, marks=[] if call in _first_of.values() else pytest.mark.whole) for call in CALLS]
)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.whole)])
# NumPy's own, and Python's about NaN.
quietly = pytest.mark.filterwarnings("ignore:.*(empty|All-NaN|Degrees|2-dimensional|invalid value|divide by zero)")


def compiled(call):
    """Return a call as a function of the arrays of floats that it names, and these."""
    named = [name for name in ARRAYS if re.search(rf"(?<![\w.]){name}\b(?!=)", call)]
    floats = [name for name in named if ARRAYS[name].dtype.kind == "f"]
    others = {name: ARRAYS[name] for name in named if name not in floats}
    return eval(f"lambda {', '.join(floats)}: {call}", {"np": np, **others}), [ARRAYS[name] for name in floats]


def parts(y):
    """Return the results of a function as a list, without tuples in it."""
    return [part for x in y for part in parts(x)] if isinstance(y, (tuple, list)) else [y]


def plain(y):
    return y.numpy() if isinstance(y, tg.Tensor) else np.asarray(y)


def of_tensors(f):
    return lambda *arrays: f(*map(tg.Tensor, arrays))


def differentiable(f, arrays):
    """Return the sum of squares of all numbers in the results, and arrays in which other numbers stand for NaN."""
    missing = [np.isnan(x) if np.isnan(x).any() else None for x in arrays]

    def g(*xs):
        xs = [x if is_nan is None else np.where(is_nan, np.nan, x) for is_nan, x in zip(missing, xs, strict=True)]
        found = [y for y in parts(f(*xs)) if isinstance(y, tg.Tensor)]
        squares = [np.where(np.isnan(y), 0, y) ** 2 * (k + 1.0) for k, y in enumerate(found)]
        return sum(y.sum() for y in squares) if squares else tg.Tensor(0.0)

    return g, [np.nan_to_num(x, nan=0.7) for x in arrays]


# The shape of their results depends on values, which a program does not have.
OF_VALUES = ("np.unique", "np.union1d", "np.setdiff1d", "np.setxor1d")


@pytest.mark.parametrize("call", CALLS + cases(OF_EQUAL))
@quietly
@each_dtype
def test_values_are_those_of_numpy(call, dtype):
    f, arrays = compiled(call)
    arrays = [x.astype(dtype) for x in arrays]
    expected, found = parts(f(*arrays)), parts(of_tensors(f)(*arrays))
    assert type(f(*arrays)) is type(of_tensors(f)(*arrays)) or len(expected) == 1
    for y, z in zip(expected, found, strict=True):
        may_be_plain = np.asarray(y).dtype.kind != "f" or y is not expected[0] or call.startswith("np.histogram")
        assert isinstance(z, tg.Tensor) or may_be_plain
        if isinstance(z, tg.Tensor):
            assert z.dtype == (np.float64 if "float64" in call else dtype)
        np.testing.assert_allclose(plain(z), y, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6)


@each_call
@quietly
def test_derivatives_are_those_of_differences(call):
    f, arrays = compiled(call)
    if not any(isinstance(y, tg.Tensor) for y in parts(of_tensors(f)(*arrays))):
        return  # counts alone
    g, arrays = differentiable(f, arrays)
    assert tg.gradcheck(g, *arrays, order=2, mode="fast")


@each_call
@quietly
@each_dtype
def test_programs_have_the_same_values_and_derivatives(call, dtype):
    f, arrays = compiled(call)
    arrays = [x.astype(dtype) for x in arrays]
    if call.startswith((*OF_VALUES, "np.bincount")):
        with pytest.raises(
            tg.JitError, match=r"a mask chooses elements, so that the shape|needs the value of an array"
        ):
            tg.jit(of_tensors(f))(*arrays)
        return
    h, filled = differentiable(f, arrays)
    for g, given in ((of_tensors(f), arrays), (tg.grad(h, tuple(range(len(arrays)))), filled)):
        for y, z in zip(parts(g(*given)), parts(tg.jit(g)(*given)), strict=True):
            assert plain(y).dtype == plain(z).dtype
            np.testing.assert_allclose(plain(z), plain(y), rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6)


@each_call
@quietly
@each_dtype
def test_programs_of_plain_arrays_are_numpys(call, dtype):
    f, arrays = compiled(call)
    arrays = [x.astype(dtype) for x in arrays]
    if call in REFUSED or call.startswith((*OF_VALUES, "np.histogram", "np.bincount", "np.vander")):
        with pytest.raises(tg.JitError, match=r"np\.\w+ (with|of) .* cannot be recorded|a mask chooses"):
            tg.jit(f)(*arrays)
        return
    for y, z in zip(parts(f(*arrays)), parts(tg.jit(f)(*arrays)), strict=True):
        assert np.asarray(y).dtype == np.asarray(z).dtype
        np.testing.assert_allclose(z, y, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6)


def cotangents(f, *arrays):
    """Return the derivatives of the sum of a result, weighted with 1, 2, 3, …."""
    xs = [tg.Tensor(x, requires_grad=True) for x in arrays]
    y = f(*xs)
    (y * np.arange(1.0, y.size + 1).reshape(y.shape)).sum().backward()
    return [[0] * x.size if x.grad is None else x.grad.numpy().tolist() for x in xs]


@quietly
@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (np.sort, [2.0, 1.0, 2.0, 1.0], [3, 1, 4, 2]),  # equal elements stay in order
        (np.sort, [np.nan, 2.0, np.nan, 1.0], [3, 2, 4, 1]),  # NaN is last
        (np.median, [1.0, 3.0, 3.0, 9.0], [0, 0.5, 0.5, 0]),
        (np.median, [5.0, 2.0, 9.0], [1, 0, 0]),
        (np.median, [5.0, np.nan, 9.0], [0, 1, 0]),  # which makes the result
        (np.nanmedian, [5.0, np.nan, 9.0], [0.5, 0, 0.5]),
        (lambda x: np.quantile(x, 0.75), [4.0, 0.0, 8.0], [0.5, 0, 0.5]),
        (lambda x: np.quantile(x, [0, 1]), [4.0, 0.0, np.inf], [0, 1, 2]),  # an infinite element is its own quantile
        (np.ptp, [3.0, 1.0, 3.0, 1.0], [0.5, -0.5, 0.5, -0.5]),
        (np.nanmax, [3.0, np.nan, 3.0], [0.5, 0, 0.5]),
        (np.nansum, [3.0, np.nan, 1.0], [1, 0, 1]),
        (np.nanstd, [2.0, np.nan, 2.0], [0, 0, 0]),
        (np.unique, [3.0, 1.0, 3.0, 1.0], [2, 1, 0, 0]),  # the first of equal ones
        (np.unique, [np.nan, 1.0, np.nan], [2, 1, 0]),
        (lambda x: np.histogram_bin_edges(x, 2), [3.0, 1.0, 2.0], [4, 2, 0]),
    ],
)
def test_the_cotangents_of_equal_elements_and_of_nan(f, x, expected):
    np.testing.assert_allclose(cotangents(f, x), [expected], atol=1e-7)


def test_the_first_set_has_the_cotangent_of_a_common_element():
    assert cotangents(np.union1d, [2.0, 1.0], [3.0, 2.0]) == [[2, 1], [3, 0]]
    assert cotangents(np.intersect1d, [2.0, 1.0, 2.0], [3.0, 2.0]) == [[1, 0, 0], [0, 0]]
    assert cotangents(np.setdiff1d, [2.0, 1.0], [3.0, 2.0]) == [[0, 1], [0, 0]]
    assert cotangents(np.setxor1d, [2.0, 1.0], [3.0, 2.0]) == [[0, 1], [2, 0]]


EDGES = {
    "e": np.empty(0), "b": np.empty((2, 0)), "z": np.array(2.0), "r": np.array([3.0, 1.0, 2.0]),
    "f": np.array([np.inf, 1.0, -np.inf]), "n": np.array([np.nan, np.nan]), "k": np.array([3, 1, 1]),
}  # fmt: skip


@quietly
@pytest.mark.parametrize(
    "call",
    cases("""
        np.quantile(r, 0, weights=[1, 0, 1], method="inverted_cdf")
        np.sort(e) | np.sort(b, axis=0) | np.sort(z) | np.sort(r, axis=1) | np.sort(r, kind="no") | np.sort(k)
        np.sort(r, kind="stable", stable=True) | np.partition(r, 3) | np.partition(e, 0) | np.median(e)
        np.median(z, axis=0) | np.median(b, axis=1) | np.median(b, axis=0) | np.median(r, axis=2) | np.median(f)
        np.median(k) | np.nanmedian(n) | np.quantile(e, 0.5) | np.quantile(r, 1.5) | np.quantile(r, -0.5)
        np.percentile(r, 101) | np.quantile(r, []) | np.quantile(b, 0.5, axis=0) | np.quantile(r, 0.5, method="no")
        np.quantile(r, 0.5, weights=[1, 2, 3]) | np.quantile(r, 0.5, weights=[1, 2], method="inverted_cdf")
        np.quantile(k, 0.4) | np.nanquantile(e, 0.5) | np.quantile(r, 0.5, weights=[0, 0, 0], method="inverted_cdf")
        np.nanquantile(n, 0.5) | np.quantile(n, 0.5) | np.quantile(r, 0.5, weights=[1, -1, 1], method="inverted_cdf")
        np.nanquantile(e, [0.1, 0.2]) | np.unique(e) | np.unique(b, axis=0) | np.unique(z) | np.unique(b, axis=1)
        np.unique(r, axis=1) | np.unique(k) | np.union1d(e, r) | np.intersect1d(e, r) | np.setdiff1d(e, r)
        np.setxor1d(r, e) | np.intersect1d(n, n) | np.average(e) | np.average(r, weights=[1, 2])
        np.average(r, weights=[1, -2, 1]) | np.average(k) | np.average(f) | np.ptp(e) | np.ptp(n) | np.cov(e)
        np.cov(z) | np.cov(r, ddof=3) | np.cov(r, ddof=0.5) | np.cov(r, fweights=[1, 2, 0.5])
        np.cov(r, fweights=[1, -2, 1]) | np.cov(r, aweights=[1, 2]) | np.cov(r, aweights=[1, -2, 1]) | np.cov(k)
        np.corrcoef(z) | np.nansum(e) | np.nanprod(n) | np.nanmean(n) | np.nanmean(e) | np.nanvar(n)
        np.nanvar(r, ddof=3) | np.nanmax(e) | np.nanmax(n) | np.nanmin(k) | np.nanmean(k)
        np.nanmax(r, where=[True, False, True]) | np.nanvar(r, ddof=1, correction=1) | np.convolve(e, r)
        np.convolve(z, r) | np.convolve(r, f) | np.convolve(r, r, "no") | np.convolve(b, r) | np.convolve(k, k)
        np.correlate(r, e) | np.correlate(f, r, "full") | np.diff(e) | np.diff(z) | np.diff(r, -1) | np.diff(r, axis=1)
        np.diff(k) | np.diff(b, axis=0) | np.diff(r, prepend=[[1]]) | np.ediff1d(e) | np.ediff1d(z)
        np.ediff1d(k, to_end=0.5) | np.ediff1d(k) | np.gradient(r[:1]) | np.gradient(r[:2], edge_order=2)
        np.gradient(r, edge_order=3) | np.gradient(r, [1, 2]) | np.gradient(r, 1, 2) | np.gradient(k) | np.gradient(z)
        np.trapezoid(e) | np.trapezoid(z) | np.trapezoid(k) | np.trapezoid(f) | np.vdot(r, e) | np.vecdot(r, z)
        np.vecdot(r, e) | np.vecdot(e, e) | np.cross(r, e) | np.cross(z, r) | np.cross(k, k) | np.outer(e, r)
        np.inner(r, e) | np.tensordot(r, r, 2) | np.apply_along_axis(np.sum, 0, b) | np.apply_over_axes(np.sum, r, 1)
        np.polymul(k, z) | np.polymul(z - z, r)
        np.polyval(e, r) | np.polyval(r, e) | np.polyder(r, -1) | np.polyint(r, 3, [1, 2]) | np.poly(b)
        np.vander(b) | np.bincount(k) | np.bincount(-k) | np.bincount(r) | np.bincount(k, weights=[1, 2])
        np.bincount(k, minlength=-1) | np.histogram(e) | np.histogram(f) | np.histogram(r, 0) | np.histogram(r, [3, 2])
        np.histogram(r, 2.5) | np.histogram(n) | np.histogram(r, range=(2, 1)) | np.histogram(r, weights=[1])
        np.histogram2d(r, e) | np.histogramdd([r, r], [2, 2, 2])
    """),
)
def test_at_the_edges_it_does_what_numpy_does_or_refuses(call):
    arrays = {"np": np, **EDGES}
    tensors = {"np": np} | {name: tg.Tensor(x) for name, x in EDGES.items()}
    try:
        expected = parts(eval(call, arrays))
    except (ValueError, TypeError, IndexError, RuntimeError, ZeroDivisionError):
        with pytest.raises((ValueError, TypeError, ZeroDivisionError)):
            eval(call, tensors)
        return
    for y, z in zip(expected, parts(eval(call, tensors)), strict=True):
        np.testing.assert_allclose(plain(z), y, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ('np.sort(x, order="a")', "np.sort of a Tensor: .*; it takes the arguments a, axis, kind, stable"),
        ("np.median(x, out=x)", r"np.median\(…, out=…\) does not write into a Tensor"),
        ('np.quantile(x, 0.5, method="no")', "np.quantile has no method 'no': use one of linear, lower, higher"),
        ("np.matvec(x[None], x, axes=[(0, 1), 0, 0])", "np.matvec of a Tensor: .*; it takes the arguments x1, x2"),
        ('np.histogram(x, "auto")', r"takes the number of bins, not bins='auto' to estimate it: write bins=len\("),
        ("np.histogram(x, weights=[1])", r"np.histogram of \(3,\): the weights have shape \(1,\); give one for each"),
        ("np.average(x, weights=[1])", r"np.average of shape \(3,\) over axis None: the weights have shape \(1,\)"),
        ("np.cov(x, aweights=[1])", r"np.cov of 3 observations: aweights have shape \(1,\); give one for each"),
        ("np.polyfit(x, x, 1)", "np.polyfit has no derivative rule, so a Tensor cannot pass through it"),
        ("np.polymul(x, 0 * x)", r"np.polymul: the first coefficient is 0, .*: write np.convolve\(a1, a2\)"),
        ("np.roots(x)", "np.roots has no derivative rule, so a Tensor cannot pass through it"),
        ("x.sort()", r"a Tensor has no 'sort': write np.sort\(x\)"),
        ("x.partition(1)", r"a Tensor has no 'partition': write np.partition\(x\)"),
        ("x.ptp()", r"a Tensor has no 'ptp': write np.ptp\(x\)"),
    ],
)
def test_what_is_not_supported_says_what_to_write(call, words):
    if call.startswith("np.matvec") and not hasattr(np, "matvec"):
        pytest.skip("since NumPy 2.2")
    with pytest.raises((TypeError, ValueError, AttributeError), match=words):
        eval(call, {"np": np, "x": tg.Tensor([1.0, 2.0, 3.0])})


def test_a_program_repeats_the_check_of_a_first_coefficient():
    product = tg.jit(lambda a, b: np.polymul(a, b))
    a, b = np.array([2.0, 1.0]), np.array([3.0, 0.0, 1.0])
    for _ in range(2):
        np.testing.assert_array_equal(product(a, b), np.polymul(a, b))
    with pytest.raises(ValueError, match=r"np\.polymul: the first coefficient is 0"):
        product(a, 0 * b)


def test_methods_that_find_places_are_numpys():
    x = np.array([[3.0, 1.0, 2.0], [2.0, 2.0, 0.0]])
    for f in (
        lambda x: x.argsort(),
        lambda x: x.argsort(0, "stable"),
        lambda x: x.argsort(axis=None, stable=True),
        lambda x: x.argpartition(1, axis=0),
        lambda x: x[0].searchsorted([0.5, 2.5], side="right", sorter=[1, 2, 0]),
        lambda x: x.nonzero(),
    ):
        np.testing.assert_array_equal(f(tg.Tensor(x)), f(x))


def test_an_array_by_keyword_is_not_recorded_in_another_place():
    """Of a program's operands only the order counts: atol= would become rtol=."""
    x, y, bound = np.array([1.0, 1.5]), np.array([1.1, 1.0]), np.array([0.2, 0.2])
    with pytest.raises(tg.JitError, match=r"np\.isclose with these arguments cannot be recorded"):
        tg.jit(lambda x, y, bound: np.isclose(x, y, atol=bound))(x, y, bound)


@pytest.mark.parametrize("method", QUANTILES)
@each_dtype
def test_every_method_of_quantiles(method, dtype):
    x, q = ARRAYS["x"].astype(dtype), np.array([0.0, 0.07, 0.26, 0.5, 0.61, 0.9, 1.0])
    for axis in (None, 1, (0, 2)):
        expected = np.quantile(x, q, axis=axis, method=method)
        found = np.quantile(tg.Tensor(x), q, axis=axis, method=method)
        assert found.dtype == dtype
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)
        np.testing.assert_allclose(
            np.nanquantile(tg.Tensor(x), q, axis=axis, method=method).numpy(), expected, rtol=1e-6
        )
    for n in range(1, 9):  # where the position is whole, too
        row = np.arange(n, dtype=dtype)
        places = np.arange(2 * n + 1) / (2 * n)
        np.testing.assert_allclose(
            np.quantile(tg.Tensor(row), places, method=method).numpy(),
            np.quantile(row, places, method=method),
            rtol=1e-6,
            atol=1e-7,
        )
    assert tg.gradcheck(
        lambda x: np.quantile(x, [0.07, 0.61], 1, method=method) ** 2, ARRAYS["x"], order=2, mode="fast"
    )

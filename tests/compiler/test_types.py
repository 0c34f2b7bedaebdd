"""Whatever the types of arrays and numbers, jitted functions give results of the eager ones' type, shape and value."""

import itertools

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.compiler.recorded_functions import ANSWERS

DTYPES = ("float16", "float32", "float64", "int32", "int64", "uint8", "bool")
NUMBERS = (2, 0.5, True, np.float16(1), np.float32(0.5), np.float64(2.0), np.int64(2))
ROW = np.arange(3)


def array(dtype, shape=(2, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 2 if dtype == "bool" else 4, shape).astype(dtype)


def added_in_place(x, y):
    total = x.copy()
    total += y
    return total


def written(x, y):
    copy = x.copy()
    copy[0] = y
    return copy


def added_at(x, y):
    copy = x.copy()
    np.add.at(copy, np.array([0, 0]), y)
    return copy


OF_ELEMENTS = [
    np.negative,
    np.positive,
    np.absolute,
    np.exp,
    np.exp2,
    np.expm1,
    np.log,
    np.log1p,
    np.log2,
    np.sqrt,
    np.cbrt,
    np.square,
    np.reciprocal,
    np.sin,
    np.cos,
    np.tanh,
    np.sign,
    np.floor,
    np.ceil,
    np.rint,
    np.isnan,
    np.isfinite,
    np.logical_not,
    np.invert,
    np.signbit,
    np.spacing,
]
OF_TWO = [
    np.add,
    np.subtract,
    np.multiply,
    np.divide,
    np.power,
    np.float_power,
    np.floor_divide,
    np.remainder,
    np.fmod,
    np.maximum,
    np.minimum,
    np.greater,
    np.equal,
    np.arctan2,
    np.logaddexp,
    np.hypot,
    np.copysign,
    np.logical_and,
    np.bitwise_and,
    np.left_shift,
    np.heaviside,
]
REDUCTIONS = ("sum", "prod", "max", "min", "mean", "any", "all", "argmax", "argmin")

# By the function of NumPy it is about, if it is in the tracer's table.
OF_ONE = {
    **{f: [lambda x, f=f: f(x)] for f in OF_ELEMENTS},
    **{
        getattr(np, name): [
            lambda x, name=name: getattr(np, name)(x),
            lambda x, name=name: getattr(x, name)(axis=0),
            lambda x, name=name: getattr(np, name)(x, axis=1, keepdims=True),
        ]
        for name in REDUCTIONS
    },
    "typed": [
        lambda x: x.sum(axis=1, dtype="float64"),
        lambda x: np.mean(x, dtype="float32"),
        lambda x: x.prod(dtype=int),
    ],
    "reduce": [
        lambda x: np.add.reduce(x),
        lambda x: np.maximum.reduce(x, axis=1),
        lambda x: np.multiply.reduce(x, (0, 1)),
    ],
    "power": [lambda x, n=n: x**n for n in (0, 1, 2, 3, -1, 0.5, 1.0, 2.0, -1.0, np.float64(2), np.array(2))],
    "power of": [lambda x, n=n: n**x for n in (2, 2.0, np.float32(2))],
    "scalars": [lambda x: x.sum() * 1.5, lambda x: x[1, 2] + 1, lambda x: -x.max(), lambda x: x.mean() * ROW],
    "parts": [lambda x: x.real + x.imag, lambda x: x.conj() * 1.0],
    "operators": [
        lambda x: x // 2,
        lambda x: x % 0.5,
        lambda x: divmod(x, 2)[0],
        lambda x: divmod(x, 0.5)[1],
        lambda x: x / 2,
        lambda x: ~x,
        lambda x: x & 1,
        lambda x: x @ x.T,
    ],
    np.cumsum: [np.cumsum, lambda x: np.cumsum(x, axis=1, dtype="float64")],
    np.lib.stride_tricks.sliding_window_view: [
        lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 2)) + x[0, 0],
        lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=1)[..., 0],
    ],
    np.cumprod: [np.cumprod, lambda x: np.cumprod(x, axis=0)],
    **{f: [f, lambda x, f=f: f(x, 1)] for f in (np.round, np.around)},
    **{f: [f] for f in (np.fix, np.sinc, np.i0, np.unwrap, np.nan_to_num)},
    np.angle: [np.angle, lambda x: np.angle(x, deg=True)],
    **{f: [f, lambda x, f=f: f(x, axis=0)] for f in (np.nancumsum, np.nancumprod)},
    np.interp: [lambda x: np.interp(x, [0.0, 1.0, 2.0], [5.0, 6.0, 8.0]), lambda x: np.interp(x, ROW, ROW * 2)],
    np.clip: [
        lambda x: np.clip(x, 1, 2),
        lambda x: np.clip(x, None, 1.5),
        lambda x: x.clip(min=1),
        lambda x: np.clip(x, ROW, 3),
        lambda x: np.clip(x, ROW.astype("int32"), None),
        lambda x: np.clip(x, np.array(1.0), None),
    ],
    np.roll: [lambda x: np.roll(x, 1), lambda x: np.roll(x, 1, axis=1)],
    np.pad: [lambda x: np.pad(x, 1), lambda x: np.pad(x, ((1, 0), (0, 1)), constant_values=5.5)],
    np.argsort: [np.argsort],
    np.argpartition: [lambda x: np.argpartition(x, 1)],
    np.lexsort: [lambda x: np.lexsort((x[0], x[1]))],
    np.partition: [lambda x: np.partition(x, 1, axis=0)],
    np.quantile: [lambda x: np.quantile(x, 0.3), lambda x: np.quantile(x, [0.2, 0.5], axis=1)],
    np.percentile: [lambda x: np.percentile(x, 30, axis=0)],
    np.cov: [np.cov],
    np.corrcoef: [np.corrcoef],
    **{
        f: [lambda x, f=f: f(x), lambda x, f=f: f(x, axis=1, keepdims=True)]
        for f in (np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd, np.nanmax, np.nanmin, np.nanmedian)
    },
    np.nanquantile: [lambda x: np.nanquantile(x, 0.3)],
    np.nanpercentile: [lambda x: np.nanpercentile(x, 30)],
    np.nanargmax: [lambda x: np.nanargmax(x, axis=1)],
    np.nanargmin: [np.nanargmin],
    np.digitize: [lambda x: np.digitize(x, ROW)],
    np.isin: [lambda x: np.isin(x, ROW)],
    np.array_equiv: [lambda x: np.array_equiv(x, x[:1])],
    np.convolve: [lambda x: np.convolve(x[0], x[1]), lambda x: np.convolve(x[0], ROW, "same")],
    np.correlate: [lambda x: np.correlate(x[0], x[1, :2]), lambda x: np.correlate(ROW, x[0], "full")],
    np.sort: [np.sort],
    np.count_nonzero: [np.count_nonzero],
    np.median: [np.median],
    np.searchsorted: [lambda x: np.searchsorted(ROW, x), lambda x: np.searchsorted(ROW / 2, x, side="right")],
    np.isclose: [lambda x: np.isclose(x, x)],
    np.allclose: [lambda x: np.allclose(x, x)],
    np.array_equal: [lambda x: np.array_equal(x, x)],
    np.tril: [np.tril],
    np.triu: [lambda x: np.triu(x, 1)],
    np.diff: [np.diff, lambda x: np.diff(x, axis=0)],
    np.trace: [np.trace, lambda x: np.trace(x, 1)],
    np.repeat: [lambda x: np.repeat(x, 2)],
    np.tile: [lambda x: np.tile(x, (2, 1))],
    np.take_along_axis: [lambda x: np.take_along_axis(x, np.argsort(x, axis=1), 1)],
    np.where: [
        lambda x: np.where(x > 1, x, 0),
        lambda x: np.where(x > 1, x, 0.5),
        lambda x: np.where(x > 1, 1, 0),
        lambda x: np.where(x > 1, np.float64(1), x),
        lambda x: np.where(True, x, 0.5),
    ],
    np.concatenate: [lambda x: np.concatenate([x, ROW[None]]), lambda x: np.concatenate([x, x], axis=None)],
    np.einsum: [
        lambda x: np.einsum("ij->i", x),
        lambda x: np.einsum("ij,kj->ik", x, x),
        lambda x: np.einsum("ij,j", x, ROW),
    ],
    np.broadcast_to: [lambda x: np.broadcast_to(x, (2, 2, 3))],
    np.dot: [lambda x: np.dot(x, 2.0), lambda x: np.dot(2, x), lambda x: np.dot(x, ROW)],
    np.inner: [lambda x: np.inner(x, 2.0), lambda x: np.inner(2, x), lambda x: np.inner(x, x)],
    np.flip: [np.flip, lambda x: np.flip(x, 0)],
    np.take: [lambda x: np.take(x, [0, 1]), lambda x: np.take(x, 1, axis=0), lambda x: np.take(x, ROW[:2], axis=1)],
    np.copy: [np.copy],
    np.zeros_like: [np.zeros_like, lambda x: np.zeros_like(x, shape=(4,))],
    np.ones_like: [np.ones_like, lambda x: np.ones_like(x, "int8")],
    np.empty_like: [lambda x: np.zeros_like(np.empty_like(x))],
    np.full_like: [
        lambda x: np.full_like(x, 2.5),
        lambda x: np.full_like(x, 2, "float64"),
        lambda x: np.full_like(x, x.sum()),
    ],
    np.shape: [lambda x: x * np.shape(x)],
    np.ndim: [lambda x: x * np.ndim(x)],
    np.size: [lambda x: x * np.size(x, 1)],
    np.result_type: [lambda x: np.zeros(2, np.result_type(x, 1.0)) + x.sum()],
    np.can_cast: [lambda x: x * np.can_cast(x, "float64")],
    **{
        f: [lambda x, f=f: f(x @ x.T)]
        for f in (np.linalg.inv, np.linalg.det, np.linalg.cholesky, np.linalg.pinv, np.linalg.matrix_rank)
    },
    np.linalg.solve: [lambda x: np.linalg.solve(x @ x.T, x), lambda x: np.linalg.solve([[2, 1], [1, 3]], x)],
    np.diag_indices_from: [lambda x: x[:, :2][np.diag_indices_from(x[:, :2])]],
    np.tril_indices_from: [lambda x: x[np.tril_indices_from(x)]],
    np.triu_indices_from: [lambda x: x[np.triu_indices_from(x)]],
    **{f: [lambda x, f=f: x * f(x)] for f in (np.isrealobj, np.iscomplexobj)},
    **{f: [f] for f in (np.isposinf, np.isneginf, np.isreal, np.iscomplex)},
    np.array2string: [lambda x: (np.array2string(x), np.array_repr(x), np.array_str(x), x)[-1]],
}
OF_PAIRS = {
    **{f.__name__: lambda x, y, f=f: f(x, y) for f in OF_TWO},
    "**": lambda x, y: x**y,
    "** of": lambda x, y: y**x,
    "from": lambda x, y: y - x,
    "lower bound": lambda x, y: np.clip(x, y, 3),
    "upper bound": lambda x, y: np.clip(x, 0, y),
    "where": lambda x, y: np.where(x > 1, x, y),
    "filled": lambda x, y: np.full_like(x, y),
    "close": lambda x, y: np.isclose(x, y),
    "sum and product": lambda x, y: (x * y + 1, x.sum() * y)[0],
    "product": lambda x, y: x @ np.broadcast_to(y, (3,)),
    "+=": added_in_place,
    "written": written,
    "added at": added_at,
}


def test_the_whole_table_of_the_tracer_is_looked_at():
    printed = {np.array_repr, np.array_str}  # with np.array2string
    refused = {np.histogram, np.histogram2d, np.histogramdd, np.histogram_bin_edges, np.bincount, np.vander}
    assert ANSWERS.keys() - printed - refused <= OF_ONE.keys()


def test_truth_values_to_a_power_that_is_counted_have_the_type_of_numpy():
    def f(x):
        return x ** np.count_nonzero(x)

    x = np.array([True, True, False])
    assert f(tg.Tensor(x)).dtype == tg.jit(f)(tg.Tensor(x)).dtype == f(x).dtype


def assert_alike(function, *args):
    """Call a function eagerly, and twice jitted; either both raise an error, or the results are the same."""

    def copies():
        return [x.copy() if isinstance(x, np.ndarray) else x for x in args]

    jitted = tg.jit(function)
    try:
        expected = function(*copies())
    except Exception:
        with pytest.raises(Exception):  # noqa: B017, PT011
            jitted(*copies())
        return
    for _ in range(2):
        found = jitted(*copies())
        assert type(found) is type(expected)
        assert (np.asarray(found).dtype, np.shape(found)) == (np.asarray(expected).dtype, np.shape(expected))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OF_ONE, ids=lambda name: getattr(name, "__name__", name))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_functions_of_one_array(name, dtype):
    for function in OF_ONE[name]:
        assert_alike(function, array(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OF_PAIRS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_functions_of_an_array_and_an_array_or_number(name, dtype):
    others = [array(other, shape, seed=1) for other, shape in itertools.product(DTYPES, [(3,), ()])]
    for other in (*NUMBERS, *others):
        assert_alike(OF_PAIRS[name], array(dtype), other)


def test_a_power_of_numbers_that_would_be_of_another_type_is_refused():
    @tg.jit
    def scaled(x, s):
        return x * s**0.5

    x = tg.Tensor(np.ones(2))
    assert scaled(x, 4.0).numpy().tolist() == [2, 2]
    assert scaled(x, 9.0).numpy().tolist() == [3, 3]
    assert len(scaled.programs) == 1
    with pytest.raises(ValueError, match=r"the sign of s has changed.*np\.power"):  # complex in eager mode
        scaled(x, -4.0)


@pytest.mark.parametrize("power", [lambda s: (-2.0) ** s, lambda s: 2**s, lambda s: s**2, lambda s: 0.9**s])
def test_powers_of_numbers_have_the_type_they_have_in_eager_mode(power):
    def f(x, s):
        return x * power(s)

    jitted, x = tg.jit(f), tg.Tensor(np.ones(2))
    for s in (1, 2, -1, 2.0, 0.5, -0.5):
        eager, result = f(x, s), jitted(x, s)
        assert result.dtype == eager.dtype
        assert np.array_equal(result.numpy(), eager.numpy())


def test_a_complex_power_of_numbers_has_the_type_it_has_in_eager_mode():
    def f(x, s, p):
        return x * s**p

    x = tg.Tensor(np.ones(2, np.float16))
    for jitted, s in ((tg.jit(f), -0.5), (tg.jit(f), -2.0)):
        for p in (0.5, 1.5, 2.0):
            assert jitted(x, s, p).dtype == f(x, s, p).dtype
            assert np.array_equal(jitted(x, s, p).numpy(), f(x, s, p).numpy())


@pytest.mark.parametrize("function", [np.dot, np.inner])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_number_in_a_product_of_arrays_is_of_64_bits_as_in_numpy(function, swapped):
    def f(x, s):
        return function(s, x) if swapped else function(x, s)

    x, jitted = np.ones((2, 3), np.float32), tg.jit(f)
    for s in (2.0, 3.0):
        assert jitted(x, s).dtype == f(x, s).dtype == np.float64
        assert np.array_equal(jitted(x, s), f(x, s))
        assert jitted(tg.Tensor(x), s).dtype == f(tg.Tensor(x), s).dtype == np.float32  # of a Tensor it adapts


@pytest.mark.parametrize("x", [np.float32(1), np.array(1, np.float32), np.array([1, 3], np.float32)])
def test_a_power_of_a_truth_value_has_numpys_type(x):
    for f in (lambda x: (x < 2) ** 2, lambda x: (x < 2) ** 3):
        assert tg.jit(f)(x).dtype == f(x).dtype
        assert np.array_equal(tg.jit(f)(x), f(x))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.where(x > 0, x, np.float32(0.5)),
        lambda x: np.clip(np.float32(0.5), 0, x),
        lambda x: np.result_type(x, np.float32),
        lambda x: np.stack([np.float32(1), x]),
        lambda x: np.full((2,), x, np.float32),
        lambda x: np.full_like(np.float32(1), x),
        lambda x: np.sum([x, 1.0]),
    ],
)
def test_numpys_functions_of_a_python_number_have_the_type_that_they_have_eagerly(f):
    jitted = tg.jit(f)
    for x in (0.5, -1.5, 2.0):
        expected, found = f(x), jitted(x)
        if isinstance(expected, np.dtype):
            assert found == expected
        else:
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("copied", [np.copy, lambda x: np.pad(x, 2, "reflect"), lambda x: np.pad(x, 2)])
def test_a_copy_of_a_number_is_an_array_which_keeps_its_shape(copied):
    def stretched(x, y):
        z = copied(x)
        z *= y
        return z

    for f in (stretched, tg.jit(stretched)):
        assert f(np.float64(1.5), 2.0) == 3
        with pytest.raises(ValueError, match="shape"):
            f(np.float64(1.5), np.ones(3))

"""What onnxruntime computes from an exported file is what the model computes, or the model is refused by name."""

import inspect
import itertools
import math
import re
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

import tinygrad_lite as tg
from models import lenet, mnist, moons, text
from tests.real import needs_mnist
from tinygrad_lite.compiler import primitives
from tinygrad_lite.compiler.writers import onnx_table as table
from tinygrad_lite.compiler.writers.onnx import ExportError, export_onnx
from tinygrad_lite.nn import functional as F
from tinygrad_lite.rules import registry
from tinygrad_lite.rules.numpy_functions import NUMPY_FUNCTIONS, PLAIN
from tinygrad_lite.rules.windows import Geometry
from tinygrad_lite.support.formatting import numpy_name

BUILT_IN = [rule for rule in tg.rules.all() if rule.is_built_in]
X = tg.Tensor(np.random.default_rng(0).normal(size=(4, 6)), dtype=np.float32)


class Function(tg.nn.Module):
    """A model that is one function of its input."""

    def __init__(self, function):
        self.function = function
        self.weight = tg.Tensor(np.linspace(-1, 1, 6), dtype=np.float32, requires_grad=True)

    def forward(self, x):
        return self.function(x)


def run(path, *inputs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [x.name for x in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def leaves(y):
    if isinstance(y, (tuple, list)):
        return [leaf for part in y for leaf in leaves(part)]
    return [y.numpy() if isinstance(y, tg.Tensor) else np.asarray(y)]


def close(expected, found):
    for a, b in zip(leaves(expected), leaves(found), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        tolerance = 2e-5 if a.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance)


def agrees(model, path, sample=X):
    """Export a model, and compare it with onnxruntime on batches of several lengths."""
    export_onnx(model, sample, path)
    with tg.no_grad():
        for n in (1, 2, 7, 40, len(sample)):
            batch = tg.Tensor(np.random.default_rng(n).normal(size=(n, *sample.shape[1:])), dtype=sample.dtype)
            close(model(batch), run(path, batch.numpy()))


def is_refused(model, path, *words, sample=X):
    """Export a model in vain; see that the error has the words in it and nothing is on the disk."""
    with pytest.raises(ExportError) as refusal:
        export_onnx(model, sample, path)
    for word in words:
        assert word in str(refusal.value)
    assert not path.exists()
    return refusal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


# The tables.


def test_every_operation_of_programs_is_in_the_table_or_absent_for_a_reason():
    known = [x for x in vars(primitives).values() if isinstance(x, primitives.Primitive)]
    known += [*primitives.REDUCTIONS.values(), *primitives.FUNCTIONS.values()]
    of_plain_arrays = {"sinc", "i0", "angle", "unwrap", "nan_to_num", "interp", "nancumsum", "nancumprod"}
    absent = of_plain_arrays | {
        "all_reduce",
        "gather",  # a recording of batches has it as a reshape
        *("add_product", "subtract_product"),  # only programs that run have them
        "sort",
        "partition",
        *("cov", "corrcoef", "median", "quantile", "percentile", "nanmedian", "nanquantile", "nanpercentile"),
        *("nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin"),
    }
    assert {x.name for x in known} - set(table.OPERATIONS) == absent
    assert set(table.RULES) <= {rule.name for rule in BUILT_IN}


class OnOperands(tg.nn.Module):
    """A rule of operands of any shapes, which come from the rows of a batch: those are all the same."""

    def __init__(self, rule, sample):
        count = len(sample.args) if rule.variadic else len(rule.inputs)
        self.rule, self.operands = rule, sample.args[:count]
        self.params = dict(zip(rule.params, sample.args[count:], strict=False)) | sample.params

    def row(self):
        return np.concatenate([*(x.ravel() for x in self.operands), [0.0]])

    def forward(self, rows):
        row, start, operands = rows.max(axis=0), 0, []
        for x in self.operands:
            operands.append(row[start : start + x.size].reshape(x.shape))
            start += x.size
        return self.rule(*operands, **self.params)


NO_COUNTERPART = {"solve", "inv", "pinv", "slogdet", "cholesky", "qr", "eigh", "svd"}
# What onnxruntime may have no kernel for in float64; then it is onnx's own evaluator that has run the file.
SINGLE = {"tan", "arctan", "sinh", "cosh", "prod", "conv2d", "conv2d_input", "conv2d_weight"}
SINGLE |= {"convolve", "correlate", "arcsin", "arccos", "arcsinh", "arccosh", "arctanh"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda rule: rule.name)
def test_every_rule_on_all_its_samples(rule, dtype, path):
    for sample in rule.samples:
        if rule.name == "astype":
            sample = tg.rules.sample(sample.args[0], np.dtype(dtype))
        model = OnOperands(rule, sample)
        rows = tg.Tensor(np.stack([model.row()] * 2), dtype=dtype)
        refused = table.OPERATIONS.get(rule.name)
        if isinstance(refused, table.Refused):
            is_refused(model, path, rule.name, str(refused), sample=rows)
            continue
        if rule.name in ("erf", "det") and dtype == np.float64:
            is_refused(model, path, rule.name, "use float32", sample=rows)
            continue
        if rule.name in NO_COUNTERPART:
            is_refused(model, path, rule.name, "it has no counterpart", sample=rows)
            continue
        export_onnx(model, rows, path)
        try:
            close(model(rows), run(path, rows.numpy()))
        except NoKernel:
            assert dtype == np.float64
            assert rule.name in SINGLE


def test_rules_that_lose_nothing_close_to_zero(path):
    small = np.array([[1e-6, -3e-5, 2e-4]], np.float32)
    for function in (np.expm1, np.log1p):
        model = Function(function)
        export_onnx(model, small, path)
        np.testing.assert_allclose(run(path, small)[0], function(small), rtol=3e-7)


def of_options(name):
    """Return a function that reduces axes, with a mask and without."""
    return lambda x: (getattr(np, name)(x, 0), getattr(np, name)(x, 1, initial=0.1, where=x > 0))


# One call of everything: (n, 6) to anything. None: it is not for an input that varies, or refused.

COMPOSED = {
    "power": lambda x: (np.power(x, 2), abs(x) ** 0.5, 2**x, x**3.0),
    "float_power": lambda x: (np.float_power(x, 2), np.float_power(abs(x), 0.5)),
    "logaddexp2": lambda x: np.logaddexp2(x, x[0]),
    "i0": np.i0,
    "sinc": lambda x: (np.sinc(x), np.sinc(0.1 * x)),
    **{name: getattr(np, name) for name in ("deg2rad", "radians", "rad2deg", "degrees", "unwrap")},
    **{name: getattr(np, name) for name in ("fabs", "modf", "frexp", "real", "imag", "conjugate", "real_if_close")},
    "angle": lambda x: (np.angle(x), np.angle(x, deg=True)),
    "copysign": lambda x: (np.copysign(x, x[0]), np.copysign(2.0, x), np.copysign(x, -0.0)),
    "fmax": lambda x: np.fmax(np.where(x > 1, np.nan, x), x[0]),
    "fmin": lambda x: np.fmin(0.5, x),
    "select": lambda x: np.select([x > 1, x > 0], [x, x * x], -1.0),
    "piecewise": lambda x: np.piecewise(x, [x < 0, x > 1], [lambda x: -x, np.sqrt, 0.5]),
    "interp": lambda x: np.interp(x[:, 0], np.linspace(-2, 2, 6), x[0]),
    "nan_to_num": lambda x: np.nan_to_num(np.where(x > 1, np.nan, x), nan=0.5),
    "heaviside": lambda x: np.heaviside(x, 0.5),
    "where": lambda x: (np.where(x > 0, x, 0.5), np.where(x[0] > 0, x, -x)),
    "clip": lambda x: (np.clip(x, -0.5, 0.5), x.clip(0), x.clip(max=0), np.clip(x, -abs(x[0]), np.float64(0.1))),
    "divmod": lambda x: np.divmod(x.argmax(axis=1) - 3, 2)[0],
    "full_like": lambda x: (np.full_like(x, 2.5) * x, np.full_like(x, x[0]), np.full_like(x, 1, shape=(3, 2))),
    "matmul": lambda x: (x @ x.T, x[0] @ x.T, x @ x[0], np.matmul(x[0], x[0])),
    "dot": lambda x: (np.dot(x, x.T), np.dot(x, x[0]), np.dot(x, 2.0), np.dot(x.reshape(-1, 2, 3), x[0, :3])),
    "outer": lambda x: np.outer(x, x[0]),
    "inner": lambda x: np.inner(x, x),
    "tensordot": lambda x: (np.tensordot(x, x, axes=([0], [0])), np.tensordot(x, x.T, 1)),
    "einsum": lambda x: (np.einsum("ij,kj->ik", x, x), np.einsum("ij->", x), np.einsum("...j->j...", x)),
    "var": lambda x: (np.var(x), x.var(axis=1, ddof=1), np.var(x, axis=0, keepdims=True)),
    "std": lambda x: (np.std(x), x.std(axis=0)),
    "cumsum": lambda x: (np.cumsum(x), x.cumsum(0), x.cumsum(-1)),
    "cumprod": lambda x: (np.cumprod(x[0]), x.cumprod(0), x.cumprod(-1)),
    "nancumsum": lambda x: np.nancumsum(np.where(x > 1, np.nan, x), axis=1),
    "nancumprod": lambda x: np.nancumprod(np.where(x > 1, np.nan, x), axis=1),
    "cumulative_sum": lambda x: np.cumulative_sum(x, axis=1, include_initial=True),
    "cumulative_prod": lambda x: np.cumulative_prod(x, axis=0, include_initial=True),
    **{name: of_options(name) for name in ("sum", "prod", "max", "amax", "min", "amin")},
    "mean": lambda x: (np.mean(x, 0), np.mean(x, 1, where=x[0] < 0.5)),
    "reshape": lambda x: (
        np.reshape(x, (x.shape[0], 2, 3)),
        x.reshape(-1, 3),
        x.reshape(-1),
        x.reshape(2 * x.shape[0], 3),
        x.reshape(x.shape[0], 1, -1),
        (x @ x.T).reshape(x.shape[0], 1, x.shape[0]),
        x[:, :0].reshape(x.shape[0], 0, 2),
    ),
    "ravel": lambda x: (np.ravel(x), x.flatten()),
    "transpose": lambda x: (np.transpose(x), x.reshape(-1, 2, 3).transpose(1, 2, 0)),
    "swapaxes": lambda x: x.reshape(-1, 2, 3).swapaxes(0, -1),
    "matrix_transpose": lambda x: (np.matrix_transpose(x), x.mT),
    "moveaxis": lambda x: np.moveaxis(x.reshape(-1, 2, 3), 0, -1),
    "expand_dims": lambda x: (np.expand_dims(x, (0, 2)), x.expand_dims(1)),
    "squeeze": lambda x: (np.squeeze(x[:, None], 1), x[:, :, None].squeeze(-1), np.squeeze(x[:1])),
    "concatenate": lambda x: (np.concatenate([x, 2 * x]), np.concatenate([x, x], 1), np.concatenate([x, x], None)),
    "stack": lambda x: np.stack([x, x + 1], axis=1),
    "vstack": lambda x: np.vstack([x, x[0]]),
    "hstack": lambda x: (np.hstack([x, x]), np.hstack([x[0], x[0]])),
    "split": lambda x: (*np.split(x, 3, axis=1), *np.split(x, [1], axis=0)),
    "take": lambda x: (np.take(x, [0, 2, 2], axis=1), np.take(x[0], x.argmax(axis=1))),
    "sliding_window_view": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=1) * 2,
    "pad": lambda x: np.pad(x, ((1, 2), (0, 1)), constant_values=0.5),
    "copy": np.copy,
    "positive": np.positive,
    "astype": lambda x: (np.astype(x, np.float64), np.astype(x, int)),
    "atleast_1d": lambda x: np.atleast_1d(x.sum(), x),
    "atleast_2d": lambda x: np.atleast_2d(x[0], x),
    "atleast_3d": lambda x: np.atleast_3d(x[0], x),
    "rollaxis": lambda x: np.rollaxis(x[:, None], 2),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x.T @ x, x[0]),
    "flipud": lambda x: np.flipud(x) * 2,
    "fliplr": lambda x: np.fliplr(x) * 2,
    "rot90": lambda x: (np.rot90(x), np.rot90(x, 2)),
    "dstack": lambda x: np.dstack([x, x]),
    "column_stack": lambda x: np.column_stack([x[:, 0], x]),
    "append": lambda x: (np.append(x, [1, 2]), np.append(x, x, axis=0)),
    "block": lambda x: np.block([[x, x], [x, x]]),
    "array_split": lambda x: np.array_split(x, 4, axis=1),
    "vsplit": lambda x: np.vsplit(x, [1]),
    "hsplit": lambda x: np.hsplit(x, 2),
    "dsplit": lambda x: np.dsplit(x[:, None], 2),
    "unstack": lambda x: np.unstack(x, axis=1),
    "take_along_axis": lambda x: np.take_along_axis(x.T @ x, (x.T @ x).argmin(axis=0)[None], axis=0),
    "choose": lambda x: np.choose([0, 1, 1, 0, 2, 0], [x[0], 2 * x[0], x.T @ x]),
    "compress": lambda x: np.compress([True, False, True], x, axis=1),
    "extract": lambda x: np.extract([True, False, True], x[0]),
    "repeat": lambda x: (np.repeat(x, 2, axis=1), np.repeat(x, [1, 0, 2, 1, 1, 1], axis=1)),
    "tile": lambda x: (np.tile(x[0], 2), np.tile(x.T[:, :1], (1, 3))),
    "resize": lambda x: np.resize(x[0], (2, 5)),
    "insert": lambda x: np.insert(x, 1, x[:, 0], axis=1),
    "delete": lambda x: np.delete(x, [0, 2], axis=1),
    "diagonal": lambda x: (np.diagonal(x.reshape(-1, 2, 3), 1, 1, 2), np.linalg.diagonal(square(x), offset=1)),
    "diag": lambda x: (np.diag(x[0]), np.diag(x.T @ x)),
    "diagflat": lambda x: np.diagflat(x[0], 1),
    "trace": lambda x: (
        np.trace(x.T @ x),
        np.trace(x.reshape(-1, 2, 3), axis1=1, axis2=2),
        np.linalg.trace(square(x)),
    ),
    "tril": lambda x: np.tril(x.T @ x),
    "triu": lambda x: np.triu(x.T @ x, 1),
    "kron": lambda x: np.kron(x[:1], x[:1, :2]),
    "linspace": lambda x: np.linspace(x, 2, 3),
    "logspace": lambda x: np.logspace(x[0], 1, 3),
    "geomspace": lambda x: np.geomspace(abs(x[0]) + 1, 9, 3),
    "meshgrid": lambda x: np.meshgrid(x[0], x[0]),
    "ix_": lambda x: np.ix_(x[0], x[0]),
    "vdot": lambda x: np.vdot(x, x + 1),
    "vecdot": lambda x: (np.vecdot(x, x[0]), np.linalg.vecdot(x, x[0])),
    "matvec": lambda x: np.matvec(x, x[0]),
    "vecmat": lambda x: np.vecmat(x[0], x.T),
    "cross": lambda x: (
        np.cross(x[:, :3], x[:, 3:]),
        np.linalg.cross(x[:, :3], x[:, 3:]),
        np.cross(x[:, :2], x[0, :3]),
    ),
    "convolve": lambda x: (np.convolve(x[0], x[0, :3]), np.convolve(x[0], [1, 2], "same")),
    "correlate": lambda x: np.correlate(x[0], x[0, :3]),
    "polyval": lambda x: np.polyval([1, 2, 3], x),
    "polyadd": lambda x: np.polyadd(x[0], [1, 2]),
    "polysub": lambda x: np.polysub(x[0], [1, 2]),
    "polymul": lambda x: np.polymul(x[0], [1, 2]),
    "polyder": lambda x: np.polyder(x[0]),
    "polyint": lambda x: np.polyint(x[0]),
    "poly": lambda x: np.poly(x[0, :3]),
    "vander": lambda x: np.vander(x[0], 3),
    "diff": lambda x: (np.diff(x), np.diff(x, 2, axis=0)),
    "ediff1d": lambda x: np.ediff1d(x[0], to_end=[1, 2]),
    "gradient": lambda x: (np.gradient(x, axis=1), np.gradient(x[0], [0, 1, 3, 4, 6, 7])),
    "trapezoid": lambda x: np.trapezoid(x, [0, 1, 3, 4, 6, 7]),
    "apply_along_axis": lambda x: np.apply_along_axis(np.sum, 0, x),
    "apply_over_axes": lambda x: np.apply_over_axes(np.sum, x, 1),
    "ptp": lambda x: (np.ptp(x), np.ptp(x, axis=1, keepdims=True)),
    "average": lambda x: (np.average(x), np.average(x, axis=1, weights=[1, 2, 3, 4, 5, 6])),
    "histogram_bin_edges": lambda x: np.histogram_bin_edges(x[0], 4),
    "cov": lambda x: (np.cov(x.T, bias=True), np.cov(x[0], x[-1], aweights=[1, 2, 3, 4, 5, 6])),
    "corrcoef": lambda x: np.corrcoef(x[0], x[-1]),
    "nansum": lambda x: np.nansum(np.where(x > 0, x, np.nan), axis=0),
    "nanprod": lambda x: np.nanprod(np.where(x > 0, x, np.nan), axis=1),
    "nanmean": lambda x: np.nanmean(np.where(x < 2, x, np.nan), axis=1),
    "nanvar": lambda x: np.nanvar(np.where(x < 2, x, np.nan), axis=1),
    "nanstd": lambda x: np.nanstd(np.where(x < 2, x, np.nan)),
    "nanmax": lambda x: np.nanmax(np.where(x > 0, x, np.nan), axis=1),
    "nanmin": lambda x: np.nanmin(np.where(x > 0, x, np.nan)),
    "norm": lambda x: (np.linalg.norm(x), np.linalg.norm(x, 3, axis=1), np.linalg.norm(x, np.inf, (0, 1))),
    "vector_norm": lambda x: (np.linalg.vector_norm(x), np.linalg.vector_norm(x, axis=0, ord=0)),
    "matrix_norm": lambda x: (np.linalg.matrix_norm(x), np.linalg.matrix_norm(x, ord=-1, keepdims=True)),
    "matrix_power": lambda x: (np.linalg.matrix_power(square(x), 3), np.linalg.matrix_power(square(x), 0)),
    "multi_dot": lambda x: np.linalg.multi_dot([square(x), square(x), x[0]]),
    "det": lambda x: np.linalg.det(square(x)),
    "fftshift": np.fft.fftshift,
    "ifftshift": lambda x: np.fft.ifftshift(x, axes=1),
}
# Those of places that only values tell, and a word of the refusal.
NOT_COMPOSED = {
    **dict.fromkeys(
        ("unique", "unique_values", "unique_counts", "unique_inverse", "unique_all"), (lambda f, x: f(x[0]), "mask")
    ),
    **dict.fromkeys(("union1d", "intersect1d", "setdiff1d", "setxor1d"), (lambda f, x: f(x[0], -x[0]), "mask")),
    **dict.fromkeys(("sort", "median", "nanmedian"), (lambda f, x: f(x[0]), "order")),
    **dict.fromkeys(("quantile", "percentile", "nanquantile", "nanpercentile"), (lambda f, x: f(x[0], 0.5), "order")),
    "partition": (lambda f, x: f(x[0], 1), "sorts"),
    "histogram": (lambda f, x: f(x[0], 4), "np.less"),
    "histogram2d": (lambda f, x: f(x[0], -x[0], 2), "np.less"),
    "histogramdd": (lambda f, x: f([x[0], -x[0]], 2), "np.less"),
    "bincount": (lambda f, x: f(x[0].argsort()), "value of an array"),
}


def square(x):
    return x.T @ x / x.shape[0] + np.eye(6, dtype=np.float32)


NOT_EXPORTED = {
    "solve": lambda x: np.linalg.solve(square(x), x[0]),
    "tensorsolve": lambda x: np.linalg.tensorsolve(square(x), x[0]),
    "tensorinv": lambda x: np.linalg.tensorinv(square(x), ind=1),
    "lstsq": lambda x: np.linalg.lstsq(square(x), x[0])[0],
    "cond": lambda x: np.linalg.cond(square(x)),
    "eigvalsh": lambda x: np.linalg.eigvalsh(square(x)),
    "svdvals": lambda x: np.linalg.svdvals(square(x)),
    "inv": lambda x: np.linalg.inv(square(x)),
    "pinv": lambda x: np.linalg.pinv(square(x)),
    "slogdet": lambda x: np.linalg.slogdet(square(x)),
    "cholesky": lambda x: np.linalg.cholesky(square(x)),
    "qr": lambda x: np.linalg.qr(square(x)),
    "eigh": lambda x: np.linalg.eigh(square(x)),
    "svd": lambda x: np.linalg.svd(square(x)),
}

PLAINLY = {
    "argmax": lambda x: (np.argmax(x, axis=1), x.argmax(), np.argmax(x, 0, keepdims=True)),
    "argmin": lambda x: (np.argmin(x, axis=1), x.argmin()),
    "argsort": np.argsort,
    "argpartition": lambda x: np.argpartition(x, 1),
    "lexsort": lambda x: np.lexsort((x[0], -x[0])),
    "nanargmax": np.nanargmax,
    "nanargmin": np.nanargmin,
    "digitize": lambda x: np.digitize(x, [0.5, 1]),
    "isin": lambda x: np.isin(x, [0.5, 1]),
    "array_equiv": lambda x: np.array_equiv(x, x),
    "nonzero": np.nonzero,
    "flatnonzero": np.flatnonzero,
    "argwhere": np.argwhere,
    "searchsorted": lambda x: np.searchsorted(x[0], 0.5),
    "equal": lambda x: (x == x[0], np.equal(x.argmax(axis=1), 2)),
    "not_equal": lambda x: x != x[0],
    "less": lambda x: (x < 0, np.less(0.5, x)),
    "less_equal": lambda x: x <= x[0],
    "greater": lambda x: x > x.argmax(axis=1, keepdims=True),
    "greater_equal": lambda x: x >= x[0],
    "logical_and": lambda x: (np.logical_and(x > 0, x < 1), np.logical_and(x, x > 0)),
    "logical_or": lambda x: np.logical_or(x > 1, x < 0),
    "logical_not": lambda x: np.logical_not(x > 0),
    "logical_xor": lambda x: np.logical_xor(x > 0, x[0] > 0),
    "any": lambda x: (np.any(x > 0, axis=1), (x > 1).any(), np.any(x[0, 0] > 0)),
    "all": lambda x: (np.all(x > -1, axis=1, keepdims=True), (x > -9).all()),
    "isnan": lambda x: np.isnan(np.where(x > 0, x, np.nan)),
    "isinf": lambda x: np.isinf(np.where(x > 0, x, -np.inf)),
    "isposinf": lambda x: np.isposinf(np.where(x > 0, np.inf, -np.inf)),
    "isneginf": lambda x: np.isneginf(np.where(x > 0, np.inf, -np.inf)),
    "isreal": np.isreal,
    "iscomplex": np.iscomplex,
    "isrealobj": lambda x: x * np.isrealobj(x),
    "iscomplexobj": lambda x: x + np.iscomplexobj(x),
    "isfinite": lambda x: np.isfinite(np.where(x > 0, x, np.where(x < -1, np.nan, np.inf))),
    "isclose": lambda x: np.isclose(x, 0),
    "allclose": lambda x: np.allclose(x, 0),
    "array_equal": lambda x: np.array_equal(x, x),
    "count_nonzero": lambda x: (np.count_nonzero(x > 0, axis=1), np.count_nonzero(x > 0, axis=0, keepdims=True)),
    "bitwise_and": lambda x: ((x > 0) & (x < 1), x.argmax(axis=1) & 3),
    "bitwise_or": lambda x: (x > 1) | (x < 0),
    "bitwise_xor": lambda x: (x > 0) ^ (x[0] > 0),
    "invert": lambda x: (~(x > 0), ~x.argmax(axis=1)),
    "sign": np.sign,
    "floor": lambda x: np.floor(x * 3),
    "ceil": lambda x: np.ceil(x * 3),
    "rint": lambda x: (np.rint(x * 3), np.rint(np.floor(x * 3) + 0.5)),
    **{f.__name__: lambda x, f=f: (f(x), f(x, 1)) for f in (np.round, np.around)},
    "signbit": lambda x: (np.signbit(x), np.signbit(np.where(x > 0, -0.0, 0.0))),
    "spacing": np.spacing,
    "fix": lambda x: np.fix(x * 3),
    **{f.__name__: lambda x, f=f: f(x.argmax(axis=1), 2) for f in (np.gcd, np.lcm, np.left_shift, np.right_shift)},
    "bitwise_count": lambda x: np.bitwise_count(x.argmax(axis=1)),
    "trunc": lambda x: np.trunc(x * 3),
    "floor_divide": lambda x: (np.floor_divide(x.argmax(axis=1) - 3, 2), x * (x.shape[0] // 2)),
    "shape": lambda x: x * np.shape(x)[0] / np.shape(x)[1],
    "ndim": lambda x: x * np.ndim(x),
    "size": lambda x: x / np.size(x) + np.size(x, 0) * np.size(x, 1),
    "result_type": lambda x: x + (np.result_type(x, 1.0) == np.float32),
    "can_cast": lambda x: x + np.can_cast(x, np.float64) - np.can_cast(x, int),
    "array2string": lambda x: x * len(np.array2string(x)),
    "array_repr": lambda x: x * len(np.array_repr(x)),
    "array_str": lambda x: x * len(np.array_str(x)),
    "zeros_like": lambda x: (np.zeros_like(x), np.zeros_like(x, dtype=int), np.zeros_like(x, shape=(3, 2))),
    "ones_like": lambda x: np.ones_like(x, shape=(x.shape[0], 2)) + x[:, :2],
    "empty_like": lambda x: np.isnan(np.empty_like(x, shape=x.shape[0])) & False,
    "zeros": lambda x: np.zeros((2, 6), np.float32, like=x) + x.sum(),
    "ones": lambda x: np.ones(6, np.float32, like=x) + x,
    "eye": lambda x: x @ np.eye(6, dtype=np.float32, like=x),
    "matrix_rank": lambda x: np.linalg.matrix_rank(square(x)),
    "diag_indices_from": lambda x: (x.T @ x)[np.diag_indices_from(x.T @ x)],
    "tril_indices_from": lambda x: (x.T @ x)[np.tril_indices_from(x.T @ x)],
    "triu_indices_from": lambda x: (x.T @ x)[np.triu_indices_from(x.T @ x)],
}


def call(name, cases):
    """Return a function that calls a method, with positive numbers."""
    return lambda x: [getattr(abs(x) + 0.5, name)(**arguments) for arguments in cases]


METHODS = {
    **dict.fromkeys(["data", "numpy", "item", "tolist", "backward", "grad"], None),
    "shape": lambda x: x * x.shape[0], "ndim": lambda x: x * x.ndim, "size": lambda x: x / x.size,
    "dtype": lambda x: x.astype(x.dtype), "device": lambda x: x.to(x.device), "to": lambda x: x.to("cpu"),
    "name": lambda x: x if x.name is None else -x, "requires_grad": lambda x: x * 2,
    "detach": lambda x: x.detach() + 1, "copy": lambda x: x.copy(), "operation": lambda x: x * 2, "memory": lambda x: x,
    "astype": lambda x: (x.astype(np.float64), (3 * x).astype(int), x.astype(bool), (x > 0).astype(np.float32)),
    "maximum": lambda x: (x.maximum(0.1), x.maximum(x[0])), "minimum": lambda x: x.minimum(0),
    **{name: call(name, [{}]) for name in (
        "exp", "log", "sqrt", "square", "sin", "cos", "tanh", "abs", "relu", "sigmoid")},
    **{name: call(name, [{}, {"axis": 0}]) for name in ("softmax", "log_softmax", "logsumexp")},
    **{name: call(name, [{}, {"axis": 1}, {"axis": (0, 1), "keepdims": True}]) for name in (
        "sum", "mean", "prod", "max", "min")},
    "broadcast_to": lambda x: (x[:, None].broadcast_to((x.shape[0], 2, 6)), x[:1].broadcast_to((3, 6))),
    "T": lambda x: x.T, "mT": lambda x: x.reshape(-1, 2, 3).mT, "argsort": None,
    "flatten": lambda x: (x.flatten(), x.reshape(-1, 2, 3).flatten(1)), "view": lambda x: x.view(-1, 2),
    "permute": lambda x: x.permute(1, 0), "unsqueeze": lambda x: x.unsqueeze(1), "clone": lambda x: x.clone() * 2,
    "conj": lambda x: x.conj(),
    "norm": lambda x: (x.norm(), x.norm(1), x.norm(0, keepdims=True)),
}  # fmt: skip


def images(x):
    return x.reshape(-1, 2, 3, 1)


def sequences(x):
    return x.reshape(-1, 2, 3)


def pairs(x):
    return x.reshape(-1, 3, 2)


def kernels(*shape):
    return np.linspace(-1, 1, math.prod(shape), dtype=np.float32).reshape(shape)


OF_F = {
    "linear": lambda x: (F.linear(x, np.ones((6, 2))), F.linear(x[0], np.ones((6, 2)), np.ones(2))),
    "relu": F.relu, "sigmoid": F.sigmoid, "tanh": F.tanh,
    "softmax": lambda x: F.softmax(x, 0), "log_softmax": F.log_softmax,
    "squared_loss": lambda x: F.squared_loss(x, x[0] + 0 * x),
    "cross_entropy": lambda x: F.cross_entropy(x, F.softmax(x)),
    "one_hot": lambda x: F.one_hot(x.argmax(axis=1), 6),
    "accuracy": lambda x: F.accuracy(x, x.argmax(axis=1)),
    "elu": F.elu, "silu": F.silu, "softplus": F.softplus, "leaky_relu": F.leaky_relu,
    "gelu": lambda x: (F.gelu(x), F.gelu(x, "tanh")),
    "embedding": lambda x: F.embedding(x.argmax(axis=1), x.T),
    "attention_weights": lambda x: F.attention_weights(sequences(x), sequences(x)),
    "scaled_dot_product_attention": lambda x: F.scaled_dot_product_attention(*[sequences(x)] * 3, is_causal=True),
    "conv1d": lambda x: F.conv1d(sequences(x), kernels(4, 2, 2), np.ones(4), 1, 1, 2),
    "conv2d": lambda x: F.conv2d(images(x), kernels(4, 1, 2, 1), np.ones(4), (1, 2), (1, 0), (2, 1), 2),
    "conv_transpose2d": lambda x: F.conv_transpose2d(images(x), kernels(2, 2, 2, 1), np.ones(4), 2, (1, 0), 1, 2),
    "max_pool2d": lambda x: (F.max_pool2d(images(x), (2, 1)), F.max_pool2d(images(x), 2, 1, 1)),
    "avg_pool2d": lambda x: (F.avg_pool2d(images(x), (2, 1)), F.avg_pool2d(images(x), 2, 1, 1)),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(images(x), 1),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(images(x), 1),
    "batch_norm": lambda x: F.batch_norm(x, x[0], abs(x[0])),
    "group_norm": lambda x: F.group_norm(images(x), 2),
    "layer_norm": lambda x: F.layer_norm(x, 6, np.ones(6)), "rms_norm": lambda x: F.rms_norm(x, 6),
    "binary_cross_entropy_with_logits": lambda x: F.binary_cross_entropy_with_logits(x, abs(x) / 9),
    "huber_loss": lambda x: F.huber_loss(x, 0 * x), "kl_div": lambda x: F.kl_div(x, F.softmax(x)),
    "nll_loss": lambda x: F.nll_loss(x, x.argmax(axis=1)),
}  # fmt: skip


def exports_or_is_refused(function, entry, name, path):
    model = Function(function)
    if isinstance(entry, table.Refused):
        is_refused(model, path, f"np.{name}", str(entry))
    else:
        agrees(model, path)


def augmented(x):
    y = x * 2
    same = y
    y += x
    y *= 3
    y -= 1.0
    y /= 2
    return y + same


def test_augmented_assignment_changes_a_value_for_all_who_hold_it(path):
    agrees(Function(augmented), path)


def test_every_function_has_a_call_here():
    composed = {f.__name__ for f, row in NUMPY_FUNCTIONS.items() if inspect.isfunction(row)}
    assert set(COMPOSED) | set(NOT_COMPOSED) | set(NOT_EXPORTED) == composed
    assert set(PLAINLY) == {f.__name__ for f, row in NUMPY_FUNCTIONS.items() if row is PLAIN}
    public = {name for name in vars(tg.Tensor) if not name.startswith("_") and hasattr(tg.Tensor, name)}
    assert set(METHODS) | set(COMPOSED) | set(PLAINLY) >= public
    assert set(OF_F) == set(F.__all__)


# What these are composed of is refused by its own name.
OF_REFUSED = {
    "copysign": "np.signbit",
    "angle": "np.arctan2",
    "interp": "np.searchsorted",
    "piecewise": "a mask chooses elements",
}


@pytest.mark.parametrize("name", COMPOSED)
def test_every_composed_function(name, path):
    if name in OF_REFUSED:
        is_refused(Function(COMPOSED[name]), path, OF_REFUSED[name])
    else:
        agrees(Function(COMPOSED[name]), path)


@pytest.mark.parametrize("name", NOT_COMPOSED)
def test_a_composed_function_of_values_is_refused(name, path):
    call, word = NOT_COMPOSED[name]
    is_refused(Function(lambda x: call(getattr(np, name), x)), path, "test_onnx.py, line", word)


@pytest.mark.parametrize("name", NOT_EXPORTED)
def test_what_has_no_counterpart_is_refused(name, path):
    is_refused(Function(NOT_EXPORTED[name]), path, "test_onnx.py, line", "it has no counterpart")


@pytest.mark.parametrize("name", PLAINLY)
def test_every_plain_function(name, path):
    if name in ("nonzero", "flatnonzero", "argwhere", "array2string", "array_repr", "array_str"):
        is_refused(Function(PLAINLY[name]), path, f"np.{name}", "test_onnx.py, line")
    else:
        function = getattr(np, name, None) or getattr(np.linalg, name)
        exports_or_is_refused(PLAINLY[name], table.OPERATIONS.get(function.__name__), numpy_name(function)[3:], path)


@pytest.mark.parametrize("name", [name for name, call in METHODS.items() if call])
def test_every_method(name, path):
    agrees(Function(METHODS[name]), path)


@pytest.mark.parametrize("name", [name for name in OF_F if name not in ("accuracy", "nll_loss")])
def test_every_function_of_nn(name, path):
    agrees(Function(OF_F[name]), path)


def test_a_number_for_python_is_refused(path):
    is_refused(Function(OF_F["accuracy"]), path, "test_onnx.py, line", "value of an array")


def test_rows_of_a_batch_that_are_picked_by_their_number_are_refused(path):
    is_refused(Function(OF_F["nll_loss"]), path, "test_onnx.py, line", "fixed number")


def test_a_label_that_is_none_is_a_row_of_zeros_in_the_file(path):
    export_onnx(Function(lambda labels: F.one_hot(labels, 3)), np.array([0, 2]), path)
    (found,) = run(path, np.array([1, 3, -1]))
    assert found.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


class Reading(tg.nn.Module):
    """A layer that reads rows of 6 numbers as its arguments; of several results it returns the first."""

    def __init__(self, layer, arguments):
        self.layer, self.arguments = layer, arguments

    def forward(self, x):
        arguments = self.arguments(x)
        y = self.layer(*arguments) if isinstance(arguments, tuple) else self.layer(arguments)
        return y[0] if isinstance(y, tuple) else y


LAYERS = {
    "Linear": lambda: tg.nn.Linear(6, 3, rng=0),
    "Dropout": lambda: tg.nn.Dropout(0.5, rng=0),
    "Sequential": lambda: tg.nn.Sequential(tg.nn.Identity(), tg.nn.Linear(6, 4, bias=False, rng=0)),
    "Residual": lambda: tg.nn.Residual(tg.nn.Linear(6, 6, rng=0)),
    "BatchNorm1d": lambda: tg.nn.BatchNorm1d(6),
    "LayerNorm": lambda: tg.nn.LayerNorm(6),
    "RMSNorm": lambda: tg.nn.RMSNorm(6),
    # layers of images, sequences, tokens and states
    "Conv2d": lambda: Reading(tg.nn.Conv2d(2, 4, (2, 1), padding=1, groups=2, rng=0), images),
    "ConvTranspose2d": lambda: Reading(tg.nn.ConvTranspose2d(2, 4, 2, 2, 1, output_padding=1, rng=0), images),
    "MaxPool2d": lambda: Reading(tg.nn.MaxPool2d((2, 1)), images),
    "AvgPool2d": lambda: Reading(tg.nn.AvgPool2d((2, 1), 1), images),
    "AdaptiveMaxPool2d": lambda: Reading(tg.nn.AdaptiveMaxPool2d((3, 1)), images),
    "AdaptiveAvgPool2d": lambda: Reading(tg.nn.AdaptiveAvgPool2d(1), images),
    "BatchNorm2d": lambda: Reading(tg.nn.BatchNorm2d(2), images),
    "GroupNorm": lambda: Reading(tg.nn.GroupNorm(2, 2), images),
    "Dropout2d": lambda: Reading(tg.nn.Dropout2d(0.5), images),
    "Conv1d": lambda: Reading(tg.nn.Conv1d(2, 3, 2, rng=0), sequences),
    "MultiHeadAttention": lambda: Reading(tg.nn.MultiHeadAttention(2, 2, rng=0), pairs),
    "TransformerBlock": lambda: Reading(tg.nn.TransformerBlock(2, 1, rng=0), pairs),
    "GRU": lambda: Reading(tg.nn.GRU(2, 4, rng=0), pairs),
    "Embedding": lambda: Reading(tg.nn.Embedding(6, 3, rng=0), lambda x: x.argmax(axis=1)),
    "GRUCell": lambda: Reading(tg.nn.GRUCell(2, 4, rng=0), lambda x: (x[:, :2], x[:, 2:])),
    "LSTMCell": lambda: Reading(tg.nn.LSTMCell(2, 2, rng=0), lambda x: (x[:, :2], (x[:, 2:4], x[:, 4:]))),
    "LSTM": lambda: Reading(tg.nn.LSTM(2, 4, rng=0), pairs),
}


@pytest.mark.parametrize(
    "name", [name for name in tg.nn.__all__ if isinstance(getattr(tg.nn, name), type) and name != "Module"]
)
def test_every_layer(name, path):
    layer = LAYERS.get(name, getattr(tg.nn, name))()
    for model in (tg.nn.Sequential(layer), tg.nn.Sequential(tg.nn.Linear(6, 6, rng=1), layer, tg.nn.Tanh())):
        model.train()(X)  # so that running statistics are no zeros and ones
        for parameter in model.parameters():
            parameter.data = 1.1 * parameter.data + 0.1
        agrees(model.eval(), path)


# Indices, beyond those of the rule's samples: over the batch, and computed.


@pytest.mark.parametrize(
    "index",
    [
        lambda x: x[1:], lambda x: x[::-1], lambda x: x[-1], lambda x: x[: x.shape[0] - 1, 1::2],
        lambda x: x[..., None, 0], lambda x: x[[0, 0, -1]], lambda x: x[:, [0, 2]], lambda x: x[0, [1, 2]],
        lambda x: x[[[0], [0]], [1, 2]], lambda x: x[:, np.arange(6) > 2],
        lambda x: x.reshape(-1, 2, 3)[:, [0, 1], [1, 2]], lambda x: x.reshape(-1, 2, 3)[:, None, 1, [0, 2]],
        lambda x: x.reshape(-1, 2, 3)[[0], :, [1]], lambda x: x[x.argmax(axis=0) * 0], lambda x: x[x.shape[0] - 1],
        lambda x: [row.sum() for row in x.T],
    ],
)  # fmt: skip
def test_indices(index, path):
    agrees(Function(index), path)


TOKENS = np.array([[1, 2, 0], [3, 1, -1], [0, 0, 2], [2, 3, 3]])


class Table(Function):
    """A model that looks up rows of a table."""

    def __init__(self, function):
        super().__init__(function)
        self.table = tg.nn.init.glorot_uniform((5, 6), 0)
        self.embedding = tg.Tensor(self.table, requires_grad=True)

    def forward(self, *inputs):
        return self.function(self, *inputs)


def agrees_on(model, path, *samples):
    """Export a model of any inputs, and compare it with onnxruntime on batches of several lengths."""
    export_onnx(model, samples, path)
    for n in (1, 2, 4, 30):
        batch = [np.resize(x, (n, *x.shape[1:])) for x in samples]
        with tg.no_grad():
            close(model(*batch), run(path, *batch))


@pytest.mark.parametrize(
    "lookup",
    [
        lambda m, t: m.embedding[t],
        lambda m, t: m.embedding[t].mean(axis=1) @ m.embedding.T,
        lambda m, t: np.take(m.table, t[:, 0], axis=0),
        lambda m, t: m.embedding[:, t[:, 1]].T,
        lambda m, t: m.embedding[t[:, 0].astype(np.int32), 1:3],
    ],
)
def test_an_index_that_depends_on_the_input(lookup, path):
    agrees_on(Table(lookup), path, TOKENS)
    assert "Gather" in [node.op_type for node in onnx.load(path).graph.node]


@pytest.mark.parametrize(
    "lookup",
    [
        lambda m, t: (m.embedding[t, t], m.embedding[t, 1], m.embedding[0, t], m.embedding[t[:, :2], [0, -1]]),
        lambda m, t: (m.embedding[t[:, :1], None, t], m.embedding.reshape(5, 2, 3)[t[:, 0], :, t[:, 1] % 3]),
        lambda m, t: F.one_hot(t % 5, 5) @ m.embedding,
    ],
)
def test_several_indices_that_depend_on_the_input(lookup, path):
    agrees_on(Table(lookup), path, TOKENS)


def written(write, shape=lambda x: x.shape):
    """Return a function that writes into zeros, and adds what was there."""

    def function(m, x, t):
        y = np.zeros_like(x, shape=shape(x))
        write(y, x, t)
        return y + 1

    return function


def added(index, value):
    """Return a function that adds to a part of the input's double."""

    def function(m, x, t):
        y = x * 2
        y[index] += value(x)
        return y

    return function


@pytest.mark.parametrize(
    "function",
    [
        added((slice(None), slice(1, 3)), lambda x: x[:, :2]),
        added((0, slice(None, None, 2)), lambda x: x[-1, :3]),
        added((slice(None), [1, 1, 0]), lambda x: x[:, :3]),
        written(lambda y, x, t: y.__setitem__((slice(None), 1), x[:, 0])),
        written(lambda y, x, t: y.__setitem__((slice(None), slice(1, 6, 2)), x[:, :3])),
        written(lambda y, x, t: y.__setitem__((slice(None), [0, 5]), x[:, 2:4])),
        written(lambda y, x, t: y.__setitem__((slice(None), slice(0, 0)), x[:, :0])),
        written(lambda y, x, t: y.__setitem__((..., np.arange(6) > 3), x[:, :1])),
        written(lambda y, x, t: y.__setitem__((2, slice(1, 3)), x.sum()), lambda x: (3, 4)),
        written(lambda y, x, t: y.__setitem__(x > 0, 2.0)),
        written(lambda y, x, t: y.__setitem__(..., x)),
        written(lambda y, x, t: y.__setitem__(0, 1.0)),
        written(lambda y, x, t: y.__setitem__(-1, x.sum(axis=0))),
        lambda m, x, t: written(lambda y, x, t: y.__setitem__(0, m.weight))(m, x, t),
        written(lambda y, x, t: y.__setitem__(slice(1, None), x[:-1])),
        written(lambda y, x, t: y.__setitem__(slice(300), x[:1])),
        written(lambda y, x, t: y.__setitem__((slice(2), 1), 2.0)),
        written(lambda y, x, t: y.__setitem__((slice(None, None, 2), None, [3, 1]), 0.5)),
        written(lambda y, x, t: y.__setitem__((x.shape[0] - 1, slice(2, 4)), x[0, :2])),
        written(lambda y, x, t: y.__setitem__([0, 0], 1.0)),
        written(lambda y, x, t: y.__setitem__((t[:, 0], t[:, 1]), 1.0), lambda x: (5, 6)),
        written(lambda y, x, t: np.add.at(y, 0, x.sum(axis=0))),
        written(lambda y, x, t: np.add.at(y, ([0, 0], 1), x[0, 0])),
        written(lambda y, x, t: np.add.at(y, (t[:, 0], t[:, 1]), x[:, 0]), lambda x: (5, 6)),
        written(lambda y, x, t: np.add.at(y, [0, 1, 1], x.sum()), lambda x: (5,)),
        written(lambda y, x, t: np.add.at(y, (slice(None), [0, 1, 1]), x[:, :3])),
        written(lambda y, x, t: np.add.at(y, t[:, 0], x[:, 1]), lambda x: (5,)),
        written(lambda y, x, t: np.add.at(y, t, x[:, :3, None]), lambda x: (5, 2)),
        lambda m, x, t: tg.rules.get("place")(tg.Tensor(x), (slice(None), [0, 1, 0, 2, 2, 1]), (x.shape[0], 3)),
        lambda m, x, t: tg.rules.get("place")(tg.Tensor(x), t[:, 0], (5, 6)),
    ],
)
def test_what_is_written_in_place(function, path):
    agrees_on(Table(function), path, X.numpy(), TOKENS % 5)


def test_an_array_where_a_mask_holds_is_refused(path):
    function = written(lambda y, x, t: y.__setitem__(x > 0, x[0, 0] + np.ones(1)))
    with pytest.raises(ExportError, match=re.escape("np.where(mask, a, x)")) as refusal:
        export_onnx(Table(function), (X.numpy(), TOKENS % 5), path)
    assert "test_onnx.py, line" in str(refusal.value)


# Models.


@needs_mnist
def test_the_mnist_net_reads_every_test_digit_alike(path):
    data = tg.data.load_mnist(download=False)
    net = mnist.Net(rng=0)
    optimizer = tg.optim.SGD(net.parameters(), lr=10**-0.35)
    step = tg.jit(mnist.training_step(net, optimizer))
    targets = F.one_hot(data.train.labels, 10)
    for images, t in itertools.islice(tg.data.Batches(data.train.images, targets, 100), 500):
        step(images, t)
    export_onnx(net, data.test.images[:1], path)
    (found,) = run(path, data.test.images)
    expected = net(data.test.images).numpy()
    assert F.accuracy(expected, data.test.labels) > 0.9
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert np.array_equal(found.argmax(axis=1), expected.argmax(axis=1))

    model = onnx.load(path)
    assert [node.op_type for node in model.graph.node] == ["Gemm", "Relu", "Gemm", "Softmax"]
    assert [x.name for x in model.graph.initializer] == ["hidden.weight", "hidden.bias", "output.weight", "output.bias"]
    assert [node.name for node in model.graph.node][:2] == ["hidden/Gemm", "Relu"]
    (given,), (got,) = model.graph.input, model.graph.output
    assert (given.name, got.name) == ("input", "output")
    for x, features in ((given, 784), (got, 10)):
        assert [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] == ["batch", features]
    assert (model.producer_name, model.opset_import[0].version) == ("tinygrad_lite", 18)
    assert model.ir_version <= 10  # the one that onnxruntime 1.20 knows


def test_the_net_of_moons(path):
    points, _ = moons.moons(50, 0.1, np.random.default_rng(0))
    agrees(moons.Net(np.random.default_rng(0)), path, points)


def test_a_convolutional_net(path):
    net = lenet.Net(channels=2, rng=0)
    agrees(net, path, tg.Tensor(np.random.default_rng(0).normal(size=(2, 784)), dtype=np.float32))
    graph = onnx.load(path).graph
    assert {"features.0.weight", "features.0.bias"} <= {x.name for x in graph.initializer}
    operators = [node.op_type for node in graph.node]
    block = ["Conv", "Add", "Relu", "MaxPool"]
    assert operators == ["Reshape", *block, *block, "Reshape", "Gemm", "Relu", "Gemm", "Relu", "Gemm", "Softmax"]


def test_a_transformer(path):
    agrees_on(text.Net("abcde", context=8, width=32, rng=0), path, TOKENS % 5)
    assert "Erf" in [node.op_type for node in onnx.load(path).graph.node]


@pytest.mark.parametrize("layer", [tg.nn.GRU, tg.nn.LSTM])
def test_a_recurrent_net_with_its_last_state(layer, path):
    agrees(layer(3, 4, rng=0), path, tg.Tensor(np.random.default_rng(0).normal(size=(3, 5, 3)), dtype=np.float32))


# Loops.


def body_of(node):
    return next(attribute.g for attribute in node.attribute if attribute.name == "body")


def scans(model, path, count=1):
    """Export a model that reads sequences; see that its predictions agree, and return its operators that are loops."""
    sequences = tg.Tensor(np.random.default_rng(0).normal(size=(2, 30, 3)), dtype=np.float32)
    export_onnx(model, sequences, path)
    with tg.no_grad():
        for n in (1, 3, 7):
            batch = tg.Tensor(np.random.default_rng(n).normal(size=(n, 30, 3)), dtype=np.float32)
            close(tg.transforms.leaves(model(batch)), run(path, batch.numpy()))
    nodes = onnx.load(path).graph.node
    assert len(nodes) <= 9 + 10 * count
    found = [node for node in nodes if node.op_type == "Scan"]
    assert len(found) == count
    return found


def by_steps(step, state=lambda x: x[:, 0]):
    """Return a model that reads a sequence by a step, which also gets the whole sequence and a matrix."""
    matrix = tg.Tensor(np.linspace(-1, 1, 9).reshape(3, 3), dtype=np.float32, requires_grad=True)
    return Function(lambda x: tg.scan(lambda s, v: step(s, v, x, matrix), state(x), np.moveaxis(x, 1, 0)))


@pytest.mark.parametrize(("layer", "states"), [(tg.nn.GRU, 1), (tg.nn.LSTM, 2)])
def test_a_recurrent_net_is_one_loop(layer, states, path):
    (scan,) = scans(layer(3, 4, rng=0), path)
    assert (len(scan.input), len(scan.output)) == (states + 1, states + 1)


def test_two_recurrent_layers_are_two_loops(path):
    layers = tg.nn.LSTM(3, 4, rng=0), tg.nn.GRU(4, 2, rng=1)
    scans(Function(lambda x: layers[1](layers[0](x)[0])), path, count=2)


@pytest.mark.parametrize(
    "model",
    [
        # lengths of the batch: from outside, of the state, and known in the step alone
        by_steps(lambda s, v, x, w: (np.tanh(s) / x.shape[0] + v, s / (s.shape[0] + 1))),
        by_steps(lambda s, v, x, w: (v, np.concatenate([s.reshape(-1), v.reshape(-1)]).reshape(2, s.shape[0], 3)[1])),
        by_steps(lambda s, v, x, w: (v, s / np.concatenate([s.reshape(-1), v.reshape(-1)]).shape[0])),
        by_steps(lambda s, v, x, w: (v, np.broadcast_to(s.sum(), np.concatenate([s, v]).reshape(-1).shape).sum())),
        # results that are a state, an input, a constant, from outside, the same twice, or none
        by_steps(lambda s, v, x, w: ((s[1], v), (s[0], v, w, x, 1.0)), lambda x: (x[:, 0], x[:, 1])),
        by_steps(lambda s, v, x, w: ({"a": s["b"] + v, "b": s["a"]}, {}), lambda x: {"a": x[:, 0], "b": x[:, 1]}),
        # what the step reads: no input, constants and what it computes of them, and what is an output as well
        by_steps(lambda s, v, x, w: (s / 2, s.sum()), lambda x: x.sum()),
        by_steps(lambda s, v, x, w: (np.tanh(v @ w.T + s * np.arange(300.0, dtype="float32")[:3]), s @ w)),
        Function(lambda x: (y := x.sum(axis=1), tg.scan(lambda s, v: (s + y, s * v), y, np.moveaxis(x, 1, 0)))),
    ],
)
def test_what_a_step_reads_and_returns(model, path):
    (scan,) = scans(model, path)
    assert "Transpose" not in [node.op_type for node in body_of(scan).node]  # constants are computed before


def test_what_a_loop_computes_is_computed_again_outside(path):
    def twice(x):
        last, ys = tg.scan(lambda s, v: (s + np.tanh(x[:, 0]), s), x[:, 0], np.moveaxis(x, 1, 0))
        return last, ys, np.tanh(x[:, 0])

    def length(x):
        _, ys = tg.scan(lambda s, v: (v, s / s.reshape(-1).shape[0]), x[:, 0], np.moveaxis(x, 1, 0))
        row = x[:, 0].reshape(-1)
        return ys, row / row.shape[0]

    scans(Function(twice), path)
    scans(Function(length), path)


def test_loops_that_read_the_same_constants(path):
    layer = tg.nn.GRU(3, 3, rng=0)
    scans(Function(lambda x: layer(layer(x)[0])), path, count=2)
    shapes = [tuple(x.dims) for x in onnx.load(path).graph.initializer]
    assert shapes.count((3, 9)) == 2  # the weights of inputs and of the state


def test_loops_that_a_file_has_not_as_one_operator(path):
    def derivative(x):
        return tg.grad(lambda x: tg.scan(lambda s, v: (np.tanh(s + v), s), x[:, 0], x.T[:4])[0] @ x[:, 1])(x)

    agrees(Function(derivative), path)
    assert "Scan" not in [node.op_type for node in onnx.load(path).graph.node]
    scans(by_steps(lambda s, v, x, w: tg.scan(lambda s, u: (s + u, s), s, np.stack([v, v * v]))), path)


def test_a_loop_over_the_batch_is_refused(path):
    is_refused(Function(lambda x: tg.scan(lambda s, v: (s + v, s), x[0], x)), path, "the length of the batch")


def test_a_pooling_of_whole_numbers_and_windows_of_a_user(path):
    view = np.lib.stride_tricks.sliding_window_view
    agrees(Function(lambda x: F.max_pool2d(images(x.argmax(axis=1, keepdims=True) * np.arange(6)), (2, 1), 1)), path)
    agrees(Function(lambda x: (view(x.numpy(), 3, axis=1), view((x[:2].T @ x[:2]).numpy(), (2, 3)))), path)


def test_the_derivative_of_a_convolution_in_groups_by_its_kernels(path):
    of_weight, how = tg.rules.get("conv2d_weight"), Geometry(stride=(2, 1), padding=(1, 0), groups=2)
    agrees(Function(lambda x: of_weight(images(x), images(x)[:, :, :2], (2, 1), how)), path)


def test_windows_along_the_batch_are_refused(path):
    is_refused(Function(lambda x: np.lib.stride_tricks.sliding_window_view(x.numpy(), 1, axis=0)), path, "the batch")


def test_an_error_function_in_double_precision_is_refused(path):
    is_refused(tg.nn.GELU(), path, "erf", "use float32", sample=X.numpy().astype(np.float64))


def test_flatten_and_dropout_in_training(path):
    net = tg.nn.Sequential(tg.nn.Flatten(), tg.nn.Linear(6, 5, rng=0), tg.nn.Dropout(0.5), tg.nn.Linear(5, 2, rng=1))
    net[1].eval()
    net[3].train()
    modes = [dict(vars(module)) for _, module in net.named_modules()]
    images = X.numpy().reshape(4, 2, 3)
    export_onnx(net, images, path)
    assert [vars(module) for _, module in net.named_modules()] == modes
    assert (net[0].training, net[1].training, net[2].training) == (True, False, True)
    close(net.eval()(images), run(path, images))


def test_modes_are_put_back_after_an_error(path):
    net = tg.nn.Sequential(tg.nn.Dropout(), Function(lambda x: x if x.sum() > 0 else -x))
    is_refused(net, path)
    assert all("training" not in vars(module) for module in (net, *net.layers))


def test_nodes_are_named_after_the_innermost_layer(path):
    inner = tg.nn.Sequential(tg.nn.Linear(6, 6, rng=0), tg.nn.Tanh(), Function(lambda x: x + 1))
    export_onnx(tg.nn.Sequential(inner, tg.nn.Softmax()), X, path)
    assert [node.name for node in onnx.load(path).graph.node] == ["0.0/Gemm", "0.1/Tanh", "0.2/Add", "1/Softmax"]


def test_several_inputs_and_heads(path):
    class Heads(tg.nn.Module):
        def __init__(self):
            self.body = tg.nn.Linear(6, 4, rng=0)
            self.heads = {"mean": tg.nn.Linear(4, 1, rng=1), "log_deviation": tg.nn.Linear(4, 1, rng=2)}

        def forward(self, x, scale):
            h = self.body(x * scale).tanh()
            return {name: head(h) for name, head in self.heads.items()} | {"both": (h, scale, self.body.bias)}

    model = Heads()
    x, scale = X.numpy(), np.arange(4.0, dtype=np.float32)[:, None]
    export_onnx(model, (x, scale), path)
    file = onnx.load(path)
    assert [x.name for x in file.graph.input] == ["input.0", "input.1"]
    assert [x.name for x in file.graph.output] == [
        "output.mean", "output.log_deviation", "output.both.0", "output.both.1", "output.both.2",
    ]  # fmt: skip
    assert {"heads.mean.weight", "body.bias"} <= {x.name for x in file.graph.initializer}
    y = model(x, scale)
    close([y["mean"], y["log_deviation"], *y["both"]], run(path, x, scale))


def test_names_are_never_those_of_others(path):
    class Twice(tg.nn.Module):
        def __init__(self):
            self.output, self.input = tg.nn.Linear(6, 6, rng=0), tg.nn.Buffer(np.ones(6), np.float32)
            self.tied = self.output.weight

        def forward(self, x):
            return {"weight": self.output(x) + self.input, "bias": x, "tied": x @ self.tied}

    agrees_by_name = Twice()
    export_onnx(agrees_by_name, X, path)
    close([*agrees_by_name(X).values()], run(path, X.numpy()))
    names = [x.name for x in onnx.load(path).graph.initializer]
    assert sorted(names) == ["input_1", "output.bias_1", "output.weight_1"]


def test_what_onnx_has_no_types_for_is_refused(path):
    is_refused(Function(lambda x: (x > 0) + (x < 1)), path, "ONNX", "Add")


def test_whole_numbers_never_wrap_round(path):
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    is_refused(Function(lambda x: x < 300), path, "300", sample=pixels)


def test_outputs_that_are_no_arrays_are_refused(path):
    is_refused(Function(lambda x: (x, None)), path, "output.1", "None")


def test_types(path):
    net = tg.nn.Linear(6, 2, rng=0)
    x = X.numpy().astype(np.float64)
    export_onnx(net, x, path)  # as the library has it, an array takes on the type of the weights
    close(net(x), run(path, x))
    net.astype(np.float64)
    export_onnx(net, x, path)
    assert net(x).dtype == np.float64
    close(net(x), run(path, x))
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    model = Function(lambda x: x / 255.0 @ np.ones((6, 2)) + 1)
    for sample in (pixels, tg.Tensor(pixels)):
        export_onnx(model, sample, path)
        close(model(sample), run(path, pixels))


def test_parameters_before_the_input(path):
    class Before(tg.nn.Module):
        def __init__(self):
            self.w = tg.Tensor(np.linspace(0.1, 1, 6), dtype=np.float32, requires_grad=True)

        def forward(self, x):
            joined = np.concatenate([np.stack([self.w, self.w]), x])
            return self.w * x, self.w - x, self.w / (x + 9), self.w**x, self.w @ x.T, np.maximum(self.w, x), joined

    agrees(Before(), path)


def test_a_rule_called_on_a_parameter_and_the_input(path):
    model = Function(lambda x: model.weight.maximum(x))
    agrees(model, path)


# What depends on the batch.


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.mean(axis=0) * x.shape[0] ** 0.5,
        lambda x: (x - x.mean(axis=0)) / (x.std(axis=0) + 2 / x.shape[0]),
        lambda x: x.sum() / (x.shape[0] * x.shape[1]) + x.shape[0] // 1 - x.size,
        lambda x: np.broadcast_to(x.mean(axis=0), x.shape) + np.zeros_like(x, shape=(x.shape[0], 1)),
        lambda x: x[:10].sum() / x[:10].shape[0],
        lambda x: x[:10].reshape(x[:10].shape[0], 2, 3),
        lambda x: x.var(axis=0) * math.prod(x.shape) + np.prod(x.shape) * 1.0,
        lambda x: np.full_like(x, x.shape[0] / 3) - 2 ** (1 / x.shape[0]) - (x.shape[0] - 1) // 2,
        lambda x: (x[-5:].sum() / x[-5:].shape[0], x[::2].sum() * x[::2].shape[0], x.shape[0]),
        lambda x: np.broadcast_to(x[3], (x.shape[0], 6)) if x.shape[0] < 0 else x,
        lambda x: F.softmax(x, 0) + F.squared_loss(x, 0 * x),
        lambda x: (x.T.reshape(-1), x.reshape(-1, 2, 3).mT.reshape(-1, 6)),  # copies, but not for a batch of one
        lambda x: (np.roll(x, 1, axis=0), np.roll(x, -3), np.roll(x, (1, 2), axis=(-2, -1))),
        lambda x: (x.shape[0] * 1.0, x.argmax(axis=1) * (x.shape[0] / 1), x * -x.shape[0], x[-x.shape[0] :]),
    ],
)
def test_the_length_of_the_batch_is_not_baked_in(function, path):
    agrees(Function(function), path)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x if x.shape[0] > 5 else -x, "fixed number"),
        (lambda x: x if x.shape[0] == 4 else -x, "compares with the length"),
        (lambda x: x if x.shape == (4, 6) else -x, "compares with the length"),
        (lambda x: np.stack([row * 2 for row in x]), "fixed number"),
        (lambda x: x + np.arange(x.shape[0])[:, None], "fixed number"),
        (lambda x: x + np.zeros((x.shape[0], 1), np.float32, like=x), "np.zeros_like"),
        (lambda x: x / float(x.shape[0]), "fixed number"),
        (lambda x: x / len(x), "fixed number"),
        (lambda x: np.split(x, x.shape[0]), "fixed number"),
        (lambda x: np.pad(x, ((0, x.shape[0]), (0, 0))), "fixed number"),
        (lambda x: x if x.shape[0] < 1000 else -x, "compares with the length"),
        (lambda x: x * min(x.shape[0], 1000), "compares with the length"),
        (lambda x: x if x.shape[0] in (4, 8) else -x, "compares with the length"),
        (lambda x: x * {4: 2}.get(x.shape[0], 1), "fixed number"),
        (lambda x: x if x.shape[0] % 2 else -x, "fixed number"),
        (lambda x: x if x.shape[0] & 1 else -x, "fixed number"),
        (lambda x: x * np.sqrt(x.shape[0]), "fixed number"),
        (lambda x: x * len(f"{x.shape[0]}"), "fixed number"),
        (lambda x: x if isinstance(x.shape[0], int) else -x, "other steps"),
        (lambda x: -x if isinstance(x.shape[0], int) else x, "other steps"),
        (lambda x: [x] if isinstance(x.shape[0], int) else x, "other steps"),
        (lambda x: x @ (x if isinstance(x.shape[0], int) else 2 * x).T, "other steps"),
        (lambda x: (lambda a, b: a - b if isinstance(x.shape[0], int) else b - a)(x * 2, x * 3), "other steps"),
        (lambda x: x * (2 if isinstance(x.shape[0], int) else 3), "fixed number"),
    ],
)
def test_a_length_that_would_be_baked_in_is_refused(function, words, path):
    is_refused(Function(function), path, "test_onnx.py, line", words)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * float(x.max()),
        lambda x: x * x[0, 0].item(),
        lambda x: x * int(x.argmax()),
        lambda x: x + np.asarray(x),
        lambda x: x + x.tolist(),
        lambda x: x * len(f"{x[0, 0]:.3f}"),
        lambda x: tg.Tensor(np.eye(6))[x.argmax(axis=1)],
    ],
)
def test_a_value_is_not_to_be_had(function, path):
    is_refused(Function(function), path, "test_onnx.py, line")


def test_the_array_of_a_value_is_one_of_the_recording(path):
    agrees(Function(lambda x: x + x.numpy().sum() + tg.Tensor(x) * x.data), path)


def test_the_floor_of_a_quotient_is_not_the_quotient_of_floors(path):
    is_refused(Function(lambda x: np.floor_divide(x, 0.1)), path, "np.floor_divide", "np.floor(a / b)")


def test_masks_are_refused(path):
    is_refused(Function(lambda x: x[x > 0]), path, "mask", "np.where(mask, x, 0)")


def test_what_numpy_has_and_no_table_is_refused_by_name(path):
    is_refused(Function(lambda x: np.sort(x > 0)), path, "np.sort", "test_onnx.py, line")
    is_refused(Function(lambda x: np.nextafter(x.numpy(), 9)), path, "np.nextafter")


def test_a_model_that_is_not_the_same_twice_is_found_out(path):
    rng = np.random.default_rng(0)
    is_refused(Function(lambda x: x + rng.normal(size=6)), path, "test_onnx.py, line", "normal", "random numbers")
    kept = []

    def remembers(x):
        kept.append(x.shape[1])
        return x + len(kept)

    is_refused(Function(remembers), path, "changes kept", "return it")


def test_what_forward_leaves_to_be_looked_at_does_no_harm(path):
    model = Function(lambda x: x)

    def shows(x):
        model.hidden = x @ np.ones((6, 2))
        return model.hidden.tanh()

    model.function = shows
    agrees(model, path)


def test_what_batches_of_one_would_break_is_found_out(path):
    is_refused(Function(lambda x: np.squeeze(x[:, None])), path, "compares with the length")
    agrees(Function(lambda x: x[:, None] @ x.sum(axis=0)[:, None] + x[1:2].sum()), path)


# Rules of a user's own.


@pytest.fixture
def own_rules(monkeypatch):
    monkeypatch.setattr(registry, "_rules", dict(registry._rules))


def softplus(forward):
    return tg.rules.define(
        "softplus", forward, x=lambda g, x: g / (1 + np.exp(-x)), samples=lambda: [tg.rules.sample(np.array([0.5]))]
    )


@pytest.mark.usefixtures("own_rules")
def test_a_rule_of_ones_own_is_written_as_its_forward_says(path, monkeypatch):
    agrees(Function(softplus(lambda x: np.log1p(np.exp(x)))), path)
    monkeypatch.setitem(table.RULES, "softplus", "Softplus")
    agrees(Function(softplus(lambda x: np.log1p(np.exp(x)))), path)
    assert [node.op_type for node in onnx.load(path).graph.node] == ["Softplus"]


@pytest.mark.usefixtures("own_rules")
def test_a_rule_of_ones_own_that_numpy_alone_can_compute_needs_an_entry(path, monkeypatch):
    rule = softplus(lambda x: np.log1p(np.exp(np.asarray(x))))
    is_refused(Function(rule), path, "turns a recorded array into a plain one")
    monkeypatch.setitem(table.RULES, "softplus", "Softplus")
    agrees(Function(rule), path)


@pytest.mark.usefixtures("own_rules")
def test_a_rule_that_answers_for_its_own_forward_is_refused(path, monkeypatch):
    monkeypatch.setattr(registry, "_answers", dict(registry._answers))
    following = tg.rules.define(
        "following", lambda x: np.nextafter(x, 9), x=lambda g: g, numpy=np.nextafter, samples=list
    )
    refusal = is_refused(Function(following), path, "nextafter cannot be written in ONNX")
    assert "RULES['following'] = …" in "".join(refusal.value.__notes__)


@pytest.mark.usefixtures("own_rules")
def test_an_entry_that_is_wrong_is_found_out(path, monkeypatch):
    monkeypatch.setitem(table.RULES, "softplus", "Softsign")
    refusal = is_refused(Function(softplus(lambda x: np.log1p(np.exp(x)))), path, "differs from that of the model")
    assert "Nothing was written" in str(refusal.value)


# The call itself.


def test_samples_that_are_none(path):
    net = tg.nn.Linear(6, 2)
    for sample in (np.float32(1), X[:0], (), (X, X[:2])):
        with pytest.raises(ValueError, match="axis 0 of every sample must be the batch"):
            export_onnx(net, sample, path)
    with pytest.raises(tg.ShapeError) as refusal:
        export_onnx(net, X[0], path)
    assert "axis 0 of the sample is the batch" in refusal.value.__notes__[0]
    with pytest.raises(TypeError, match="takes a Module"):
        export_onnx(lambda x: x, X, path)


def test_a_file_that_was_there_stays_if_the_model_is_refused(path):
    path.write_text("before")
    with pytest.raises(ExportError):
        export_onnx(Function(lambda x: x * float(x.sum())), X, path)
    assert path.read_text() == "before"


def test_without_onnx(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(tg.MissingExtra, match=r"pip install 'tinygrad_lite\[interop\]'"):
        export_onnx(tg.nn.Linear(6, 2), X, path)


def test_onnx_is_imported_only_by_an_export():
    code = "import sys, tinygrad_lite; assert not [m for m in sys.modules if m.partition('.')[0] == 'onnx']"
    subprocess.run([sys.executable, "-c", code], check=True)


HIDDEN = {
    "far": lambda x: x[:20000].sum(axis=0),
    "far in a step": lambda x: x[::20000],
    "small part": lambda x: x * (x.shape[0] // 10**6),
    "comparison of lengths": lambda x: x * 2 if x[:20].shape[0] == x.shape[0] else x,
    "comparison of shapes": lambda x: x * 2 if x[:20].shape == x.shape else x,
    "comparison with a far slice": lambda x: x * 2 if x[:300].shape == x.shape else x,
    "comparison with the rest": lambda x: x * 2 if x[300:].shape[0] < 1000 else x,
    "comparison with a part": lambda x: x * 2 if x.shape[0] // 100 < 50 else x,
    "comparison with a fraction": lambda x: x * 2 if x.shape[0] * 0.001 < 5 else x,
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_length_that_shows_for_large_batches_alone_is_refused(name, path):
    is_refused(Function(HIDDEN[name]), path, "test_onnx.py, line", "batch")


SEEN = {
    "start": lambda x: x.sum() / (1 + x[18:].shape[0]),
    "size": lambda x: x * (1 + x[40:].size),
    "beyond the recorded batches": lambda x: x[:300].sum(axis=0) / x[:300].shape[0],
    "from beyond": lambda x: np.zeros_like(x[300:]) + 1,
    "up to beyond": lambda x: x[-300:] * 2,
    "step beyond": lambda x: np.zeros_like(x[::300]),
    "both beyond": lambda x: np.concatenate([x[:250], x[300:]]).reshape(-1, 2, 3),
    "part beyond": lambda x: x * (x.shape[0] // 300) + x.shape[0] // 1000,
    "few": lambda x: x[:2].sum(axis=0) + np.zeros_like(x[:2]),
    "start of a sum": lambda x: x[17:].sum(axis=0),
    "step": lambda x: x[::20].var(axis=0),
    "twice": lambda x: x[10:][10:].sum(axis=0),
    "part": lambda x: x * (x.shape[0] // 20),
    "the first row": lambda x: x[:1] * x,
    "the last row": lambda x: x[-1:] + x,
    "differences": lambda x: x[1:] - x[:-1],
    "every other": lambda x: x[::2],
    "many": lambda x: x[:20].sum(axis=0),
    "half": lambda x: x[: x.shape[0] // 2],
    "whole parts": lambda x: x.reshape(x.size // 3, 3),
    "whole parts of a sample": lambda x: x.reshape(x.shape[0], x.size // x.shape[0]),
    "the same length": lambda x: x if x.shape == x.shape else 2 * x,
    "of coarser numbers": lambda x: F.sigmoid(x).astype(np.float64),
}


@pytest.mark.parametrize("name", SEEN)
def test_lengths_that_follow_from_the_batch_are_right_for_large_batches_too(name, path):
    export_onnx(Function(SEEN[name]), X, path)
    session = onnxruntime.InferenceSession(path)
    for n in (1, 2, 5, 18, 40, 100, 299, 301, 1100):
        x = np.resize(X.data, (n, *X.shape[1:]))
        (found,) = session.run(None, {"input": x})
        np.testing.assert_allclose(found, np.asarray(tg.Tensor(SEEN[name](x)).data), rtol=1e-5, atol=1e-6)


def test_a_slice_of_the_features_may_reach_as_far_as_they_do(path):
    agrees(Function(lambda x: x[:, 18000:].max(axis=1)), path, np.ones((1, 20000), np.float32))


def test_what_nothing_reads_is_not_in_the_file(path):
    agrees(Function(lambda x: (x.shape[0] / 3, x.reshape(x.shape[0], 2, 3))[1]), path)
    assert [node.op_type for node in onnx.load(path).graph.node] == ["Reshape"]


def test_the_tail_of_a_sigmoid_is_not_lost(path):
    export_onnx(Function(lambda x: np.log(F.sigmoid(x))), X, path)
    x = np.linspace(-80, 80, 6 * 27, dtype=np.float32).reshape(27, 6)
    (found,) = onnxruntime.InferenceSession(path).run(None, {"input": x})
    np.testing.assert_allclose(found, np.log(F.sigmoid(x)), rtol=1e-5, atol=1e-6)

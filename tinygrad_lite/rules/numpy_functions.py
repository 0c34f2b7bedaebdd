"""The table of NumPy's functions: what happens when one is called on a Tensor.

There are three kinds of rows. A function is computed by a rule or by a function composed of rules, and has a
derivative. Or it is `PLAIN`: NumPy computes it from the raw arrays. Or it is refused, and `Instead` says what to write.
A function without a row is refused, too: else its gradient would be lost.

`PLAIN` must hold for every argument. `numpy.full_like` is not plain, since its result has a derivative by the value
that fills it.

To support one more function, write its row here. Each reading has a list of its own of what it can show, record or
export; `tests/rules/test_numpy_functions.py` compares these lists with the table.

Examples
--------
>>> from tinygrad_lite.rules.registry import row_of
>>> row_of(np.exp), row_of(np.mod), row_of(np.argmax)
(<rule exp(x)>, <rule remainder(a, b)>, 'plain')
>>> print(row_of(np.save))
np.save(path, x.numpy())
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from . import elementwise, neural, shapes, trigonometric
from .composed import (
    arithmetic,
    axes,
    choices,
    contractions,
    diagonals,
    differences,
    folds,
    fourier,
    grids,
    histograms,
    linalg,
    nan,
    order,
    padding,
    pieces,
    polynomials,
    sets,
    statistics,
)
from .registry import add_rows
from .rule import Rule


@dataclass(frozen=True)
class Instead:
    """What to write instead of a function that is refused.

    Attributes
    ----------
    code : str
        An expression that gives the same result and has a derivative.
    case : str
        What the expression holds for, if not for all arguments, such as "for a vector".
    writes : bool
        Whether the function writes into its argument; the expression returns a new value.
    """

    code: str
    case: str = ""
    writes: bool = False

    def __str__(self) -> str:
        return f"{self.code} {self.case}".rstrip()


_SYMMETRIC = "for a symmetric matrix; the eigenvalues of others may be complex"
_PARTS = "real and imaginary parts a and b that were divided by n, and doubled where they stand for two frequencies"
_FROM_REAL = Instead(
    "x @ np.cos(w), -x @ np.sin(w)",
    "for the real and imaginary parts along the last axis, with w = 2 * np.pi / n * np.outer(np.arange(n), "
    "np.arange(n // 2 + 1))",
)
_TO_REAL = Instead("a @ np.cos(w).T - b @ np.sin(w).T", f"for {_PARTS}, with w as for np.fft.rfft")

_OF_VALUES = "without a derivative"
_OF_DATES = "with dates in an array of NumPy's own, since a Tensor holds numbers"

PLAIN: Literal["plain"] = "plain"

Row = Rule | Callable[..., Any] | Literal["plain"] | Instead

# fmt: off

NUMPY_FUNCTIONS: dict[Callable[..., Any], Row] = {
    # arithmetic
    np.add:              elementwise.add,
    np.subtract:         elementwise.subtract,
    np.multiply:         elementwise.multiply,
    np.divide:           elementwise.divide,
    np.remainder:        elementwise.remainder,
    np.fmod:             elementwise.fmod,
    np.divmod:           arithmetic.divmod,
    np.floor_divide:     PLAIN,
    np.modf:             arithmetic.modf,
    np.frexp:            arithmetic.frexp,
    np.ldexp:            elementwise.ldexp,
    np.positive:         arithmetic.copy,
    np.negative:         elementwise.negative,
    np.reciprocal:       elementwise.reciprocal,
    np.absolute:         elementwise.absolute,
    np.fabs:             arithmetic.fabs,
    np.copysign:         arithmetic.copysign,
    np.real:             arithmetic.real,
    np.imag:             arithmetic.imag,
    np.conjugate:        arithmetic.conjugate,
    np.real_if_close:    arithmetic.real_if_close,

    # powers, exponentials, logarithms
    np.power:            arithmetic.power,
    np.float_power:      arithmetic.float_power,
    np.square:           elementwise.square,
    np.sqrt:             elementwise.sqrt,
    np.cbrt:             elementwise.cbrt,
    np.hypot:            elementwise.hypot,
    np.exp:              elementwise.exp,
    np.exp2:             elementwise.exp2,
    np.expm1:            elementwise.expm1,
    np.log:              elementwise.log,
    np.log1p:            elementwise.log1p,
    np.log2:             elementwise.log2,
    np.log10:            elementwise.log10,
    np.logaddexp:        neural.logaddexp,
    np.logaddexp2:       arithmetic.logaddexp2,
    np.i0:               arithmetic.i0,

    # trigonometric and hyperbolic functions
    np.sin:              trigonometric.sin,
    np.cos:              trigonometric.cos,
    np.tan:              trigonometric.tan,
    np.arcsin:           trigonometric.arcsin,
    np.arccos:           trigonometric.arccos,
    np.arctan:           trigonometric.arctan,
    np.arctan2:          trigonometric.arctan2,
    np.sinh:             trigonometric.sinh,
    np.cosh:             trigonometric.cosh,
    np.tanh:             trigonometric.tanh,
    np.arcsinh:          trigonometric.arcsinh,
    np.arccosh:          trigonometric.arccosh,
    np.arctanh:          trigonometric.arctanh,
    np.sinc:             arithmetic.sinc,
    np.angle:            arithmetic.angle,
    np.deg2rad:          arithmetic.deg2rad,
    np.radians:          arithmetic.deg2rad,
    np.rad2deg:          arithmetic.rad2deg,
    np.degrees:          arithmetic.rad2deg,
    np.unwrap:           differences.unwrap,

    # choices
    np.maximum:          elementwise.maximum,
    np.minimum:          elementwise.minimum,
    np.fmax:             choices.fmax,
    np.fmin:             choices.fmin,
    np.clip:             choices.clip,
    np.where:            choices.where,
    np.select:           choices.select,
    np.piecewise:        choices.piecewise,
    np.interp:           choices.interp,
    np.nan_to_num:       choices.nan_to_num,

    # step functions, whose derivative is 0 wherever there is one
    np.heaviside:        choices.heaviside,
    np.sign:             PLAIN,
    np.signbit:          PLAIN,
    np.spacing:          PLAIN,
    np.floor:            PLAIN,
    np.ceil:             PLAIN,
    np.rint:             PLAIN,
    np.round:            PLAIN,
    np.around:           PLAIN,
    np.fix:              PLAIN,
    np.trunc:            PLAIN,

    # comparisons, truth values and bits
    np.equal:            PLAIN,
    np.not_equal:        PLAIN,
    np.less:             PLAIN,
    np.less_equal:       PLAIN,
    np.greater:          PLAIN,
    np.greater_equal:    PLAIN,
    np.isclose:          PLAIN,
    np.allclose:         PLAIN,
    np.array_equal:      PLAIN,
    np.array_equiv:      PLAIN,
    np.isnan:            PLAIN,
    np.isinf:            PLAIN,
    np.isfinite:         PLAIN,
    np.isposinf:         PLAIN,
    np.isneginf:         PLAIN,
    np.isreal:           PLAIN,
    np.iscomplex:        PLAIN,
    np.isrealobj:        PLAIN,
    np.iscomplexobj:     PLAIN,
    np.logical_and:      PLAIN,
    np.logical_or:       PLAIN,
    np.logical_not:      PLAIN,
    np.logical_xor:      PLAIN,
    np.any:              PLAIN,
    np.all:              PLAIN,
    np.bitwise_and:      PLAIN,
    np.bitwise_or:       PLAIN,
    np.bitwise_xor:      PLAIN,
    np.invert:           PLAIN,
    np.left_shift:       PLAIN,
    np.right_shift:      PLAIN,
    np.bitwise_count:    PLAIN,
    np.gcd:              PLAIN,
    np.lcm:              PLAIN,

    # products
    np.matmul:           contractions.matmul,
    np.dot:              contractions.dot,
    np.inner:            contractions.inner,
    np.outer:            contractions.outer,
    np.tensordot:        contractions.tensordot,
    np.einsum:           contractions.einsum,
    np.kron:             contractions.kron,
    np.trace:            diagonals.trace,
    np.vdot:             contractions.vdot,
    np.vecdot:           contractions.vecdot,
    np.cross:            contractions.cross,
    np.convolve:         contractions.convolve,
    np.correlate:        contractions.correlate,

    # linear algebra
    np.linalg.solve:            linalg.solve,
    np.linalg.inv:              linalg.inv,
    np.linalg.pinv:             linalg.pinv,
    np.linalg.lstsq:            linalg.lstsq,
    np.linalg.tensorsolve:      linalg.tensorsolve,
    np.linalg.tensorinv:        linalg.tensorinv,
    np.linalg.matrix_power:     linalg.matrix_power,
    np.linalg.det:              linalg.det,
    np.linalg.slogdet:          linalg.slogdet,
    np.linalg.cholesky:         linalg.cholesky,
    np.linalg.qr:               linalg.qr,
    np.linalg.eigh:             linalg.eigh,
    np.linalg.eigvalsh:         linalg.eigvalsh,
    np.linalg.svd:              linalg.svd,
    np.linalg.svdvals:          linalg.svdvals,
    np.linalg.norm:             linalg.norm,
    np.linalg.vector_norm:      linalg.vector_norm,
    np.linalg.matrix_norm:      linalg.matrix_norm,
    np.linalg.cond:             linalg.cond,
    np.linalg.multi_dot:        linalg.multi_dot,
    np.linalg.outer:            linalg.outer,
    np.linalg.vecdot:           contractions.vecdot,
    np.linalg.cross:            linalg.cross,
    np.linalg.diagonal:         linalg.diagonal,
    np.linalg.trace:            linalg.trace,
    np.linalg.matmul:           contractions.matmul,
    np.linalg.tensordot:        contractions.tensordot,
    np.linalg.matrix_transpose: axes.matrix_transpose,
    np.linalg.matrix_rank:      PLAIN,
    np.linalg.eig:              Instead("np.linalg.eigh(x)", _SYMMETRIC),
    np.linalg.eigvals:          Instead("np.linalg.eigvalsh(x)", _SYMMETRIC),

    # Fourier transforms
    np.fft.fftshift:     fourier.fftshift,
    np.fft.ifftshift:    fourier.ifftshift,
    np.fft.rfft:         _FROM_REAL,
    np.fft.rfft2:        _FROM_REAL,
    np.fft.rfftn:        _FROM_REAL,
    np.fft.fft:          _FROM_REAL,
    np.fft.fft2:         _FROM_REAL,
    np.fft.fftn:         _FROM_REAL,
    np.fft.ihfft:        _FROM_REAL,
    np.fft.irfft:        _TO_REAL,
    np.fft.irfft2:       _TO_REAL,
    np.fft.irfftn:       _TO_REAL,
    np.fft.ifft:         _TO_REAL,
    np.fft.ifft2:        _TO_REAL,
    np.fft.ifftn:        _TO_REAL,
    np.fft.hfft:         _TO_REAL,

    # reductions and running sums
    np.sum:              folds.sum,
    np.mean:             folds.mean,
    np.var:              statistics.var,
    np.std:              statistics.std,
    np.prod:             folds.prod,
    np.max:              folds.max,
    np.amax:             folds.max,
    np.min:              folds.min,
    np.amin:             folds.min,
    np.count_nonzero:    PLAIN,
    np.cumsum:           folds.cumsum,
    np.cumprod:          folds.cumprod,
    np.nancumsum:        nan.nancumsum,
    np.nancumprod:       nan.nancumprod,
    np.cumulative_sum:   folds.cumulative_sum,
    np.cumulative_prod:  folds.cumulative_prod,
    np.diff:             differences.diff,
    np.ediff1d:          differences.ediff1d,
    np.gradient:         differences.gradient,
    np.trapezoid:        differences.trapezoid,
    np.apply_along_axis: folds.apply_along_axis,
    np.apply_over_axes:  folds.apply_over_axes,

    # polynomials
    np.polyval:          polynomials.polyval,
    np.polyadd:          polynomials.polyadd,
    np.polysub:          polynomials.polysub,
    np.polymul:          polynomials.polymul,
    np.polyder:          polynomials.polyder,
    np.polyint:          polynomials.polyint,
    np.poly:             polynomials.poly,
    np.vander:           polynomials.vander,

    # statistics
    np.average:          statistics.average,
    np.ptp:              statistics.ptp,
    np.cov:              statistics.cov,
    np.corrcoef:         statistics.corrcoef,
    np.median:           order.median,
    np.quantile:         order.quantile,
    np.percentile:       order.percentile,
    np.nansum:           nan.nansum,
    np.nanprod:          nan.nanprod,
    np.nanmean:          nan.nanmean,
    np.nanvar:           nan.nanvar,
    np.nanstd:           nan.nanstd,
    np.nanmax:           nan.nanmax,
    np.nanmin:           nan.nanmin,
    np.nanmedian:        order.nanmedian,
    np.nanquantile:      order.nanquantile,
    np.nanpercentile:    order.nanpercentile,
    np.bincount:         histograms.bincount,
    np.histogram:        histograms.histogram,
    np.histogram2d:      histograms.histogram2d,
    np.histogramdd:      histograms.histogramdd,
    np.histogram_bin_edges: histograms.histogram_bin_edges,

    # order and positions
    np.argmax:           PLAIN,
    np.argmin:           PLAIN,
    np.nanargmax:        PLAIN,
    np.nanargmin:        PLAIN,
    np.argsort:          PLAIN,
    np.argpartition:     PLAIN,
    np.lexsort:          PLAIN,
    np.nonzero:          PLAIN,
    np.flatnonzero:      PLAIN,
    np.argwhere:         PLAIN,
    np.searchsorted:     PLAIN,
    np.digitize:         PLAIN,
    np.isin:             PLAIN,
    np.sort:             order.sort,
    np.partition:        order.partition,
    np.sort_complex:     Instead("np.sort(x)", "for real numbers"),
    np.unique:           sets.unique,
    np.unique_values:    sets.unique_values,
    np.unique_counts:    sets.unique_counts,
    np.unique_inverse:   sets.unique_inverse,
    np.unique_all:       sets.unique_all,
    np.union1d:          sets.union1d,
    np.intersect1d:      sets.intersect1d,
    np.setdiff1d:        sets.setdiff1d,
    np.setxor1d:         sets.setxor1d,

    # shapes and axes
    np.shape:            PLAIN,
    np.ndim:             PLAIN,
    np.size:             PLAIN,
    np.reshape:          axes.reshape,
    np.ravel:            axes.ravel,
    np.transpose:        axes.transpose,
    np.matrix_transpose: axes.matrix_transpose,
    np.swapaxes:         axes.swapaxes,
    np.moveaxis:         axes.moveaxis,
    np.expand_dims:      axes.expand_dims,
    np.squeeze:          axes.squeeze,
    np.broadcast_to:     shapes.broadcast_to,
    np.flip:             shapes.flip,
    np.roll:             shapes.roll,
    np.atleast_1d:       axes.atleast_1d,
    np.atleast_2d:       axes.atleast_2d,
    np.atleast_3d:       axes.atleast_3d,
    np.rollaxis:         axes.rollaxis,
    np.broadcast_arrays: axes.broadcast_arrays,
    np.flipud:           axes.flipud,
    np.fliplr:           axes.fliplr,
    np.rot90:            axes.rot90,

    # joining, cutting and picking
    np.concatenate:      pieces.concatenate,
    np.stack:            pieces.stack,
    np.vstack:           pieces.vstack,
    np.hstack:           pieces.hstack,
    np.split:            pieces.split,
    np.pad:              padding.pad,
    np.lib.stride_tricks.sliding_window_view: pieces.sliding_window_view,
    np.take:             pieces.take,
    np.take_along_axis:  pieces.take_along_axis,
    np.choose:           pieces.choose,
    np.compress:         pieces.compress,
    np.extract:          pieces.extract,
    np.tile:             pieces.tile,
    np.repeat:           pieces.repeat,
    np.resize:           pieces.resize,
    np.insert:           pieces.insert,
    np.delete:           pieces.delete,
    np.append:           pieces.append,
    np.block:            pieces.block,
    np.dstack:           pieces.dstack,
    np.column_stack:     pieces.column_stack,
    np.array_split:      pieces.array_split,
    np.vsplit:           pieces.vsplit,
    np.hsplit:           pieces.hsplit,
    np.dsplit:           pieces.dsplit,
    np.unstack:          pieces.unstack,
    np.diagonal:         diagonals.diagonal,
    np.diag:             diagonals.diag,
    np.diagflat:         diagonals.diagflat,
    np.tril:             diagonals.tril,
    np.triu:             diagonals.triu,

    # writing into an array
    np.copyto:           Instead("np.where(mask, values, x)", "(for np.full: np.broadcast_to(value, shape))", True),
    np.putmask:          Instead("np.where(mask, values, x)", "for values of the shape of x", True),
    np.place:            Instead("np.where(mask, value, x)", "for one value", True),
    np.put:              Instead("tg.scatter(x.ravel(), 0, indices, values).reshape(x.shape)", writes=True),
    np.put_along_axis:   Instead("tg.scatter(x, axis, indices, values)", writes=True),
    np.fill_diagonal:    Instead("np.where(np.eye(*x.shape) == 1, value, x)", "for a matrix", True),

    # new arrays, types and text
    np.zeros_like:       PLAIN,
    np.ones_like:        PLAIN,
    np.empty_like:       PLAIN,
    np.full_like:        arithmetic.full_like,
    np.full:             Instead("np.broadcast_to(value, shape)"),
    np.arange:           Instead("start + step * np.arange(n)", "for n numbers"),
    np.zeros:            PLAIN,
    np.ones:             PLAIN,
    np.eye:              PLAIN,
    np.copy:             arithmetic.copy,
    np.astype:           arithmetic.astype,
    np.linspace:         grids.linspace,
    np.logspace:         grids.logspace,
    np.geomspace:        grids.geomspace,
    np.meshgrid:         grids.meshgrid,
    np.ix_:              grids.ix_,
    np.diag_indices_from:PLAIN,
    np.tril_indices_from:PLAIN,
    np.triu_indices_from:PLAIN,
    np.result_type:      PLAIN,
    np.can_cast:         PLAIN,
    np.array2string:     PLAIN,
    np.array_repr:       PLAIN,
    np.array_str:        PLAIN,
    np.save:             Instead("np.save(path, x.numpy())"),
    np.savez:            Instead("np.savez(path, x=x.numpy())"),
    np.savez_compressed: Instead("np.savez_compressed(path, x=x.numpy())"),
    np.savetxt:          Instead("np.savetxt(path, x.numpy())"),

    # functions that few call on a Tensor
    np.nextafter:         Instead("x + (np.nextafter(x.numpy(), y) - x.numpy())", "for an array y"),
    np.polyfit:           Instead("np.linalg.lstsq(np.vander(x, n + 1), y)[0]", "for a polynomial of degree n"),
    np.polydiv:           Instead("np.polydiv(x.numpy(), y.numpy())", _OF_VALUES),
    np.roots:             Instead("np.roots(x.numpy())", _OF_VALUES),
    np.trim_zeros:        Instead("x[np.nonzero(x)[0][0] : np.nonzero(x)[0][-1] + 1]", "for a vector"),
    np.common_type:       Instead("np.common_type(x.numpy(), y.numpy())"),
    np.min_scalar_type:   Instead("np.min_scalar_type(x.numpy())"),
    np.einsum_path:       Instead("np.einsum_path(subscripts, x.numpy(), y.numpy())"),
    np.shares_memory:     Instead("np.shares_memory(x.numpy(), y.numpy())"),
    np.may_share_memory:  Instead("np.may_share_memory(x.numpy(), y.numpy())"),
    np.ravel_multi_index: Instead("np.ravel_multi_index((i.numpy(), j.numpy()), shape)"),
    np.unravel_index:     Instead("np.unravel_index(i.numpy(), shape)"),
    np.packbits:          Instead("np.packbits(i.numpy())"),
    np.unpackbits:        Instead("np.unpackbits(i.numpy())"),
    np.isnat:             Instead("np.isnat(dates)", _OF_DATES),
    np.is_busday:         Instead("np.is_busday(dates)", _OF_DATES),
    np.busday_count:      Instead("np.busday_count(dates, dates)", _OF_DATES),
    np.busday_offset:     Instead("np.busday_offset(dates, offsets)", _OF_DATES),
    np.datetime_as_string: Instead("np.datetime_as_string(dates)", _OF_DATES),
}

# fmt: on

for row in (contractions.matvec, contractions.vecmat):
    if hasattr(np, row.__name__):  # since NumPy 2.2
        NUMPY_FUNCTIONS[getattr(np, row.__name__)] = row

add_rows(NUMPY_FUNCTIONS)


def advice_on_methods() -> dict[str, str]:
    """Return what to write for a method that has the name of a function in the table, by that name."""
    rows = {name: NUMPY_FUNCTIONS.get(function) for name, function in vars(np).items() if callable(function)}
    return {
        name: str(row) if isinstance(row, Instead) else f"np.{name}(x), since NumPy's functions take Tensors"
        for name, row in rows.items()
        if row is not None
    }

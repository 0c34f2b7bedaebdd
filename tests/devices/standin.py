"""A stand-in for CuPy: arrays that answer NumPy's protocols, as strictly as CuPy 14 does, and compute on the CPU.

What CuPy refuses is refused: to become a NumPy array unasked, to meet one in an operation, functions and arguments that
CuPy lacks. Where CuPy differs from NumPy (no scalars, an empty ``shape=`` is none), it does as CuPy does. One thing is
stricter: NumPy's arrays of no axes are refused too. What CuPy does besides is done too: before a function is first
called on a type it compiles a kernel, which goes to a file. Each call that launches a kernel is noted in `launches`.
"""

from __future__ import annotations

import functools
import random
import sys
import tempfile
import time
from types import SimpleNamespace

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

cuda = SimpleNamespace(is_available=lambda: True)
s_ = np.s_  # which CuPy has from NumPy, too

# The arguments that CuPy's functions take.
_REDUCTION = "a axis dtype out keepdims"
_LIKE = "a dtype order subok shape"
ARGUMENTS = {
    name: arguments.split()
    for names, arguments in {
        "sum prod mean argmax argmin": _REDUCTION,
        "max min amax amin any all": "a axis out keepdims",
        "var std": "a axis dtype out ddof keepdims",
        "cumsum cumprod": "a axis dtype out",
        "zeros_like ones_like empty_like": _LIKE,
        "full_like": "a fill_value dtype order subok shape",
        "zeros ones empty": "shape dtype order",
        "full": "shape fill_value dtype order",
        "eye": "N M k dtype order",
        "arange": "start stop step dtype",
        "array": "obj dtype copy order subok ndmin",
        "asarray": "a dtype order copy",
        "where": "condition x y",
        "clip": "a a_min a_max out",
        "concatenate stack": "tup axis out dtype casting",
        "pad": "array pad_width mode constant_values",
        "flip": "a axis",
        "roll": "a shift axis",
        "broadcast_to": "array shape",
        "sliding_window_view": "x window_shape axis",
        "reshape": "a newshape order",
        "copy": "a order",
        "transpose": "a axes",
        "expand_dims squeeze": "a axis",
        "swapaxes": "a axis1 axis2",
        "moveaxis": "a source destination",
        "matrix_transpose": "x",
        "ravel": "a order",
        "atleast_2d": "arys",
        "take": "a indices axis out",
        "dot": "a b out",
        "convolve correlate": "a v mode",
        "copyto": "dst src casting where",
        "argsort sort": "a axis kind",
        "argwhere nonzero flatnonzero": "a",
        "count_nonzero": "a axis",
        "searchsorted": "a v side sorter",
        "round": "a decimals out",
        "isclose allclose": "a b rtol atol equal_nan",
        "array_equal": "a1 a2 equal_nan",
        "inv det slogdet": "a",
        "cholesky": "a",
        "solve": "a b",
        "pinv": "a rcond",
        "qr": "a mode",
        "eigh": "a UPLO",
        "svd": "a full_matrices compute_uv",
        "shape ndim": "a",
        "size": "a axis",
        "can_cast": "from_ to casting",
        "may_share_memory": "a b max_work",
        "array_repr array_str": "arr max_line_width precision suppress_small",
        "array2string": "a max_line_width precision suppress_small separator prefix threshold",
    }.items()
    for name in names.split()
}
_OF_LINALG = ("inv", "det", "slogdet", "cholesky", "solve", "pinv", "qr", "eigh", "svd")
_OF_ANY_NUMBER = ("einsum", "result_type")
_ON_THE_HOST = {"shape", "ndim", "size", "can_cast", "result_type", "may_share_memory"}
_ON_THE_HOST |= {"array2string", "array_repr", "array_str"}
kernels = set()  # what has been compiled
launches = []  # the names of what was launched
_OF_VIEWS = {"sliding_window_view", "reshape", "transpose", "expand_dims", "squeeze", "swapaxes", "moveaxis", "ravel"}
_NO_LAUNCH = {*_OF_VIEWS, "atleast_2d", "matrix_transpose", "broadcast_to", "flip", "empty", "empty_like"}
_ADDED_UP = ("f2", "f4", "f8", "i4", "u4", "u8")  # the types that CuPy's `add.at` knows


class ndarray(NDArrayOperatorsMixin):  # noqa: N801  (CuPy's name)
    """An array of the stand-in's device."""

    __slots__ = ("__weakref__", "_host", "base")

    def __init__(self, host, base=None):
        self._host, self.base = host, base

    shape = property(lambda self: self._host.shape)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    dtype = property(lambda self: self._host.dtype)
    nbytes = property(lambda self: self._host.nbytes)
    flags = property(lambda self: self._host.flags)
    T = property(lambda self: _wrapped(self._host.T, self))
    mT = property(lambda self: _wrapped(self._host.mT, self))  # noqa: N815

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if not hasattr(np, ufunc.__name__) or kwargs.keys() - {"dtype", "casting", "axis", "keepdims"}:
            return NotImplemented
        if method == "reduce" and ufunc not in (np.add, np.multiply):
            raise NotImplementedError(f"`cupy_{ufunc.__name__}.reduce` is not supported yet")
        if method == "at":
            return NotImplemented  # see `add`
        operands = (*inputs, *(out or ()))
        if not all(isinstance(x, (ndarray, np.ndarray, np.generic, bool, int, float, complex)) for x in operands):
            return NotImplemented
        if out is not None:
            kwargs["out"] = _operand(out[0])
        _compile(ufunc.__name__, inputs)
        result = getattr(ufunc, method)(*map(_operand, inputs), **kwargs)
        return _wrapped(result, *inputs) if out is None else out[0]

    def __array_function__(self, function, types, args, kwargs):
        if function.__name__ not in (*ARGUMENTS, *_OF_ANY_NUMBER) or set(types) - {ndarray, np.ndarray}:
            return NotImplemented
        return _call(function.__name__, args, kwargs)

    def __getitem__(self, index):
        index = _index(index)
        part = self._host[index]
        if not np.may_share_memory(part, self._host):
            launches.append("take")
        if isinstance(part, np.generic):
            part = self._host[(*(index if isinstance(index, tuple) else (index,)), ...)]
        return _wrapped(part, self)

    def __setitem__(self, index, value):
        if isinstance(value, np.ndarray):
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        launches.append("setitem")
        self._host[_index(index)] = _operand(value)

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        return bool(self._host)

    def __int__(self):
        return int(self._host)

    def __float__(self):
        return float(self._host)

    def __repr__(self):
        return repr(self._host)

    def __str__(self):
        return str(self._host)

    def __format__(self, spec):
        return format(self._host, spec)

    __hash__ = None

    def get(self):
        return self._host.copy()

    def item(self):
        return self._host.item()

    def tolist(self):
        return self._host.tolist()

    def fill(self, value):
        launches.append("fill")
        self._host.fill(_operand(value))

    def view(self, dtype=None):
        return _wrapped(self._host.view() if dtype is None else self._host.view(dtype), self)

    def copy(self, order="C"):
        launches.append("copy")
        return _wrapped(self._host.copy(order))

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        if dtype == self.dtype and not copy:
            return self
        launches.append("astype")
        return _wrapped(self._host.astype(dtype, order))

    def reshape(self, *shape, order="C"):
        return _wrapped(self._host.reshape(*shape, order=order), self)

    def transpose(self, *axes):
        return _wrapped(self._host.transpose(*axes), self)


def _method(name):
    return lambda self, *args, **kwargs: _call(name, (self, *args), kwargs)


_METHODS = "sum prod mean max min any all argmax argmin var std cumsum clip ravel squeeze swapaxes dot take"
for _name in _METHODS.split():
    setattr(ndarray, _name, _method(_name))


def _wrapped(result, *sources):
    """Return a result as an array of the device, which knows the one whose memory it shows."""
    result = np.asarray(result)
    for x in sources:
        if isinstance(x, ndarray) and np.may_share_memory(result, x._host):
            return ndarray(result, x if x.base is None else x.base)
    return ndarray(result)


def _operand(x):
    """Return an operand's values; one of the host is refused, but for scalars."""
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    return x._host if isinstance(x, ndarray) else x


def _index(x):
    """Return an index: unlike an operand it may come from the host."""
    if isinstance(x, tuple):
        return tuple(map(_index, x))
    return x._host if isinstance(x, ndarray) else x


def _values(x):
    if isinstance(x, (list, tuple)):
        return type(x)(map(_values, x))
    return _operand(x)


def _compile(name, operands):
    """Note the launch of a kernel; do what compiling it comes to, unless there is one."""
    launches.extend([name] * (name not in _NO_LAUNCH))
    kernel = (name, *(x.dtype.str for x in operands if isinstance(x, ndarray)))
    if kernel not in kernels:
        kernels.add(kernel)
        with tempfile.NamedTemporaryFile() as file:
            file.write(str(time.perf_counter()).encode())
            with open(file.name, "rb") as again:  # noqa: PTH123  (as CuPy does)
                again.read()
        random.Random().random()


def _call(name, args, kwargs):
    """Call the function of that name, as CuPy has it."""
    if any(isinstance(x, _Fused) for x in args):
        return _call_fused(name, args, kwargs)
    if name in _OF_ANY_NUMBER:
        unknown = kwargs.keys() - {"optimize", "dtype"}
    else:
        names = ARGUMENTS[name]
        unknown = kwargs.keys() - set(names[len(args) :])
        if len(args) > len(names):
            raise TypeError(f"{name}() takes {len(names)} arguments but {len(args)} were given")
    if unknown:
        raise TypeError(f"{name}() got an unexpected keyword argument {min(unknown)!r}")
    if name in ("min", "amin") and kwargs.get("out") is not None:
        raise TypeError("op must be an operation, not a number")  # as begins what CuPy comes to
    if name == "where" and not hasattr(args[0], "astype"):
        raise AttributeError(f"{type(args[0]).__name__!r} object has no attribute 'astype'")
    if name.endswith("_like") and not kwargs.get("shape"):
        kwargs = {key: value for key, value in kwargs.items() if key != "shape"}
    out = kwargs.get("out")
    if name not in _ON_THE_HOST:
        _compile(name, args)
    if name == "array" and isinstance(args[0], np.ndarray):  # the host's arrays are let in where they are copied
        args = (asarray(args[0]), *args[1:])
    places = {"sliding_window_view": np.lib.stride_tricks, **dict.fromkeys(_OF_LINALG, np.linalg)}
    function = getattr(places.get(name, np), name)
    result = function(*_values(args), **{key: _values(x) for key, x in kwargs.items()})
    if out is not None or result is None:
        return out
    if name in _ON_THE_HOST:
        return result
    parts = [x for arg in args for x in (arg if isinstance(arg, (list, tuple)) else [arg])]
    return tuple(map(_wrapped, result)) if isinstance(result, tuple) else _wrapped(result, *parts)


class _Fused(NDArrayOperatorsMixin):
    """An array or a number in a function that is fused: CuPy's `_FusionVarArray` and `_FusionVarScalar`."""

    def __init__(self, host, is_reduced=False):
        self.host, self.is_reduced = host, is_reduced

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        assert (method, out, kwargs) == ("__call__", None, {}), "a ufunc that is fused has no keywords"
        return _fused_ufunc(ufunc, inputs)

    def copy(self):
        return _fused_ufunc(np.positive, [self])

    def __setitem__(self, index, value):
        assert index is ..., "The fusion supports `[...]` or `[:]`."
        assert self.is_reduced == value.is_reduced, "Shape mismatch"
        assert self.host.shape == np.broadcast_shapes(self.host.shape, value.host.shape), "non-broadcastable output"
        assert np.can_cast(value.host.dtype, self.host.dtype, "same_kind")
        self.host[...] = value.host


def _is_number(x):
    """Return True for what adapts to the type of arrays: Python's numbers."""
    return isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic)


def _fused_ufunc(function, operands):
    """Apply a function to each element, inside of a function that is fused."""
    assert all(isinstance(x, (_Fused, np.generic)) or _is_number(x) for x in operands), "Unsupported type"
    assert len({x.is_reduced for x in operands if isinstance(x, _Fused) and x.host is not None}) == 1, "Shape mismatch"
    hosts = [x.host if isinstance(x, _Fused) else x for x in operands]
    kinds = [0 if isinstance(x, bool) else 1 if isinstance(x, int) else 2 for x in hosts if _is_number(x)]
    score = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 2}
    strong = [score[x.dtype.kind] for x in hosts if not _is_number(x)]
    # CuPy takes the first type of the function that an array can become, which for a mask and 0.5 is float16.
    assert max(kinds, default=0) <= max(strong), "a number decides on the type"
    assert all(abs(x) < 2**63 for x in hosts if isinstance(x, int)), "a constant is no long long"
    return _Fused(function(*hosts), any(x.is_reduced for x in operands if isinstance(x, _Fused)))


def _call_fused(name, args, kwargs):
    """Call a function inside of one that is fused."""
    if name in ("where", "clip"):
        assert not kwargs
        assert name == "clip" or isinstance(args[0], np.bool_) or args[0].host.dtype == bool, "Invalid type cast"
        return _fused_ufunc(getattr(np, name), args)
    assert name in ("sum", "prod", "max", "min", "amax", "amin"), f"{name} is not fused"
    assert not kwargs.keys() - {"axis"}, "`keepdims` and `out` are not supported in fusion yet"
    (x,) = args
    assert not x.is_reduced, "Multiple reduction is not implemented yet"
    return _Fused(np.asarray(getattr(np, name)(x.host, **kwargs)), is_reduced=True)


def fuse(function):
    """Return a function that is one kernel: of elementwise operations, and at most one reduction of their result.

    What CuPy's first way of fusing refuses is refused, for the second is slower, and needs headers of CUDA.
    """

    @functools.wraps(function)
    def fused(*args):
        _compile(function.__name__, args)
        assert any(isinstance(x, ndarray) for x in args), "without an array it is a plain call"
        if not all(isinstance(x, (ndarray, np.generic, int, float, complex)) for x in args):
            raise TypeError(f"Invalid argument type for {function.__name__!r}: {[*map(type, args)]}")
        *others, last = (x._host for x in args if isinstance(x, ndarray))
        result = function(*(_Fused(x._host if isinstance(x, ndarray) else x) for x in args))
        for x in others if result is None else ():
            is_same = x.ctypes.data == last.ctypes.data and (x.shape, x.strides) == (last.shape, last.strides)
            assert is_same or not np.may_share_memory(x, last), "an operand is changed before it is read"
        return None if result is None else ndarray(np.array(result.host))

    return fused


class _Gemm:
    """``cublas``, with what programs use of it."""

    @staticmethod
    def gemm(transa, transb, a, b, out=None, alpha=1.0, beta=0.0):
        assert transa == transb == "N"
        assert a.ndim == b.ndim == out.ndim == 2
        if a.dtype.char not in "fd":
            raise TypeError("invalid dtype")
        assert a.dtype == b.dtype == out.dtype
        assert a.shape[1] == b.shape[0] > 0
        assert out.shape == (a.shape[0], b.shape[1])
        launches.append("gemm")
        launches.extend("copy" for x in (a, b, out) if not x.flags.forc)
        out._host[...] = beta * out._host + alpha * (a._host @ b._host)
        return out


cublas = _Gemm()


class _Add:
    """``add``, whose ``at`` takes arrays of the device, which NumPy's does not."""

    def __call__(self, *args, **kwargs):
        return np.add(*args, **kwargs)

    def at(self, a, indices, b):
        if not isinstance(a, ndarray) or a.dtype.str[1:] not in _ADDED_UP:
            raise TypeError(f"add.at of {type(a).__name__} of {a.dtype} is not supported")
        _compile("add.at", (a,))
        np.add.at(a._host, _index(indices), _operand(b))


add = _Add()


def asarray(a, dtype=None):
    """Return an array of the host on the device: the one way there."""
    return a if isinstance(a, ndarray) and dtype in (None, a.dtype) else ndarray(np.array(a, dtype))


def __getattr__(name):
    if name == "lib":
        return SimpleNamespace(stride_tricks=sys.modules[__name__])
    if name == "linalg":
        return sys.modules[__name__]
    if name in (*ARGUMENTS, *_OF_ANY_NUMBER):
        return lambda *args, **kwargs: _call(name, args, kwargs)
    if isinstance(getattr(np, name, None), (np.ufunc, type, float)):
        return getattr(np, name)
    raise AttributeError(f"the stand-in has no {name}")

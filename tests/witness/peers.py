"""JAX and PyTorch as witnesses: arrays of theirs that take a call of NumPy, and where its counterpart is."""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tinygrad_lite.support.formatting import numpy_name


class Refused(Exception):
    """A function does not take such arguments."""


class Missing(Refused):
    """A library has no such function."""


@dataclass(frozen=True)
class Library:
    """Another library: where functions have NumPy's names, the others by name, and how it differentiates."""

    name: str
    places: tuple[Any, ...]
    others: dict[str, Callable[..., Any]]
    vjp: Callable[..., Any]
    grad: Callable[..., Any]
    to_array: Callable[..., Any]
    to_numpy: Callable[..., Any]

    def call(self, name, args, kwargs):
        """Return what the counterpart of a function returns, or the first of several that takes the arguments."""
        refusals = []
        for function in self.functions(name):
            try:
                return function(*args, **kwargs)
            except (TypeError, ValueError, RuntimeError) as error:
                refusals.append(f"{self.name} refuses the arguments of {name}: {str(error).splitlines()[0]}")
        raise Refused(*refusals) if refusals else Missing(f"{self.name} has no function {name}")

    def functions(self, name):
        if name in self.others:
            yield self.others[name]
            return
        for place in self.places:
            with contextlib.suppress(AttributeError):
                yield operator.attrgetter(name.removeprefix("np."))(place)


def mapped(f, x):
    """Return what is in tuples and lists, each changed by ``f``."""
    if not isinstance(x, (tuple, list)):
        return f(x)
    parts = [mapped(f, y) for y in x]
    return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)


class Peer(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of another library, whose functions NumPy's functions and methods of the same name call."""

    def __init__(self, array, library):
        self.array, self.library = array, library

    shape = property(lambda self: tuple(self.array.shape))
    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: np.prod(self.shape, dtype=int))
    dtype = property(lambda self: np.dtype(np.float64))
    T = property(lambda self: np.transpose(self))
    mT = property(lambda self: np.swapaxes(self, -1, -2))  # noqa: N815  NumPy's name

    def __len__(self):
        return self.shape[0]

    def __iter__(self):
        return map(self.__getitem__, range(len(self)))  # JAX knows no index that is too large

    def __getattr__(self, method):
        if method.startswith("_"):
            raise AttributeError(method)
        return functools.partial(getattr(np, method), self)

    def __getitem__(self, index):
        return self.call("x[index]", (self, index), {})

    def __setitem__(self, index, value):
        raise Refused("what is differentiated is not written into")

    def __array_function__(self, function, types, args, kwargs):
        return self.call(numpy_name(function), args, kwargs)

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        return self.call(numpy_name(ufunc) if method == "__call__" else f"{numpy_name(ufunc)}.{method}", args, kwargs)

    def call(self, name, args, kwargs):
        """Call the counterpart of a function on the arrays themselves."""

        def theirs(x):
            return x.array if isinstance(x, Peer) else self.library.to_array(x) if isinstance(x, np.ndarray) else x

        def ours(y):
            return Peer(getattr(y, "tensor", y), self.library) if hasattr(y, "shape") else y

        kwargs = {k: mapped(theirs, v) for k, v in kwargs.items()}
        return mapped(ours, self.library.call(name, mapped(theirs, args), kwargs))


@functools.cache
def jax():
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def conv2d(x, w, how):
        padding = [(n, n) for n in how.padding]
        return jax.lax.conv_general_dilated(
            x, w, how.stride, padding, rhs_dilation=how.dilation, feature_group_count=how.groups
        )

    def conv2d_input(v, w, size, how):
        x = jnp.zeros((len(v), w.shape[1] * how.groups, *size))
        return jax.vjp(lambda x: conv2d(x, w, how), x)[1](v)[0]

    def conv2d_weight(x, v, kernel, how):
        w = jnp.zeros((v.shape[1], x.shape[1] // how.groups, *kernel))
        return jax.vjp(lambda w: conv2d(x, w, how), w)[1](v)[0]

    def max_pool(x, window, axes, stride):
        return jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 1, *window), (1, 1, *stride), "VALID")

    def index_add(x, source, axis, index):
        return jnp.moveaxis(jnp.moveaxis(x, axis, 0).at[index].add(jnp.moveaxis(source, axis, 0)), 0, axis)

    others = {
        "x[index]": operator.getitem,
        "np.clip": lambda x, a_min=None, a_max=None: jnp.clip(x, a_min, a_max),
        "difference": jnp.subtract,
        "quotient": jnp.divide,
        "logaddexp": jnp.logaddexp,
        "relu": jax.nn.relu,
        "sigmoid": jax.nn.sigmoid,
        "softmax": jax.nn.softmax,
        "log_softmax": jax.nn.log_softmax,
        "logsumexp": jax.nn.logsumexp,
        "cross_entropy": lambda z, t: -jnp.sum(t * jax.nn.log_softmax(z)) / np.prod(z.shape[:-1]),
        "erf": jax.scipy.special.erf,
        "place": lambda x, index, shape: jnp.zeros(shape).at[index].add(x),
        "conv2d": conv2d,
        "conv2d_input": conv2d_input,
        "conv2d_weight": conv2d_weight,
        "max_pool": max_pool,
        "tg.scatter": lambda x, source, axis, index: jnp.put_along_axis(x, index, source, axis, inplace=False),
        "tg.index_add": index_add,
    }
    return Library("JAX", (jnp,), others, jax.vjp, jax.grad, jnp.asarray, np.asarray)


@functools.cache
def pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch import _numpy as as_numpy  # NumPy's functions made of PyTorch's, with which it compiles NumPy's

    functional = torch.nn.functional

    def geometry(how):
        return {"stride": how.stride, "padding": how.padding, "dilation": how.dilation, "groups": how.groups}

    def conv2d_input(v, w, size, how):
        return torch.nn.grad.conv2d_input((len(v), w.shape[1] * how.groups, *size), w, v, **geometry(how))

    def conv2d_weight(x, v, kernel, how):
        shape = (v.shape[1], x.shape[1] // how.groups, *kernel)
        return torch.nn.grad.conv2d_weight(x, shape, v, **geometry(how))

    def quantile(f, all_of_it=1):
        def of(x, q, axis=None, keepdims=False, method="linear"):
            return f(x, torch.as_tensor(q / all_of_it, dtype=x.dtype), axis, keepdims, interpolation=method)

        return of

    others = {
        "x[index]": operator.getitem,
        "np.astype": lambda x, dtype, copy=True: x.double(),
        "np.clip": lambda x, a_min=None, a_max=None: torch.clamp(x, a_min, a_max),
        "np.median": functools.partial(quantile(torch.quantile), q=0.5),
        "np.nanmedian": functools.partial(quantile(torch.nanquantile), q=0.5),
        "np.quantile": quantile(torch.quantile),
        "np.nanquantile": quantile(torch.nanquantile),
        "np.percentile": quantile(torch.quantile, 100),
        "np.nanpercentile": quantile(torch.nanquantile, 100),
        "difference": torch.subtract,
        "quotient": torch.divide,
        "logaddexp": torch.logaddexp,
        "relu": functional.relu,
        "sigmoid": torch.sigmoid,
        "softmax": torch.softmax,
        "log_softmax": torch.log_softmax,
        "cross_entropy": lambda z, t: -torch.sum(t * torch.log_softmax(z, -1)) / np.prod(z.shape[:-1]),
        "erf": torch.erf,
        "conv2d": lambda x, w, how: functional.conv2d(x, w, **geometry(how)),
        "conv2d_input": conv2d_input,
        "conv2d_weight": conv2d_weight,
        "max_pool": lambda x, window, axes, stride: functional.max_pool2d(x, window, stride),
        "tg.scatter": lambda x, source, axis, index: torch.scatter(x, axis, index % x.shape[axis], source),
        "tg.index_add": lambda x, source, axis, index: torch.index_add(x, axis, index % x.shape[axis], source),
    }

    def to_numpy(x):
        return x.detach().numpy(force=True)

    places = as_numpy, torch
    return Library("PyTorch", places, others, torch.func.vjp, torch.func.grad, torch.as_tensor, to_numpy)

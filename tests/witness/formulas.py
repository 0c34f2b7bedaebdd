"""What a function is compared with, and the formulas that many have: a matrix, or a move of elements."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.tracer import isbox
from hypothesis import strategies as st
from numpy.lib.array_utils import normalize_axis_tuple


def take(x, indices, axis):
    x, axis = (anp.ravel(x), 0) if axis is None else (x, axis % x.ndim)
    return x[(*[slice(None)] * axis, indices)]


def where(a, b, condition):
    # Autograd does not sum its derivative back over what was broadcast.
    zeros = np.zeros(np.broadcast_shapes(a.shape, b.shape, condition.shape))
    return anp.where(condition, a + zeros, b + zeros)


def flip(x, axis):
    flipped = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
    return x[tuple(slice(None, None, -1 if i in flipped else None) for i in range(x.ndim))]


def value_of(x):
    """Return the number that autograd traces."""
    while isbox(x):
        x = x._value
    return x


def listed(join):
    return lambda *xs, **params: join(xs, **params)


@dataclass(frozen=True)
class Witness:
    """What a function is compared with: the formula for autograd, the cases, and how it is called if not by name."""

    formula: Callable[..., Any]
    cases: st.SearchStrategy[Any]
    call: Callable[..., Any] | None = None


def moved(f):
    """Return the formula of a function that moves, repeats or leaves out elements, or puts zeros between them.

    The function does so with their numbers, too. The number 0 is that of a zero.
    """

    def formula(*xs, **params):
        ends = np.cumsum([1, *(x.size for x in xs)])
        numbers = [np.arange(i, i + x.size).reshape(x.shape) for i, x in zip(ends[:-1], xs, strict=True)]
        return anp.concatenate([np.zeros(1), *map(anp.ravel, xs)])[f(*numbers, **params)]

    return formula


def found(f):
    """Return the formula of a function that returns elements: each is the first of all that has its value."""

    def formula(*xs, **params):
        elements = anp.concatenate([[np.nan], *map(anp.ravel, xs)])
        values = f(*map(value_of, xs), **params)
        return elements[np.argmax(value_of(elements) == values[..., None], axis=-1)]

    return formula


def linear(f):
    """Return the formula of a function that is linear in all inputs together: its matrix, times their elements."""

    def formula(*xs, **params):
        zeros = [np.zeros(x.shape) for x in xs]
        shape, columns = np.shape(f(*zeros, **params)), []
        for i, x in enumerate(xs):
            for unit in np.eye(x.size):
                columns.append(np.ravel(f(*zeros[:i], unit.reshape(x.shape), *zeros[i + 1 :], **params)))
        matrix = np.reshape(columns, (len(columns), math.prod(shape)))
        return anp.reshape(anp.dot(anp.concatenate(list(map(anp.ravel, xs))), matrix), shape)

    return formula


def bilinear(f):
    """Return the formula of a function that is linear in each of two inputs: what it is for each two elements."""

    def formula(a, b, **params):
        shape = np.shape(f(np.zeros(a.shape), np.zeros(b.shape), **params))
        units = [[unit.reshape(x.shape) for unit in np.eye(x.size)] for x in (a, b)]
        products = np.reshape([f(i, j, **params) for i in units[0] for j in units[1]], (a.size, b.size, -1))
        return anp.reshape(anp.einsum("i,j,ijk->k", anp.ravel(a), anp.ravel(b), products), shape)

    return formula


def parts(f):
    """Return all elements of the several results of a function, in order."""
    return lambda *xs, **params: np.concatenate([np.ravel(y) for y in f(*xs, **params)])

"""The step written by hand in NumPy, in four ways; its bare matrix products; a scalar autodiff in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.steps import LR, Size, Step, chain_of, layers


def vectorised(size: Size, dtype: str = "float32") -> Step:
    """Return the step as one writes it."""
    parameters = size.parameters(dtype)
    *hidden, (w_out, b_out) = layers(parameters)

    def run(images: np.ndarray, targets: np.ndarray) -> Any:
        n = len(images)
        zs, activations = [], [images]
        for w, b in hidden:
            zs.append(activations[-1] @ w + b)
            activations.append(np.maximum(zs[-1], 0))
        z = activations[-1] @ w_out + b_out
        e = np.exp(z - z.max(axis=1, keepdims=True))
        a = e / e.sum(axis=1, keepdims=True)
        difference = a - targets
        loss = np.square(difference).sum() / n  # C = 1/n Σ (a - t)²

        da = 2 / n * difference
        # (diag(s) - s sᵀ) g, without the matrix: s (g - Σ g s)
        dzs = [a * (da - (da * a).sum(axis=1, keepdims=True))]
        for (w_above, _), z in zip(layers(parameters)[:0:-1], reversed(zs), strict=True):
            dzs.append(dzs[-1] @ w_above.T * (z > 0))
        for (w, b), a_prev, dz in zip(layers(parameters), activations, reversed(dzs), strict=True):
            w -= LR * (a_prev.T @ dz)
            b -= LR * dz.sum(axis=0)
        return loss

    return Step(size, run, lambda: parameters, lambda array: array.astype(dtype))


def in_place(size: Size, subtract_product: Callable[[Any, Any, Any], None] | None = None) -> Step:
    """Return the step that makes no array: all are made once.

    The learning rate is multiplied in where there are few elements: every ``dz`` is ``LR`` times what it is in
    `vectorised`, and so is every gradient. ``subtract_product(c, a, b)`` computes c -= a b in one pass.
    """
    parameters, n = size.parameters(), size.batch_size
    outputs = [np.empty((n, len(b)), np.float32) for b in parameters[1::2]]
    *hidden, a = outputs
    dzs, positives = [np.empty_like(z) for z in outputs], [np.empty(z.shape, bool) for z in hidden]
    scratch, of_samples = np.empty_like(a), np.empty((n, 1), np.float32)
    gradients = [np.empty_like(p) for p in parameters]

    def run(images: np.ndarray, targets: np.ndarray) -> Any:
        activations = [images, *outputs]
        for (w, b), a_prev, z in zip(layers(parameters), activations[:-1], outputs, strict=True):
            np.matmul(a_prev, w, out=z)
            np.add(z, b, out=z)
            if z is not a:
                np.maximum(z, 0, out=z)
        np.max(a, axis=1, keepdims=True, out=of_samples)
        np.subtract(a, of_samples, out=a)
        np.exp(a, out=a)
        np.sum(a, axis=1, keepdims=True, out=of_samples)
        np.divide(a, of_samples, out=a)
        dz = dzs[-1]
        np.subtract(a, targets, out=dz)
        loss = np.vdot(dz, dz) / n

        np.multiply(dz, LR * 2 / n, out=dz)
        np.multiply(dz, a, out=scratch)
        np.sum(scratch, axis=1, keepdims=True, out=of_samples)
        np.subtract(dz, of_samples, out=dz)
        np.multiply(dz, a, out=dz)
        for i in reversed(range(len(hidden))):
            np.matmul(dzs[i + 1], parameters[2 * i + 2].T, out=dzs[i])
            np.greater(hidden[i], 0, out=positives[i])
            np.multiply(dzs[i], positives[i], out=dzs[i])
        for (w, b), (dw, db), a_prev, dz in zip(layers(parameters), layers(gradients), activations, dzs, strict=False):
            if subtract_product:
                subtract_product(w, a_prev.T, dz)
            else:
                np.matmul(a_prev.T, dz, out=dw)
                np.subtract(w, dw, out=w)
            np.sum(dz, axis=0, out=db)
            np.subtract(b, db, out=b)
        return loss

    return Step(size, run, lambda: parameters)


def accumulated(size: Size) -> Step:
    """Return `in_place` with the update of the weights accumulated in its product, by the gemm of NumPy's BLAS."""
    from tinygrad_lite.compiler.blas import subtract_product

    return in_place(size, subtract_product)


def floor(size: Size) -> Step:
    """Return a step's matrix products and nothing else: five, of a net with one hidden layer. It learns nothing."""
    parameters = size.parameters()
    outputs = [np.ones_like(b, shape=(size.batch_size, len(b))) for b in parameters[1::2]]

    def run(images: np.ndarray, targets: np.ndarray) -> None:
        pairs = [*zip(parameters[::2], [images, *outputs], outputs, strict=False)]
        for w, a_prev, _ in pairs:
            a_prev @ w
        for w, a_prev, a in reversed(pairs):  # the outputs stand for the gradients that come back, too
            a_prev.T @ a
            if a_prev is not images:
                a @ w.T

    return Step(size, run, lambda: parameters)


class Value:
    """A Python float that remembers how it was made: scalar autodiff at its smallest, after A. Karpathy's micrograd."""

    __slots__ = ("data", "grad", "hand_on", "operands")

    def __init__(self, data: float, operands: tuple[Value, ...] = (), hand_on: Callable[[float], None] = id) -> None:
        self.data, self.grad, self.operands, self.hand_on = data, 0.0, operands, hand_on

    def __mul__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)

        def hand_on(g: float) -> None:
            self.grad += other.data * g
            other.grad += self.data * g

        return Value(self.data * other.data, (self, other), hand_on)

    def backward(self) -> None:
        """Add the derivative of this value to the ``grad`` of all it was made from."""
        order, found, stack = [], set(), [(self, False)]
        while stack:
            value, complete = stack.pop()
            if complete:
                order.append(value)
            elif value not in found:
                found.add(value)
                stack += [(value, True), *((operand, False) for operand in value.operands)]
        self.grad = 1.0
        for value in reversed(order):
            value.hand_on(value.grad)


def chain(length: int) -> Callable[[], float]:
    return chain_of(lambda: Value(1.0), length)

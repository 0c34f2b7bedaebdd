"""Rules of functions that act on each element: arithmetic, powers, exponentials, choices such as the maximum.

``g`` is the cotangent of the output (dL/dy), ``y`` the output; an expression returns dL/d(input). Where operands
broadcast, the engine sums that to the shape of the input.

Examples
--------
Each rule can be called by itself, and so can its derivative, here of a·b by a:

>>> from tinygrad_lite.rules import elementwise
>>> g, y, a, b = 1.0, 6.0, 2.0, 3.0
>>> elementwise.multiply.vjps[0].pull_back(g, y, 0, (a, b), ())
3.0
"""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np

from ..support.devices import to_device
from .registry import define
from .rule import Rule, sample
from .samples import distinct, each, normal, pairs, positive, with_zeros


def _difference(a: Any, b: Any) -> Any:
    # np.where would turn Python's numbers into float64.
    a, b = (x if hasattr(x, "dtype") else np.zeros_like(other) + x for x, other in ((a, b), (b, a)))
    is_same = a == b
    return np.where(is_same, 0.0, a) - np.where(is_same, 0.0, b)  # 0.0, since whole numbers would wrap around


# Whole exponents of floating numbers for which NumPy takes a hundred times as long as the multiplications.
_OF_PRODUCTS = {*range(-8, -1), *range(3, 9)}


def _power(x: Any, n: Any) -> Any:
    """Return xⁿ, for a small whole n as a product."""
    is_known = type(n) in (int, float)  # not a number that jit traces
    if is_known and n in _OF_PRODUCTS and isinstance(x, np.ndarray) and x.dtype in (np.float32, np.float64):
        return reduce(np.multiply, [x if n > 0 else 1 / x] * abs(int(n)))
    if is_known and n == 0.5 and isinstance(x, np.floating):
        return np.sqrt(x)  # as of an array; of a scalar -∞ NumPy's operator gives ∞
    return x**n


# fmt: off

identity = define("identity", lambda x: x, samples=each(),
    x=lambda g: g)

add = define("add", lambda a, b: a + b, samples=pairs(),
    a=lambda g: g,
    b=lambda g: g)

subtract = define("subtract", lambda a, b: a - b, samples=pairs(),
    a=lambda g: g,
    b=lambda g: -g)

# a - b, but 0 for two equal infinities.
difference = define("difference", _difference, samples=pairs(),
    a=lambda g: g,
    b=lambda g: -g)

multiply = define("multiply", lambda a, b: a * b, samples=pairs(),
    a=lambda g, b: g * b,
    b=lambda g, a: g * a)

divide = define("divide", lambda a, b: a / b, samples=pairs(normal, positive),
    a=lambda g, b: g / b,
    b=lambda g, y, b: -g * y / b)

# a - b·⌊a / b⌋, with the sign of b. The floor is constant between its jumps, so it is differentiated as a constant.
remainder = define("remainder", lambda a, b: np.remainder(a, b),
    a=lambda g: g,
    b=lambda g, a, b: -g * np.floor_divide(a, b),
    samples=pairs(normal, positive))

# a - b·trunc(a / b), with the sign of a.
fmod = define("fmod", lambda a, b: np.fmod(a, b),
    a=lambda g: g,
    b=lambda g, y, a, b: -g * np.rint((a - y) / b),
    samples=pairs(normal, positive))

negative = define("negative", lambda x: -x, samples=each(),
    x=lambda g: -g)

# The exponent n is a plain number. x⁰ is 1 for every x, even 0 and nan, so its derivative is 0. A root has no finite
# slope at 0, and its derivative there is taken to be 0, computed as ∞^(n - 1).
power = define("power", _power,
    x=lambda g, x, n: g * (n * _power(np.where((x == 0) | (n == 0), np.inf, x) if 0 <= n < 1 else x, n - 1)),
    samples=lambda: [sample(normal(3, 4), n) for n in (2, 3, 1, 0, -1, -2)]
    + [sample(positive(2, 3), n) for n in (0.5, -1.5)] + [sample(normal(), 3), sample(normal(0, 2), 2)]
    + [sample(with_zeros(3, 4), n) for n in (2, 3, 1, 0)])

# The same for exponents that are arrays; a ≠ a holds for nan. The derivative by b is 0 where y stays 0 as b changes (at
# a = 0 < b, or a = ∞ and b < 0), and is taken to be 0 at 0⁰.
power_of = define("power_of", lambda a, b: np.power(a, b), samples=pairs(positive, normal),
    a=lambda g, a, b: g * b * np.where((a == 0) & (b >= 0) & (b < 1) | (a != a) & (b == 0), np.inf, a) ** (b - 1),
    b=lambda g, y, a, b: g * y * np.log(np.where((y == 0) | ((a == 0) & (b == 0)), 1, a)))

square = define("square", lambda x: np.square(x), samples=each(),
    x=lambda g, x: g * (2 * x))

# The slope at 0 is not finite, and is taken to be 0. So a norm, √(Σ x²), and a standard deviation have a subgradient
# there: 0, not 0·∞.
sqrt = define("sqrt", lambda x: np.sqrt(x), samples=each(positive),
    x=lambda g, y: g / (2 * np.where(y == 0, np.inf, y)))

# As of the square root, the slope at 0 is taken to be 0.
cbrt = define("cbrt", lambda x: np.cbrt(x), samples=each(),
    x=lambda g, y: g / (3 * np.square(np.where(y == 0, np.inf, y))))

# √(a² + b²), which does not overflow. Its slope at the origin, where it has a kink, is taken to be 0.
hypot = define("hypot", lambda a, b: np.hypot(a, b), samples=pairs(),
    a=lambda g, y, a: g * (a / np.where(y == 0, np.inf, y)),
    b=lambda g, y, b: g * (b / np.where(y == 0, np.inf, y)))

# x·2ⁱ, which is linear in x.
ldexp = define("ldexp", lambda x, i: np.ldexp(x, i),
    x=lambda g, i: np.ldexp(g, i),
    samples=lambda: [sample(normal(3, 4), np.array([-2, 0, 1, 3])), sample(normal(4), 2), sample(normal(0, 2), 1),
                     sample(normal(), np.array([[1], [-3]]))])

reciprocal = define("reciprocal", lambda x: 1 / x, samples=each(positive),
    x=lambda g, y: -g * y * y)

absolute = define("abs", lambda x: np.abs(x), samples=each(),
    x=lambda g, x: g * np.sign(x))

exp = define("exp", lambda x: np.exp(x), samples=each(),
    x=lambda g, y: g * y)

expm1 = define("expm1", lambda x: np.expm1(x), samples=each(),
    x=lambda g, y: g * (y + 1))

exp2 = define("exp2", lambda x: np.exp2(x), samples=each(),
    x=lambda g, y: g * (y * math.log(2)))

log = define("log", lambda x: np.log(x), samples=each(positive),
    x=lambda g, x: g / x)

log2 = define("log2", lambda x: np.log2(x), samples=each(positive),
    x=lambda g, x: g / (x * math.log(2)))

log10 = define("log10", lambda x: np.log10(x), samples=each(positive),
    x=lambda g, x: g / (x * math.log(10)))

log1p = define("log1p", lambda x: np.log1p(x), samples=each(positive),
    x=lambda g, x: g / (1 + x))


# Two equal operands get half the cotangent each: any split whose parts add up to one is a subgradient.
maximum = define("maximum", lambda a, b: np.maximum(a, b), samples=pairs(distinct, normal),
    a=lambda g, a, b: np.where(a > b, g, np.where(a == b, g / 2, 0)),
    b=lambda g, a, b: np.where(b > a, g, np.where(a == b, g / 2, 0)))

minimum = define("minimum", lambda a, b: np.minimum(a, b), samples=pairs(distinct, normal),
    a=lambda g, a, b: np.where(a < b, g, np.where(a == b, g / 2, 0)),
    b=lambda g, a, b: np.where(b < a, g, np.where(a == b, g / 2, 0)))

clip = define("clip", lambda x, low, high: np.clip(x, low, high),
    x=lambda g, x, low, high: np.where((low <= x) & (x <= high), g, 0),
    samples=lambda: [sample(distinct(3, 4), -0.3, 0.4), sample(distinct(), -1.0, 1.0), sample(distinct(0, 2), 0, 1)])

where = define("where", lambda a, b, condition: np.where(condition, a, b),
    a=lambda g, condition: np.where(condition, g, 0),
    b=lambda g, condition: np.where(condition, 0, g),
    samples=lambda: [
        sample(*pair.args, condition=pair.args[1] > 0) for pair in pairs()()
    ] + [sample(normal(), normal(seed=1), condition=np.array([True, False, True]))])

cast = define("astype", lambda x, dtype: x.astype(dtype),
    x=lambda g, x: g.astype(x.dtype),
    samples=lambda: [sample(x, np.dtype(np.float64)) for x in (normal(3, 4), normal(), normal(0, 2))])

to: Rule = define("to", lambda x, device, source: to_device(x, device),
    x=lambda g, device, source: to(g, source, device),
    samples=lambda: [sample(x, "cpu", "cpu") for x in (normal(3, 4), normal(), normal(0, 2))])

"""Rules of functions that act on each element: arithmetic, powers, exponentials, comparisons that choose.

``g`` is the cotangent of the output (dL/dy), ``y`` the output; what an expression returns is dL/d(input).
Where operands broadcast, the engine sums the result back to the shape of the input.
"""

from __future__ import annotations

import numpy as np

from ..device import moved
from .rule import Rule, define, sample
from .samples import distinct, each, normal, pairs, positive

# fmt: off

identity = define("identity", lambda x: x, samples=each(),
    x=lambda g: g)

add = define("add", lambda a, b: a + b, numpy=np.add, samples=pairs(),
    a=lambda g: g,
    b=lambda g: g)

subtract = define("subtract", lambda a, b: a - b, numpy=np.subtract, samples=pairs(),
    a=lambda g: g,
    b=lambda g: -g)

multiply = define("multiply", lambda a, b: a * b, numpy=np.multiply, samples=pairs(),
    a=lambda g, b: g * b,
    b=lambda g, a: g * a)

divide = define("divide", lambda a, b: a / b, numpy=np.divide, samples=pairs(normal, positive),
    a=lambda g, b: g / b,
    b=lambda g, y, b: -g * y / b)

negative = define("negative", lambda x: -x, numpy=np.negative, samples=each(),
    x=lambda g: -g)

# An exponent that is a plain number. 0·x⁰ for n = 0, since x⁻¹ has no value at 0.
power = define("power", lambda x, n: x**n,
    x=lambda g, x, n: g * (n * x ** (n - 1 if n else 0)),
    samples=lambda: [sample(normal(3, 4), n) for n in (2, 3, 1, 0, -1)]
    + [sample(positive(2, 3), n) for n in (0.5, -1.5)] + [sample(normal(), 3), sample(normal(0, 2), 2)])

# 0^b = 0 for b > 0, so its derivative by b is 0 there: the logarithm of 0 must not spoil it.
power_of = define("power_of", lambda a, b: a**b, samples=pairs(positive, normal),
    a=lambda g, a, b: g * b * a ** (b - 1),
    b=lambda g, y, a: g * y * np.log(np.where(a == 0, 1, a)))

square = define("square", lambda x: np.square(x), numpy=np.square, samples=each(),
    x=lambda g, x: g * (2 * x))

sqrt = define("sqrt", lambda x: np.sqrt(x), numpy=np.sqrt, samples=each(positive),
    x=lambda g, y: g / (2 * y))

reciprocal = define("reciprocal", lambda x: 1 / x, numpy=np.reciprocal, samples=each(positive),
    x=lambda g, y: -g * y * y)

absolute = define("abs", lambda x: np.abs(x), numpy=np.absolute, samples=each(),
    x=lambda g, x: g * np.sign(x))

exp = define("exp", lambda x: np.exp(x), numpy=np.exp, samples=each(),
    x=lambda g, y: g * y)

expm1 = define("expm1", lambda x: np.expm1(x), numpy=np.expm1, samples=each(),
    x=lambda g, y: g * (y + 1))

log = define("log", lambda x: np.log(x), numpy=np.log, samples=each(positive),
    x=lambda g, x: g / x)

log1p = define("log1p", lambda x: np.log1p(x), numpy=np.log1p, samples=each(positive),
    x=lambda g, x: g / (1 + x))

logaddexp = define("logaddexp", lambda a, b: np.logaddexp(a, b), numpy=np.logaddexp, samples=pairs(),
    a=lambda g, y, a: g * np.exp(a - y),
    b=lambda g, y, b: g * np.exp(b - y))

sin = define("sin", lambda x: np.sin(x), numpy=np.sin, samples=each(),
    x=lambda g, x: g * np.cos(x))

cos = define("cos", lambda x: np.cos(x), numpy=np.cos, samples=each(),
    x=lambda g, x: -g * np.sin(x))

tan = define("tan", lambda x: np.tan(x), numpy=np.tan, samples=each(),
    x=lambda g, y: g * (1 + y * y))

arctan = define("arctan", lambda x: np.arctan(x), numpy=np.arctan, samples=each(),
    x=lambda g, x: g / (1 + x * x))

sinh = define("sinh", lambda x: np.sinh(x), numpy=np.sinh, samples=each(),
    x=lambda g, x: g * np.cosh(x))

cosh = define("cosh", lambda x: np.cosh(x), numpy=np.cosh, samples=each(),
    x=lambda g, x: g * np.sinh(x))

tanh = define("tanh", lambda x: np.tanh(x), numpy=np.tanh, samples=each(),
    x=lambda g, y: g * (1 - y * y))

# Where the two are equal, each gets half: any split that adds up to one is a subgradient.
maximum = define("maximum", lambda a, b: np.maximum(a, b), numpy=np.maximum, samples=pairs(distinct, normal),
    a=lambda g, a, b: np.where(a > b, g, np.where(a == b, g / 2, 0)),
    b=lambda g, a, b: np.where(b > a, g, np.where(a == b, g / 2, 0)))

minimum = define("minimum", lambda a, b: np.minimum(a, b), numpy=np.minimum, samples=pairs(distinct, normal),
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

to: Rule = define("to", lambda x, device, source: moved(x, device),
    x=lambda g, device, source: to(g, source, device),
    samples=lambda: [sample(x, "cpu", "cpu") for x in (normal(3, 4), normal(), normal(0, 2))])

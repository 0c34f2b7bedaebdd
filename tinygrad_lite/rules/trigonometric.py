"""Rules of the trigonometric and hyperbolic functions and their inverses.

Where an inverse is finite and its slope is not, at the ends of its interval, the derivative is taken to be 0, as that
of a square root at 0.

Examples
--------
>>> from tinygrad_lite.rules import trigonometric
>>> g, y, x = 1.0, 0.0, 0.0
>>> float(trigonometric.sin.vjps[0].pull_back(g, y, 0, (x,), ()))  # g * cos(x)
1.0
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .registry import define
from .rule import helper
from .samples import above_one, each, inside_one, pairs


@helper
def inversion(a: Any, b: Any) -> Any:
    """Return a / (a² + b²), without squares that overflow: 0 at the origin, and where a or b is infinite."""
    has_none = (a == 0) & (b == 0) | np.isinf(a) | np.isinf(b)
    r = np.hypot(*(np.where(has_none, 1, x) for x in (a, b)))  # has a derivative there, too
    return np.where(has_none, 0, a / r / r)


# fmt: off

sin = define("sin", lambda x: np.sin(x), samples=each(),
    x=lambda g, x: g * np.cos(x))

cos = define("cos", lambda x: np.cos(x), samples=each(),
    x=lambda g, x: -g * np.sin(x))

tan = define("tan", lambda x: np.tan(x), samples=each(),
    x=lambda g, y: g * (1 + y * y))

# (1 - x)·(1 + x) is 1 - x², and more exact near the ends.
arcsin = define("arcsin", lambda x: np.arcsin(x), samples=each(inside_one),
    x=lambda g, x: g / np.where(np.abs(x) == 1, np.inf, np.sqrt((1 - x) * (1 + x))))

arccos = define("arccos", lambda x: np.arccos(x), samples=each(inside_one),
    x=lambda g, x: -g / np.where(np.abs(x) == 1, np.inf, np.sqrt((1 - x) * (1 + x))))

arctan = define("arctan", lambda x: np.arctan(x), samples=each(),
    x=lambda g, x: g / (1 + x * x))

# The angle of the point (b, a). At the origin it has no slope, and its derivatives are taken to be 0.
arctan2 = define("arctan2", lambda a, b: np.arctan2(a, b), samples=pairs(),
    a=lambda g, a, b: g * inversion(b, a),
    b=lambda g, a, b: -g * inversion(a, b))

sinh = define("sinh", lambda x: np.sinh(x), samples=each(),
    x=lambda g, x: g * np.cosh(x))

cosh = define("cosh", lambda x: np.cosh(x), samples=each(),
    x=lambda g, x: g * np.sinh(x))

tanh = define("tanh", lambda x: np.tanh(x), samples=each(),
    x=lambda g, y: g * (1 - y * y))

# hypot(1, x) is √(1 + x²), which does not overflow; nor does the product of two roots, of arccosh.
arcsinh = define("arcsinh", lambda x: np.arcsinh(x), samples=each(),
    x=lambda g, x: g / np.hypot(1, x))

arccosh = define("arccosh", lambda x: np.arccosh(x), samples=each(above_one),
    x=lambda g, x: g / np.where(x == 1, np.inf, np.sqrt(x - 1) * np.sqrt(x + 1)))

arctanh = define("arctanh", lambda x: np.arctanh(x), samples=each(inside_one),
    x=lambda g, x: g / ((1 - x) * (1 + x)))

"""The derivative rules, each written once.

`all` enumerates them, `define` adds one, `tinygrad_lite.prove` checks one. Read the tables first: `elementwise`,
`trigonometric`, `products`, `linalg`, `reductions`, `shapes` and `neural`. `composed` holds functions composed of
rules. `numpy_functions` says what happens when a function of NumPy is called on a Tensor; `catalogue` returns that as a
page. `rule` is what a rule is, and `registry` how one is added.

A reading is a kind of value that flows through rules: arrays give the gradient, Tensors a gradient that can be
differentiated again, symbols the formula, tracers a program. The class of a reading needs no base class, and is
registered nowhere. A rule is written with operators, methods of arrays and functions of NumPy, so the class has these:

``__array_ufunc__``
    Computes ``x + y`` and ``np.exp(x)``. `numpy.lib.mixins.NDArrayOperatorsMixin` derives the operators from it.
``__array_function__``
    Computes ``np.where(c, x, y)``, and the other functions that are no ufuncs.
``shape``, ``ndim``, ``size``, ``dtype``, ``T``, ``mT``, ``x[index]``
    What an array has under these names.
``sum``, ``mean``, ``prod``, ``max``, ``min``, ``reshape``, ``transpose``, ``astype``
    The methods that rules call, with the arguments of an array's.

A reading of some rules needs what these rules use, and nothing else. If this does not suffice, the class may implement
protocols of this library, too. Each is looked up on the type, as Python does with its special methods:

``__apply_rule__(rule, inputs, params)``, static
    Takes a call of a whole rule, whose forward expression runs without it. So a `Tensor` records the rule, and a symbol
    writes its name. Of several values the first that has it takes the call.
``__traced__``, a property
    The array that the value stands for while a program is recorded. Its device counts as that of the value. It differs
    from call to call, so nothing may be decided by its elements. If it is one of NumPy's scalars, ``as_number()``
    returns the value as a Python number.
``__to_device__(device)``
    Returns the value on another device. A value without it is copied there.
``__require__(holds, error, message)``, static
    Takes a check of values, such as that labels are classes: a program repeats it at each call. Without it a condition
    that does not hold raises the error at once.
``__all_reduce__(function)``
    Returns the sum over all ranks. The function adds up an array over the ranks, in place; a value without the protocol
    is such an array, and the function is called with it.

Examples
--------
This reading counts the steps that NumPy takes, for a rule and for its derivative. The rule of tanh needs operators and
ufuncs alone, so the class has no more:

>>> import numpy as np
>>> import tinygrad_lite as tg
>>> class Counted(np.lib.mixins.NDArrayOperatorsMixin):
...     def __init__(self, value, steps=0):
...         self.value, self.steps = value, steps
...
...     def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
...         counted = [x for x in inputs if isinstance(x, Counted)]
...         values = [x.value if isinstance(x, Counted) else x for x in inputs]
...         return Counted(getattr(ufunc, method)(*values, **kwargs), 1 + sum(x.steps for x in counted))
>>> tanh = tg.rules.get("tanh")
>>> x, g = Counted(np.array([0.5])), Counted(np.array([1.0]))
>>> y = tanh(x)
>>> y.steps
1
>>> dx = tanh.vjps[0].pull_back(g, Counted(y.value), 0, (x,), ())  # g * (1 - y * y)
>>> dx.steps, dx.value.round(3)
(3, array([0.786]))
"""

from . import (
    composed,
    elementwise,
    linalg,
    neural,
    numpy_functions,
    products,
    reductions,
    shapes,
    special,
    trigonometric,
    windows,
)
from .numpy_catalogue import catalogue
from .registry import all, answer_for, answers, define, get
from .rule import Rule, Sample, Vjp, sample

# In the order in which they are read.
TABLES = (elementwise, trigonometric, products, linalg, reductions, shapes, neural, special, windows)

__all__ = [
    "TABLES",
    "Rule",
    "Sample",
    "Vjp",
    "all",
    "answer_for",
    "answers",
    "catalogue",
    "composed",
    "define",
    "elementwise",
    "get",
    "linalg",
    "neural",
    "numpy_functions",
    "products",
    "reductions",
    "sample",
    "shapes",
    "special",
    "trigonometric",
    "windows",
]

"""The derivative rules, each written once.

`all` enumerates them, `define` adds one, `tinygrad_lite.prove` checks one. The tables, to be
read first, are in `elementwise`, `products`, `reductions`, `shapes` and `neural`; `composed` holds what is made of
them, `plain` what has no derivative, `rule` how a rule is put together.

A reading is a kind of value that flows through rules: arrays give the gradient, Tensors a gradient that can be
differentiated again, symbols the formula, tracers a program. To be one, a class needs no base and is entered in no
list. It answers NumPy's two protocols, since rules are written with operators and NumPy's functions:

``__array_ufunc__``
    What ``x + y`` and ``np.exp(x)`` give; `numpy.lib.mixins.NDArrayOperatorsMixin` makes operators of it.
``__array_function__``, and the attributes ``shape``, ``ndim``, ``size`` and ``dtype``
    What ``np.where`` and its like give; methods such as ``sum`` and ``reshape`` are the class's own.

Where that does not say enough, it may answer one of ours, each looked for on its type:

``__apply_rule__(rule, inputs, params)``, static
    Takes the application of a whole rule, which otherwise runs its forward expression. `Tensor` records it so, and a
    symbol writes the rule's name.
``__traced__``, an attribute
    The array it stands for. Having it says that its value decides nothing, and differs at the next call.
``__moved__(device)``
    Itself on another device.
``__expect__(holds, error, message)``, static
    Takes a check of values, such as that labels are classes: a program makes it at each call.
``__all_reduce__(function)``
    Its sum over all ranks; the function adds up an array in place.

Examples
--------
A reading that counts, for a rule and for its derivative, the steps that NumPy takes:

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
>>> dx = tanh.vjps[0].pull_back(g, Counted(y.value), 0, (x,), ())
>>> dx.steps, dx.value.round(3)
(3, array([0.786]))
"""

from . import composed, elementwise, neural, plain, products, reductions, shapes
from .rule import Rule, Sample, Vjp, all, answer_for, answers, define, get, sample

__all__ = [
    "Rule",
    "Sample",
    "Vjp",
    "all",
    "answer_for",
    "answers",
    "composed",
    "define",
    "elementwise",
    "get",
    "neural",
    "plain",
    "products",
    "reductions",
    "sample",
    "shapes",
]

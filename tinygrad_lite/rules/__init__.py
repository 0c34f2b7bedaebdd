"""The derivative rules, each written once.

`all` enumerates them, `define` adds one, `tinygrad_lite.prove` checks one. Read the tables first: `elementwise`,
`products`, `reductions`, `shapes` and `neural`. `composed` holds functions composed of rules, `plain` names functions
without a derivative, and `rule` defines what a rule is.

A reading is a kind of value that flows through rules: arrays give the gradient, Tensors a gradient that can be
differentiated again, symbols the formula, tracers a program. The class of a reading needs no base class, and is
registered nowhere. It implements NumPy's two protocols, since rules are written with operators and NumPy's functions:

``__array_ufunc__``
    Computes ``x + y`` and ``np.exp(x)``; `numpy.lib.mixins.NDArrayOperatorsMixin` derives the operators from it.
``__array_function__``, and the attributes ``shape``, ``ndim``, ``size`` and ``dtype``
    Computes ``np.where`` and the like; methods such as ``sum`` and ``reshape`` are the class's own.

If these do not suffice, the class may implement protocols of this library, which are looked up on the type:

``__apply_rule__(rule, inputs, params)``, static
    Takes the application of a whole rule, whose forward expression runs otherwise. So `Tensor` records the rule, and a
    symbol writes its name.
``__traced__``, an attribute
    The array that a tracer stands for. A value that has it differs at the next call, so no branch may depend on it.
``__to_device__(device)``
    Returns the value on another device.
``__require__(holds, error, message)``, static
    Takes a check of values, such as that labels are classes; a program repeats it at each call.
``__all_reduce__(function)``
    Returns the sum over all ranks; the function adds up an array in place.

Examples
--------
This reading counts the steps that NumPy takes, for a rule and for its derivative:

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

from . import composed, elementwise, neural, products, reductions, shapes, special, windows
from .numpy_functions import answer_for
from .registry import all, answers, define, get
from .rule import Rule, Sample, Vjp, sample

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
    "products",
    "reductions",
    "sample",
    "shapes",
    "special",
    "windows",
]

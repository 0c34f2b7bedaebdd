"""NumPy's functions that need no rule of their own, since they are composed of functions that have one.

The chain rule gives their derivatives: each function fewer in the tables of rules is one derivative fewer to write and
to check. Each takes NumPy's arguments, and works on all kinds of values that the rules work on. The table of NumPy's
functions, `numpy_functions`, says where each stands.

Examples
--------
>>> import tinygrad_lite as tg
>>> from tinygrad_lite.rules.composed import pieces
>>> pieces.vstack([tg.Tensor([1.0, 2.0]), tg.Tensor([3.0, 4.0])]).shape
(2, 2)
"""

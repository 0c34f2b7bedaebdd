"""Kinds of values: those compared by content, those whose contents are followed, and those that are refused.

A value of an unknown type could change unnoticed, so only values of the types listed here are followed.
"""

from __future__ import annotations

import functools
import inspect
import re
import types
from array import array
from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from random import Random
from typing import Any
from uuid import UUID

import numpy as np

from ..errors import JitError
from ..numpy_calls import BooleanArray
from ..support.call_stack import OURS, is_library
from ..support.devices import is_array, random_modules
from ..support.flags import Block
from ..tensor import Tensor
from .program import GENERATORS

# Immutable types, whose values are compared by content; PLAIN_OF_NUMPY also accepts subclasses.
PLAIN = (type(None), bool, int, float, complex, str, bytes, range, slice, type(...), Decimal, Fraction, UUID)
PLAIN_OF_NUMPY = (np.generic, np.dtype, np.finfo, np.iinfo, re.Pattern, PurePath, date, time, timedelta, tzinfo)
CONTAINERS = (tuple, list, dict, set, frozenset, deque)
METHODS = (types.MethodType, types.BuiltinFunctionType, types.MethodWrapperType)
WITHOUT_CONTENTS = (
    *(types.BuiltinFunctionType, np.ufunc, type(np.sum), types.GenericAlias, types.UnionType, property),
    Block,  # a mode such as no_grad()
)
WRAPPERS = (property, staticmethod, classmethod, functools.cached_property, functools.singledispatchmethod)
IMMUTABLE = (tuple, *METHODS, *WRAPPERS)  # these hold values that cannot be exchanged
FOLLOWED = (
    *(Tensor, *GENERATORS, *PLAIN_OF_NUMPY, *CONTAINERS, *METHODS, *WRAPPERS),
    *(types.FunctionType, types.ModuleType, functools.partial, bytearray),
)
# A user's class may derive from the classes of these modules: they store no state outside of its attributes.
OPEN = ("abc", "argparse", "collections.abc", "contextlib", "dataclasses", "enum", "numbers", "types", "typing", OURS)
HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: set for classes that Python code defines
DRAW_OUTSIDE = (
    "Draw from an np.random.Generator made outside of the jitted function, and pass other such values as arguments"
)


def is_plain(x: Any) -> bool:
    """Return True for an immutable value, which guards compare by content."""
    if type(x) in (tuple, frozenset):
        return all(map(is_plain, x))
    return type(x) in PLAIN or issubclass(type(x), PLAIN_OF_NUMPY)  # isinstance would accept a tracer


def alike(a: Any, b: Any) -> bool:
    """Return True if plain values are interchangeable in a program: 1 and 1.0 are not, nor are 0.0 and -0.0."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return alike([*a.items()], [*b.items()])
    if isinstance(a, (list, tuple, deque)):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, (set, frozenset)):
        equal = {x: x for x in b}
        return len(a) == len(b) and all(x in equal and alike(x, equal[x]) for x in a)
    if isinstance(a, (float, complex, np.inexact)):
        return repr(a) == repr(b)
    return bool(a == b)


def of_library(x: Any) -> bool:
    """Return True for a class or a module of a library, as opposed to the user's own."""
    if not isinstance(x, type):
        return isinstance(x, types.ModuleType) and is_library(x.__name__)
    module = x.__module__
    # A class that Python code defines outside of any module is the user's, though its module reads "builtins".
    return not isinstance(module, str) or (is_library(module) and not (module == "builtins" and x.__flags__ & HEAP))


def is_open(base: type) -> bool:
    """Return True if objects of a class store all their state where it is visited: in attributes or as a container."""
    if not of_library(base) or base in CONTAINERS:
        return True
    if base.__module__ == "builtins":
        return base in (object, *PLAIN, type) or issubclass(base, BaseException)
    return f"{base.__module__}.".startswith(tuple(f"{name}." for name in OPEN))


def parts_of(value: Any) -> tuple[str, ...]:
    """Return the attributes of a method, a partial or another wrapper that hold the values inside it."""
    if isinstance(value, functools.partial):
        return "func", "args", "keywords"
    if isinstance(value, (*METHODS, *WRAPPERS)):
        names = ("__self__", "__func__", "fget", "fset", "func", "dispatcher")
        # A built-in function has its module as `__self__`.
        return tuple(x for x in names if not isinstance(getattr(value, x, None), (types.NoneType, types.ModuleType)))
    return ("__wrapped__",) if callable(getattr(value, "__wrapped__", None)) else ()


def has_no_contents(value: Any) -> bool:
    """Return True for a value in which there is nothing to visit."""
    of_slot = inspect.isdatadescriptor(value) and of_library(type(value))
    return isinstance(value, WITHOUT_CONTENTS) or of_slot


def _holds_immutable(variable: Any) -> bool:
    """Return True for a context variable whose value can only change by being set."""
    if not isinstance(variable, ContextVar):
        return False
    try:
        value = variable.get()
    except LookupError:
        return True
    return is_plain(value) or callable(value)


def refusal(value: Any, path: str) -> JitError | None:
    """Return the error about a value that is not followed; None if it is."""
    cls = type(value)
    of_other_array = isinstance(value, np.ndarray) and cls not in (np.ndarray, np.memmap, BooleanArray)
    is_listed = is_array(value) or cls in PLAIN or isinstance(value, FOLLOWED) or has_no_contents(value)
    if (is_listed and not of_other_array) or parts_of(value) or _holds_immutable(value):
        return None
    if of_other_array or isinstance(value, (memoryview, array)) or hasattr(cls, "__array__"):
        words = f"a {cls.__name__}, a kind of array that jit does not know: pass a plain NumPy array"
    elif isinstance(value, Iterator):
        words = (
            "an iterator, which gives another value each time: call next() outside of the jitted function, and pass "
            "the value as an argument"
        )
    elif isinstance(value, Random):
        words = f"a random.Random, which draws differently at each call. {DRAW_OUTSIDE}"
    elif cls.__module__.startswith(random_modules()):
        words = (
            "a random generator of a device, whose draws cannot be recorded: draw from an np.random.Generator, and "
            "move the numbers to the device"
        )
    elif all(map(is_open, cls.__mro__)):
        return None
    else:
        name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
        words = (
            f"a {name}, which may change without jit seeing it: pass the values that the function needs from it as "
            "arguments, or compute with it outside of the jitted function"
        )
    return JitError(f"{path} is {words}")

"""Functions that replace Python's own during a recording: ``type``, ``getattr``, ``eval`` and the like.

Python's own would tell the function that it sees a tracer and not an array, or read values that no guard checks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from ..support.call_stack import is_library
from .traced import Traced


class Reflects(BaseException):
    """The function reads an attribute by a computed name: it must be recorded again, with all attributes visited."""


class _Type:
    """Replaces ``type`` during a recording: the type of a tracer is that of the value it stands for."""

    def __call__(self, x: Any, *others: Any, **options: Any) -> Any:
        is_traced = issubclass(type(x), Traced) and not others
        return x.__class__ if is_traced else type(x, *others, **options)

    def __instancecheck__(self, x: Any) -> bool:
        return isinstance(x, type)

    def __getattr__(self, name: str) -> Any:
        return getattr(type, name)


def _by_name(function: Callable[..., Any], recorder: Any, environment: Any, x: Any, name: str, *others: Any) -> Any:
    """Call ``getattr`` or the like; detect a name that is computed."""
    if not isinstance(x, ModuleType) and not environment.code.can_read(name) and environment.text_of(x) is not None:
        raise Reflects
    if isinstance(x, ModuleType) and name not in environment.code.names and not is_library(x.__name__):
        recorder.refuse(
            f"{function.__name__}() reads {name} of the module {x.__name__} by a name that is computed",
            f"write {x.__name__}.{name}, or keep it in a dictionary",
        )
    return function(x, name, *others)


def _refuse(function: Callable[..., Any], recorder: Any, environment: Any, *args: Any, **kwargs: Any) -> Any:
    """Refuse a function that may read anything, such as ``eval``."""
    recorder.refuse(
        f"{function.__name__}() may read any value, and jit does not see which",
        "Name the value in the code, or read it outside of the jitted function",
    )


# For each name, the function of a recorder and an environment that makes its stand-in.
STAND_INS: dict[str, Callable[[Any, Any], Any]] = {
    "type": lambda recorder, environment: _Type(),
    **{f.__name__: partial(partial, _by_name, f) for f in (getattr, hasattr, setattr, delattr)},
    **{f.__name__: partial(partial, _refuse, f) for f in (eval, exec, globals)},
}

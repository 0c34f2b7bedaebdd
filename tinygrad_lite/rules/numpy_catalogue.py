"""What happens with each function of NumPy, as a page for readers.

`catalogue` reads the page from the table in `numpy_functions`, so the page cannot say anything else than what happens.
The functions are those of the installed NumPy.

Examples
--------
>>> for name, function in functions():
...     if name in ("np.argmax", "np.hypot"):
...         print(name, row_of(function))
np.argmax plain
np.hypot <rule hypot(a, b)>
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .numpy_functions import PLAIN, Instead
from .registry import row_of
from .rule import Rule

MODULES = (np, np.linalg, np.fft)


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield name and function for all of NumPy that ask the classes of their arguments, so that Tensors can answer."""
    for module in MODULES:
        for name in sorted(module.__all__):
            function = getattr(module, name)
            if isinstance(function, np.ufunc) or hasattr(function, "_implementation"):
                yield f"{module.__name__.replace('numpy', 'np')}.{name}", function


def catalogue() -> str:
    """Return a table in Markdown with a line for each function of NumPy: its kind, and what happens with a Tensor.

    Returns
    -------
    str
        The kinds are "rule" and "composed" (of rules), which have a derivative, "plain" (NumPy computes the values,
        there is no derivative) and "refused" (with what to write instead).

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> for line in tg.rules.catalogue().splitlines():
    ...     if "np.hypot" in line or "np.trace" in line or "np.argmax" in line or "np.savetxt" in line:
    ...         print(line)
    | `np.argmax` | plain | NumPy's values, without a derivative |
    | `np.hypot` | rule | the rule `hypot` |
    | `np.savetxt` | refused | write `np.savetxt(path, x.numpy())` |
    | `np.trace` | composed | Return the sum of a diagonal of each matrix that two axes span. |
    """
    lines = ["| function | kind | what happens |", "| --- | --- | --- |"]
    for name, function in functions():
        kind, text = _described(row_of(function))
        lines.append(f"| `{name}` | {kind} | {text.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def _described(row: Any) -> tuple[str, str]:
    if isinstance(row, Rule):
        return "rule", f"the rule `{row.name}`"
    if row is PLAIN:
        return "plain", "NumPy's values, without a derivative"
    if isinstance(row, Instead):
        return "refused", f"write `{row.code}` {row.case}".rstrip()
    if row is None:
        return "refused", "compose it of functions that have a derivative"
    return "composed", (inspect.getdoc(row) or "").splitlines()[0].replace("``", "`")

"""Sets: the different elements of arrays, in order. Of equal elements the first one has the derivative.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.unique(tg.Tensor([3.0, 1.0, 3.0]))
Tensor([1., 3.], dtype=float32)
>>> tg.grad(lambda x: np.unique(x).sum())(np.array([3.0, 1.0, 3.0]))
Tensor([1., 1., 0.], dtype=float64)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import reductions
from .axes import moveaxis, ravel
from .operands import array_like
from .order import sort
from .pieces import concatenate


def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """Return the different elements, or slices along an axis; of equal ones the first has the derivative.

    They are always in order, so ``sorted`` changes nothing.
    """
    ar = array_like(ar)
    elements = ravel(ar) if axis is None else moveaxis(ar, axis, 0)
    n = elements.shape[0]
    rows = elements.reshape((n, reductions.count(ar, None) // max(n, 1)))
    order = np.lexsort(rows.T[::-1]) if rows.shape[1] else np.arange(n)
    ordered = rows[order]
    differs = ordered[1:] != ordered[:-1]
    if equal_nan and len(elements.shape) == 1:
        differs = differs & ~np.isnan(ordered[:-1])  # what follows NaN is NaN
    is_first = np.pad(np.any(differs, axis=1), (min(n, 1), 0), constant_values=True)
    found = [elements[order[is_first]]]
    if axis is not None:
        found = [moveaxis(found[0], 0, axis)]
    if return_index:
        found.append(order[is_first])
    if return_inverse:
        inverse = (np.cumsum(is_first) - 1)[np.argsort(order)]
        found.append(inverse.reshape(ar.shape) if axis is None else inverse)
    if return_counts:
        found.append(np.diff(np.flatnonzero(np.pad(is_first, (0, 1), constant_values=True))))
    return tuple(found) if len(found) > 1 else found[0]


def unique_values(x: Any) -> Any:
    """Return the different elements in order; each NaN differs."""
    return unique(x, equal_nan=False)


def unique_counts(x: Any) -> Any:
    """Return the different elements and how many there are of each."""
    return _OF_COUNTS(*unique(x, return_counts=True, equal_nan=False))


def unique_inverse(x: Any) -> Any:
    """Return the different elements and for each element the position of its like among them."""
    return _OF_INVERSE(*unique(x, return_inverse=True, equal_nan=False))


def unique_all(x: Any) -> Any:
    """Return the different elements, their first positions, those of the inverse, and their counts."""
    return _OF_ALL(*unique(x, True, True, True, equal_nan=False))


# The classes of NumPy's results, which have no public names.
_OF_COUNTS, _OF_INVERSE, _OF_ALL = (type(f([0])) for f in (np.unique_counts, np.unique_inverse, np.unique_all))


def union1d(ar1: Any, ar2: Any) -> Any:
    """Return the different elements of both, in order."""
    return unique(concatenate((ar1, ar2), axis=None))


def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """Return the different elements of the first that are in the second, too, in order."""
    elements, places = unique(ar1, return_index=True)
    is_in_both = np.isin(elements, ar2)
    if not return_indices:
        return elements[is_in_both]
    others, places_of_others = unique(ar2, return_index=True)
    return elements[is_in_both], places[is_in_both], places_of_others[np.isin(others, ar1)]


def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """Return the different elements of the first that are not in the second: in order, unless they are unique."""
    elements = ravel(array_like(ar1)) if assume_unique else unique(ar1)
    return elements[np.isin(elements, ar2, invert=True)]


def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """Return the different elements that are in one of the two alone, in order."""
    return sort(concatenate((setdiff1d(ar1, ar2), setdiff1d(ar2, ar1))))

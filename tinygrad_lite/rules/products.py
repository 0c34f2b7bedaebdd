"""Rules of products: matrices, batches of matrices, and all products that `einsum` can express.

For C = AB the derivatives are dL/dA = G Bᵀ and dL/dB = Aᵀ G, where G = dL/dC.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..support.devices import on_device_of
from .registry import define
from .rule import sample
from .samples import normal


def rows(x: Any, b: Any) -> Any:
    """Return a batch of matrices that was multiplied by one matrix ``b``, or the product, as one matrix.

    Then its product is the derivative by ``b``: one for each matrix, and their sum, would take twice as long.
    """
    return x.reshape((math.prod(x.shape[:-1]), x.shape[-1])) if x.ndim > b.ndim == 2 else x


# Both operands have two axes or more: `matmul` in `composed` gives a vector its second axis.
# fmt: off
factors: dict[str, Any] = {
    "a": lambda g, b: g @ b.mT,
    "b": lambda g, a, b: rows(a, b).mT @ rows(g, b),
}

product = define("matmul", lambda a, b: a @ b, **factors,
    samples=lambda: [
        sample(normal(2, 3), normal(3, 4)),
        sample(normal(5, 2, 3), normal(5, 3, 4)),
        sample(normal(5, 2, 3), normal(3, 4)),
        sample(normal(2, 3), normal(5, 3, 4)),
        sample(normal(4, 1, 2, 3), normal(5, 3, 2)),
        sample(normal(3, 2).T, normal(4, 6)[:, ::2].T),
        sample(normal(0, 3), normal(3, 2)),
        sample(normal(2, 0), normal(0, 3)),
    ])

# A layer of a net as one operation: half as many to record and to sweep.
linear = define("linear", lambda a, b, c: a @ b + c, **factors,
    c=lambda g: g,
    samples=lambda: [
        sample(normal(2, 3), normal(3, 4), normal(4)),
        sample(normal(5, 2, 3), normal(3, 4), normal(4)),
        sample(normal(2, 3), normal(3, 4), normal(2, 1)),
        sample(normal(0, 3), normal(3, 2), normal(2)),
    ])
# fmt: on


def _einsum_back(g: Any, k: int, xs: tuple[Any, ...], subscripts: str) -> Any:
    """Return the cotangent of operand ``k``: the einsum with that operand and the output exchanged.

    Two kinds of labels need an extra operand. A label in operand ``k`` alone (or elsewhere only with a length of one)
    was summed over, so the cotangent is constant along its axis: the extra operand is a vector of ones. A label that
    operand ``k`` has twice took a diagonal, so the cotangent lies on the diagonal: the extra one is an identity matrix.
    """
    x = xs[k]
    terms, output = split_subscripts(subscripts)
    others = [other for i, other in enumerate(xs) if i != k]
    sources = [output, *(term for i, term in enumerate(terms) if i != k)]
    unused = iter(sorted(set(_LABELS) - set("".join([*terms, output]))))
    target: list[str] = []
    for axis, label in enumerate(terms[k]):
        size = x.shape[axis]
        if label in target:
            twin = next(unused)
            others.append(on_device_of(x, np.eye(size, dtype=x.dtype)))
            sources.append(label + twin)
            label = twin
        elif not any(
            label in source and other.shape[source.index(label)] == size
            for source, other in zip(sources, [g, *others], strict=True)
        ):
            others.append(np.ones_like(x, shape=(size,)))
            sources.append(label)
        target.append(label)
    return contract(f"{','.join(sources)}->{''.join(target)}", g, *others)


_LABELS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def split_subscripts(subscripts: str) -> tuple[list[str], str]:
    """Split explicit subscripts without an ellipsis, ``"ij,jk->ik"``, into ``(["ij", "jk"], "ik")``."""
    inputs, _, output = subscripts.partition("->")
    return inputs.split(","), output


def explicit_subscripts(subscripts: str, ranks: list[int]) -> str:
    """Return subscripts in full: with a label for each axis, with the output, without an ellipsis.

    Parameters
    ----------
    subscripts : str
        Subscripts of `numpy.einsum`: ``"ij,jk"``, ``"...ij,...jk->...ik"``.
    ranks : list of int
        The number of axes of each operand.

    Raises
    ------
    ValueError
        If the subscripts name another number of operands, or of axes of an operand.
    """
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"einsum: {subscripts!r} names {len(terms)} operands, but {len(ranks)} were given")
    hidden = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    for i, (term, rank, n) in enumerate(zip(terms, ranks, hidden, strict=True)):
        if n < 0 or (n > 0 and "..." not in term):
            raise ValueError(f"einsum: operand {i} has {rank} axes, but {subscripts!r} calls it {term!r}")
    free = [label for label in reversed(_LABELS) if label not in subscripts]
    batch = "".join(free[: max([0, *(n for term, n in zip(terms, hidden, strict=True) if "..." in term)])])
    if not arrow:
        letters = inputs.replace(",", "").replace("...", "")
        output = "..." * ("..." in inputs) + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    terms = [term.replace("...", batch[len(batch) - n :]) for term, n in zip(terms, hidden, strict=True)]
    return f"{','.join(terms)}->{output.replace('...', batch)}"


def contract(subscripts: str, *xs: Any) -> Any:
    """Return `numpy.einsum` of full subscripts. Arrays are taken in pairs, each as one product of matrices.

    NumPy's own loop over all labels takes ten times as long, and longer the more operands there are.
    """
    if len(xs) < 2 or not all(isinstance(x, np.ndarray) for x in xs):
        return np.einsum(subscripts, *xs)
    terms, output = split_subscripts(subscripts)
    operands, path = [*xs], [(0, 1)]
    if len(xs) > 2:
        lengths = [np.broadcast_to(0, x.shape) for x in xs]
        try:
            path = np.einsum_path(subscripts, *lengths, optimize="greedy")[0][1:]
        except ValueError:
            return np.einsum(subscripts, *xs)  # says better which lengths disagree
    for places in path:
        taken = [(terms.pop(i), operands.pop(i)) for i in sorted(places, reverse=True)][::-1]
        needed = "".join([*terms, output])
        labels = dict.fromkeys("".join(term for term, _ in taken))
        terms.append("".join(label for label in labels if label in needed) if terms else output)
        operands.append(_contract_once([term for term, _ in taken], terms[-1], [x for _, x in taken]))
    return operands[0]


def _contract_once(terms: list[str], output: str, xs: list[Any]) -> Any:
    """Return an einsum of all operands at once, as a product of matrices if it is one."""
    lengths = {pair for term, x in zip(terms, xs, strict=True) for pair in zip(term, x.shape, strict=True)}
    s, t = terms if len(terms) == 2 else ("", "")
    both = [label for label in s if label in t]
    batch, summed = [label for label in both if label in output], [label for label in both if label not in output]
    rows, columns = [label for label in s if label not in t], [label for label in t if label not in s]
    has_diagonals = any(len(set(term)) < len(term) for term in terms)
    is_stretched = len(lengths) > len({label for label, _ in lengths})
    if not summed or has_diagonals or is_stretched or not {*rows, *columns} <= {*output}:
        return np.einsum(f"{','.join(terms)}->{output}", *xs)
    size = dict(lengths)

    def matrices(term: str, x: Any, *sides: list[str]) -> Any:
        """Return an operand as a batch of matrices, with the labels of each side as one axis."""
        moved = x.transpose(tuple(term.index(label) for label in [*batch, *sides[0], *sides[1]]))
        return moved.reshape((*(size[i] for i in batch), *(math.prod(size[i] for i in side) for side in sides)))

    y = matrices(s, xs[0], rows, summed) @ matrices(t, xs[1], summed, columns)
    free = [*batch, *rows, *columns]
    return y.reshape(tuple(size[i] for i in free)).transpose(tuple(free.index(i) for i in output))


# fmt: off
einsum = define("einsum", lambda *xs, subscripts: contract(subscripts, *xs),
    xs=_einsum_back,
    samples=lambda: [
        sample(normal(2, 3), normal(3, 4), subscripts="ij,jk->ik"),
        sample(normal(2, 3), normal(3), subscripts="ij,j->ji"),
        sample(normal(2, 3), subscripts="ij->j"),
        sample(normal(3, 3), subscripts="ii->i"),
        sample(normal(3, 3), subscripts="ii->"),
        sample(normal(3, 3, 2), normal(4, 2), subscripts="iij,kj->i"),
        sample(normal(2, 3), normal(4, 5), subscripts="ij,kl->jk"),
        sample(normal(2, 2), normal(2, 3), normal(3, 2), subscripts="ab,bc,cd->ad"),
        sample(normal(5, 2, 3), normal(1, 3, 2), subscripts="zij,zjk->zik"),
        sample(normal(2, 3, 4), normal(4, 2, 5), subscripts="ijk,kil->lij"),
        sample(normal(0, 3), normal(3, 2), subscripts="ij,jk->ik"),
    ])

"""The witnesses of products: of matrices, of tensors, of vectors."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from tests.witness.cases import broadcastable, filled, narrowed, shapes, side, signed
from tests.witness.formulas import Witness, bilinear


@st.composite
def products(draw, signature):
    a, b = draw(broadcastable(signature=signature, max_dims=2)).input_shapes
    return [draw(filled(a)), draw(filled(b))], {}


@st.composite
def layers(draw):
    drawn = draw(broadcastable(signature="(m,n),(n,p)->(m,p)", max_dims=2))
    return [draw(filled(shape)) for shape in (*drawn.input_shapes, draw(narrowed(drawn.result_shape)))], {}


@st.composite
def dots(draw):
    left, right, n, m = draw(st.lists(side, max_size=2)), draw(st.lists(side, max_size=1)), draw(side), draw(side)
    pairs = [((*left, n), (*right, n, m)), ((*left, n), (n,)), ((), tuple(left)), (tuple(left), ())]
    return [draw(filled(shape)) for shape in draw(st.sampled_from(pairs))], {}


@st.composite
def outers(draw):
    return [draw(filled(draw(shapes))) for _ in range(2)], {}


@st.composite
def inners(draw):
    left, right, n = draw(st.lists(side, max_size=2)), draw(st.lists(side, max_size=2)), draw(side)
    pairs = [((*left, n), (*right, n)), ((), tuple(left)), (tuple(left), ())]
    return [draw(filled(shape)) for shape in draw(st.sampled_from(pairs))], {}


@st.composite
def tensordots(draw):
    left, shared, right = (draw(st.lists(side, max_size=2)) for _ in range(3))
    if draw(st.booleans()):
        return [draw(filled((*left, *shared))), draw(filled((*shared, *right)))], {"axes": len(shared)}
    inputs, axes = [], []
    for free in (left, right):
        sizes = [*free, *shared]
        order = draw(st.permutations(range(len(sizes))))
        inputs.append(draw(filled(tuple(sizes[i] for i in order))))
        axes.append(tuple(draw(signed(order.index(len(free) + j), len(sizes))) for j in range(len(shared))))
    return inputs, {"axes": tuple(axes)}


@st.composite
def einsums(draw):
    """Draw subscripts: labels that are summed, kept, exchanged, repeated in a term, and of length 1 in a term."""
    sizes = {label: draw(side) for label in "abc"}
    terms = draw(st.lists(st.text("abc", max_size=3), min_size=1, max_size=3))
    ones = draw(st.integers(0, 2)), draw(st.sampled_from("abc"))
    labels = sorted(set("".join(terms)))
    output = "".join(draw(st.permutations(labels))[: draw(st.integers(0, len(labels)))])
    lengths = [tuple(1 if ones == (i, label) else sizes[label] for label in term) for i, term in enumerate(terms)]
    return [draw(filled(shape)) for shape in lengths], {"subscripts": f"{','.join(terms)}->{output}"}


@st.composite
def abbreviated_einsums(draw):
    """Draw subscripts with an ellipsis, without an output, with spaces."""
    subscripts = draw(
        st.sampled_from(
            ["ij,jk", "ba", "ii", "i j, j k -> i k", "...ij,...jk->...ik", "...i,i", "i...,...i->...", "...,...", "..."]
        )
    )
    sizes = {label: draw(side) for label in "abijk"}
    terms = subscripts.replace(" ", "").partition("->")[0].split(",")
    batches = draw(broadcastable(num_shapes=len(terms), max_dims=2)).input_shapes
    inputs = []
    for term, batch in zip(terms, batches, strict=True):
        before, dots, after = term.partition("...")
        ends = [tuple(sizes[label] for label in labels) for labels in (before, after)]
        inputs.append(draw(filled((*ends[0], *(batch if dots else ()), *ends[1]))))
    return inputs, {"subscripts": subscripts}


def einsum(*xs, subscripts):
    # Autograd's derivative knows neither labels that stand twice in a term (the second is renamed here, and δ makes it
    # equal to the first) nor lengths of one beside longer ones that are summed over (they are broadcast here).
    inputs, _, output = subscripts.partition("->")
    terms, fresh, sizes = inputs.split(","), iter("uvwxyz"), {}
    for term, x in zip(terms, xs, strict=True):
        sizes |= {label: n for label, n in zip(term, x.shape, strict=True) if sizes.get(label, 1) == 1}
    operands = [x + np.zeros([sizes[label] for label in term]) for term, x in zip(terms, xs, strict=True)]
    for i, term in enumerate(terms):
        name = ""
        for label in term:
            twin = next(fresh) if label in name else label
            if twin != label:
                terms.append(label + twin)
                operands.append(np.eye(sizes[label]))
            name += twin
        terms[i] = name
    return anp.einsum(f"{','.join(terms)}->{output}", *operands)


def abbreviated_einsum(*xs, subscripts):
    return anp.trace(xs[0]) if subscripts == "ii" else anp.einsum(subscripts, *xs)


@st.composite
def in_rows(draw, elements=None):
    """Draw vectors along any axis of two arrays, whose other axes may be of length 1."""
    shape = draw(array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    axis, n = draw(st.integers(0, len(shape))), draw(side) if elements is None else elements
    other = tuple(draw(st.sampled_from([1, k])) for k in shape)
    inputs = [draw(filled((*lengths[:axis], n, *lengths[axis:]))) for lengths in (shape, other)]
    return inputs, {"axis": draw(signed(axis, len(shape) + 1))}


def cross(a, b, axis):
    a, b = anp.moveaxis(a, axis, 0), anp.moveaxis(b, axis, 0)
    y = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return anp.moveaxis(anp.stack(y), 0, axis)


def vecdot(a, b, axis):
    return anp.sum(a * b, axis=axis)


@st.composite
def alike(draw):
    x = draw(filled(shapes))
    return [x, draw(filled(tuple(draw(st.permutations(x.shape)))))], {}


small = array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=2)
small_pairs = st.tuples(filled(small), filled(small)).map(lambda inputs: ([*inputs], {}))


WITNESSES = {
    "matmul": Witness(anp.matmul, products("(m,n),(n,p)->(m,p)")),
    "linear": Witness(lambda a, b, c: anp.matmul(a, b) + c, layers()),
    "einsum": Witness(einsum, einsums()),
    "np.matmul": Witness(anp.matmul, products(np.matmul.signature)),
    "np.dot": Witness(anp.dot, dots()),
    "np.outer": Witness(lambda a, b: anp.outer(anp.ravel(a), anp.ravel(b)), outers()),
    "np.inner": Witness(anp.inner, inners()),
    "np.tensordot": Witness(anp.tensordot, tensordots()),
    "np.einsum": Witness(abbreviated_einsum, abbreviated_einsums(), lambda *xs, subscripts: np.einsum(subscripts, *xs)),
    "np.kron": Witness(bilinear(np.kron), small_pairs),
    "np.vdot": Witness(lambda a, b: anp.dot(anp.ravel(a), anp.ravel(b)), alike()),
    "np.vecdot": Witness(vecdot, in_rows()),
    "np.cross": Witness(cross, in_rows(3)),
    "np.matvec": Witness(lambda a, b: anp.sum(a * b[..., None, :], axis=-1), products("(m,n),(n)->(m)")),
    "np.vecmat": Witness(lambda a, b: anp.sum(a[..., :, None] * b, axis=-2), products("(n),(n,p)->(p)")),
}

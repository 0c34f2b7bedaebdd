"""What random programs are made of: arrays written as source text, and the steps in which they are used.

A step is text with holes: ``{x}``, ``{y}`` and ``{z}`` are values, the rest depends on the first of them (one of its
axes, an index into it, …). Where plain NumPy writes a step otherwise (a Tensor has methods that an array lacks), both
texts are given.
"""

from __future__ import annotations

import re

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite.arrays import raw

SHAPES = (2, 3), (2, 3), (3,), (2, 1), (), (3, 3), (1, 3), (2, 2, 3), (0, 3), (1,)
FLOATS = ("float32", "float32", "float64", "float64", "float16")
WHOLE = ("int64", "int32", "uint8", "bool")
# Beside ordinary numbers: where functions have their edges, and what overflows or cancels.
EDGES = (0.0, 0.0, -0.0, 1.0, -1.0, 0.5, 1000.0, 1000.0, -1000.0, 1e20, np.inf, -np.inf, np.nan)
MILD_EDGES = (0.0, 0.0, 1.0, 1.0, -1.0, 2.0, 0.5)
LAYOUTS = ("{}", "{}", "{}", "{}[..., ::-1]", "np.repeat({}, 2, axis=-1)[..., ::2]", "{}.T.copy().T")


def literal(x):
    """Return the text of a value: numbers, arrays, slices, and tuples of them."""
    if isinstance(x, np.ndarray):
        return f"np.array({x.tolist()!r}, '{x.dtype}')" + (f".reshape({x.shape})" if x.size == 0 else "")
    if isinstance(x, np.generic):
        return f"np.{x.dtype}({x.item()!r})"
    if isinstance(x, np.dtype):
        return repr(str(x))
    if isinstance(x, tuple):
        return f"({''.join(f'{literal(part)}, ' for part in x)})"
    return "..." if x is Ellipsis else repr(x)


def numbers(rng, shape, dtype, edgy):
    """Return an array of ordinary numbers, and among them, if asked for, of those at the edges."""
    if np.dtype(dtype).kind != "f":
        return np.asarray(rng.integers(0, 2 if dtype == "bool" else 4, shape)).astype(dtype)
    x = np.asarray(rng.uniform(0.3, 1.7, shape) * rng.choice((-1, 1, 1), shape))
    if edgy:
        x = np.where(rng.random(shape) < 0.5, rng.choice(EDGES if edgy == "wild" else MILD_EDGES, shape), x)
    with np.errstate(over="ignore"):
        return np.asarray(x.astype(dtype))


def layout(rng, shape):
    """Return the text, with a hole for an array of that shape, that lays it out in memory in one way or another."""
    return LAYOUTS[rng.integers(len(LAYOUTS))] if shape else "{}"


# What an argument may be besides one of its own: another argument, or a view of it.
SHARED = "{x}", "{x}[...]", "{x}[::-1]", "{x}.T"

MATRIX = ("solve", "inv", "det", "slogdet", "cholesky", "qr", "svd")

# Rules without parameters whose operands broadcast; the others are reached by their samples and by functions. So is
# `quotient`, which is infinitely steep at 0 / 0 = 0.
ELEMENTWISE = [
    rule
    for rule in tg.rules.all()
    if rule.is_built_in
    and not (rule.params or rule.variadic)
    and rule.name
    not in ("matmul", "linear", "squared_loss", "cross_entropy", "convolve", "correlate", "quotient", *MATRIX)
]

# The weight of a group is how often it is chosen; each of its steps is as likely as the others.
STEPS = {
    "rules": (
        3,
        [f"rule({rule.name!r})({', '.join(['{x}', '{y}', '{z}'][: len(rule.inputs)])})" for rule in ELEMENTWISE],
    ),
    "operators": (
        6,
        """{x} + {y} | {x} - {y} | {x} * {y} | {x} / {y} | {x} @ {y} | -{x} | abs({x}) | {x} + {n} | {n} - {x}
        {n} * {x} | {x} / {n} | {n} / {x} | {x} ** {k} | {x} ** {n} | {x} ** {y} | {n} ** {x} | {s} * {x} | {x} - {s}
        {x} > {y} | {x} == {y} | {x} <= {n} | {x} != {y} | {x} >= {s} | {x} < {y}
        {x} % {y} | {x} % {n} | {x} // {y}""",
    ),
    "elementwise": (
        6,
        """np.exp({x}) | np.expm1({x}) | np.log({x}) | np.log1p({x}) | np.log2({x}) | np.log10({x}) | np.sqrt({x})
        np.square({x}) | np.sin({x}) | np.cos({x}) | np.tan({x}) | np.arctan({x}) | np.sinh({x}) | np.cosh({x})
        np.tanh({x}) | np.abs({x}) | np.negative({x}) | np.add({x}, {y}) | np.subtract({x}, {y})
        np.multiply({x}, {y}) | np.divide({x}, {y}) | np.power({x}, {y}) | np.power({x}, {k})
        np.logaddexp({x}, {y}) | np.maximum({x}, {y}) | np.minimum({x}, {y}) | np.maximum({x}, {n})
        np.clip({x}, -0.5, 1.1) | np.clip({x}, {y}, None) | np.clip({x}, None, {y}) | np.clip({x}, max={n})
        np.where({x} > {n}, {x}, {y}) | np.where({x}, {y}, {z}) | np.where({x} > 0, {y}, {n}) | {x}.clip({n}, 2)
        np.sign({x}) | np.floor({x}) | np.ceil({x}) | np.rint({x}) | np.trunc({x}) | np.round({x})
        np.floor_divide({x}, {y}) | np.isnan({x}) | np.isinf({x}) | np.isfinite({x}) | np.equal({x}, {y})
        np.not_equal({x}, {y}) | np.less({x}, {y}) | np.less_equal({x}, {y}) | np.greater({x}, {y})
        np.greater_equal({x}, {y}) | np.logical_and({x}, {y}) | np.logical_or({x}, {y}) | np.logical_not({x})
        np.logical_xor({x}, {y}) | np.isclose({x}, {y}) | np.bitwise_and({x}, {y}) | np.bitwise_or({x}, {y})
        np.bitwise_xor({x}, {y}) | np.invert({x})""",
    ),
    "methods": (
        3,
        [
            *(
                (f"{{x}}.{name}()", f"np.{name}({{x}})")
                for name in ["exp", "log", "sqrt", "square", "sin", "cos", "tanh", "abs"]
            ),
            *((f"{{x}}.{name}()", f"rule({name!r})({{x}})") for name in ("relu", "sigmoid")),
            *((f"{{x}}.{name}({{one}})", f"rule({name!r})({{x}}, {{one}})") for name in ("softmax", "log_softmax")),
            ("+{x}", "np.copy({x})"),
            ("np.reciprocal({x})", "1 / {x}"),
            ("{x}.flatten() * 1", "{x}.ravel() * 1"),
            ("{x}.maximum({y})", "np.maximum({x}, {y})"),
            ("{x}.minimum({n})", "np.minimum({x}, {n})"),
            ("{x}.logsumexp({axis}, {flag})", "rule('logsumexp')({x}, {axis}, {flag})"),
            ("{x}.expand_dims({new})", "np.expand_dims({x}, {new})"),
            ("{x}.broadcast_to((2, *{x}.shape))", "np.broadcast_to({x}, (2, *{x}.shape))"),
            ("{x}.detach()", "{x}.view()"),
            ("{x}.clone()", "np.copy({x})"),
            ("copy.copy({x})", "copy.copy({x})"),
            ("copy.deepcopy({x})", "copy.deepcopy({x})"),
            ("{x}.numpy().copy()", "{x}.copy()"),
        ],
    ),
    "neural": (
        3,
        """F.relu({x}) | F.sigmoid({x}) | F.tanh({x}) | F.softmax({x}, {one}) | F.log_softmax({x}, {one})
        rule('logsumexp')({x}, {axis}, {flag}) | F.squared_loss({x}, {y}) | F.cross_entropy({x}, {y})
        F.cross_entropy({x}, {labels}) | F.linear({x}, {y}, {y}[0]) | F.linear({x}, {y})""",
    ),
    "reductions": (
        5,
        """{x}.sum(axis={axis}, keepdims={flag}) | {x}.mean(axis={axis}, keepdims={flag}) | {x}.sum() | {x}.mean({axis})
        {x}.prod(axis={axis}, keepdims={flag}) | {x}.max(axis={axis}, keepdims={flag}) | {x}.min({axis})
        np.sum({x}, axis={axis}) | np.mean({x}, keepdims={flag}) | np.prod({x}, {axis}) | np.max({x}, axis={axis})
        np.min({x}) | np.amax({x}, axis={axis}) | np.amin({x}, {axis}) | np.var({x}, axis={axis}, keepdims={flag})
        {x}.var(axis={axis}) | {x}.std(axis={axis}, keepdims={flag}) | np.std({x}, axis={axis})
        np.var({x}, axis={axis}, ddof={k}) | np.std({x}, ddof=1) | np.cumsum({x}, axis={one}) | {x}.cumsum({one})
        np.cumsum({x}) | np.any({x} > {n}) | np.all({x}, axis={axis}) | np.count_nonzero({x})
        np.argmax({x}, axis={one}) | {x}.argmin() | np.argmin({x}) | {x}.argmax({one}) | np.argsort({x}, axis={one})
        {x}.argsort({one})""",
    ),
    "products": (
        3,
        """np.matmul({x}, {y}) | {x} @ {x}.T | {x}.T @ {x} | {x} @ {y}.mT | np.dot({x}, {y}) | np.outer({x}, {y})
        np.inner({x}, {y}) | np.tensordot({x}, {y}, 1) | np.tensordot({x}, {x}, axes=([0], [0]))
        np.einsum('ij,jk->ik', {x}, {y}) | np.einsum('...i,...i', {x}, {y}) | np.einsum('ij->j', {x})
        np.einsum('ii->i', {x} @ {x}.T) | np.einsum('ij,ij->', {x}, {x}) | np.einsum('i,j', {x}, {y})""",
    ),
    "shapes": (
        6,
        """{x}[{index}] | {x}[{index}] | {x}[{x} > {n}] | {x}.reshape({shape}) | np.reshape({x}, {shape}) | {x}.T
        {x}.mT | np.ravel({x}) * 1 | {x}.ravel() * 1 | {x}.transpose({order}) | np.transpose({x}, {order})
        np.transpose({x}) | np.permute_dims({x}, {order}) | np.swapaxes({x}, {one}, 0) | {x}.swapaxes(0, {one})
        np.matrix_transpose({x}) | np.moveaxis({x}, {one}, 0) | np.expand_dims({x}, {new}) | np.squeeze({x})
        {x}.squeeze() | np.squeeze({x}, axis=0) | np.broadcast_to({x}, (2, *{x}.shape)) | np.flip({x}, {axis})
        np.flip({x}) | np.roll({x}, {k}, axis={axis}) | np.roll({x}, {k}) | np.pad({x}, 1)
        np.pad({x}, ((1, 0),) * {x}.ndim, constant_values={n}) | np.concatenate([{x}, {y}], axis={one})
        np.concatenate([{x}, {y}, {x}], axis=None) | np.stack([{x}, {y}, {x}], axis={new}) | np.vstack([{x}, {y}])
        np.hstack([{x}, {y}]) | np.split({x}, {x}.shape[{one}], axis={one})[0] | np.split({x}, [1], axis={one})[1]
        {x}.astype('{dtype}') | {x}.copy() | {x}.astype('{whole}') | np.shape({x})[-1] * {x} | len({x}) * {x}
        np.size({x}) + {x} | np.ndim({x}) * {x}""",
    ),
    "pieces": (
        3,
        """np.atleast_2d({x}) | np.atleast_3d({x}) | np.flipud({x}) | np.fliplr({x}) | np.rot90({x}, {one})
        np.tril({x}) | np.triu({x}, 1) | np.diagonal({x}) | np.diag({x}, 1) | np.trace({x})
        np.diagflat({x}) | np.kron({x}, {y})
        np.repeat({x}, 2, axis={one}) | np.repeat({x}, 2) | np.tile({x}, 2) | np.tile({x}, (2, 1)) | np.resize({x}, 5)
        np.append({x}, {y}) | np.append({x}, {y}, axis={one}) | np.insert({x}, 1, {y}, axis={one})
        np.insert({x}, 0, {n}) | np.delete({x}, 0, axis={one}) | np.delete({x}, [0, -1]) | np.block([{x}, {y}])
        np.block([[{x}], [{y}]]) | np.dstack([{x}, {y}]) | np.column_stack([{x}, {y}])
        np.array_split({x}, 2, axis={one})[1] | np.unstack({x}, axis={one})[0]
        np.take({x}, [0, 5, -7], axis={one}, mode='wrap') | np.take({x}, [[0, 9]], mode='clip')
        np.take_along_axis({x}, np.argsort({x}, axis={one}), {one}) | np.compress([True, False, True], {x}, axis={one})
        np.choose([[0], [1]], [{x}, {y}]) | np.broadcast_arrays({x}, {y})[0] * 1 | np.linspace({x}, {y}, 3)
        np.linspace({x}, {n}, 3, axis={one}) | np.meshgrid({x}[..., 0], {y})[0] | np.concatenate([{x}, {y}], axis=None)
        np.pad({x}, 1, 'edge') | np.pad({x}, 2, 'reflect') | np.pad({x}, (1, 2), 'symmetric') | np.pad({x}, 1, 'wrap')
        np.pad({x}, 1, 'mean') | np.pad({x}, 1, 'maximum') | np.pad({x}, 2, 'linear_ramp') | np.pad({x}, 1, 'minimum')
        np.pad({x}, 2, 'reflect', reflect_type='odd') | np.pad({x}, 1, constant_values=(1, {n}))
        np.reshape({x}, {shape}, order='F') | np.ravel({x}, 'F') * 1 | np.rollaxis({x}, {one})
        tg.scatter({x}, {one}, np.zeros((1,) * {x}.ndim, int), {n})
        tg.index_add({x}, {one}, [0, 0], {x}[:1, :1] if {x}.ndim == 2 else {x}.sum())""",
    ),
    "like": (
        1,
        """np.zeros_like({x}) | np.ones_like({x}) + {x} | np.full_like({x}, {n}) | np.full_like({x}, {y})
        np.full((2, 3), {s}) * {x} | np.eye(3) @ {x} | np.arange(3) * {x} | np.zeros((3,)) + {x}""",
    ),
    "changes": (
        2,
        """{x} += {y} | {x} -= {y} | {x} *= {y} | {x} /= {y} | {x} **= 2 | {x} += {n} | {x} *= {n} | {x} @= {y}
        {x}[{index}] = {y} | {x}[{index}] = {n} | {x}[{index}] += {n} | {x}[{x} > {n}] = 0 | {x}[{index}] *= {y}
        {x}[...] = {y} | {x} %= {y} | {x} %= {n} | {x} //= {y} | {x} //= {n}""",
    ),
}


def _steps(group):
    for step in re.split(r"\s*[|\n]\s*", group.strip()) if isinstance(group, str) else group:
        yield (step, step) if isinstance(step, str) else step


GROUPS = {name: list(_steps(group)) for name, (_, group) in STEPS.items()}
_WEIGHTS = np.array([weight for weight, _ in STEPS.values()]) / sum(weight for weight, _ in STEPS.values())


def _index(rng, x):
    """Return the text of an index into an array: a number, slices, a list, an array of positions, a mask, new axes."""
    n = x.shape[0] if x.ndim else 1
    at = int(rng.integers(-n, n)) if n else 0
    last = x.shape[-1] if x.ndim else 1
    choices = [
        f"{at}", "1:", "::-1", "..., :2", "None, ...", "[0, 0]", f"..., {last - 1}", f"[{at}, 0, {at}]", "...",
        f"np.array([[0, {at}]])", "..., [0, 0]", ":, 0", "0, 0", "0, ..., None", "::2, 1:", "[0], [0]", "-1:, [0, 0]",
        literal(rng.random(n) < 0.6), "()", "0:0",
    ]  # fmt: skip
    return choices[rng.integers(len(choices))]


def _shape(rng, x):
    factors = [(i, x.size // i) for i in range(1, x.size + 1) if x.size % i == 0]
    return literal([-1, (-1, 1), (x.size,), x.shape[::-1], *factors][rng.integers(4 + len(factors))])


def _late(rng, names):
    """Return one of the names, rather a late one, so that what is computed is used."""
    return names[-1 - min(int(rng.exponential(2.0)), len(names) - 1)]


def filled_step(rng, names, values):
    """Return a step as the text for Tensors and the text for plain arrays, about the values there are.

    Parameters
    ----------
    rng : numpy.random.Generator
        What to choose by.
    names : sequence of str
        The names of the values there are, the latest last.
    values : mapping of str to Tensor, array or number
        The values themselves.
    """
    group = list(GROUPS)[rng.choice(len(GROUPS), p=_WEIGHTS)]
    texts = GROUPS[group][rng.integers(len(GROUPS[group]))]
    chosen = {hole: _late(rng, names) for hole in "xyz"}
    if texts[0] != texts[1]:
        chosen["x"] = _late(rng, [name for name in names if isinstance(values[name], tg.Tensor)] or names)
    elif group in ("shapes", "reductions", "products", "neural") or re.search(r"{x}(\.|\[| \S+= )", texts[0]):
        chosen["x"] = _late(rng, [name for name in names if isinstance(values[name], (tg.Tensor, np.ndarray))] or names)
    x = np.asarray(raw(values[chosen["x"]]))
    pick = lambda *options: options[rng.integers(len(options))]  # noqa: E731
    axes = list(range(-x.ndim, x.ndim))
    holes = {
        **chosen,
        "n": lambda: pick("0.5", "2", "-1.0", "1", "0.0", "3", "np.float32(0.5)", "np.float64(1.5)", "True"),
        "k": lambda: pick("0", "1", "2", "3", "-1", "0.5", "2.0"),
        "s": lambda: pick("0.25", chosen["y"], "np.float64(0.75)"),
        "flag": lambda: pick("True", "False"),
        "axis": lambda: literal(pick(None, *axes, tuple(axes[: x.ndim]), ())),
        "one": lambda: literal(pick(*axes) if axes else 0),
        "new": lambda: literal(pick(0, -1, x.ndim)),
        "order": lambda: literal(tuple(int(i) for i in rng.permutation(x.ndim))),
        "index": lambda: _index(rng, x),
        "shape": lambda: _shape(rng, x),
        "dtype": lambda: pick(*FLOATS),
        "whole": lambda: pick(*WHOLE),
        "labels": lambda: literal(rng.integers(0, max((*x.shape[-1:], 1)), x.shape[:-1])),
    }
    filled = {}
    for hole in dict.fromkeys(re.findall(r"{(\w+)}", "".join(texts))):
        filled[hole] = holes[hole] if isinstance(holes[hole], str) else holes[hole]()
    return [text.format(**filled) for text in texts]


def sample_of_a_rule(rng):
    """Return a rule's sample: its inputs as arrays, and the text of the call, with holes ``{0}``, … for these."""
    rules = [rule for rule in tg.rules.all() if rule.is_built_in]
    rule = rules[rng.integers(len(rules))]
    sample = rule.samples[rng.integers(len(rule.samples))]
    count = len(sample.args) if rule.variadic else len(rule.inputs)
    inputs = [np.asarray(x, "float64") for x in sample.args[:count]]
    others = [literal(x) for x in sample.args[count:]] + [f"{k}={literal(v)}" for k, v in sample.params.items()]
    holes = [f"{{{i}}}" for i in range(count)]
    return (
        inputs,
        f"rule({rule.name!r})({', '.join([*holes, *(text.replace('{', '{{').replace('}', '}}') for text in others)])})",
    )

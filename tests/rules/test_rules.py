"""Every rule in the table is proven on its samples, keeps float32, and means on Tensors what it means on arrays.

Also: `define` refuses what does not fit together, `bind` sorts arguments like a call, and whatever is composed of
rules has NumPy's values and derivatives that finite differences confirm.
"""

from __future__ import annotations

import inspect
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

import tinygrad_lite as tg
from tinygrad_lite.proof.rule_proof import check_sample, prove
from tinygrad_lite.rules import registry as table
from tinygrad_lite.rules import sample

RULES = tg.rules.all()
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
each_sample = pytest.mark.parametrize(
    ("rule", "number"),
    [pytest.param(rule, i, id=f"{rule.name}-{i}") for rule in RULES for i in range(len(rule.samples))],
)
quick = settings(deadline=None, max_examples=40)


@pytest.fixture
def scratch(monkeypatch):
    """Let a test define rules that are gone after it."""
    monkeypatch.setattr(table, "_rules", dict(table._rules))
    monkeypatch.setattr(table, "_answers", dict(table._answers))


def arguments(rule, number):
    """Return a sample's inputs, and the rule as a function of them alone."""
    chosen = rule.samples[number]
    inputs, params = rule.bind(chosen.args, chosen.params)
    named = dict(zip(rule.params, params, strict=True))
    return inputs, lambda *xs: rule(*xs, **named)


def derivatives(f, arrays):
    """Return value, gradients of the sum, and gradients of the sum of squares of those."""
    numbers = tuple(range(len(arrays)))

    def first(*xs):
        return tg.grad(lambda *zs: f(*zs).sum(), numbers)(*xs)

    def squares(*xs):
        return sum(((g * g).sum() for g in first(*xs)), start=tg.Tensor(np.zeros((), arrays[0].dtype)))

    return [f(*map(tg.Tensor, arrays)), *first(*arrays), *tg.grad(squares, numbers)(*arrays)]


def in_float32(arrays):
    return [x.astype(np.float32) for x in arrays]


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).normal(size=shape)


@each_rule
def test_every_rule_has_samples(rule):
    assert rule.samples


@each_sample
def test_every_sample_proves_first_and_second_order(rule, number):
    report = check_sample(rule, rule.samples[number])
    assert {c.order for c in report.comparisons} == {1, 2}
    assert report, str(report)


@each_rule
def test_every_rule_is_found_by_its_name_and_explains_itself(rule):
    assert tg.rules.get(rule.name) is rule
    assert rule.name in repr(rule)
    assert len({r.name for r in RULES}) == len(RULES)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(KeyError, match=r"no rule 'tanhh'.*\btanh\b"):
        tg.rules.get("tanhh")


@each_rule
def test_samples_are_the_same_at_every_call_and_new_arrays(rule):
    for one, other in zip(rule.samples, rule.samples, strict=True):
        for x, y in zip(one.args, other.args, strict=True):
            if isinstance(x, np.ndarray):
                assert np.array_equal(x, y)
                assert not np.shares_memory(x, y)


@each_rule
def test_samples_cover_zero_d_or_empty_or_broadcast_inputs(rule):
    if rule.name in ("squared_loss", "cross_entropy"):
        pytest.skip("a loss has no value on an empty batch, no samples on a single number, and broadcasts nothing")
    inputs = [rule.bind(s.args, s.params)[0] for s in rule.samples]
    assert any(x.ndim == 0 or x.size == 0 for xs in inputs for x in xs) or any(
        len({x.shape for x in xs}) > 1 for xs in inputs
    )


@each_rule
def test_samples_are_float64_so_that_differences_mean_something(rule):
    for number in range(len(rule.samples)):
        assert all(x.dtype == np.float64 for x in arguments(rule, number)[0])


@each_sample
def test_tensors_and_arrays_have_the_same_values(rule, number):
    arrays, f = arguments(rule, number)
    on_tensors = f(*map(tg.Tensor, arrays))
    on_arrays = f(*arrays)
    assert isinstance(on_tensors, tg.Tensor)
    assert not isinstance(on_arrays, tg.Tensor)
    assert on_tensors.dtype == np.asarray(on_arrays).dtype
    np.testing.assert_array_equal(on_tensors.numpy(), on_arrays)


@each_sample
def test_float32_stays_float32_forward_and_through_two_derivatives(rule, number):
    arrays, f = arguments(rule, number)
    value, *gradients = derivatives(f, in_float32(arrays))
    if rule.name != "astype":  # whose sample converts to float64
        assert value.dtype == np.float32
    assert [g.dtype for g in gradients] == [np.float32] * (2 * len(arrays))
    assert [g.shape for g in gradients] == [x.shape for x in arrays] * 2


OTHERS = {
    "python float": lambda x: 1.5,
    "python int": lambda x: 2,
    "numpy scalar": lambda x: np.float64(1.5),
    "float64 array": lambda x: x.astype(np.float64),
    "int array": lambda x: np.ones_like(x, dtype=np.int64),
    "bool array": lambda x: np.ones_like(x, dtype=bool),
}
NO_SCALARS = {"matmul", "linear", "concatenate", "einsum", "squared_loss", "cross_entropy"}
NO_SCALARS |= {"solve", "conv2d", "conv2d_input", "conv2d_weight", "convolve", "correlate"}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("rule", [r for r in RULES if r.variadic or len(r.inputs) > 1], ids=lambda rule: rule.name)
def test_float32_stays_float32_beside_constants_of_any_kind(rule, kind):
    if rule.name in NO_SCALARS and "array" not in kind:
        pytest.skip("takes no scalars")
    if rule.name == "solve" and kind in ("int array", "bool array"):
        pytest.skip("a matrix of ones is singular; see test_linalg.py")
    for number in range(len(rule.samples)):
        arrays, f = arguments(rule, number)
        arrays = in_float32(arrays)
        for k, x in enumerate(arrays):
            others = [OTHERS[kind](a) for a in arrays]

            def g(z, f=f, k=k, others=others):
                return f(*others[:k], z, *others[k + 1 :])

            value, *gradients = derivatives(g, [x])
            assert [value.dtype, *(d.dtype for d in gradients)] == [np.float32] * 3


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x ** np.float64(2),
        lambda x: np.power(x, np.float64(2)),
        lambda x: np.float64(2) ** x,
        lambda x: x ** np.array([2.0, 3.0]),
        lambda x: x ** np.int64(2),
        lambda x: x.clip(np.float64(0.2), np.float64(0.8)),
        lambda x: np.clip(x, np.array([0.0, 0.1]), 1),
        lambda x: np.float64(2) * x,
        lambda x: x / np.float64(3),
        lambda x: np.where(np.array([True, False]), x, np.float64(0)),
        lambda x: np.pad(x, 1, constant_values=np.float64(2)),
        lambda x: x.var(ddof=np.float64(1)),
        lambda x: np.array([1.0, 2.0]) @ x,
        lambda x: np.stack([x, np.array([1.0, 2.0])]),
        lambda x: np.einsum("i,i->", x, np.array([1, 2])),
        lambda x: np.tensordot(x, np.array([1.0, 2.0]), 1),
        lambda x: np.outer(np.array([1, 2]), x),
        lambda x: x.maximum(np.float64(0.3)),
        lambda x: np.hypot(3, 4) * x,
    ],
)
def test_float32_survives_numpy_scalars_and_arrays_wherever_they_enter(f):
    value, *gradients = derivatives(f, [np.array([0.25, 0.75], np.float32)])
    assert [value.dtype, *(d.dtype for d in gradients)] == [np.float32] * 3


def spread(x):
    """Return the same values, laid out in memory with gaps and backwards."""
    if not x.ndim:
        return np.array([x, x])[1]
    wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan)
    view = wide[..., ::-2] if x.size else wide[..., ::2]
    view[...] = x
    return view


@each_sample
@pytest.mark.parametrize("layout", [spread, lambda x: np.array(x, order="F")], ids=["strided", "fortran"])
def test_the_layout_in_memory_changes_nothing(rule, number, layout):
    arrays, f = arguments(rule, number)
    for one, other in zip(derivatives(f, arrays), derivatives(f, [layout(x) for x in arrays]), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-12, atol=1e-14)


@each_rule
def test_every_derivative_reads_only_names_it_was_told(rule):
    for k, name in enumerate(rule.inputs):
        first, *rest = inspect.signature(rule.vjps[k].expression).parameters
        assert first == "g"
        assert set(rest) <= {"y", "k", *rule.inputs, *rule.params}, name


# Kinks: the conventions the docstrings promise.


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: x.relu(), 0.0),
        (lambda x: abs(x), 0.0),
        (lambda x: x.maximum(0.0), 0.5),
        (lambda x: x.minimum(0.0), 0.5),
        (lambda x: np.stack([x, x]).max(), 1.0),
        (lambda x: np.stack([x, x]).min(), 1.0),
        (lambda x: x**0, 0.0),
        (lambda x: x**1, 1.0),
        (lambda x: x**2, 0.0),
        (lambda x: x.clip(0, 1), 1.0),
    ],
)
def test_derivative_at_the_kink_at_zero(f, expected):
    assert tg.grad(f)(0.0).item() == expected


def test_equal_maxima_share_the_derivative():
    g = tg.grad(lambda x: x.max(axis=1).sum())([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]])
    assert g.tolist() == [[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]


def test_zero_to_a_power_has_derivative_zero_by_the_exponent():
    assert tg.grad(lambda b: tg.Tensor(0.0) ** b)(2.0).item() == 0.0


@pytest.mark.parametrize("zeros", [(0,), (0, 2), (0, 1, 2)])
def test_prod_is_differentiable_where_elements_are_zero(zeros):
    x = np.array([2.0, 3.0, 5.0])
    x[list(zeros)] = 0
    others = [np.prod(np.delete(x, i)) for i in range(3)]
    assert tg.grad(lambda x: x.prod())(x).tolist() == others


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp", "sigmoid", "logaddexp"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_overflows_on_huge_values(name, dtype):
    x = np.array([-1e4, 0.0, 1e4], dtype)
    rule = tg.rules.get(name)
    f = (lambda z: rule(z, 0.0).sum()) if name == "logaddexp" else (lambda z: rule(z).sum())
    y, g = tg.value_and_grad(f)(x)
    assert np.isfinite(y.item())
    assert np.isfinite(g.numpy()).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_is_accurate_in_its_tail(dtype):
    x = np.array([-30.0, -20.0, -10.0], dtype)
    y, g = tg.value_and_grad(lambda z: np.log(z.sigmoid()).sum())(x)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(tg.Tensor(x).sigmoid().numpy(), 1 / (1 + np.exp(-exact)), rtol=1e-5)
    np.testing.assert_allclose(g.numpy(), 1 / (1 + np.exp(exact)), rtol=1e-5)
    assert y.item() == pytest.approx(-60, rel=1e-4)


def test_place_is_the_transpose_of_getitem_for_sequences_too():
    """A tuple inside an index is a list of positions: a row taken twice receives two sums."""
    for index in [((0, 0), slice(None)), ([0, 0], slice(None)), (np.array([0, 0]),), ((0, 0, 1), (1, 1, 2)), ((0, 0),)]:
        x = numbers(2, 3)
        expected = np.zeros((2, 3))
        np.add.at(expected, index, 1)
        assert np.array_equal(tg.grad(lambda t, index=index: t[index].sum())(x).numpy(), expected)


def test_a_rule_of_ones_own_is_proven_and_gone_afterwards(scratch):
    cube = tg.rules.define(
        "cube_here", lambda x: x**3, x=lambda g, x: g * 3 * x**2, samples=lambda: [sample(np.array([-1.0, 0.5]))]
    )
    assert tg.rules.all()[-1] is cube
    assert prove(cube)
    assert tg.grad(tg.grad(lambda x: cube(x)))(2.0).item() == 12.0
    assert "from=cube_here" in repr(cube(tg.Tensor(1.0, requires_grad=True)))


def test_the_registry_was_cleaned_up_again():
    assert "cube_here" not in {rule.name for rule in tg.rules.all()}


def test_a_rule_without_samples_is_not_proven(scratch):
    rule = tg.rules.define("unproven", lambda x: x * 2, x=lambda g: g * 2, samples=list)
    assert not prove(rule)


def without_history(x):
    return x.numpy() if isinstance(x, tg.Tensor) else x


@pytest.mark.parametrize(
    ("expression", "order"),
    [
        pytest.param(lambda g, x: g * 2 * x**2, 1, id="wrong factor"),
        pytest.param(lambda g, x: -g * 3 * x**2, 1, id="wrong sign"),
        pytest.param(lambda g, x: g * 3 * x * abs(x), 1, id="wrong where x < 0"),
        pytest.param(lambda g, x: g * np.nan, 1, id="nan"),
        pytest.param(lambda g, x: g * (3 * without_history(x) ** 2), 2, id="right, but loses the graph"),
    ],
)
def test_a_wrong_expression_fails(scratch, expression, order):
    rule = tg.rules.define(
        "wrong_cube", lambda x: x**3, x=expression, samples=lambda: [sample(np.array([-1.0, 0.5, 2.0]))]
    )
    assert not prove(rule)
    report = check_sample(rule, rule.samples[0])
    assert not report
    assert min(c.order for c in report.comparisons if not c.error <= report.tolerance) == order


def test_a_derivative_wrong_for_one_input_only_fails(scratch):
    rule = tg.rules.define(
        "half_wrong",
        lambda a, b: a * b,
        a=lambda g, b: g * b,
        b=lambda g, a: g * a * 1.001,
        samples=lambda: [sample(np.array([1.0, 2.0]), np.array([3.0, 4.0]))],
    )
    report = check_sample(rule, rule.samples[0])
    assert {c.argument for c in report.comparisons if c.order == 1 and c.error > report.tolerance} == {1}


def test_forgetting_that_operands_broadcast_is_caught_by_the_samples():
    """Every rule of two elementwise inputs is proven with each of the two broadcast."""
    for rule in RULES:
        if rule.inputs == ("a", "b") and rule.name not in ("matmul", "solve"):
            shapes = [tuple(x.shape for x in rule.bind(s.args, s.params)[0]) for s in rule.samples]
            assert any(a != np.broadcast_shapes(a, b) for a, b in shapes), rule.name
            assert any(b != np.broadcast_shapes(a, b) for a, b in shapes), rule.name


def _define(forward, name="bad_rule", **vjps):
    return tg.rules.define(name, forward, samples=list, **vjps)


@pytest.mark.parametrize(
    ("forward", "vjps", "message"),
    [
        (lambda x: x, {"z": lambda g: g}, r"'bad_rule'.*'z'.*forward takes x"),
        (lambda x: x, {}, "has no derivative"),
        (lambda axis, x: x, {"x": lambda g: g}, r"inputs \(x\) must come first"),
        (lambda x, g: x, {"x": lambda g: g}, "may not name an argument g or y"),
        (lambda y: y, {"y": lambda g: g}, "may not name an argument g or y"),
        (lambda x: x, {"x": lambda x: x}, "must take the cotangent g first, not 'x'"),
        (lambda x: x, {"x": lambda: 0}, "must take the cotangent g first"),
        (lambda x: x, {"x": lambda g, w: g}, r"reads 'w'; known are .*\bx\b"),
        (lambda x: x, {"x": lambda g, k: g}, "reads 'k'"),
        (lambda *xs, w: xs, {"xs": lambda g: g, "w": lambda g: g}, "must come first"),
    ],
)
def test_define_refuses_what_does_not_fit_together(scratch, forward, vjps, message):
    before = tg.rules.all()
    with pytest.raises(TypeError, match=message):
        _define(forward, **vjps)
    assert tg.rules.all() == before


@pytest.mark.parametrize("name", ["exp", "matmul", "add"])
def test_a_built_in_rule_cannot_be_redefined(scratch, name):
    before = tg.rules.get(name)
    with pytest.raises(ValueError, match=rf"already a rule '{name}'.*choose another name"):
        _define(lambda x: x, name, x=lambda g: g)
    from_there = eval("lambda x: x", {"__name__": before.forward.__module__})
    with pytest.raises(ValueError, match="already a rule"):
        _define(from_there, name, x=lambda g: g)
    assert tg.rules.get(name) is before


def test_a_rule_may_be_redefined_in_its_own_module_but_not_in_another(scratch):
    _define(lambda x: x, "mine", x=lambda g: g)
    again = _define(lambda x: 2 * x, "mine", x=lambda g: 2 * g)
    assert tg.rules.get("mine") is again
    elsewhere = eval("lambda x: x", {"__name__": "some.other.module"})
    with pytest.raises(ValueError, match="already a rule 'mine'"):
        _define(elsewhere, "mine", x=lambda g: g)


def test_a_rule_can_answer_for_a_numpy_function(scratch):
    x = tg.Tensor([0.5, 1.0])
    with pytest.raises(TypeError, match=r"np\.nextafter"):
        np.nextafter(x, 2.0)
    tg.rules.define(
        "next",
        lambda x, toward: np.nextafter(x, toward),
        numpy=np.nextafter,
        x=lambda g: g,
        samples=lambda: [sample(numbers(3), 2.0)],
    )
    assert prove(tg.rules.get("next"))
    assert isinstance(np.nextafter(x, 2.0), tg.Tensor)


def test_derivatives_may_read_output_inputs_and_parameters_in_any_order(scratch):
    rule = tg.rules.define(
        "reads_all",
        lambda a, b, n=2: a**n * b,
        a=lambda g, n, b, y, a: g * n * a ** (n - 1) * b + 0 * y,
        b=lambda g, a, n: g * a**n,
        samples=lambda: [sample(np.array([1.0, 2.0]), np.array([[0.5], [3.0]]), n=3), sample(np.array(2.0), 3.0)],
    )
    assert prove(rule)
    assert rule(np.array(2.0), 3.0) == 12


@pytest.mark.parametrize(
    ("rule", "args", "kwargs", "expected"),
    [
        ("sum", (1,), {}, ((1,), (None, False))),
        ("sum", (1, 0), {}, ((1,), (0, False))),
        ("sum", (1,), {"keepdims": True}, ((1,), (None, True))),
        ("sum", (), {"x": 1, "axis": 2}, ((1,), (2, False))),
        ("add", (1,), {"b": 2}, ((1, 2), ())),
        ("concatenate", (1, 2, 3), {"axis": 0}, ((1, 2, 3), (0,))),
    ],
)
def test_bind_sorts_arguments_as_a_call_would(rule, args, kwargs, expected):
    assert tg.rules.get(rule).bind(args, kwargs) == expected


@pytest.mark.parametrize(
    ("rule", "args", "kwargs", "message"),
    [
        ("sum", (1, 2, 3, 4), {}, r"sum takes 3 arguments \(x, axis, keepdims\), not 4"),
        ("sum", (1,), {"x": 1}, "got the argument 'x' twice"),
        ("sum", (), {"axis": 1}, "sum needs the argument 'x'"),
        ("sum", (1,), {"axes": 1}, "sum has no argument 'axes'; it takes axis, keepdims"),
        ("exp", (1,), {"axis": 1}, "exp has no argument 'axis'"),
        ("reshape", (1,), {}, "reshape needs the argument 'shape'"),
        ("concatenate", (1, 2), {}, "concatenate needs the argument 'axis'"),
        ("concatenate", (1, 2), {"axes": 0}, "concatenate has no argument 'axes'; it takes axis"),
        ("add", (1,), {}, "add needs the argument 'b'"),
    ],
)
def test_bind_names_the_argument_that_is_wrong(rule, args, kwargs, message):
    with pytest.raises(TypeError, match=message):
        tg.rules.get(rule).bind(args, kwargs)


# What is composed of rules: derivatives.

A, B, V, S = numbers(2, 3), numbers(3, 2, seed=1), numbers(3, seed=2), numbers(seed=3)
COMPOSED = {
    "var": (lambda x: np.var(x), A),
    "var axis ddof": (lambda x: np.var(x, axis=1, ddof=1), A),
    "var keepdims": (lambda x: x.var(axis=(0, -1), keepdims=True), A),
    "std": (lambda x: np.std(x, axis=0), A),
    "std ddof": (lambda x: x.std(ddof=1, keepdims=True), A),
    "dot vectors": (np.dot, V, numbers(3, seed=9)),
    "dot matrices": (np.dot, A, B),
    "dot matrix vector": (np.dot, A, V),
    "dot scalar": (np.dot, S, A),
    "dot 3-d 2-d": (np.dot, numbers(2, 1, 3), B),
    "dot 3-d 3-d": (np.dot, numbers(1, 2, 2), numbers(2, 2, 1)),
    "dot 3-d 1-d": (np.dot, numbers(2, 1, 3), V),
    "outer": (np.outer, V, numbers(2)),
    "outer matrices": (np.outer, numbers(2, 1), numbers(1, 2)),
    "inner": (np.inner, A, V),
    "inner matrices": (np.inner, A, numbers(2, 3, seed=5)),
    "inner scalar": (np.inner, A, S),
    "tensordot 0": (lambda a, b: np.tensordot(a, b, 0), numbers(2), V),
    "tensordot 1": (lambda a, b: np.tensordot(a, b, 1), A, B),
    "tensordot 2": (lambda a, b: np.tensordot(a, b), A, numbers(2, 3, seed=5)),
    "tensordot lists": (lambda a, b: np.tensordot(a, b, ([1, 0], [0, 1])), A, B),
    "tensordot negative": (lambda a, b: np.tensordot(a, b, (-1, 0)), A, B),
    "einsum implicit": (lambda a, b: np.einsum("ij,jk", a, b), A, B),
    "einsum implicit transpose": (lambda a: np.einsum("ba", a), A),
    "einsum implicit trace": (lambda a: np.einsum("ii", a), numbers(2, 2)),
    "einsum ellipsis": (lambda a, b: np.einsum("...ij,...jk->...ik", a, b), numbers(2, 1, 2), numbers(2, 2, 1)),
    "einsum ellipsis broadcast": (lambda a, b: np.einsum("...i,i", a, b), numbers(2, 2, 2), numbers(2)),
    "einsum ellipsis ranks": (lambda a, b: np.einsum("...i,...i->...", a, b), numbers(2, 2, 2), numbers(2, 2)),
    "einsum spaces": (lambda a, b: np.einsum("i j, j k -> i k", a, b), A, B),
    "einsum three": (lambda a, b, c: np.einsum("ij,jk,k->", a, b, c), A, B, numbers(2)),
    "einsum repeated": (lambda a, b: np.einsum("iij,j->i", a, b), numbers(2, 2, 3), V),
    "einsum same twice": (lambda a: np.einsum("ij,kj->ik", a, a), A),
    "power number": (lambda x: x**3, A),
    "power fraction": (lambda x: abs(x) ** 0.5, A),
    "power Tensors": (lambda x, n: np.power(abs(x), n), A, V),
    "power of a number": (lambda x: 2.5**x, A),
    "where": (lambda a, b: np.where(A > 0, a, b), A, V),
    "where constants": (lambda a: np.where(A > 0, a, 1.0), A),
    "clip": (lambda x: np.clip(x, -0.35, 0.35), A),
    "clip below": (lambda x: x.clip(min=0.07), A),
    "clip above": (lambda x: np.clip(x, None, 0.07), A),
    "stack": (lambda a, b: np.stack([a, b], axis=1), A, numbers(2, 3, seed=5)),
    "stack last": (lambda a, b: np.stack([a, b], axis=-1), A, numbers(2, 3, seed=5)),
    "split": (lambda a: np.split(a, 3, axis=1)[1] * np.split(a, [1], axis=1)[0], A),
    "split negative": (lambda a: np.split(a, [1, 2], axis=-1)[2], A),
    "take": (lambda a: np.take(a, [0, 5, 5, -1]), A),
    "take axis": (lambda a: np.take(a, np.array([[2, 0], [2, 2]]), axis=1), A),
    "take one": (lambda a: np.take(a, -1, axis=-1), A),
    "take by truth values": (lambda a: np.take(a, [True, False, True], axis=0), A),
    "copy": (np.copy, A),
    "pad": (lambda a: np.pad(a, ((1, 0), (0, 2)), constant_values=2.0), A),
    "pad number": (lambda a: np.pad(a, 1) ** 2, A),
    "pad pair": (lambda a: np.pad(a, (1, 2)), A),
    "vstack": (lambda a, b: np.vstack([a, b]), A, V),
    "hstack": (lambda a, b: np.hstack([a, b]), A, numbers(2, 1)),
    "hstack vectors": (lambda a, b: np.hstack([a, b]), V, numbers(2)),
    "hstack numbers": (lambda a, b: np.hstack([a, b]), S, V),
    "concatenate": (lambda a, b: np.concatenate([a, b], axis=-1), A, numbers(2, 1)),
    "concatenate None": (lambda a, b: np.concatenate([a, b], axis=None), A, V),
    "moveaxis": (lambda a: np.moveaxis(a, 0, -1), numbers(2, 1, 3)),
    "moveaxis several": (lambda a: np.moveaxis(a, (0, 2), (1, 0)), numbers(2, 1, 3)),
    "swapaxes": (lambda a: np.swapaxes(a, 0, -1), numbers(2, 1, 3)),
    "squeeze": (lambda a: np.squeeze(a) * 2, numbers(1, 3, 1)),
    "squeeze axis": (lambda a: np.squeeze(a, axis=-1), numbers(1, 3, 1)),
    "expand_dims": (lambda a: np.expand_dims(a, (0, -1)), V),
    "cumsum": (lambda a: np.cumsum(a), A),
    "cumsum axis": (lambda a: np.cumsum(a, axis=-1), A),
    "ravel": (lambda a: np.ravel(a), A.T),
    "transpose": (lambda a: np.transpose(a, (-1, 0, 1)), numbers(2, 1, 3)),
    "matrix_transpose": (lambda a: np.matrix_transpose(a), numbers(2, 1, 3)),
    "matmul twice the same": (lambda a: a @ a.T, A),
}


def nonlinear(f):
    """Wrap a function so that its second derivatives are not all zero."""
    return lambda *xs: f(*xs) * f(*xs)


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_functions_have_right_values_and_two_derivatives(name):
    f, *arrays = COMPOSED[name]
    value = f(*map(tg.Tensor, arrays))
    np.testing.assert_allclose(value.numpy(), f(*arrays), rtol=1e-12, atol=1e-14)
    assert value.shape == np.shape(f(*arrays))
    assert tg.gradcheck(nonlinear(f), *arrays, order=2)


MATMUL_SHAPES = [
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((2, 3), (3, 2)),
    ((3,), (2, 3, 1)),
    ((2, 1, 3), (3,)),
    ((2, 1, 3), (3, 2)),
    ((1, 3), (2, 3, 1)),
    ((2, 1, 2), (2, 2, 1)),
    ((1, 2, 2), (2, 2, 1)),
    ((2, 1, 1, 2), (2, 2, 1)),
    ((2, 1), (1, 2)),
    ((1,), (1,)),
    ((0,), (0,)),
    ((2, 0), (0,)),
    ((0, 3), (3, 2)),
]


@pytest.mark.parametrize("call", [np.matmul, lambda a, b: a @ b], ids=["np.matmul", "@"])
@pytest.mark.parametrize(("a", "b"), MATMUL_SHAPES, ids=str)
def test_matmul_of_every_combination_of_shapes(call, a, b):
    x, w = numbers(*a), numbers(*b, seed=1)
    value = call(tg.Tensor(x), tg.Tensor(w))
    np.testing.assert_allclose(value.numpy(), x @ w, rtol=1e-12, atol=1e-14)
    assert value.shape == (x @ w).shape
    assert tg.gradcheck(nonlinear(call), x, w, order=2)


def test_an_array_on_the_left_or_right_of_a_product():
    x, w = numbers(2, 3), numbers(3, 2, seed=1)
    for y in (x @ tg.Tensor(w), tg.Tensor(x) @ w, np.matmul(x, tg.Tensor(w))):
        assert isinstance(y, tg.Tensor)
        np.testing.assert_allclose(y.numpy(), x @ w)


# What is composed of rules: values, on shapes drawn at random.

shapes = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
solid = array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=3)


def same(f, *arrays):
    """Check that a function means on Tensors what it means on arrays, and that its gradient has the right shape."""
    expected = f(*arrays)
    found = f(*map(tg.Tensor, arrays))
    assert isinstance(found, tg.Tensor)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-11, atol=1e-12)
    gradients = tg.grad(lambda *xs: f(*xs).sum(), tuple(range(len(arrays))))(*arrays)
    assert [g.shape for g in gradients] == [x.shape for x in arrays]


def draw_axes(data, ndim, **options):
    """Draw None, an axis or several, of either sign."""
    axis = st.integers(-ndim, ndim - 1)
    several = st.lists(axis, unique_by=lambda a: a % ndim, max_size=ndim).map(tuple)
    return data.draw(st.one_of(st.none(), axis, several, **options) if ndim else st.none())


@quick
@given(data=st.data(), shape=solid, keepdims=st.booleans())
@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min", "var", "std"])
def test_reductions_over_any_axes(name, data, shape, keepdims):
    axis = draw_axes(data, len(shape))
    if axis == () and name in ("std", "var"):
        return  # zero variance: the root has no derivative
    x = numbers(*shape)
    call = getattr(np, name)
    assert np.allclose(call(tg.Tensor(x), axis=axis, keepdims=keepdims).numpy(), call(x, axis=axis, keepdims=keepdims))
    method = getattr(tg.Tensor(x), name)(axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(method.numpy(), getattr(x, name)(axis=axis, keepdims=keepdims), rtol=1e-11, atol=1e-12)


@quick
@given(data=st.data(), shape=shapes.filter(bool))
def test_moving_axes(data, shape):
    n, x = len(shape), numbers(*shape)
    order = data.draw(st.permutations(range(n)))
    signed = tuple(a - n * data.draw(st.booleans()) for a in order)
    one, other = data.draw(st.integers(-n, n - 1)), data.draw(st.integers(-n, n - 1))
    k = data.draw(st.integers(0, n))
    targets = tuple(data.draw(st.permutations(range(n)))[:k])
    same(lambda t: np.transpose(t, signed), x)
    same(lambda t: t.transpose(*signed), x)
    same(lambda t: t.T, x)
    same(lambda t: np.swapaxes(t, one, other), x)
    same(lambda t: np.moveaxis(t, one, other), x)
    same(lambda t: np.moveaxis(t, signed[:k], targets), x)


@quick
@given(data=st.data(), shape=shapes)
def test_inserting_and_removing_axes(data, shape):
    x = numbers(*shape)
    count = data.draw(st.integers(1, 2))
    rank = len(shape) + count
    axes = data.draw(
        st.lists(st.integers(-rank, rank - 1), min_size=count, max_size=count, unique_by=lambda a: a % rank)
    )
    same(lambda t: np.expand_dims(t, tuple(axes)), x)
    wide = np.expand_dims(x, tuple(axes))
    same(lambda t: np.squeeze(t, tuple(axes)), wide)
    same(lambda t: np.squeeze(t), wide)
    same(lambda t: t.squeeze(axes[0]), wide)
    same(lambda t: t.reshape(shape[::-1]), x)
    same(lambda t: t.ravel(), x)
    same(lambda t: np.ravel(t), x)


@quick
@given(data=st.data(), shape=solid, count=st.integers(1, 3))
def test_joining_and_cutting(data, shape, count):
    n = len(shape)
    arrays = [numbers(*shape, seed=i) for i in range(count)]
    axis = data.draw(st.integers(-n, n - 1))
    new = data.draw(st.integers(-n - 1, n))
    same(lambda *ts: np.concatenate(ts, axis=axis), *arrays)
    same(lambda *ts: np.concatenate(ts, axis=None), *arrays)
    same(lambda *ts: np.stack(ts, axis=new), *arrays)
    same(lambda *ts: np.vstack(ts), *arrays)
    same(lambda *ts: np.hstack(ts), *arrays)
    cuts = sorted(data.draw(st.lists(st.integers(0, 4), max_size=3)))
    for cut in (cuts, shape[axis]):
        expected = np.split(arrays[0], cut, axis)
        found = np.split(tg.Tensor(arrays[0]), cut, axis)
        assert len(found) == len(expected)
        for y, e in zip(found, expected, strict=True):
            np.testing.assert_array_equal(y.numpy(), e)


def test_cutting_something_empty_gives_as_many_parts_as_asked_for():
    expected = np.split(np.zeros((0, 2)), 2)
    found = np.split(tg.Tensor(np.zeros((0, 2))), 2)
    assert [y.shape for y in found] == [e.shape for e in expected]


@quick
@given(drawn=mutually_broadcastable_shapes(num_shapes=3, min_side=0, max_side=3, max_dims=3))
def test_elementwise_functions_broadcast_like_numpy(drawn):
    a, b, c = (numbers(*shape, seed=i) for i, shape in enumerate(drawn.input_shapes))
    condition = c > 0
    same(lambda x, y: x + y, a, b)
    same(lambda x, y: x - y, a, b)
    same(lambda x, y: x * y, a, b)
    same(lambda x, y: x / y, a, b)
    same(lambda x, y: abs(x) ** y, a, b)
    same(lambda x, y: np.maximum(x, y), a, b)
    same(lambda x, y: np.minimum(x, y), a, b)
    same(lambda x, y: np.logaddexp(x, y), a, b)
    same(lambda x, y: np.where(condition, x, y), a, b)
    same(lambda x: np.where(condition, x, 2.0), a)
    same(lambda x: np.broadcast_to(x, drawn.result_shape), a)


@quick
@given(data=st.data(), n=st.integers(1, 3))
def test_products_over_drawn_shapes(data, n):
    side = st.integers(0, 3)
    left = data.draw(st.lists(side, max_size=2))
    right = data.draw(st.lists(side, max_size=2))
    shared = data.draw(st.lists(side, min_size=n, max_size=n))
    a, b = numbers(*left, *shared), numbers(*shared, *right, seed=1)
    same(lambda x, y: np.tensordot(x, y, n), a, b)
    last = tuple(range(len(left), len(left) + n))
    same(lambda x, y: np.tensordot(x, y, (last[::-1], tuple(range(n))[::-1])), a, b)
    u, v = numbers(*left, 3), numbers(*right, 3, seed=1)
    same(lambda x, y: np.inner(x, y), u, v)
    same(lambda x, y: np.outer(x, y), u, v)
    same(lambda x, y: np.dot(x, y), u, numbers(*right, 3, 2))
    same(lambda x, y: x @ y, u, numbers(3))
    same(lambda x, y: x @ y, numbers(3), numbers(*right, 3, 2))


@quick
@given(data=st.data(), shape=shapes.filter(bool))
def test_running_sums_rolls_flips_and_pads(data, shape):
    n, x = len(shape), numbers(*shape)
    axis = data.draw(st.integers(-n, n - 1))
    shift = data.draw(st.integers(-5, 5))
    widths = data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=n, max_size=n))
    same(lambda t: np.cumsum(t, axis=axis), x)
    same(lambda t: np.cumsum(t), x)
    same(lambda t: np.flip(t, axis), x)
    same(lambda t: np.flip(t), x)
    same(lambda t: np.roll(t, shift, axis), x)
    same(lambda t: np.roll(t, shift), x)
    same(lambda t: np.pad(t, widths, constant_values=1.5), x)


@pytest.mark.parametrize(
    "f",
    [
        pytest.param(lambda x: np.concatenate([x, x], axis=2), id="concatenate"),
        pytest.param(lambda x: np.concatenate([x, x], axis=-3), id="concatenate negative"),
        pytest.param(lambda x: np.transpose(x, (0, 3)), id="transpose"),
        pytest.param(lambda x: x.transpose(0, 3), id="x.transpose"),
        pytest.param(lambda x: x.transpose(1), id="x.transpose of one axis"),
        pytest.param(lambda x: np.moveaxis(x, 2, 0), id="moveaxis source"),
        pytest.param(lambda x: np.moveaxis(x, 0, 2), id="moveaxis destination"),
        pytest.param(lambda x: np.swapaxes(x, 0, 2), id="swapaxes"),
        pytest.param(lambda x: np.squeeze(x[:1], axis=2), id="squeeze"),
        pytest.param(lambda x: np.expand_dims(x, 4), id="expand_dims"),
        pytest.param(lambda x: np.expand_dims(x, (0, 0)), id="expand_dims twice"),
        pytest.param(lambda x: np.split(x, 2, axis=2), id="split axis"),
        pytest.param(lambda x: np.split(x, 2, axis=1), id="split uneven"),
        pytest.param(lambda x: np.stack([x, x], axis=4), id="stack"),
        pytest.param(lambda x: np.stack([x, x[:1]]), id="stack shapes"),
        pytest.param(lambda x: np.concatenate([x, x[0]]), id="concatenate ranks"),
        pytest.param(lambda x: np.concatenate([]), id="concatenate nothing"),
        pytest.param(lambda x: np.sum(x, axis=2), id="sum"),
        pytest.param(lambda x: np.var(x, axis=2), id="var"),
        pytest.param(lambda x: np.cumsum(x, axis=2), id="cumsum"),
        pytest.param(lambda x: np.flip(x, axis=2), id="flip"),
        pytest.param(lambda x: np.tensordot(x, x.T, 2), id="tensordot lengths that differ in order only"),
        pytest.param(lambda x: np.tensordot(x, x, ([2], [0])), id="tensordot axis"),
        pytest.param(lambda x: np.tensordot(x, x, 1), id="tensordot lengths"),
        pytest.param(lambda x: np.inner(x, x.T), id="inner"),
        pytest.param(lambda x: np.dot(x, x), id="dot"),
        pytest.param(lambda x: np.einsum("ij,jk->ik", x, x), id="einsum lengths"),
        pytest.param(lambda x: np.einsum("ij,jk->ik", x), id="einsum operands"),
        pytest.param(lambda x: np.einsum("ijk->i", x), id="einsum axes"),
        pytest.param(lambda x: np.pad(x, ((1, 1), (1, 1), (1, 1))), id="pad"),
        pytest.param(lambda x: np.reshape(x, (4, 2)), id="reshape"),
        pytest.param(lambda x: np.broadcast_to(x, (2, 4)), id="broadcast_to"),
    ],
)
def test_what_numpy_refuses_is_refused_as_a_value_error(f):
    x = numbers(2, 3)
    with pytest.raises((ValueError, IndexError)):
        f(x)
    with pytest.raises(ValueError, match=r"."):
        f(tg.Tensor(x))


def test_the_message_of_a_failed_einsum_speaks_of_its_labels_not_of_broadcasting():
    with pytest.raises(ValueError, match=r"einsum of \(2, 3\) and \(4, 5\)") as caught:
        np.einsum("ij,jk->ik", tg.Tensor(numbers(2, 3)), tg.Tensor(numbers(4, 5)))
    assert "axis -1 has length 3 and 5" not in str(caught.value)


def test_the_message_of_a_failed_concatenation_does_not_promise_broadcasting():
    with pytest.raises(ValueError, match="concatenate") as caught:
        np.concatenate([tg.Tensor(numbers(2, 3)), tg.Tensor(numbers(2, 4))])
    assert "or one of them 1" not in str(caught.value)


LISTS = {
    "matmul": lambda x: np.matmul([1.0, 2.0], x),
    "@": lambda x: x @ [[1.0], [2.0], [3.0]],
    "rmatmul": lambda x: [1.0, 2.0] @ x,
    "dot": lambda x: np.dot(x, [1.0, 2.0, 3.0]),
    "inner": lambda x: np.inner(x, [1.0, 2.0, 3.0]),
    "outer": lambda x: np.outer(x, [1.0, 2.0]),
    "tensordot": lambda x: np.tensordot(x, [1.0, 2.0, 3.0], 1),
    "einsum": lambda x: np.einsum("ij,j", x, [1.0, 2.0, 3.0]),
    "stack": lambda x: np.stack([x[0], [1.0, 2.0, 3.0]]),
    "stack numbers": lambda x: np.stack([x[0, 0], 1.0]),
    "concatenate": lambda x: np.concatenate([x, [[1.0, 2.0, 3.0]]]),
    "vstack": lambda x: np.vstack([x, [1.0, 2.0, 3.0]]),
    "hstack": lambda x: np.hstack([x, [[1.0], [2.0]]]),
    "where": lambda x: np.where([[True, False, True]], x, [1.0, 2.0, 3.0]),
    "maximum": lambda x: np.maximum([0.0, 1.0, 2.0], x),
    "power": lambda x: np.power([1.0, 2.0, 3.0], x),
    "add": lambda x: np.add([1.0, 2.0, 3.0], x),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_taken_wherever_numpy_takes_them(name):
    f = LISTS[name]
    np.testing.assert_allclose(f(tg.Tensor(A)).numpy(), f(A), rtol=1e-12)
    assert f(tg.Tensor(A.astype(np.float32))).dtype == np.float32


def test_an_einsum_may_be_asked_to_optimize():
    f = np.einsum("ij,jk,k->i", tg.Tensor(A), tg.Tensor(B), tg.Tensor(numbers(2)), optimize=True)
    np.testing.assert_allclose(f.numpy(), A @ B @ numbers(2))


@pytest.mark.parametrize("call", [lambda x, low: x.clip(low, 1.0), lambda x, low: np.clip(x, 0.0, low)])
def test_a_bound_that_requires_a_gradient_is_differentiated_or_refused_but_never_dropped(call):
    x, bound = tg.Tensor([0.2, 0.9]), tg.Tensor(0.5, requires_grad=True)
    try:
        y = call(x, bound)
    except TypeError:
        return
    y.sum().backward()
    assert bound.grad is not None
    assert bound.grad.item() == 1.0


def test_samples_that_are_none_say_how_to_write_them(scratch):
    with pytest.raises(TypeError, match=r"samples must be a function"):
        tg.rules.define("wrong", lambda x: x * 1, x=lambda g: g, samples=[])
    rule = tg.rules.define("wrong", lambda x: x * 1, x=lambda g: g, samples=lambda: [np.ones(2)])
    with pytest.raises(TypeError, match=r"sample 0 is array.*write sample\("):
        _ = rule.samples


def test_what_goes_wrong_in_a_derivative_names_the_rule(scratch):
    rule = tg.rules.define("askew", lambda x: x * 1, x=lambda g: g[:2], samples=lambda: [tg.rules.sample(np.ones(3))])
    with pytest.raises(ValueError, match=r".") as caught:
        rule(tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)).sum().backward()
    assert "in the derivative of <rule askew(x)> by input 0" in caught.value.__notes__[0]


def test_a_rule_of_ones_own_is_proven_by_name(scratch):
    good = tg.rules.define("thrice", lambda x: 3 * x, x=lambda g: 3 * g, samples=lambda: [tg.rules.sample(np.ones(3))])
    bad = tg.rules.define("twice", lambda x: 2 * x, x=lambda g: 3 * g, samples=lambda: [tg.rules.sample(np.ones(3))])
    assert tg.prove(good)
    assert "holds" in str(tg.prove(good))
    assert not tg.prove(bad)
    assert "FAILS" in str(tg.prove(bad))


@pytest.mark.parametrize("forward", [np.cbrt, lambda x, *, p: x * p])
def test_a_forward_with_arguments_by_keyword_alone_is_refused(scratch, forward):
    with pytest.raises(TypeError, match=r"'keyword'.*by keyword alone.*lambda x: np.cbrt\(x\)"):
        tg.rules.define("keyword", forward, x=lambda g: g, samples=list)


def test_a_debugger_steps_from_the_engine_into_a_derivative_through_lines_that_can_be_read(scratch):
    scratched = tg.rules.define(
        "stepped", lambda a, b, axis=0: a * b, a=lambda g, b, axis: g * b, b=lambda g: g, samples=lambda: []
    )
    files = []

    def watch(frame, event, argument):
        files.append(frame.f_code.co_filename)
        return watch

    a, b = (tg.Tensor([2.0], requires_grad=True) for _ in range(2))
    y = scratched(a, b)
    before = sys.gettrace()
    sys.settrace(watch)
    try:
        y.backward()
    finally:
        sys.settrace(before)
    assert __file__ in files
    assert "<string>" not in files

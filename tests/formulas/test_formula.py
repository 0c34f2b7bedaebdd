"""What explain prints of a rule is what the rule computes: its formulas, evaluated, give the rule's own derivatives."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite.formulas import Formula
from tinygrad_lite.formulas.expressions import Call, Derivative, Number, Word, write
from tinygrad_lite.formulas.symbols import Scope, Symbol
from tinygrad_lite.formulas.values import Name
from tinygrad_lite.rules import reductions, sample, trigonometric
from tinygrad_lite.rules import registry as table

RULES = [rule for rule in tg.rules.all() if rule.is_built_in]
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)

# Their formulas hold words for indices, shapes, subscripts and devices, which only a program could evaluate.
PROGRAMS = {"to", "prod", "einsum", "concatenate", "pad", "reshape", "getitem", "place", "broadcast_to", "sum", "mean"}
# Their formulas leave out how windows move.
PROGRAMS |= {"windows", "overlap_add", "conv2d", "conv2d_input", "conv2d_weight", "max_pool"}
# Theirs leave out in which rows a factor lies, or how axes are added.
PROGRAMS |= {"det", "slogdet", "qr", "eigh", "svd"}


@pytest.fixture(autouse=True)
def _scratch(monkeypatch):
    """Rules defined here are gone after the test."""
    monkeypatch.setattr(table, "_rules", dict(table._rules))


def evaluate(expression, values):
    """Return the value of an expression, computed by NumPy from the values of its names."""
    match expression:
        case Name():
            return values[expression.text]
        case Number(value):
            return value
        case Word(text):
            return values[text]
        case Call(function, operands, axes):
            args = [evaluate(operand, values) for operand in operands]
            special = {
                "scale": np.multiply,
                "coefficient": np.multiply,
                "mT": lambda x: x.mT,
                "product_before": lambda y: reductions.product_before(y, 0),
                "sum_of_products_after": lambda g, x: reductions.sum_of_products_after(g, x, 0),
                "inversion": trigonometric.inversion,
                "bracket": lambda x: np.asarray(x, float),
            }
            if function in ("sum", "prod", "max", "min", "mean"):
                return getattr(np, function)(args[0], axis=axes or None, keepdims=bool(axes))
            if function in special:
                return special[function](*args)
            of_matrices = getattr(tg.rules.linalg, function, None)
            return (getattr(np, function, None) or of_matrices or tg.rules.get(function))(*args)


@each_rule
def test_every_rule_has_formulas_as_text_and_latex(rule):
    formula = tg.explain(rule.name)
    assert isinstance(formula, Formula)
    text = str(formula)
    assert text.startswith(rule.name)
    assert text.count("∂L/∂") == len(formula.inputs) + 1
    assert "<" not in text.replace(" < ", "")  # no repr of an object
    assert formula._repr_latex_() == f"$\\displaystyle {formula.latex}$"
    assert repr(formula) == text


@each_rule
def test_latex_is_balanced(rule):
    latex = tg.explain(rule.name).latex
    for opening, closing in ((r"(?<!\\){", r"(?<!\\)}"), (r"\\left\b", r"\\right\b"), (r"\\begin\b", r"\\end\b")):
        assert len(re.findall(opening, latex)) == len(re.findall(closing, latex))
    words = re.findall(r"\\(?:text|texttt|mathrm|operatorname)\{([^{}]*)\}", latex)
    assert not [word for word in words if re.search(r"(?<!\\)[_#$%&]", word)]
    formulas = latex.split(r"\text{where }")[0]
    assert not set(formulas) & set("⊙−²ᵀ₀₁₂∂Σ∞")


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.name not in PROGRAMS], ids=lambda rule: rule.name)
def test_evaluated_formulas_are_what_the_rule_computes(rule):
    formula = tg.explain(rule)
    chosen = rule.samples[0]
    inputs, params = rule.bind(chosen.args, chosen.params)
    y = rule.compute(inputs, params)
    g = np.asarray(np.random.default_rng(0).normal(size=np.shape(y)))
    lengths = dict.fromkeys(n for x in inputs for n in x.shape)
    values = dict(zip((name.text for name, _ in formula.inputs), inputs, strict=True))
    letters = [letter for letter in "nmk" if letter not in rule.params]
    values |= dict(zip(rule.params, params, strict=True)) | {"y": y, "g": g} | dict(zip(letters, lengths, strict=False))
    np.testing.assert_allclose(np.reshape(evaluate(formula.output, values), np.shape(y)), y, rtol=1e-12)
    for k, (_, expression) in enumerate(formula.derivatives):
        expected = rule.vjps[k].pull_back(g, y, k, inputs, params)
        if expected.shape != inputs[k].shape:
            expected = tg.engine.sum_to_shape(expected, inputs[k].shape)
        found = np.asarray(evaluate(expression, values))
        if found.size == expected.size:  # an axis of length 1 is not written
            found = found.reshape(expected.shape)
        np.testing.assert_allclose(np.broadcast_to(found, expected.shape), expected, rtol=1e-12, atol=1e-15)


@each_rule
def test_symbols_carry_the_values_that_arrays_give(rule):
    for chosen in rule.samples:
        arrays, params = rule.bind(chosen.args, chosen.params)
        scope = Scope()
        y = np.asarray(rule.compute(arrays, params))
        symbols = [Symbol(Name(f"x{k}"), array, scope) for k, array in enumerate(arrays)]
        g = np.random.default_rng(0).normal(size=y.shape)
        for k in range(len(arrays)):
            read = rule.vjps[k].pull_back(Symbol(Name("g"), g, scope), Symbol(Name("y"), y, scope), k, symbols, params)
            computed = rule.vjps[k].pull_back(g, y, k, arrays, params)
            assert read.shape == np.shape(computed)
            np.testing.assert_allclose(read.value, computed, rtol=1e-14)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("softmax", ["y = exp(z − max₋₁ z) / Σ₋₁ exp(z − max₋₁ z)", "∂L/∂z = y ⊙ (g − Σ₋₁ (g ⊙ y))"]),
        ("relu", ["y = max(x, 0)", "∂L/∂x = g ⊙ [y > 0]"]),
        ("matmul", ["y = a b", "∂L/∂a = g bᵀ", "∂L/∂b = aᵀ g"]),
        ("linear", ["y = a b + c", "∂L/∂c = Σ₀ g"]),
        ("squared_loss", ["y = Σ (p − t)² / n", "∂L/∂p = 2 / n · g · (p − t)"]),
        ("power", ["power   x: m×k, n = 2", "y = x^n", "∂L/∂x = g ⊙ n x^(n − 1)"]),
        ("divide", ["y = a / b", "∂L/∂a = g / b", "∂L/∂b = −g ⊙ y / b"]),
        ("sqrt", ["y = √x", "∂L/∂x = g / (2 (∞ where y = 0, else y))"]),
        ("logsumexp", ["y = log(Σ exp(x − max x)) + max x", "∂L/∂x = g ⊙ exp(x − y) / Σ exp(x − y)"]),
        ("logaddexp", ["y = max(a, b) + log1p(exp(min(a, b) − max(a, b)))", "∂L/∂a = g ⊙ σ(a − b)"]),
        ("power_of", ["∂L/∂b = g ⊙ y ⊙ log(1 where y = 0 or a = 0 and b = 0, else a)"]),
        ("maximum", ["∂L/∂a = g where a > b, else g / 2 where a = b, else 0"]),
        ("clip", ["∂L/∂x = g where low ≤ x and x ≤ high, else 0"]),
        ("max", ["∂L/∂x = g ⊙ [x = y] / Σ [x = y]"]),
        ("mean", ["∂L/∂x = broadcast_to(g / (n · m · k))"]),
        ("concatenate", ["∂L/∂x₁ = g[0:n]", "∂L/∂x₃ = g[n + 1:n + 1 + n]"]),
        ("einsum", ["∂L/∂x₁ = einsum('ik,jk->ij', g, x₂)"]),
        ("getitem", ["y = x[index]", "∂L/∂x = place(g, index, (n, m))"]),
        ("place", ["y = place(x, index, shape)", "∂L/∂x = g[index]"]),
        ("conv2d", ["y = conv2d(x, w)", "∂L/∂x = conv2d_input(g, w)", "∂L/∂w = conv2d_weight(x, g)"]),
        ("conv2d_input", ["y = conv2d_input(v, w)", "∂L/∂v = conv2d(g, w)", "∂L/∂w = conv2d_weight(g, v)"]),
        ("conv2d_weight", ["y = conv2d_weight(x, v)", "∂L/∂x = conv2d_input(v, g)", "∂L/∂v = conv2d(x, g)"]),
        ("overlap_add", ["y = overlap_add(v)", "∂L/∂v = windows(g)"]),
        ("max_pool", ["∂L/∂x = overlap_add(g[…, None, None] ⊙ [is_first_maximum(x, y)])"]),
        ("erf", ["y = erf(x)"]),
        ("solve", ["y = a⁻¹ b", "∂L/∂a = −((aᵀ)⁻¹ g) yᵀ", "∂L/∂b = (aᵀ)⁻¹ g"]),
        ("inv", ["y = a⁻¹", "∂L/∂a = −(yᵀ g) yᵀ"]),
        ("det", ["y = det(a)", "∂L/∂a = g[…, None, None] ⊙ cofactors(a)"]),
        ("slogdet", ["∂L/∂a = g[…, 1, None, None] ⊙ (a⁻¹)ᵀ"]),
        ("cholesky", ["y = cholesky(a)", "∂L/∂a = of_triangle(((y⁻¹)ᵀ lower(yᵀ g)) y⁻¹)"]),
    ],
)
def test_formulas_read_as_in_a_textbook(name, lines):
    text = str(tg.explain(name))
    for line in lines:
        assert re.search(rf"^ *{re.escape(line)}$", text, re.MULTILINE), text


def test_formulas_fit_a_terminal():
    assert {rule.name for rule in tg.rules.all() if max(map(len, str(tg.explain(rule)).splitlines())) > 80} == set()


def test_the_signs_that_are_used_are_explained_and_no_others():
    assert str(tg.explain("softmax")).endswith(
        "  where g = ∂L/∂y; ⊙ multiplies element by element;\n        max₋₁ and Σ₋₁ go over axis −1"
    )
    assert str(tg.explain("matmul")).endswith("where g = ∂L/∂y")


def test_choices_in_latex_have_a_line_for_each_case():
    latex = tg.explain("maximum").latex
    first = latex.split(r"\end{cases}")[0]
    assert first.endswith(r"g & \text{where } a > b \\ \frac{g}{2} & \text{where } a = b \\ 0 & \text{else}")


def test_a_rule_of_ones_own_has_formulas_at_once():
    rule = tg.rules.define(
        "swish",
        lambda x, beta: x / (1 + np.exp(-beta * x)),
        x=lambda g, x, y, beta: g * (y * beta + (1 - y * beta / x) * y / x),
        samples=lambda: [sample(np.array([1.0, 2.0]), 0.5)],
    )
    text = str(tg.explain("swish"))
    assert "y = x / (1 + exp(−beta · x))" in text
    assert "beta = 0.5" in text
    assert str(tg.explain(rule)) == text


def test_an_output_too_long_to_read_is_shown_by_its_name():
    def many_times(x):
        for _ in range(12):  # written out, it has 2**12 parts
            x = x * x - 1
        return x

    tg.rules.define("repeated", many_times, x=lambda g: g, samples=lambda: [sample(np.array([1.0, 0.5]))])
    assert "y = repeated(x)\n" in str(tg.explain("repeated"))


def test_what_is_written_in_place_is_shown_by_its_name():
    def doubled(x):
        y = x * 1
        y += x
        return y

    tg.rules.define("doubled", doubled, x=lambda g: 2 * g, samples=lambda: [sample(np.array([1.0, 0.5]))])
    assert "y = doubled(x)\n" in str(tg.explain("doubled"))


def test_the_derivation_of_a_convolution_names_its_partners():
    net = tg.nn.Sequential(tg.nn.Conv2d(1, 2, 3, bias=False, rng=0), tg.nn.ReLU(), tg.nn.MaxPool2d(2))
    text = str(tg.explain(net, net(np.ones((1, 1, 6, 6), np.float32)).sum()))
    assert "conv2d_weight(" in text
    assert "= max_pool(" in text
    assert max(map(len, text.splitlines())) < 120


def test_numpy_may_be_called_in_any_way_it_allows():
    tg.rules.define(
        "centred",
        lambda x: x - np.mean(x, 0, keepdims=True),
        x=lambda g: g - np.mean(g, axis=0, keepdims=True) + 0 * np.round(g.T, 2).T,
        samples=lambda: [sample(np.array([[1.0, 2.0], [3.0, 5.0]]))],
    )
    text = str(tg.explain("centred"))
    assert "y = x − mean₀ x" in text
    assert "∂L/∂x = g − mean₀ g + 0 round(gᵀ, 2)ᵀ" in text


def test_what_cannot_be_read_says_why():
    tg.rules.define(
        "branching",
        lambda x: x * 1,
        x=lambda g, x: g if x.sum() > 0 else -g,
        samples=lambda: [sample(np.array([1.0, 2.0]))],
    )
    with pytest.raises(TypeError, match=r"'branching' has no formula.*Σ x > 0 is a symbol.*np.where"):
        tg.explain("branching")
    tg.rules.define("unproven", lambda x: x, x=lambda g: g, samples=lambda: [sample(np.zeros(0))])
    with pytest.raises(ValueError, match="'unproven' has no sample"):
        tg.explain("unproven")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(KeyError, match=r"no rule 'tanhh'.*tanh"):
        tg.explain("tanhh")


@pytest.mark.parametrize("wrong", [3, None, np.tanh, [1.0], np.ones(2)])
def test_what_is_neither_rule_nor_tensor_is_refused(wrong):
    with pytest.raises(TypeError, match="explain takes the name of a rule, a Tensor, or a model and its loss"):
        tg.explain(wrong)


VALUES = {"a": 0.7, "b": -1.3, "c": 2.5}
leaves = st.sampled_from([*VALUES, 2, 0.5, 3])
operations = st.sampled_from(["+", "-", "*", "/", "**2", "neg"])
trees = st.recursive(leaves, lambda sub: st.tuples(operations, sub, sub), max_leaves=12)


def built(tree, leaf):
    """Return a tree of operations, evaluated with the given leaves."""
    if not isinstance(tree, tuple):
        return leaf(tree)
    operation, left, right = tree[0], built(tree[1], leaf), built(tree[2], leaf)
    match operation:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / (right * right + 1)
        case "neg":
            return -left
        case _:
            return np.square(left)


@given(trees)
@settings(deadline=None, max_examples=200)
def test_parentheses_stand_where_they_must(tree):
    scope = Scope()
    symbol = built(tree, lambda x: Symbol(Name(x), np.full((2,), VALUES[x]), scope) if isinstance(x, str) else x)
    if not isinstance(symbol, Symbol):
        return
    text = write(symbol.expression, "text").replace("−", "-").replace("⊙", "*").replace("·", "*").replace("²", "**2")
    text = re.sub(r"(?<=[\d.]) (?=[a-z(])", " * ", text)
    assert eval(text, {}, VALUES) == pytest.approx(symbol.value[0], rel=1e-4)  # numbers are written to six digits


@pytest.mark.parametrize(
    ("f", "text", "latex"),
    [
        (lambda x: np.sqrt(x) ** 2, "(√x)²", r"\sqrt{x}^{2}"),
        (lambda x: np.square(x / (1 + x)), "(x / (1 + x))²", r"\left(\frac{x}{1 + x}\right)^{2}"),
        (lambda x: (x + 1) @ x.mT, "(x + 1) xᵀ", r"\left(x + 1\right)\,x^{\top}"),
        (lambda x: (x + 1).mT, "(x + 1)ᵀ", r"\left(x + 1\right)^{\top}"),
        (lambda x: np.clip(np.where(x > 1, x, 0), 1, 2), "clip((x where x > 1, else 0), 1, 2)", None),
        (lambda x: x + -x, "x − x", "x - x"),
        (lambda x: (x - x) - (x + x), "x − x − 2 x", r"x - x - 2\,x"),
    ],
)
def test_operands_that_bind_less_stand_in_parentheses(f, text, latex):
    expression = f(Symbol(Name("x"), np.ones((2, 2)), Scope())).expression
    assert write(expression, "text") == text
    assert latex is None or write(expression, "latex") == latex


def test_derivatives_are_bases_in_parentheses():
    slope = Derivative(Name("L"), Name("v", 1))
    assert write(Call("mT", (slope,)), "text") == "(∂L/∂v₁)ᵀ"
    assert write(Call("matmul", (slope, slope)), "text") == "∂L/∂v₁ ∂L/∂v₁"


def test_a_parameter_that_is_not_the_default_has_its_name():
    tg.rules.define("scaled", lambda x, k=2.0: k * x, x=lambda g, k: k * g, samples=lambda: [sample(np.ones(2), k=3.0)])
    assert "y = k · x" in str(tg.explain("scaled"))

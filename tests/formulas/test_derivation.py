"""The derivation of a loss reads as one would write it, and the values behind its lines are those of the engine."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from models.mnist import Net
from tinygrad_lite import nn
from tinygrad_lite.formulas import Derivation
from tinygrad_lite.formulas.expressions import write
from tinygrad_lite.nn.functional import cross_entropy, one_hot, squared_loss
from tinygrad_lite.rules import registry as table
from tinygrad_lite.rules import sample

MNIST = """\
                                                 shape     from
given
          x                                      100×784
         W₁                                      784×90    hidden.weight
         b₁                                      90        hidden.bias
         W₂                                      90×10     output.weight
         b₂                                      10        output.bias
          t                                      100×10

forward
         z₁ = x W₁ + b₁                          100×90    linear
         a₁ = ReLU(z₁)                           100×90    relu
         z₂ = a₁ W₂ + b₂                         100×10    linear
         a₂ = softmax(z₂)                        100×10    softmax
          L = Σ (a₂ − t)² / 100                  a number  squared_loss

backward
     ∂L/∂a₂ = 2 / 100 · (a₂ − t)                 100×10    squared_loss
δ₂ = ∂L/∂z₂ = a₂ ⊙ (∂L/∂a₂ − Σ₋₁ (∂L/∂a₂ ⊙ a₂))  100×10    softmax
     ∂L/∂W₂ = a₁ᵀ δ₂                             90×10     linear
     ∂L/∂b₂ = Σ₀ δ₂                              10        linear
     ∂L/∂a₁ = δ₂ W₂ᵀ                             100×90    linear
δ₁ = ∂L/∂z₁ = ∂L/∂a₁ ⊙ [a₁ > 0]                  100×90    relu
     ∂L/∂W₁ = xᵀ δ₁                              784×90    linear
     ∂L/∂b₁ = Σ₀ δ₁                              90        linear

where ⊙ multiplies element by element; […] is 1 where it holds, else 0;
      Σ₋₁ goes over axis −1; Σ₀ goes over axis 0"""


@pytest.fixture
def mnist():
    rng = np.random.default_rng(0)
    net = Net(rng=0)
    images, labels = rng.random((100, 784), np.float32), rng.integers(0, 10, 100)
    return net, squared_loss(net(images), one_hot(labels, 10))


def leaf(*shape, **options):
    return tg.Tensor(np.random.default_rng(shape).normal(size=shape), requires_grad=True, **options)


def lines(derivation):
    """Return the lines forward and back as text, without their alignment."""
    return [str(line) for line in (*derivation.forward, *derivation.backward)]


def test_the_net_reads_as_its_derivation_by_hand(mnist):
    net, loss = mnist
    derivation = tg.explain(net, loss)
    assert isinstance(derivation, Derivation)
    assert str(derivation) == MNIST
    assert len(MNIST.splitlines()) <= 30


def test_the_norms_are_those_of_the_real_gradients(mnist):
    net, loss = mnist
    derivation = tg.explain(net, loss, norms=True)
    loss.backward()
    norms = {write(line.left[-1], "text"): line.norm for line in (*derivation.forward, *derivation.backward)}
    assert norms["L"] == pytest.approx(loss.item())
    parameters = dict(net.named_parameters())
    for given in derivation.given:
        if given.origin:
            gradient = parameters[given.origin].grad.numpy()
            name = f"∂L/∂{write(given.left[0], 'text')}"
            assert norms[name] == pytest.approx(float(np.linalg.norm(gradient)), rel=1e-6)
            assert f"{norms[name]:.4g}" in str(derivation)
            assert f"{norms[name]:.4g}" in derivation.latex


def test_explaining_changes_nothing(mnist):
    net, loss = mnist
    before = [p.numpy().copy() for p in net.parameters()]
    first = str(tg.explain(net, loss))
    assert str(tg.explain(net, loss)) == first
    assert all(p.grad is None for p in net.parameters())
    loss.backward()
    for p, old in zip(net.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.numpy(), old)
        assert p.grad is not None


def test_contributions_of_several_uses_are_added():
    x = leaf(3)
    text = lines(tg.explain((np.sin(x) * x).sum()))
    assert "∂L/∂x = ∂L/∂v₂ ⊙ v₁ + ∂L/∂v₁ ⊙ cos(x)" in text


def test_a_value_used_twice_by_one_operation_counts_twice():
    x = tg.Tensor(0.5, requires_grad=True)
    assert lines(tg.explain(x * x)) == ["L = x · x", "∂L/∂x = 2 x"]


def test_a_gradient_is_derived_without_what_stands_for_its_arguments():
    x = leaf(3)
    text = lines(tg.explain(tg.grad(lambda z: np.tanh(z).sum())(x)))
    assert text[:3] == ["v₁ = tanh(x)", "v₂ = v₁ ⊙ v₁", "v₃ = 1 − v₂"]
    assert text[-1] == "∂L/∂x = ∂L/∂v₁ ⊙ (1 − v₁ ⊙ v₁)"
    assert not any("identity" in line.origin for line in tg.explain(tg.grad(np.sum)(x) * x).forward)


def test_a_long_sum_is_broken_into_its_terms():
    x = leaf(3)
    derivation = tg.explain((np.maximum(x, 1.5) * x * np.exp(x * x) * np.sin(x)).sum())
    text = str(derivation)
    assert "\n       + " in text
    assert max(map(len, text.splitlines())) < 120
    assert r"& \displaystyle + " in derivation.latex


def test_a_cotangent_handed_on_unchanged_keeps_the_names_apart():
    a, b = leaf(3), leaf(3)
    text = lines(tg.explain(((a * 2) + (b * 3)).sum()))
    assert text[-4:] == ["∂L/∂v₁ = ∂L/∂v₃", "∂L/∂v₂ = ∂L/∂v₃", "∂L/∂x₂ = ∂L/∂v₂ · 3", "∂L/∂x₁ = ∂L/∂v₁ · 2"]


def test_several_numbers_start_from_a_cotangent_g():
    derivation = tg.explain(leaf(3, 2).sigmoid() * 2)
    assert "backward, from g = ∂L/∂y" in str(derivation)
    assert lines(derivation)[2:] == ["∂L/∂v = g · 2", "∂L/∂x = ∂L/∂v ⊙ v ⊙ (1 − v)"]


def test_losses_are_written_out_activations_and_own_rules_by_name(monkeypatch):
    monkeypatch.setattr(table, "_rules", dict(table._rules))
    cube = tg.rules.define(
        "cube", lambda x: x * x * x, x=lambda g, x: g * 3 * x * x, samples=lambda: [sample(np.ones(2))]
    )
    net = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Sigmoid())
    text = lines(tg.explain(cube(squared_loss(net(np.ones((5, 3))), np.ones((5, 4))))))
    assert "a = σ(z)" in text
    assert "v = Σ (a − t)² / 5" in text
    assert "L = cube(v)" in text
    assert "∂L/∂v = 3 v · v" in text
    logits = nn.Linear(3, 4, rng=0)
    assert "L = cross_entropy(z, t)" in lines(tg.explain(cross_entropy(logits(np.ones((2, 3))), np.array([0, 1]))))


def test_indices_and_names_of_ones_own_are_kept():
    w = leaf(4, 3, name="embedding_table")
    derivation = tg.explain(w[np.array([1, 1, 2])].sum() * w[0, 1:])
    text = lines(derivation)
    assert any(line.startswith("∂L/∂embedding_table = ") for line in text)
    assert any("embedding_table[0, 1:]" in line for line in text)
    assert r"\mathrm{embedding\_table}" in derivation.latex


def test_latex_has_a_row_for_each_line(mnist):
    net, loss = mnist
    derivation = tg.explain(net, loss)
    rows = derivation.latex.split(r"\end{array}")[0].split(r"\\")
    assert len(rows) == 1 + 3 + sum(map(len, (derivation.given, derivation.forward, derivation.backward)))
    assert len({row.count("&") for row in rows[:-1]}) == 1
    assert r"\delta_{2} = \frac{\partial L}{\partial z_{2}}" in derivation.latex
    assert derivation._repr_latex_().count("$") == 2


def test_a_tensor_without_a_graph_is_refused():
    x = leaf(3)
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(tg.GraphError, match="freed by backward"):
        tg.explain(loss)
    with pytest.raises(tg.GraphError, match="has no graph"):
        tg.explain(x)
    with tg.no_grad(), pytest.raises(tg.GraphError, match="no_grad"):
        tg.explain(x * 2)


def test_a_model_needs_a_loss(mnist):
    net, _ = mnist
    for wrong in (None, np.ones(3), net):
        with pytest.raises(TypeError, match=r"explain\(model, loss\)"):
            tg.explain(net, wrong)


@pytest.mark.parametrize(("axis", "expected"), [(0, "broadcast_to(∂L/∂v₁)"), (1, "broadcast_to((∂L/∂v₁)[:, None])")])
def test_the_axis_along_which_a_cotangent_is_copied_is_written(axis, expected):
    assert f"∂L/∂x = {expected}" in lines(tg.explain((leaf(3, 3).sum(axis=axis) ** 2).sum()))


def test_reshapes_are_steps_of_their_own():
    y = leaf(3)
    assert "v₁ = reshape(x, (1, 3))" in lines(tg.explain(y @ y))


@pytest.mark.parametrize("names", [("v1", "v2"), ("W₁", "W1"), ("g", "y"), ("", "δ"), ("a\\b{}$#_~^", "%")])
def test_names_never_look_alike(names):
    a, b = (leaf(2, name=name) for name in names)
    derivation = tg.explain(np.sin(a * b) * a)
    for language in ("text", "latex"):
        written = [write(line.left[-1], language) for line in (*derivation.given, *derivation.forward)]
        assert len(set(written)) == len(written)
        assert not {"g", ""} & set(written)


def test_what_was_changed_in_place_is_not_explained():
    a = tg.Tensor(np.arange(1.0, 4), requires_grad=True)
    loss = (a * a).sum()
    a.data *= 2
    for reading in (tg.explain, tg.plot.graph, tg.plot.to_dot):
        with pytest.raises(tg.GraphError, match="changed in place after multiply used it"):
            reading(loss)
    assert loss._repr_png_() is None


def test_a_model_that_has_nothing_to_do_with_the_loss_is_refused(mnist):
    _, loss = mnist
    with pytest.raises(ValueError, match="none of the model's parameters"):
        tg.explain(Net(rng=1), loss)


def test_deep_and_often_used_graphs_are_no_obstacle():
    x = total = leaf(2)
    for i in range(1500):
        total = total + x * float(i)
    assert len(str(tg.explain(total.sum())).splitlines()) > 3000


@pytest.mark.parametrize(
    ("number", "text"), [(np.nan, "nan"), (np.inf, "∞"), (-np.inf, "−∞"), (-2.0, "−2"), (1e300, "1e+300")]
)
def test_every_number_can_be_written(number, text):
    derivation = tg.explain((leaf(2) + number).sum())
    assert f"= x + {text}" in str(derivation) or f"= x + ({text})" in str(derivation)


def test_whole_numbers_are_exact_and_small_ones_typeset():
    derivation = tg.explain((leaf(1000003) + 1e-5).mean())
    assert "1 / 1000003" in str(derivation)
    assert r"1 \cdot 10^{-5}" in derivation.latex

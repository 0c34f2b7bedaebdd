"""A net is explained and drawn layer by layer; names are those of the user, and no two things share one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from models import lenet, mnist, text
from tinygrad_lite import nn
from tinygrad_lite.formulas.graph import backward_steps, read
from tinygrad_lite.formulas.values import AppliedModule, AppliedRule, Value
from tinygrad_lite.nn.functional import cross_entropy


def drawn(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def learnt(*shape: int) -> tg.Tensor:
    return tg.Tensor(drawn(*shape), requires_grad=True)


class OfLetters(nn.Module):
    """A net whose parameters have the names that formulas like to use themselves."""

    def __init__(self) -> None:
        self.w, self.x, self.c = learnt(3, 4), learnt(4), learnt(4, 2)
        self.g, self.t, self.z, self.L, self.v = (learnt(2) for _ in range(5))

    def forward(self, x: Any) -> tg.Tensor:
        return np.tanh(x @ self.w + self.x) @ self.c * self.g + self.t * self.z - self.L * self.v


class Twice(nn.Module):
    """A net that calls a layer twice, the second time with less of it; and lets a table be used by two layers."""

    def __init__(self) -> None:
        self.table = nn.Embedding(6, 4, rng=0)
        self.shared = nn.GRU(4, 4, rng=1)
        self.mask = np.ones((4, 1), np.float32)

    def forward(self, tokens: Any) -> tg.Tensor:
        states, last = self.shared(self.table(tokens))
        states, _ = self.shared(states * self.mask.T, last)
        return states @ self.table.weight.T


class EncoderAndDecoder(nn.Module):
    """A net with two arguments, and layers with several results."""

    def __init__(self) -> None:
        self.encoder, self.decoder = nn.LSTM(3, 4, rng=0), nn.LSTMCell(2, 4, rng=1)
        self.attention = nn.MultiHeadAttention(4, 2, rng=2)
        self.outputs = [nn.Linear(4, 4, rng=3), nn.Linear(4, 2, rng=4)]

    def forward(self, source: Any, target: Any) -> tg.Tensor:
        states, state = self.encoder(source)
        for i in range(3):
            state = self.decoder(target[:, i], state)
        looked_at = self.attention(state[0].reshape((-1, 1, 4)), context=states)
        for output in self.outputs:
            looked_at = output(looked_at)
        return looked_at


class Branch(nn.Module):
    """A layer that uses one of its parameters in some calls only."""

    def __init__(self) -> None:
        self.scale, self.shift = learnt(3), learnt(3)

    def forward(self, x: Any, shifted: bool) -> tg.Tensor:
        y = np.tanh(np.sin(x * self.scale)) + 1
        return np.exp(y + self.shift) if shifted else y


class Masked(nn.Module):
    """A net with a mask, which calls a layer in two ways; and whose layer's weights are used outside, too."""

    def __init__(self) -> None:
        self.branch, self.gru = Branch(), nn.GRU(3, 3, rng=0)

    def forward(self, x: Any, mask: Any) -> tg.Tensor:
        y = self.branch(self.branch(x, True), False)
        penalty = (self.gru.cell.weight_hidden**2).sum()
        return self.gru(np.where(mask, y, np.arange(3.0, dtype=np.float32)))[0] + penalty


def convolutional() -> nn.Module:
    block = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, rng=0), nn.BatchNorm2d(3), nn.ReLU())
    return nn.Sequential(nn.Conv2d(1, 3, 3, rng=1), nn.Residual(block), nn.Flatten(), nn.Linear(48, 2, rng=2))


def of_model(net: Any, *args: Any) -> tuple[tg.Tensor, Any]:
    return (net(*args) ** 2).mean(), net


def without_its_call(net: Any) -> tuple[tg.Tensor, Any]:
    return cross_entropy(net.logits(drawn(2, 784)), np.array([0, 1])), net


def of_two_nets() -> tuple[tg.Tensor, None]:
    first, second = nn.GRU(3, 4, rng=0), nn.GRU(4, 4, rng=1)
    return (nn.Linear(4, 2, rng=2)(second(first(drawn(2, 5, 3))[0])[1]) ** 2).sum(), None


TOKENS = np.array([[0, 1, 2], [3, 4, 5]])
NETS: dict[str, Callable[[], tuple[tg.Tensor, Any]]] = {
    "mnist": lambda: of_model(mnist.Net(rng=0), drawn(2, 784)),
    "lenet": lambda: of_model(lenet.Net(2, rng=0), drawn(2, 784)),
    "lenet without its call": lambda: without_its_call(lenet.Net(2, rng=0)),
    "transformer": lambda: of_model(text.Net("abcdef", 3, 16, rng=0), TOKENS),
    "letters": lambda: of_model(OfLetters(), drawn(5, 3)),
    "twice": lambda: of_model(Twice(), TOKENS),
    "encoder and decoder": lambda: of_model(EncoderAndDecoder(), drawn(2, 4, 3), drawn(2, 3, 2)),
    "masked": lambda: of_model(Masked(), drawn(2, 2, 3), np.array([True, False, True])),
    "convolutional": lambda: of_model(convolutional(), drawn(2, 1, 6, 6)),
    "GRU": lambda: ((nn.GRU(3, 4, rng=0)(drawn(2, 5, 3))[1] ** 2).sum(), None),
    "two nets": of_two_nets,
    "frozen": lambda: of_model(nn.Sequential(nn.LayerNorm(4).freeze(), nn.Linear(4, 2, rng=0)), learnt(2, 4)),
}
DEPTHS = (1, 2, 3, None)


def loss_of_transformer() -> tuple[tg.Tensor, text.Net]:
    net = text.Net("abcdef", 3, 16, rng=0)
    return cross_entropy(net(TOKENS), TOKENS), net


def lines(loss: tg.Tensor, *args: Any, **options: Any) -> list[str]:
    derivation = tg.explain(loss, *args, **options)
    return [str(line) for line in (*derivation.forward, *derivation.backward)]


class TestFolding:
    def test_a_transformer_has_one_line_a_block_and_fits_on_a_screen(self) -> None:
        loss, net = loss_of_transformer()
        written = str(tg.explain(net, loss))
        assert len(written.splitlines()) < 45
        assert max(map(len, written.splitlines())) < 100
        assert lines(net, loss)[3:7] == [
            "h₁ = blocks.0(v₃: 2×3×16, θ₁: 3,280 parameters)",
            "h₂ = blocks.1(h₁: 2×3×16, θ₂: 3,280 parameters)",
            "h₃ = norm(h₂: 2×3×16, θ₃: 32 parameters)",
            "h₄ = output(h₃: 2×3×16, θ₄: 102 parameters)",
        ]
        assert {"∂L/∂θ₂ = vjp(blocks.1, θ₂, ∂L/∂h₂)", "∂L/∂h₁ = vjp(blocks.1, h₁, ∂L/∂h₂)"} <= set(lines(net, loss))
        assert "TransformerBlock" in written
        assert r"\text{blocks.1}\left(h_{1}: \texttt{2×3×16}" in tg.explain(net, loss).latex

    def test_each_level_is_opened_by_one_more(self) -> None:
        loss, net = loss_of_transformer()
        counts = [len(lines(net, loss, depth=depth)) for depth in DEPTHS]
        assert counts == sorted(set(counts))
        assert "h₂ = blocks.0.attention(h₁: 2×3×16, θ₂: 1,088 parameters)" in lines(net, loss, depth=2)
        assert not any("vjp" in line for line in lines(net, loss, depth=None))

    def test_a_layer_of_few_rules_is_shown_by_its_formulas(self) -> None:
        loss, net = NETS["mnist"]()
        assert str(tg.explain(net, loss)) == str(tg.explain(net, loss, depth=None))

    def test_the_net_need_not_be_given(self) -> None:
        loss, net = loss_of_transformer()
        assert lines(loss) == lines(net, loss)

    def test_a_layer_with_several_results_is_one_line(self) -> None:
        loss, net = NETS["encoder and decoder"]()
        written = lines(net, loss)
        assert "h₄, h₅ = decoder(x₂: 2×2, h₂: 2×4, h₁: 2×4, θ₂: 128 parameters)" in written
        assert len([line for line in written if line.startswith("∂L/∂θ₂ = vjp(decoder, θ₂, ")]) == 1

    def test_layers_of_one_type_outside_a_net_are_told_apart(self) -> None:
        loss, _ = of_two_nets()
        assert [step.path for step in read(loss, depth=1).steps if isinstance(step, AppliedModule)] == ["GRU1", "GRU2"]

    def test_a_chain_of_layers_is_no_level_and_numbers_alone_are_no_names(self) -> None:
        blocks = [nn.Sequential(nn.TransformerBlock(4, 2, rng=i), nn.Tanh()) for i in range(2)]
        written = lines(nn.Sequential(*blocks)(drawn(1, 2, 4)))
        assert written[:2] == ["h₁ = TransformerBlock0.0(x: 1×2×4, θ₁: 244 parameters)", "v = tanh(h₁)"]

    def test_a_model_is_a_module(self) -> None:
        loss, _ = NETS["mnist"]()
        with pytest.raises(TypeError, match=r"the model must be a Module, .* not 'a title'"):
            tg.plot.graph(loss, "a title")  # type: ignore[arg-type]

    @pytest.mark.parametrize("depth", [0, -1, 1.5, True, "all"])
    def test_a_depth_is_a_whole_number_of_at_least_one(self, depth: Any) -> None:
        loss, _ = NETS["mnist"]()
        for reading in (tg.explain, tg.plot.graph, tg.plot.to_dot, tg.plot.to_mermaid):
            with pytest.raises(ValueError, match=r"depth is the number of levels .* It cannot be"):
                reading(loss, depth=depth)

    @pytest.mark.parametrize("net", NETS)
    @pytest.mark.parametrize("depth", [1, 2])
    def test_cotangents_of_folded_layers_are_those_of_backward(self, net: str, depth: int) -> None:
        loss, _ = NETS[net]()
        graph = read(loss, depth=depth)
        found: dict[Value, Any] = {}
        for _, completed in backward_steps(graph, np.ones_like(loss.data)):
            found |= completed
        loss.backward()
        members = {step.parameters: step.members for step in graph.steps if isinstance(step, AppliedModule)}
        for leaf in graph.leaves:
            if leaf.requires_grad:
                parts = [x.source.grad.numpy().ravel() for x in members.get(leaf, [leaf])]
                np.testing.assert_allclose(found[leaf].ravel(), np.concatenate(parts), rtol=1e-5, atol=1e-7)

    def test_norms_are_those_of_the_actual_values(self) -> None:
        loss, net = loss_of_transformer()
        by_name = {str(line).partition(" = ")[0]: line.norm for line in tg.explain(net, loss, norms=True).backward}
        loss.backward()
        gradients = [p.grad.numpy().ravel() for p in net.blocks[1].parameters()]
        assert by_name["∂L/∂θ₂"] == pytest.approx(float(np.linalg.norm(np.concatenate(gradients))), rel=1e-5)

    def test_a_gradient_taken_by_a_function_is_explained(self) -> None:
        net, x = nn.GRU(3, 4, rng=0), tg.Tensor(drawn(2, 3, 3), requires_grad=True, name="source")
        gradient = tg.grad(lambda x: nn.Sequential(net, lambda states: states[1].sum())(x))(x)
        assert "∂L/∂source" in str(tg.explain((gradient**2).sum()))

    def test_calls_are_forgotten_with_the_graph(self) -> None:
        loss, _ = NETS["mnist"]()
        (power,) = loss.operation.inputs
        softmax = power.operation.inputs[0].operation
        assert isinstance(softmax.call.module, mnist.Net)
        loss.backward()
        assert softmax.call is None


class TestNames:
    @pytest.mark.parametrize("net", NETS)
    @pytest.mark.parametrize("depth", DEPTHS)
    def test_no_two_things_share_a_name(self, net: str, depth: int | None) -> None:
        loss, _ = NETS[net]()
        for language in ("text", "latex"):
            names = [getattr(value.name, language) for value in read(loss, depth=depth).values]
            assert len(set(names)) == len(names)
            assert "" not in names
        left = [str(line).rpartition(" = ")[0] or str(line) for line in tg.explain(loss, depth=depth).backward]
        assert len(set(left)) == len(left)

    @pytest.mark.parametrize("net", NETS)
    def test_parameters_keep_the_names_of_their_attributes(self, net: str) -> None:
        loss, _ = NETS[net]()
        for leaf in read(loss).leaves:
            if leaf.requires_grad and leaf.path is not None:
                attribute = next(part for part in reversed(leaf.path.split(".")) if not part.isdigit())
                assert leaf.name.word == {"weight": "W", "bias": "b"}.get(attribute, attribute)

    def test_inputs_are_named_as_inputs(self) -> None:
        for net, names in {
            "lenet": ["x"],
            "transformer": ["x"],
            "letters": ["x′"],
            "encoder and decoder": ["x₁", "x₂"],
        }.items():
            loss, _ = NETS[net]()
            leaves = {leaf.name.text: leaf for leaf in read(loss, depth=1).leaves}
            assert set(names) <= leaves.keys()
            assert not any(leaves[name].requires_grad for name in names)
            assert [name for name in leaves if name.startswith("c") and net != "letters"] == []

    def test_several_inputs_have_those_of_the_arguments_beside_them(self) -> None:
        loss, net = NETS["encoder and decoder"]()
        given = {str(line): line.origin for line in tg.explain(net, loss).given}
        assert (given["x₁"], given["x₂"]) == ("source", "target")

    def test_an_input_of_another_type_is_recognised(self) -> None:
        net = nn.Sequential(nn.Conv2d(1, 2, 3, rng=0))
        (step, *_) = read(net(drawn(1, 1, 5, 5).astype(np.float64)).sum()).steps
        assert isinstance(step, AppliedRule)
        assert step.operands[0].name.text == "x"

    def test_what_a_folded_layer_shares_is_shown(self) -> None:
        loss, net = NETS["masked"]()
        (folded,) = (step for step in read(loss, depth=1).steps if step.by == "GRU")
        assert [x.path for x in folded.operands if x.path] == ["gru.cell.weight_hidden"]
        assert "c" in {leaf.name.text for leaf in read(loss, net).leaves}

    def test_a_letter_of_an_argument_is_its_name(self) -> None:
        next_state = nn.GRUCell(2, 3, rng=0)(drawn(1, 2), drawn(1, 3))
        assert {"x", "h"} <= {leaf.name.text for leaf in read(next_state).leaves}


class TestPicture:
    def test_a_block_is_one_box(self) -> None:
        loss, net = loss_of_transformer()
        texts = [label.get_text() for label in tg.plot.graph(loss, net).axes[0].texts]
        place = texts.index("blocks.0")
        assert texts[place : place + 5] == [
            "blocks.0",
            "$h_{1}$",
            "TransformerBlock",
            "2×3×16 → 2×3×16",
            "3,280 parameters",
        ]
        assert "blocks.0.attention" in [label.get_text() for label in tg.plot.graph(loss, depth=2).axes[0].texts]
        assert "$x$" in texts

    def test_a_box_has_the_names_of_all_its_results(self) -> None:
        written = tg.plot.to_mermaid(NETS["encoder and decoder"]()[0])
        assert "decoder<br/>h₄, h₅<br/>LSTMCell<br/>2×2, 2×4, 2×4 → 2×4, 2×4<br/>128 parameters" in written

    def test_what_is_too_large_unfolded_is_drawn_folded(self) -> None:
        loss = (nn.Sequential(nn.GRU(2, 3, rng=0), lambda states: states[1])(drawn(1, 30, 2)) ** 2).sum()
        tg.plot.graph(loss)
        with pytest.raises(ValueError, match="fold the layers with depth=1"):
            tg.plot.graph(loss, depth=None)
        assert loss._repr_png_() is not None

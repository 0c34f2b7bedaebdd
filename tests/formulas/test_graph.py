"""A graph is read with the names one would give on paper, and a cotangent passes it as in `backward`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from models.mnist import Net
from tinygrad_lite.formulas.graph import Graph, backward_steps, read
from tinygrad_lite.formulas.values import Name, Value
from tinygrad_lite.nn.functional import squared_loss


def parameter(*shape: int, name: str | None = None) -> tg.Tensor:
    return tg.Tensor(np.random.default_rng(0).normal(size=shape), requires_grad=True, name=name)


def names(graph: Graph) -> tuple[list[str], list[str]]:
    return [leaf.name.text for leaf in graph.leaves], [step.result.name.text for step in graph.steps]


def formulas(graph: Graph) -> list[str]:
    """Every step in one line: ``v₁ = sin x``."""
    return [
        " ".join(
            [step.result.name.text, "=", step.rule.name]
            + [x.name.text if isinstance(x, Value) else str(x) for x in step.operands]
        )
        for step in graph.steps
    ]


class TestNames:
    def test_of_the_mnist_net(self) -> None:
        net = Net(hidden=5, rng=0)
        graph = read(squared_loss(net(np.ones((3, 784), np.float32)), np.eye(3, 10, dtype=np.float32)), net)
        assert formulas(graph) == [
            "z₁ = linear x W₁ b₁",
            "a₁ = relu z₁",
            "z₂ = linear a₁ W₂ b₂",
            "a₂ = softmax z₂",
            "L = squared_loss a₂ t",
        ]
        assert {leaf.name.text: leaf.path for leaf in graph.leaves} == {
            "x": None,
            "W₁": "hidden.weight",
            "b₁": "hidden.bias",
            "W₂": "output.weight",
            "b₂": "output.bias",
            "t": None,
        }
        assert [leaf.requires_grad for leaf in graph.leaves] == [False, True, True, True, True, False]

    def test_a_product_and_its_bias_are_one_layer(self) -> None:
        x = np.ones((2, 3))
        hidden = np.tanh(x @ parameter(3, 4) + parameter(4))
        graph = read((hidden @ parameter(4, 1) + parameter(1)).sum())
        assert names(graph) == (["x", "W₁", "b₁", "W₂", "b₂"], ["v₁", "z₁", "a₁", "v₂", "z₂", "L"])

    def test_a_single_layer_has_no_number(self) -> None:
        net = tg.nn.Linear(3, 2, rng=0)
        assert names(read(np.tanh(net(np.ones((2, 3)))).sum())) == (["x", "W", "b"], ["z", "a", "L"])

    def test_several_unnamed_leaves_are_numbered(self) -> None:
        assert names(read((parameter(2) * parameter(2) - parameter(2)).sum())) == (
            ["x₁", "x₂", "x₃"],
            ["v₁", "v₂", "L"],
        )

    def test_own_names_are_kept_for_leaves_and_results(self) -> None:
        speed = parameter(2, name="speed")
        energy = speed**2 / 2
        energy.name = "energy"
        assert names(read(energy.sum())) == (["speed"], ["v", "energy", "L"])

    def test_names_are_all_different(self) -> None:
        graph = read((parameter(2, name="x") * parameter(2, name="x") * parameter(2, name="L")).sum())
        leaves, results = names(graph)
        assert len(set(leaves + results)) == 6
        assert results[-1].startswith("L")

    def test_what_is_not_one_number_is_y(self) -> None:
        assert read(np.exp(parameter(2))).result.name.text == "y"

    @pytest.mark.parametrize(
        ("name", "text", "latex"),
        [
            (Name("x"), "x", "x"),
            (Name("W", 12), "W₁₂", "W_{12}"),
            (Name("x1"), "x1", "x_{1}"),
            (Name("loss", 2), "loss₂", r"\mathrm{loss}_{2}"),
            (Name("a_b"), "a_b", r"\mathrm{a\_b}"),
        ],
    )
    def test_in_text_and_latex(self, name: Name, text: str, latex: str) -> None:
        assert (name.text, name.latex) == (text, latex)


class TestRead:
    def test_constants_have_names_and_plain_numbers_stand_for_themselves(self) -> None:
        graph = read((2 * parameter(2, name="x") + np.ones(2)).sum())
        assert formulas(graph) == ["v₁ = multiply 2 x", "v₂ = add v₁ c", "L = sum v₂"]
        assert isinstance(graph.leaves[1].array, np.ndarray)
        assert not graph.leaves[1].requires_grad

    def test_one_tensor_is_one_value_however_often_it_is_used(self) -> None:
        x = parameter(2, name="x")
        graph = read((x * x + x).sum())
        assert formulas(graph) == ["v₁ = multiply x x", "v₂ = add v₁ x", "L = sum v₂"]
        assert [leaf.name.text for leaf in graph.leaves] == ["x"]
        assert graph.values == (*graph.leaves, *(step.result for step in graph.steps))

    def test_parameters_of_rules_are_kept(self) -> None:
        (step,) = read(parameter(2, 3).sum(axis=0)).steps
        assert step.params == (0, False)

    def test_steps_are_in_the_order_of_computation(self) -> None:
        x = parameter(2, name="x")
        late, early = np.exp(x), np.sin(x)
        assert [step.rule.name for step in read(early * late).steps] == ["exp", "sin", "multiply"]

    def test_a_leaf_has_no_graph(self) -> None:
        with pytest.raises(tg.GraphError, match="has no graph"):
            read(parameter(2))
        with tg.no_grad():
            result = parameter(2).sum()
        with pytest.raises(tg.GraphError, match="has no graph"):
            read(result)

    def test_a_freed_graph_is_told_from_one_that_was_kept(self) -> None:
        loss = (parameter(2) ** 2).sum()
        loss.backward(create_graph=True)
        assert len(read(loss).steps) == 2
        loss.backward()
        with pytest.raises(tg.GraphError, match="was freed by backward"):
            read(loss)


def shared(x: tg.Tensor, w: tg.Tensor) -> tg.Tensor:
    h = np.tanh(x @ w)
    return (h * h + np.exp(-h) * x.sum(axis=1, keepdims=True)).mean()


class TestBackwardSteps:
    def test_cotangents_are_those_of_backward_and_the_graph_is_kept(self) -> None:
        x, w = parameter(3, 2), parameter(2, 4)
        loss = shared(x, w)
        found: dict[Any, Any] = {}
        graph = read(loss)
        for _, completed in backward_steps(graph, np.ones_like(loss.data)):
            assert not found.keys() & completed.keys()  # none is completed twice
            found |= completed
        assert x.grad is None
        assert w.grad is None
        loss.backward()
        assert found.keys() == set(graph.values) - {graph.result}
        for value, leaf in zip(graph.leaves, (x, w), strict=True):
            np.testing.assert_allclose(found[value], leaf.grad.numpy(), rtol=1e-12)

    def test_every_operation_is_passed_once_youngest_first(self) -> None:
        graph = read(shared(parameter(3, 2), parameter(2, 4)))
        passed = [step for step, _ in backward_steps(graph, np.ones(()))]
        assert passed == list(reversed(graph.steps))

    def test_a_cotangent_is_handed_out_when_no_older_operation_adds_to_it(self) -> None:
        x = parameter(2, name="x")
        graph = read(np.sin(x) * x)
        names = {value: value.name.text for value in graph.values}
        handed_out = [[names[x] for x in completed] for _, completed in backward_steps(graph, np.ones(2))]
        assert handed_out == [["v"], ["x"]]

    def test_a_seed_of_any_shape_is_carried(self) -> None:
        x, seed = parameter(3), np.array([1.0, 10.0, 100.0])
        ((_, completed),) = backward_steps(read(np.exp(x)), seed)
        (found,) = completed.values()
        np.testing.assert_allclose(found, seed * np.exp(x.numpy()))

    def test_what_the_caller_puts_in_place_flows_on(self) -> None:
        x = parameter(2)
        passed = []
        for _, completed in backward_steps(read(np.exp(np.exp(x)).sum()), np.ones(())):
            passed.append(dict(completed))
            completed.update(dict.fromkeys(completed, np.zeros(2)))
        assert [list(g) for g in passed[-1].values()] == [[0, 0]]

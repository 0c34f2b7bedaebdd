"""Annotations say what one gets: editors complete the API, and the README's programs pass a strict type checker.

Each `assert_type` here is checked twice: by mypy, when `.ci/run` or a long test below runs it over this file, and by a
run, which sees that the value is of that type indeed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_lite as tg
from tests.readme import PROGRAMS

ROOT = Path(__file__).parent.parent

Bools = NDArray[np.bool_]


def cube(x: tg.Tensor, scale: float = 1.0) -> tg.Tensor:
    return (x * x * x).sum() * scale


def squares(parameters: dict[str, tg.Tensor]) -> tg.Tensor:
    return (parameters["w"] * parameters["w"]).sum()


def vector() -> tg.Tensor:
    return tg.Tensor([1.0, 2.0], requires_grad=True)


def is_tensor(*values: tg.Tensor) -> bool:
    return all(type(x) is tg.Tensor for x in values)


def is_array(*values: Any) -> bool:
    return all(isinstance(x, (np.ndarray, np.generic)) for x in values)


def test_operators_give_tensors() -> None:
    x = vector()
    assert is_tensor(assert_type(x + 1, tg.Tensor), assert_type(1 - x, tg.Tensor), assert_type(x @ x, tg.Tensor))
    assert is_tensor(assert_type(x**2, tg.Tensor), assert_type(-x, tg.Tensor), assert_type(abs(x), tg.Tensor))
    assert is_tensor(assert_type(x[0], tg.Tensor), *assert_type(list(x), list[tg.Tensor]))
    x = x.detach()
    x += 1
    assert is_tensor(assert_type(x, tg.Tensor))


def test_methods_give_tensors() -> None:
    x = vector()
    assert is_tensor(assert_type(x.exp(), tg.Tensor), assert_type(x.sum(axis=0), tg.Tensor))
    assert is_tensor(assert_type(x.cumsum(axis=0), tg.Tensor), assert_type(x.take([0], axis=0), tg.Tensor))
    assert is_tensor(assert_type(x.reshape(2, 1).squeeze(), tg.Tensor), assert_type(x.unsqueeze(0), tg.Tensor))
    assert is_tensor(assert_type(x.T, tg.Tensor), assert_type(x.real, tg.Tensor), assert_type(x.detach(), tg.Tensor))
    assert is_tensor(assert_type(x.softmax(), tg.Tensor), assert_type(x.to("cpu"), tg.Tensor))


def test_what_leaves_the_graph_is_of_numpy_and_python() -> None:
    x = vector()
    assert is_array(assert_type(x.numpy(), NDArray[Any]), assert_type(x.data, NDArray[Any]))
    assert is_array(assert_type(x > 0, Bools), assert_type(x == x, Bools), assert_type(x.round(), NDArray[Any]))
    assert is_array(assert_type(x.argmax(axis=0), NDArray[np.intp]))
    assert isinstance(assert_type(x[0].item(), float), float)
    assert isinstance(assert_type(x.shape, tuple[int, ...]), tuple)


def test_a_gradient_has_the_type_of_the_argument() -> None:
    x = vector()
    assert is_tensor(assert_type(tg.grad(cube)(x, scale=2.0), tg.Tensor))
    assert is_tensor(assert_type(tg.grad(cube)(np.ones(2)), tg.Tensor))  # an array counts as a Tensor
    assert is_tensor(*assert_type(tg.value_and_grad(cube)(x), tuple[tg.Tensor, tg.Tensor]))
    assert is_tensor(assert_type(tg.grad(squares)({"w": x}), dict[str, tg.Tensor])["w"])
    assert is_tensor(assert_type(tg.jacobian(cube)(x), tg.Tensor))
    assert is_tensor(*assert_type(tg.jvp(cube, x, x), tuple[tg.Tensor, tg.Tensor]))
    y, pull_back = tg.vjp(cube, x)
    assert is_tensor(assert_type(y, tg.Tensor), assert_type(pull_back(1.0), tg.Tensor))


def test_a_function_that_is_wrapped_keeps_its_signature() -> None:
    x = vector().detach()
    compiled = tg.jit(cube)
    assert is_tensor(assert_type(compiled(x, scale=2.0), tg.Tensor))
    assert isinstance(assert_type(compiled.source, str), str)
    assert is_tensor(assert_type(tg.checkpoint_activations(cube)(x, scale=2.0), tg.Tensor))
    assert is_tensor(assert_type(tg.no_grad()(cube)(x, scale=2.0), tg.Tensor))


class Two(tg.nn.Module):
    def forward(self, x: tg.Tensor, factor: float = 1.0) -> tuple[tg.Tensor, int]:
        return x * factor, 1


def test_the_call_of_a_module_is_that_of_its_forward() -> None:
    x = np.ones((3, 2, 4))
    net = tg.nn.Sequential(tg.nn.Linear(4, 2, rng=0), tg.nn.ReLU())
    assert is_tensor(assert_type(net(x), tg.Tensor), assert_type(tg.nn.Linear(4, 2, rng=0)(x), tg.Tensor))
    assert assert_type(Two()(vector(), factor=2.0), tuple[tg.Tensor, int])[1] == 1
    states, (h, c) = assert_type(tg.nn.LSTM(4, 2, rng=0)(x), tuple[tg.Tensor, tuple[tg.Tensor, tg.Tensor]])
    assert is_tensor(states, h, c)
    states, last = assert_type(tg.nn.GRU(4, 2, rng=0)(x), tuple[tg.Tensor, tg.Tensor])
    assert is_tensor(states, last)
    assert isinstance(assert_type(net.eval(), tg.nn.Sequential), tg.nn.Sequential)
    assert is_array(*assert_type(net.state_dict(), dict[str, np.ndarray[Any, Any]]).values())


def test_losses_optimizers_and_schedules() -> None:
    x = vector()
    loss = assert_type(tg.nn.functional.cross_entropy(x.reshape(1, 2), [1]), tg.Tensor)
    loss.backward()
    optimizer = tg.optim.Adam([x], lr=0.1)
    assert is_tensor(loss, assert_type(tg.optim.clip_grad_norm([x], 1.0), tg.Tensor))
    assert assert_type(optimizer.lr, float) == 0.1
    assert assert_type(tg.optim.schedule.cosine(0.1, 10)(0), float) == 0.1


def test_data_and_reports() -> None:
    for images, labels in tg.data.Batches(np.ones((4, 3)), np.ones(4), batch_size=2):
        assert is_array(assert_type(images, NDArray[Any]), assert_type(labels, NDArray[Any]))
    report = tg.gradcheck(cube, [1.0, 2.0])
    assert assert_type(report.max_error, float) < 1e-7
    assert assert_type(report.comparisons[0].name, str) == "input 0"
    assert isinstance(assert_type(tg.explain("tanh").latex, str), str)
    load: Callable[[], tg.data.Digits] = tg.data.load_mnist
    assert callable(load)


@pytest.mark.whole
def test_the_readme_and_this_file_pass_a_strict_type_checker(tmp_path: Path) -> None:
    program = tmp_path / "readme.py"
    program.write_text("\n".join(PROGRAMS), encoding="utf-8")
    # The programs follow one another, and give new nets the same name.
    command = [sys.executable, "-m", "mypy", "--allow-redefinition", str(program), __file__]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout

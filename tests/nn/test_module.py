"""A Module finds its parameters wherever they are, names them by path, prints itself, and is saved and restored.

A state that does not fit is refused as a whole: every problem is listed and nothing is changed.
"""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Tensor, nn
from tinygrad_lite.support.names import INSTEAD_IN_MODULES


class Mixed(nn.Module):
    """Tensors and modules in every place where they are looked for."""

    def __init__(self):
        self.first = nn.Linear(2, 3, rng=0)
        self.layers = [nn.Linear(3, 3, rng=1), nn.ReLU(), nn.Linear(3, 3, bias=False, rng=2)]
        self.heads = {"a": nn.Linear(3, 1, rng=3), "b": (nn.Linear(3, 2, rng=4),)}
        self.scale = Tensor([1.0, 2.0], requires_grad=True)
        self.mean = nn.Buffer([0.5, 0.25])
        self.size = 3
        self.label = "text"

    def forward(self, x):
        x = self.first(x * self.scale + self.mean)
        for layer in self.layers:
            x = layer(x)
        return self.heads["a"](x)


PARAMETERS = [
    "first.weight",
    "first.bias",
    "layers.0.weight",
    "layers.0.bias",
    "layers.2.weight",
    "heads.a.weight",
    "heads.a.bias",
    "heads.b.0.weight",
    "heads.b.0.bias",
    "scale",
]


class Tied(nn.Module):
    def __init__(self):
        self.encoder = nn.Linear(2, 2, rng=0)
        self.decoder = nn.Linear(2, 2, rng=1)
        self.decoder.weight = self.encoder.weight

    def forward(self, x):
        return self.decoder(self.encoder(x))


def test_parameters_are_named_by_their_path():
    named = list(Mixed().named_parameters())
    assert [name for name, _ in named] == PARAMETERS
    assert all(isinstance(p, Tensor) and p.requires_grad for _, p in named)


def test_the_names_lead_to_the_tensors():
    net = Mixed()
    named = dict(net.named_parameters())
    assert named["first.weight"] is net.first.weight
    assert named["layers.2.weight"] is net.layers[2].weight
    assert named["heads.b.0.bias"] is net.heads["b"][0].bias
    assert named["scale"] is net.scale
    assert all(p is q for p, q in zip(net.parameters(), named.values(), strict=True))


def test_modules_are_named_outer_ones_first():
    names = [name for name, _ in nn.Sequential(nn.Sequential(nn.ReLU()), Mixed()).named_modules()]
    assert names[:4] == ["0", "0.0", "1", "1.first"]
    assert names[-2:] == ["1.heads.a", "1.heads.b.0"]


def test_sequential_names_its_layers_by_number():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 1, bias=False)))
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "2.0.weight"]


def test_a_shared_weight_is_one_parameter():
    net = Tied()
    assert [name for name, _ in net.named_parameters()] == ["encoder.weight", "encoder.bias", "decoder.bias"]
    assert len(net.parameters()) == 3
    layer = nn.Linear(2, 2)
    assert len(nn.Sequential(layer, layer).parameters()) == 2


def test_a_shared_weight_gets_the_sum_of_both_gradients():
    net, x = Tied(), np.array([[1.0, -2.0]], np.float32)
    net(x).sum().backward()
    a, b = net.encoder.weight.data, np.ones((1, 2), np.float32)
    expected = x.T @ (b @ a.T) + (x @ a + net.encoder.bias.data).T @ b
    np.testing.assert_allclose(net.encoder.weight.grad.numpy(), expected, rtol=1e-5)


def test_a_buffer_is_state_but_no_parameter():
    net = Mixed()
    assert "mean" in net.state_dict()
    assert "mean" not in dict(net.named_parameters())


def test_none_and_other_attributes_are_passed_over():
    net = nn.Linear(2, 2, bias=False)
    net.extra = [None, 1, "a", {"b": None}]
    assert list(net.state_dict()) == ["weight"]


def test_layers_added_later_are_found():
    net = Mixed()
    net.layers.append(nn.Linear(3, 3))
    assert "layers.3.weight" in dict(net.named_parameters())


def test_a_module_without_parameters():
    assert nn.ReLU().parameters() == []
    assert nn.Sequential().state_dict() == {}
    assert nn.Sequential()(5) == 5


def test_a_module_without_forward_says_so():
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty must define forward\(self, …\)"):
        Empty()(1)


def test_arguments_of_a_call_go_through_to_forward():
    class Takes(nn.Module):
        def forward(self, a, *rest, k=0):
            return a, rest, k

    assert Takes()(1, 2, 3, k=4) == (1, (2, 3), 4)


def test_a_layer_prints_in_one_line():
    assert repr(nn.Linear(784, 90)) == "Linear(784, 90)"
    assert repr(nn.Linear(2, 3, bias=False)) == "Linear(2, 3, bias=False)"
    assert repr(nn.Dropout(0.25)) == "Dropout(0.25)"
    assert repr(nn.ReLU()) == "ReLU()"


def test_the_table_of_a_model_fits_a_terminal():
    lines = str(tg.nn.LSTM(3, 4, rng=0)).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[-2:] for line in lines[3:5]] == [["4×16,", "144"], ["bias_hidden", "16"]]


def test_a_model_prints_as_a_table():
    net = nn.Sequential(nn.Identity(), nn.Linear(784, 90), nn.ReLU(), nn.Linear(90, 10), nn.Softmax())
    assert repr(net) == "\n".join(
        [
            "Sequential",
            "layer  type      shapes                  parameters",
            "-----  --------  ----------------------  ----------",
            "0      Identity                                   0",
            "1      Linear    weight 784×90, bias 90      70,650",
            "2      ReLU                                       0",
            "3      Linear    weight 90×10, bias 10          910",
            "4      Softmax                                    0",
            "total                                        71,560",
        ]
    )


def test_nested_models_print_paths_and_own_tensors():
    text = repr(nn.Sequential(Mixed()))
    assert "0.heads.b.0" in text
    assert "scale 2, mean 2" in text
    assert text.splitlines()[-1].split() == ["total", str(9 + 12 + 9 + 4 + 8 + 2)]


def test_a_shared_weight_counts_once_in_the_total():
    assert repr(Tied()).splitlines()[-1].split() == ["total", "8"]


def test_state_round_trip():
    one, other = Mixed(), Mixed()
    for p in one.parameters():
        p.data += 1
    state = one.state_dict()
    assert set(state) == {*PARAMETERS, "mean"}
    other.load_state_dict(state)
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    x = np.ones((4, 2), np.float32)
    np.testing.assert_array_equal(one(x).numpy(), other(x).numpy())


def test_state_is_a_copy_in_both_directions():
    net = nn.Linear(2, 2, rng=0)
    before = net.weight.data.copy()
    state = net.state_dict()
    state["weight"] += 1
    np.testing.assert_array_equal(net.weight.data, before)
    net.load_state_dict(state)
    state["weight"] += 1
    np.testing.assert_array_equal(net.weight.data, before + 1)


def test_loading_keeps_the_tensors_and_their_types():
    net = nn.Linear(2, 2)
    weight = net.weight
    net.load_state_dict({"weight": [[1, 2], [3, 4]], "bias": np.zeros(2)})
    assert net.weight is weight
    assert weight.dtype == net.bias.dtype == np.float32
    assert weight.requires_grad
    assert weight.tolist() == [[1, 2], [3, 4]]


def test_a_state_that_does_not_fit_is_refused_as_a_whole():
    net = Mixed()
    before = net.state_dict()
    state = {name: array + 1 for name, array in before.items()}
    del state["scale"], state["layers.0.bias"]
    state["surplus"] = np.zeros(1)
    state["first.weight"] = np.zeros((3, 2))
    state["heads.a.bias"] = np.zeros(2)
    with pytest.raises(ValueError, match="does not fit this Mixed") as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    for problem in (
        "missing scale",
        "missing layers.0.bias",
        "unexpected surplus",
        "first.weight has shape (3, 2), not (2, 3)",
        "heads.a.bias has shape (2,), not (1,)",
    ):
        assert problem in text
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("junk", "fault"),
    [
        (np.full(2, "a"), "bias is of type <U1, not float32"),
        (np.array([None, None]), "bias is of type object, not float32"),
        (["x", "y"], "bias is of type <U1, not float32"),
        (np.ones(2, complex), "bias is of type complex128, not float32"),
        ([1j, 2], "bias is of type complex128, not float32"),
        ([[1.0], [1.0, 2.0]], "bias has rows of unequal length"),
        (None, "bias has shape (), not (2,)"),
    ],
    ids=["text", "none", "list", "complex", "complex list", "ragged", "nothing"],
)
def test_values_that_are_no_real_numbers_are_listed_and_change_nothing_either(junk, fault):
    net = nn.Linear(2, 2, rng=0)
    before = net.state_dict()
    with pytest.raises(ValueError, match="does not fit this Linear") as caught:
        net.load_state_dict({"weight": np.zeros((2, 3)), "bias": junk})
    assert str(caught.value).endswith(f"weight has shape (2, 3), not (2, 2); {fault}")
    with pytest.raises(ValueError, match="does not fit"):
        net.load_state_dict({"weight": np.zeros((2, 2)), "bias": junk})
    np.testing.assert_array_equal(net.weight.data, before["weight"])


def test_whole_numbers_stay_whole():
    net = Mixed()
    net.mean = nn.Buffer(np.array([3, 4]))
    with pytest.raises(ValueError, match="mean is of type float64, not int64"):
        net.load_state_dict(net.state_dict() | {"mean": np.array([3.5, 4])})
    net.load_state_dict(net.state_dict() | {"mean": np.array([5, 6], np.int32)})
    assert net.mean.dtype == np.int64
    assert net.mean.tolist() == [5, 6]


def test_lists_of_numbers_lose_nothing_on_their_way_to_float64():
    net = nn.Linear(1, 1).astype(np.float64)
    net.load_state_dict({"weight": [[0.1]], "bias": [0.2]})
    assert (net.weight.item(), net.bias.item()) == (0.1, 0.2)


def fortran_buffer(values):
    buffer = nn.Buffer(values)
    buffer.data = np.asfortranarray(values)
    return buffer


def test_tensors_serve_as_values_and_the_memory_order_is_that_of_the_model():
    net, other = Mixed(), Mixed()
    net.mean = fortran_buffer([[1.0, 2.0], [3.0, 4.0]])
    other.mean = fortran_buffer(np.zeros((2, 2)))
    other.load_state_dict(net.state_dict() | dict(net.named_parameters()))
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, net.state_dict()[name])
    assert other.mean.data.flags.f_contiguous
    assert not other.mean.data.flags.c_contiguous


@pytest.mark.parametrize("state", [nn.Linear(2, 2), "net.npz", None])
def test_what_is_no_state_at_all_is_refused(state):
    with pytest.raises(TypeError, match=rf"takes what state_dict\(\) returned, not {type(state).__name__}: write"):
        nn.Linear(2, 2).load_state_dict(state)


def test_a_shared_weight_is_restored_as_shared():
    one, other = Tied(), Tied()
    one.encoder.weight.data += 1
    other.load_state_dict(one.state_dict())
    assert other.decoder.weight is other.encoder.weight
    np.testing.assert_array_equal(other.encoder.weight.data, one.encoder.weight.data)


GENERATORS = {
    **{
        name: lambda seed, name=name: np.random.Generator(getattr(np.random, name)(seed))
        for name in ("PCG64", "PCG64DXSM", "Philox", "SFC64", "MT19937")
    },
    "RandomState": np.random.RandomState,
}


class Noisy(nn.Module):
    """Generators in every place where they are looked for, one of them in two."""

    def __init__(self, seed, kind="PCG64"):
        make = GENERATORS[kind]
        self.own = make(seed)
        self.layers = [nn.Dropout(rng=make(seed + 1)) if kind != "RandomState" else nn.ReLU(), {"deep": make(seed + 2)}]
        self.sequence = nn.Sequential(nn.ReLU(), nn.Dropout(rng=seed + 3))
        self.shared = (self.own, self.layers[0])


def draws(net):
    """Draw in ways that leave something over in a generator: half of a word, the second of two normal numbers."""
    found = [net.own, net.layers[1]["deep"], net.sequence[1].rng]
    drawn = []
    for rng in found:
        drawn += [rng.random(3).tolist(), rng.normal(size=3).tolist()]
        if isinstance(rng, np.random.Generator):
            drawn.append(rng.integers(1000, size=3, dtype=np.uint32).tolist())
            drawn.append(rng.random(3, dtype=np.float32).tolist())
    return drawn


@pytest.mark.parametrize("kind", GENERATORS)
def test_random_generators_continue_in_place_from_a_state_that_went_through_json(kind):
    net, other = Noisy(1, kind), Noisy(100, kind)
    draws(net)
    state = net.random_state()
    text = json.dumps(state)
    assert json.loads(text) == state
    own = other.own
    other.load_random_state(json.loads(text))
    assert other.own is own
    assert other.random_state() == state
    assert [draws(other) for _ in range(3)] == [draws(net) for _ in range(3)]
    assert net.random_state() != state


def test_generators_are_named_by_their_path_and_a_shared_one_once():
    assert list(Noisy(1).random_state()) == ["own", "layers.1.deep", "layers.0.rng", "sequence.1.rng"]
    rng = np.random.default_rng(0)
    assert list(nn.Sequential(nn.Dropout(rng=rng), nn.Dropout(rng=rng)).random_state()) == ["0.rng"]
    assert Mixed().random_state() == {}


def test_a_random_state_that_does_not_fit_is_refused_as_a_whole():
    net = Noisy(1)
    before = net.random_state()
    state = Noisy(2).random_state()
    del state["own"]
    state["surplus"] = {}
    state["layers.0.rng"] = Noisy(2, "Philox").random_state()["own"]
    state["sequence.1.rng"] = {"bit_generator": "PCG64"}
    with pytest.raises(ValueError, match="does not fit this Noisy") as caught:
        net.load_random_state(state)
    faults = str(caught.value).partition(": ")[2].split("; ")
    assert faults[:2] == ["missing own", "unexpected surplus"]
    assert [fault.split()[0] for fault in faults[2:]] == ["layers.0.rng", "sequence.1.rng"]
    assert "must be for a PCG64" in faults[2]
    assert net.random_state() == before


def test_astype_converts_parameters_in_place():
    net = Mixed()
    weight = net.first.weight
    assert net.astype(np.float64) is net
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float64)}
    assert net.first.weight is weight
    assert weight.requires_grad
    assert net(np.ones((1, 2))).dtype == np.float64


def test_train_and_eval_reach_every_module_below():
    net = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout()), Mixed())
    assert all(module.training for _, module in net.named_modules())
    assert net.eval() is net
    assert not any(module.training for module in (net, *(m for _, m in net.named_modules())))
    net.train()
    assert all(module.training for module in (net, *(m for _, m in net.named_modules())))
    assert not net.train(False).training


def test_one_model_in_evaluation_leaves_others_in_training():
    one, other = nn.Dropout(), nn.Dropout()
    one.eval()
    assert other.training
    assert nn.Dropout().training


def test_a_whole_training_step_stays_in_float32():
    net = Mixed()
    optimizer = tg.optim.Adam(net.parameters(), lr=0.1)
    x, y = np.ones((4, 2)), np.zeros((4, 1))
    for _ in range(2):
        optimizer.zero_grad()
        loss = nn.functional.squared_loss(net(x), y)
        loss.backward()
        optimizer.step()
    assert loss.dtype == np.float32
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float32)}
    assert {p.grad.dtype for p in net.parameters() if p.grad is not None} == {np.dtype(np.float32)}
    arrays = [a for key, a in optimizer.state_dict().items() if not key.startswith(("steps", "lr"))]
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}


def test_two_tensors_of_one_path_are_refused_where_one_would_be_lost():
    net = nn.Module()
    net.parts = {"x.y": nn.Buffer([1.0]), "x": {"y": nn.Buffer([2.0])}}
    for save in (net.state_dict, lambda: net.load_state_dict({"parts.x.y": np.ones(1)})):
        with pytest.raises(ValueError, match=r"two parts of the model have the path 'parts\.x\.y'"):
            save()
    net.parts = {1: np.random.default_rng(0), "1": np.random.default_rng(1)}
    with pytest.raises(ValueError, match=r"the path 'parts\.1'"):
        net.random_state()


def test_a_shared_tensor_takes_one_value():
    net = nn.Module()
    net.a = net.b = nn.Buffer([1.0])
    with pytest.raises(ValueError, match="b is another than a, which is the same Tensor"):
        net.load_state_dict({"a": np.array([2.0]), "b": np.array([3.0])})
    assert net.a.item() == 1
    net.load_state_dict({"a": np.array([2.0]), "b": np.array([2.0])})
    assert net.a.item() == 2


class Normed(nn.Module):
    """Keeps a running mean, and what a module may keep for itself besides."""

    def __init__(self, dtype=np.float32, keeps=True):
        self.keeps = keeps
        self.linear = nn.Linear(3, 3, rng=0).astype(dtype)
        self.mean = nn.Buffer(np.zeros(3, dtype))
        self.seen = nn.Buffer(0)
        self.batch = Tensor(np.ones((2, 3)))

    def forward(self, x):
        self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
        self.seen = self.seen + 1
        y = self.linear(x - self.mean)
        if self.keeps:
            self.last, self.kept = y, [y, {"input": x}]
        return y


STATE = ["linear.weight", "linear.bias", "mean", "seen"]


def mode(compiled):
    return tg.jit if compiled else lambda f: f


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_a_buffer_stays_one_and_what_else_is_kept_is_no_state(compiled, keeps, dtype):
    net = Normed(dtype, keeps)
    mean, optimizer = net.mean, tg.optim.SGD(net.parameters(), 0.1)

    @mode(compiled)
    def step(x):
        optimizer.zero_grad()
        loss = (net(x) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    expected, x = np.zeros(3, dtype), np.arange(6, dtype=dtype).reshape(2, 3)
    if compiled and keeps:
        with pytest.raises(tg.JitError, match=r"changes net\.kept.*return it"):
            step(Tensor(x))
        return
    for _ in range(4):
        step(Tensor(x))
        expected = 0.9 * expected + 0.1 * x.mean(axis=0)
    assert net.mean is mean
    np.testing.assert_allclose(mean.numpy(), expected, rtol=1e-6)
    assert mean.dtype == dtype
    assert net.seen.item() == 4
    assert net.seen.dtype == np.int64
    assert list(net.state_dict()) == STATE
    assert [name for name, _ in net.named_parameters()] == STATE[:2]
    assert hasattr(net, "last") is keeps
    if compiled:
        assert len(step.programs) == 1
    other = Normed(dtype)
    other.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(other.mean.numpy(), mean.numpy())


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_a_buffer_can_be_written_into(compiled):
    net = Normed()

    @mode(compiled)
    def count(x):
        net.mean.data[...] = net.mean.data + x
        return x

    for _ in range(3):
        count(np.ones(3, np.float32))
    assert net.mean.tolist() == [3, 3, 3]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_a_buffer_takes_arrays(compiled):
    net = Normed()
    mean = net.mean

    @mode(compiled)
    def keep(x):
        net.mean = 2 * x
        return x

    for scale in range(3):
        keep(np.full(3, scale, np.float64))
        assert net.mean.tolist() == [2 * scale] * 3
    assert net.mean is mean
    assert mean.dtype == np.float32


def test_a_buffer_is_converted_copied_and_not_trained():
    values = np.ones(3)
    net = Normed()
    net.mean = nn.Buffer(values)
    net.mean.data[...] = 5
    assert values.tolist() == [1, 1, 1]
    net.astype(np.float32)
    assert net.mean.dtype == np.float32
    assert net.seen.dtype == np.int64
    other = copy.deepcopy(net)
    assert list(pickle.loads(pickle.dumps(net)).state_dict()) == list(other.state_dict()) == STATE
    net.freeze().freeze(False)
    assert not net.mean.requires_grad
    net.mean.requires_grad = True
    assert [name for name, _ in net.named_parameters()] == STATE[:2]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_a_buffer_takes_no_history_that_would_be_lost(compiled):
    net, layer = Normed(), nn.Linear(3, 3, rng=0)

    @mode(compiled)
    def keep(x):
        net.mean = layer(x).mean(axis=0)
        return x

    with pytest.raises(tg.GraphError, match=r"mean is a buffer.*requires a gradient: assign its \.detach\(\)"):
        keep(np.ones((2, 3), np.float32))
    assert net.mean.tolist() == [0, 0, 0]
    with tg.no_grad():
        keep(np.ones((2, 3), np.float32))
    np.testing.assert_allclose(net.mean.numpy(), layer(np.ones((2, 3))).numpy()[0], rtol=1e-6)


VALUES = {
    "array": lambda x: x.astype(np.float64),
    "Tensor": Tensor,
    "list": lambda x: x.tolist(),
    "result": lambda x: Tensor(x) * 1,
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("is_frozen", [False, True])
def test_values_assigned_to_a_parameter_are_copied_into_it(kind, is_frozen):
    net = nn.Sequential(nn.Linear(3, 2, rng=0)).freeze(is_frozen)
    weight, values = net[0].weight, np.arange(6, dtype=np.float32).reshape(3, 2)
    net[0].weight = VALUES[kind](values)
    assert net[0].weight is weight
    assert weight.requires_grad is not is_frozen
    assert weight.dtype == np.float32
    assert weight.tolist() == values.tolist()
    values[0] = 9
    assert weight.tolist()[0] == [0, 1]


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.zeros((2, 3)), tg.ShapeError, r"weight is a parameter of shape \(3, 2\).*\(2, 3\).*weight\.data = "),
        (0.0, tg.ShapeError, r"values of shape \(\)"),
        (np.zeros((3, 2), complex), TypeError, "parameter of type float32.*of type complex128"),
        ("text", TypeError, "holds numbers, not str"),
        (Tensor(np.ones((3, 2)), requires_grad=True) * 2, tg.GraphError, r"weight is a parameter.*\.detach\(\)"),
    ],
    ids=["shape", "number", "complex", "text", "result"],
)
def test_what_cannot_be_copied_into_a_parameter_is_refused(value, error, message):
    layer = nn.Linear(3, 2, rng=0)
    weight, before = layer.weight, layer.weight.tolist()
    with pytest.raises(error, match=message):
        layer.weight = value
    assert layer.weight is weight
    assert weight.tolist() == before


def test_another_parameter_or_none_takes_the_place_of_one():
    layer, other = nn.Linear(3, 2, rng=0), Tensor(np.zeros((3, 2)), requires_grad=True)
    layer.weight = other
    assert layer.weight is other
    layer.bias = None
    assert layer.parameters() == [other]


class Held(nn.Module):
    """Parameters and buffers in lists and dictionaries, as deep as they may be."""

    def __init__(self):
        self.ws = [Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)]
        self.deep = [{"x": [Tensor([3.0], requires_grad=True)]}]
        self.means = {"a": nn.Buffer([4.0])}
        self.bias = Tensor([5.0], requires_grad=True)

    def forward(self, x):
        return x * self.ws[-1] + self.ws[0]


def lose(statement):
    return lambda net: exec(statement, {"net": net, "np": np, "Tensor": Tensor})


LOSSES = {
    "net.ws[0] = np.zeros(1)": r"ws\[0\] of this Held is of type ndarray.*write ws\[0\]\.data = ",
    "net.ws[0] = Tensor([0.0])": r"ws\[0\] of this Held is of type Tensor",
    "net.ws[0] = net.ws[0] - 0.1": r"ws\[0\] of this Held is of type Tensor",
    "net.ws[1] = 0.0": r"ws\[1\] of this Held is of type float",
    "net.ws[1] = [0.0]": r"ws\[1\] of this Held is of type list",
    "net.means['a'] = np.zeros(1)": r"means\['a'\] of this Held.*del means first",
    "net.deep[0]['x'][0] = np.zeros(1)": r"deep\[0\]\['x'\]\[0\] of",
    "net.deep[0]['x'] = np.zeros(1)": r"deep\[0\]\['x'\] of",
    "net.ws[0] = None; net.parameters(); net.ws[0] = np.zeros(1)": r"ws\[0\] of",
}


@pytest.mark.parametrize("statement", LOSSES)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize(
    "ask",
    [
        nn.Module.parameters,
        nn.Module.state_dict,
        lambda net: net.load_state_dict({}),
        lambda net: tg.optim.SGD(net.parameters(), 0.1),
        lambda net: net(Tensor([1.0])),
        lambda net: nn.Sequential(net).state_dict(),
    ],
    ids=["parameters", "state_dict", "load", "optimizer", "call", "outer"],
)
def test_what_takes_the_place_of_a_parameter_in_a_container_is_refused(ask, compiled, statement):
    net = Held()
    call = mode(compiled)(lambda x: net(x))
    for _ in range(2):
        assert call(Tensor([1.0])).item() == 3
    lose(statement)(net)
    with pytest.raises(tg.GraphError, match=LOSSES[statement]):
        ask(net)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_a_parameter_that_is_lost_within_a_step_is_refused_too(compiled):
    net = Held()
    optimizer = tg.optim.SGD(net.parameters(), 0.1)

    @mode(compiled)
    def step(x):
        loss = (net(x) ** 2).sum()
        loss.backward()
        optimizer.step()
        with tg.no_grad():
            net.ws[0] = net.ws[0] * 0.5
        return loss

    step(Tensor([1.0]))
    with pytest.raises(tg.GraphError, match=r"write ws\[0\]\.data = "):
        step(Tensor([1.0]))


@pytest.mark.parametrize(
    ("statement", "match", "left"),
    [
        ("net.ws = [np.zeros(1)]", r"ws\[0\] of", 5),
        ("net.ws = np.zeros(1)", "ws of", 5),
        ("net.ws = None; net.ws = [np.zeros(1)]", r"ws\[0\] of", 3),
        ("net.bias = None; net.bias = np.zeros(1)", "bias of this Held is of type ndarray.*del bias first", 4),
        ("net.bias = None; net.parameters(); net.bias = Tensor([1.0])", "bias of this Held is of type Tensor", 4),
    ],
)
@pytest.mark.parametrize("again", [lambda net: net, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_values_in_place_of_parameters_that_are_gone_are_refused_as_they_are_assigned(again, statement, match, left):
    net = again(Held())
    with pytest.raises(tg.GraphError, match=match):
        lose(statement)(net)
    assert len(again(net).state_dict()) == left


REMOVALS = {
    "net.ws.pop(0)": 4,
    "net.ws.clear()": 3,
    "net.ws[0] = None": 4,
    "net.ws = None": 3,
    "net.ws = []": 3,
    "net.ws = tuple(net.ws)": 5,
    "del net.ws; net.ws = [np.zeros(1)]": 3,
    "del net.means['a']": 4,
    "net.means = {'b': net.means['a'], 'n': 1}": 5,
    "net.ws[0] = Tensor([1.0], requires_grad=True)": 5,
    "net.ws[0] = type(net)()": 9,
    "net.ws[0] = [Tensor([1.0], requires_grad=True), 3]": 5,
    "net.ws.append(np.zeros(1))": 5,
    "net.bias = None": 4,
    "net.bias = None; net.bias = Tensor([1.0], requires_grad=True); net.bias = np.zeros(1)": 5,
    "del net.bias; net.bias = np.zeros(1)": 4,
    "net.bias = None; del net.bias; net.bias = np.zeros(1)": 4,
}


@pytest.mark.parametrize("statement", REMOVALS)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_a_parameter_may_be_removed_or_have_another_in_its_place(compiled, statement):
    net = Held()
    net.state_dict()
    lose(statement)(net)
    total = mode(compiled)(lambda x: sum((p.sum() for p in net.parameters()), x))
    for _ in range(2):
        assert len(net.state_dict()) == REMOVALS[statement]
        assert total(0.0).item() == sum(p.item() for p in net.parameters())


def test_values_in_a_list_are_no_parameter_or_buffer():
    layer, more = nn.Linear(3, 2, rng=0), Tensor(np.zeros(2))
    with pytest.raises(tg.ShapeError, match=r"bias is a parameter of shape \(2,\).*of shape \(1, 2\)"):
        layer.bias = [more]
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]


def assign(layer, step):
    layer.weight = layer.weight - step


def subtract(layer, step):
    layer.weight -= step


def write(layer, step):
    layer.weight.data -= step.data


@pytest.mark.parametrize("update", [assign, subtract, write])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_an_update_written_by_hand_trains(update, compiled):
    layer, x = nn.Linear(3, 1, bias=False, rng=0), np.ones((2, 3), np.float32)
    weight = layer.weight

    @mode(compiled)
    def step(x):
        loss = (layer(x) ** 2).sum()
        layer.weight.grad = None
        loss.backward()
        with tg.no_grad():
            update(layer, 0.1 * layer.weight.grad)
        return loss

    losses = [step(x).item() for _ in range(3)]
    assert layer.weight is weight
    assert weight.requires_grad
    assert losses[0] > losses[1] > losses[2]


def freeze_by_hand(net):
    for p in net.parameters():
        p.requires_grad = False


def freeze_one_by_one(net):
    net.scale.requires_grad = False
    net.more[0].requires_grad = False
    for _, module in net.named_modules():
        for tensor in vars(module).values():
            if isinstance(tensor, Tensor):
                tensor.requires_grad = False


@pytest.mark.parametrize("freeze", [nn.Module.freeze, freeze_by_hand, freeze_one_by_one])
def test_what_is_frozen_is_not_trained_and_stays_in_the_state(freeze):
    net = Mixed()
    net.more = [Tensor([1.0], requires_grad=True)]
    (net(np.ones((1, 2), np.float32)) ** 2).sum().backward()
    names = list(net.state_dict()) if freeze is freeze_by_hand else [*PARAMETERS, "mean", "more.0"]
    freeze(net)
    assert net.parameters() == []
    assert list(net.state_dict()) == names
    net.load_state_dict({name: x + 1 for name, x in net.state_dict().items()})
    assert net.astype(np.float64).scale.dtype == np.float64
    assert not net(np.ones((1, 2))).requires_grad
    assert net.freeze(False) is net
    assert [name for name, _ in net.named_parameters()] == [name for name in names if name != "mean"]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_an_optimizer_leaves_alone_what_is_frozen_later(compiled):
    net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Linear(2, 1, rng=1))
    optimizer = tg.optim.SGD(net.parameters(), 0.1, momentum=0.9)

    @mode(compiled)
    def step(x):
        (net(x) ** 2).sum().backward()
        optimizer.step()

    x = np.ones((1, 2), np.float32)
    step(x)
    first, second = net[0].weight.tolist(), net[1].weight.tolist()
    net[0].freeze()
    step(x)
    assert net[0].weight.tolist() == first
    assert net[1].weight.tolist() != second


def test_a_state_that_fits_in_part_is_loaded_in_part_where_that_is_asked_for():
    net = nn.Linear(2, 2, rng=0)
    before = net.weight.tolist()
    net.load_state_dict({"bias": [1.0, 2.0], "surplus": [3.0]}, strict=False)
    assert net.bias.tolist() == [1, 2]
    assert net.weight.tolist() == before
    with pytest.raises(ValueError, match=r"bias has shape \(3,\)"):
        net.load_state_dict({"bias": np.zeros(3)}, strict=False)
    with pytest.raises(ValueError, match=r"missing weight; missing bias; unexpected 0\.weight"):
        net.load_state_dict({"0.weight": np.zeros((2, 2))}, strict=False)


class Asks(nn.Module):
    def __init__(self, ask):
        self.ask = ask

    def forward(self, x):
        return self.ask(x)


@pytest.mark.parametrize(
    ("ask", "x", "asked"),
    [
        (lambda x: x.relu(), np.ones((2, 2)), "relu"),
        (lambda x: x.data.reshape(4), np.ones((2, 2)), "reshape"),
        (lambda x: x.shape[0], [[1.0, 2.0]], "shape"),
    ],
)
def test_a_plain_array_where_a_tensor_is_needed_is_told_to_become_one(ask, x, asked):
    net = nn.Sequential(Asks(ask))
    with pytest.raises(AttributeError, match=rf"forward of Asks asks an array.*{asked!r}.*net\(tg\.Tensor\(x\)\)"):
        net(x)
    net(Tensor(x))


def test_a_plain_array_under_jit_is_told_so_too_and_other_mistakes_are_left_as_they_are():
    with pytest.raises(AttributeError, match=r"net\(tg\.Tensor\(x\)\)"):
        tg.jit(Asks(lambda x: x.relu()))(np.ones(2))
    for x in (np.ones(2), Tensor([1.0])):
        with pytest.raises(AttributeError, match=r"^'(numpy.ndarray|Tensor)' object has no attribute 'rellu'"):
            Asks(lambda x: x.rellu())(x)


class Keeps(nn.Module):
    """Keeps its batch in many ways, and makes a parameter and a layer at its first call."""

    in_lists = True  # which jit refuses

    def __init__(self):
        self.layer = nn.Linear(3, 2, rng=0)
        self.last = None
        self.mean = nn.Buffer(np.zeros(3))

    def forward(self, x, more):
        self.x, self.last = x, more["x"]
        if self.in_lists:
            self.batch = [x, {"more": more}]
        self.layer.x = x
        if not hasattr(self, "scale"):
            self.scale = Tensor(np.ones(2, x.dtype), requires_grad=True)
            self.late = nn.Linear(2, 1, rng=1).astype(x.dtype)
        return self.late(self.layer(x) * self.scale)


KEPT = ["layer.weight", "layer.bias", "scale", "late.weight", "late.bias"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_a_batch_that_forward_keeps_is_no_parameter_and_is_never_written_into(compiled, dtype):
    net = Keeps().astype(dtype)
    net(Tensor(np.ones((1, 3), dtype)), {"x": Tensor([1.0])})
    net.in_lists = not compiled
    call = mode(compiled)(lambda x, more: net(x, more).sum())
    batches = [Tensor(np.full((n, 3), n, dtype), requires_grad=True) for n in (2, 2, 2, 4)]
    for x in (*batches, Tensor(np.zeros((2, 3), dtype))):
        call(x, {"x": x})
        assert net.x is net.last is net.layer.x is x
        assert compiled or net.batch[0] is net.batch[1]["more"]["x"] is x
        assert [name for name, _ in net.named_parameters()] == KEPT
    assert list(net.state_dict()) == ["layer.weight", "layer.bias", "mean", *KEPT[2:]]
    assert [x.numpy()[0, 0] for x in batches] == [2, 2, 2, 4]
    net.x = nn.Buffer([1.0])
    net.last = Tensor([1.0], requires_grad=True)
    other = pickle.loads(pickle.dumps(copy.deepcopy(net)))
    for model in (net, other):
        assert [name for name, _ in model._named_tensors()] == [
            "layer.weight",
            "layer.bias",
            "last",
            "mean",
            "x",
            *KEPT[2:],
        ]


def test_a_batch_that_is_kept_may_require_a_gradient_later_and_by_a_derivative():
    net, x = Keeps(), Tensor(np.ones((2, 3), np.float32))
    net(x, {"x": x})
    x.requires_grad = True
    assert [name for name, _ in net.named_parameters()] == KEPT
    tg.grad(lambda x: net(x, {"x": x}).sum())(x)
    assert [name for name, _ in net.named_parameters()] == KEPT


@pytest.mark.parametrize("name", ["weight", "mean"])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_what_forward_is_given_takes_the_place_of_no_parameter_or_buffer(compiled, name):
    class Puts(nn.Module):
        def __init__(self):
            self.weight, self.mean = Tensor(np.zeros(3), requires_grad=True), nn.Buffer(np.zeros(3))

        def forward(self, x):
            setattr(self, name, x)
            return x * self.weight

    net = Puts()
    held, call = getattr(net, name), mode(compiled)(net)
    with pytest.raises(tg.GraphError, match=rf"{name} is a .*assign its \.detach\(\)"):
        call(Tensor(np.ones(3), requires_grad=True))
    for value in (2, 3):
        call(Tensor(np.full(3, value)))
        assert held.tolist() == [value] * 3
    assert getattr(net, name) is held
    assert [path for path, _ in net.named_parameters()] == ["weight"]


class Child(nn.Module):
    def __init__(self, parent):
        self.parent = parent
        self.layers = [nn.Linear(2, 2, rng=0), nn.Dropout(rng=1)]

    def forward(self, x):
        return self.layers[0](x)


class Parent(nn.Module):
    def __init__(self):
        self.me = self
        self.child = Child(self)
        self.child.layers[0].parents = [self, self.child]
        self.relu = nn.ReLU()
        self.relu.parent = self

    def forward(self, x):
        return self.relu(self.child(x))


def test_a_module_that_holds_what_it_is_part_of_does_not_lead_back():
    net = Parent()
    modules = ["child", "child.layers.0", "child.layers.1", "relu"]
    assert [name for name, _ in net.named_modules()] == modules
    assert list(net.state_dict()) == [f"child.layers.0.{name}" for name in ("weight", "bias")]
    assert [name for name, _ in net.named_parameters()] == list(net.state_dict())
    assert list(net.random_state()) == ["child.layers.1.rng"]
    assert [line.split()[0] for line in repr(net).splitlines()[3:]] == [*modules[1:], "total"]
    assert not net.eval().relu.training
    net.freeze().astype(np.float64).load_state_dict(copy.deepcopy(net).state_dict())
    alone = nn.Module()
    alone.me = alone
    assert repr(alone) == "Module()"
    with pytest.raises(tg.ShapeError, match=r"layer 'child\.layers\.0'"):
        net(np.ones((1, 3)))


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_a_module_that_holds_what_it_is_part_of_is_trained(compiled):
    net = Parent()
    optimizer = tg.optim.SGD(net.parameters(), 0.1)

    @mode(compiled)
    def step(x):
        optimizer.zero_grad()
        loss = ((net(x) - 1) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(np.full((1, 2), -1, np.float32)).item() for _ in range(3)]
    assert losses[0] > losses[1] > losses[2]


@pytest.mark.parametrize("name", INSTEAD_IN_MODULES)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_a_name_of_another_library_is_answered_and_free_to_be_used(compiled, name):
    with pytest.raises(AttributeError, match=rf"a Linear has no '{name}': write "):
        getattr(nn.Linear(1, 1), name)
    assert not hasattr(nn.Linear(1, 1), name), "a name that is here needs no advice"
    assert name not in dir(nn.Linear(1, 1))
    net = nn.Sequential(nn.Linear(2, 1))
    setattr(net, name, Tensor([1.0], requires_grad=True))
    assert name in dir(net)
    owner = type("Own", (nn.Module,), {name: lambda self, x: 2 * x, "forward": lambda self, x: getattr(self, name)(x)})
    assert mode(compiled)(owner())(np.ones(2)).tolist() == [2, 2]

"""Optimizers step as their published formulas say, keep float32, and continue from a saved state bit for bit."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Tensor
from tinygrad_lite.optim import SGD, Adam, AdamW

OPTIMIZERS = {
    "SGD": lambda ps: SGD(ps, lr=0.1),
    "SGD momentum": lambda ps: SGD(ps, lr=0.05, momentum=0.9),
    "SGD nesterov": lambda ps: SGD(ps, lr=0.05, momentum=0.9, nesterov=True),
    "SGD decay": lambda ps: SGD(ps, lr=0.05, weight_decay=0.3),
    "SGD all": lambda ps: SGD(ps, lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.3),
    "Adam": lambda ps: Adam(ps, lr=0.1),
    "Adam all": lambda ps: Adam(ps, lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.3),
    "AdamW": lambda ps: AdamW(ps, lr=0.1),
    "AdamW all": lambda ps: AdamW(ps, lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.3),
}
each = pytest.mark.parametrize("name", OPTIMIZERS)

# Five steps of PyTorch 2.13.0 in float64 on ½ pᵀA p + c·p + Σ q⁴, A = [[2, ½], [½, 1]], c = [1, -2], from p = [1, -1]
# and q = [½, 1½]; in each row p, then q. The formulas are those in the documentation of torch.optim.SGD (momentum
# buffer b = μb + g, begun with the first g; Nesterov's g + μb; decay g + λp), Adam (Kingma and Ba, algorithm 1; decay
# g + λp) and AdamW (Loshchilov and Hutter, algorithm 2: p - lr·λ·p first).
STEPS = {
    "SGD": [
        [0.750000000000, -0.750000000000, 0.450000000000, 0.150000000000],
        [0.537500000000, -0.512500000000, 0.413550000000, 0.148650000000],
        [0.355625000000, -0.288125000000, 0.385259275674, 0.147336122934],
        [0.198906250000, -0.077093750000, 0.362386477246, 0.146056777853],
        [0.062979687500, 0.120670312500, 0.343350466510, 0.144810470556],
    ],
    "SGD momentum": [
        [0.875000000000, -0.875000000000, 0.475000000000, 0.825000000000],
        [0.646875000000, -0.640625000000, 0.431065625000, 0.105196875000],
        [0.342890625000, -0.313828125000, 0.375504773847, -0.542858767272],
        [-0.007138671875, 0.087408203125, 0.314910485161, -1.094113222815],
        [-0.373636376953, 0.544328955078, 0.254129778095, -1.328293202105],
    ],
    "SGD nesterov": [
        [0.762500000000, -0.762500000000, 0.452500000000, 0.217500000000],
        [0.457593750000, -0.435031250000, 0.397042162812, -0.333159861563],
        [0.118368046875, -0.037873359375, 0.340023035790, -0.812849584865],
        [-0.226230795898, 0.408263682227, 0.285033593465, -1.047140154291],
        [-0.552977454447, 0.882706912544, 0.233819474952, -0.918361309549],
    ],
    "SGD decay": [
        [0.860000000000, -0.860000000000, 0.467500000000, 0.802500000000],
        [0.732600000000, -0.725600000000, 0.440052490625, 0.687099496875],
        [0.616491000000, -0.596751000000, 0.416408805227, 0.611916284077],
        [0.510513310000, -0.473374460000, 0.395721924503, 0.556912164820],
        [0.413638640850, -0.355367952850, 0.377392414079, 0.514013091636],
    ],
    "SGD all": [
        [0.748000000000, -0.748000000000, 0.441500000000, 0.244500000000],
        [0.447224000000, -0.424544000000, 0.377798557585, -0.213763357605],
        [0.136988312000, -0.060168632000, 0.316291564585, -0.565813397133],
        [-0.154195502544, 0.319075110304, 0.260316405310, -0.771093288075],
        [-0.408182913052, 0.691688111232, 0.211015452686, -0.785217255744],
    ],
    "Adam": [
        [0.900000000400, -0.900000000400, 0.400000002000, 1.400000000074],
        [0.800208950891, -0.800057757472, 0.306436785418, 1.301062329308],
        [0.700786197955, -0.700213423969, 0.222752484463, 1.203966906418],
        [0.601907207942, -0.600508431026, 0.149933333524, 1.109490237335],
        [0.503764262738, -0.500985543841, 0.087120710096, 1.018353229108],
    ],
    "Adam all": [
        [0.900035701535, -0.900035701535, 0.400153609831, 1.400007167945],
        [0.800411421041, -0.800206232565, 0.305966182673, 1.301380010924],
        [0.701383385594, -0.700605213877, 0.220624793496, 1.205099032117],
        [0.603230058661, -0.601328433498, 0.145705043579, 1.112124340475],
        [0.506251344560, -0.502473212007, 0.081358124995, 1.023331138462],
    ],
    "AdamW": [
        [0.899000000400, -0.899000000400, 0.399500002000, 1.398500000074],
        [0.798312601339, -0.798159392924, 0.305591661839, 1.298188257556],
        [0.698098732769, -0.697518543812, 0.221713798357, 1.199860062507],
        [0.598535355841, -0.597119014792, 0.148816453403, 1.104303886967],
        [0.499816111187, -0.497003614139, 0.086002531115, 1.012247153023],
    ],
    "AdamW all": [
        [0.870039984006, -0.870039984006, 0.385199600798, 1.355007406859],
        [0.744409356393, -0.744100491225, 0.283282016869, 1.216782508870],
        [0.623291116137, -0.622139574104, 0.197835788807, 1.086766905346],
        [0.506879383458, -0.504114023205, 0.128631621099, 0.966160186257],
        [0.395375330162, -0.389978835626, 0.073385557147, 0.855781138356],
    ],
}
A, C = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([1.0, -2.0])


def parameters(dtype=np.float64):
    return [Tensor(np.array(x, dtype), requires_grad=True) for x in ([1.0, -1.0], [0.5, 1.5])]


def loss(p, q):
    value = 0.5 * p @ A @ p + C @ p
    return value if q is None else value + (q**4).sum()


def run(optimizer, p, q, steps, without_q=0):
    rows = []
    for step in range(steps):
        optimizer.zero_grad()
        loss(p, None if step < without_q else q).backward()
        optimizer.step()
        rows.append([*p.tolist(), *q.tolist()])
    return rows


@each
def test_five_steps_are_those_of_the_reference(name):
    p, q = parameters()
    np.testing.assert_allclose(run(OPTIMIZERS[name]([p, q]), p, q, 5), STEPS[name], rtol=0, atol=2e-12)


@each
def test_a_parameter_whose_first_gradient_comes_late_starts_then(name):
    """As the reference does: what it went without does not count, neither for momentum nor for Adam's bias."""
    p, q = parameters()
    rows = np.array(run(OPTIMIZERS[name]([p, q]), p, q, 5, without_q=2))
    expected = np.array(STEPS[name])
    np.testing.assert_allclose(rows[:, :2], expected[:, :2], rtol=0, atol=2e-12)
    np.testing.assert_allclose(rows[:2, 2:], [[0.5, 1.5]] * 2)
    np.testing.assert_allclose(rows[2:, 2:], expected[:3, 2:], rtol=0, atol=2e-12)


@each
def test_float32_stays_float32_in_a_whole_step(name):
    p, q = parameters(np.float32)
    optimizer = OPTIMIZERS[name]([p, q])
    np.testing.assert_allclose(run(optimizer, p, q, 5), STEPS[name], rtol=1e-4, atol=1e-5)
    for t in (p, q):
        assert t.dtype == t.grad.dtype == np.float32
    assert {
        np.asarray(a).dtype for key, a in optimizer.state_dict().items() if not key.startswith(("steps", "lr"))
    } <= {np.dtype("f4")}


@pytest.mark.parametrize(
    "make",
    [
        lambda ps: SGD(ps, lr=np.float64(0.1), momentum=np.float64(0.9), weight_decay=np.float64(0.1)),
        lambda ps: Adam(
            ps, lr=np.float64(0.1), betas=(np.float64(0.9), np.float64(0.99)), weight_decay=np.float64(0.1)
        ),
        lambda ps: AdamW(ps, lr=np.float64(0.1), betas=tuple(np.array([0.9, 0.99])), eps=np.float64(1e-8)),
    ],
    ids=["SGD", "Adam", "AdamW"],
)
def test_float32_stays_float32_with_numpy_numbers_as_options(make):
    p, q = parameters(np.float32)
    optimizer = make([p, q])
    run(optimizer, p, q, 2)
    assert p.dtype == np.float32
    assert {a.dtype for key, a in optimizer.state_dict().items() if not key.startswith(("steps", "lr"))} == {
        np.dtype("f4")
    }


@each
def test_zero_d_parameters(name):
    p = Tensor(np.float32(1), requires_grad=True)
    optimizer = OPTIMIZERS[name]([p])
    for _ in range(3):
        optimizer.zero_grad()
        (p * p).backward()
        optimizer.step()
    assert p.shape == ()
    assert p.dtype == np.float32
    assert 0 < p.item() < 1
    optimizer.load_state_dict(optimizer.state_dict())


@each
def test_a_step_writes_into_the_parameters_own_array(name):
    p, q = parameters()
    array = p.data
    run(OPTIMIZERS[name]([p, q]), p, q, 1)
    assert p.data is array


@each
def test_a_step_leaves_the_gradient_as_it_was(name):
    p, q = parameters()
    optimizer = OPTIMIZERS[name]([p, q])
    loss(p, q).backward()
    before = p.grad.data.copy()
    for _ in range(3):
        optimizer.step()
    np.testing.assert_array_equal(p.grad.data, before)


@each
def test_changing_a_gradient_after_the_step_does_not_reach_the_state(name):
    p, q = parameters()
    optimizer = OPTIMIZERS[name]([p, q])
    loss(p, q).backward()
    optimizer.step()
    state = optimizer.state_dict()
    p.grad.data *= 0
    for key, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(array, state[key])


@each
def test_parameters_without_a_gradient_stay_as_they_are(name):
    p, q = parameters()
    optimizer = OPTIMIZERS[name]([p, q])
    with pytest.warns(UserWarning, match=r"no parameter has a gradient.*call loss\.backward\(\)") as caught:
        optimizer.step()
    assert caught[0].filename == __file__
    assert p.tolist() == [1, -1]
    loss(p, None).backward()
    optimizer.step()
    assert q.tolist() == [0.5, 1.5]
    assert p.tolist() != [1, -1]


def test_zero_grad_forgets():
    p, q = parameters()
    loss(p, q).backward()
    SGD([p, q], lr=1).zero_grad()
    assert p.grad is None
    assert q.grad is None


@each
def test_the_learning_rate_may_be_assigned(name):
    p, q = parameters()
    optimizer = OPTIMIZERS[name]([p, q])
    optimizer.lr = 1e-12
    run(optimizer, p, q, 3)
    np.testing.assert_allclose([*p.tolist(), *q.tolist()], [1, -1, 0.5, 1.5], atol=1e-9)


def test_params_may_be_any_iterable():
    net = tg.nn.Linear(2, 2)
    assert len(SGD(net.parameters(), lr=1).params) == 2
    assert len(SGD((p for p in parameters()), lr=1).params) == 2
    assert len(SGD(tuple(parameters()), lr=1).params) == 2


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_saved_state_continues_bit_for_bit(name, dtype):
    p, q = parameters(dtype)
    whole = run(OPTIMIZERS[name]([p, q]), p, q, 6)
    p, q = parameters(dtype)
    first = OPTIMIZERS[name]([p, q])
    half = run(first, p, q, 3)
    state = first.state_dict()
    saved = {key: np.array(value) for key, value in state.items()}
    second = OPTIMIZERS[name]([p, q])
    second.load_state_dict(saved)
    assert half + run(second, p, q, 3) == whole


def test_a_state_is_a_copy_in_both_directions():
    p, q = parameters()
    optimizer = Adam([p, q])
    run(optimizer, p, q, 2)
    state = optimizer.state_dict()
    before = {key: np.copy(value) for key, value in state.items()}
    for value in optimizer.state_dict().values():
        value *= 0
    np.testing.assert_array_equal(optimizer.state_dict()["mean.0"], before["mean.0"])
    run(optimizer, p, q, 1)
    other = Adam([p, q])
    other.load_state_dict(state)
    run(other, p, q, 1)
    for key, value in state.items():
        np.testing.assert_array_equal(value, before[key])


def test_a_fresh_optimizer_has_a_state_too():
    p, q = parameters()
    for make in OPTIMIZERS.values():
        make([p, q]).load_state_dict(make([p, q]).state_dict())


def test_loading_converts_to_the_parameters_type():
    p, q = parameters(np.float32)
    optimizer = SGD([p, q], lr=0.1, momentum=0.9)
    optimizer.load_state_dict({"momentum.0": np.ones(2), "momentum.1": [1.0, 2.0]})
    assert {a.dtype for key, a in optimizer.state_dict().items() if not key.startswith(("steps", "lr"))} == {
        np.dtype("f4")
    }


@pytest.mark.parametrize(
    ("state", "faults"),
    [
        ({"mean.0": np.zeros(2)}, ["unexpected mean.0"]),
        ({"momentum.2": np.zeros(2), "momentum.01": np.zeros(2)}, ["unexpected momentum.2", "unexpected momentum.01"]),
        ({"momentum.x": np.zeros(2), "momentum": np.zeros(2)}, ["unexpected momentum.x", "unexpected momentum"]),
        (
            {"steps.0": 1, "momentum.0": np.zeros(()), "momentum.1": np.zeros(3)},
            ["unexpected steps.0", "momentum.0 has shape (), not (2,)", "momentum.1 has shape (3,), not (2,)"],
        ),
        (
            {"momentum.0": np.array(["a", "b"]), "momentum.1": np.zeros(2, complex)},
            ["momentum.0 is of type <U1, not float64", "momentum.1 is of type complex128, not float64"],
        ),
        ({"momentum.0": [None, 1.0], "momentum.1": [[1.0], [1.0, 2.0]]}, ["of type object", "rows of unequal length"]),
    ],
)
def test_a_state_that_does_not_fit_is_refused_with_all_its_faults_and_changes_nothing(state, faults):
    p, q = parameters()
    optimizer = SGD([p, q], lr=0.1, momentum=0.9)
    run(optimizer, p, q, 2)
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match="does not fit this SGD: ") as caught:
        optimizer.load_state_dict(state)
    listed = str(caught.value).partition(": ")[2].split("; ")
    assert len(listed) == len(faults)
    assert all(fault in entry for fault, entry in zip(faults, listed, strict=True))
    for key, value in optimizer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


def test_half_a_state_is_refused():
    p, q = parameters()
    optimizer = Adam([p, q])
    run(optimizer, p, q, 2)
    state = optimizer.state_dict()
    del state["square.1"], state["steps.0"]
    with pytest.raises(ValueError, match=r"missing steps\.0; missing square\.1$"):
        optimizer.load_state_dict(state)


def test_a_count_of_steps_is_a_whole_number_and_stays_one_of_pythons():
    p, q = parameters(np.float32)
    optimizer = Adam([p, q])
    run(optimizer, p, q, 2)
    state = optimizer.state_dict()
    with pytest.raises(ValueError, match=r"steps\.0 is of type float64, not int64"):
        optimizer.load_state_dict(state | {"steps.0": np.array(2.5)})
    optimizer.load_state_dict(state)
    assert type(optimizer.state["steps"][0]) is int


def assigned(make, value):
    make(parameters()).lr = value


def loaded(make, value):
    make(parameters()).load_state_dict({"lr": value})


WAYS = {"made": lambda make, value: make(parameters(), lr=value), "assigned": assigned, "loaded": loaded}


@pytest.mark.parametrize("make", [lambda ps, lr=0.1: SGD(ps, lr), Adam, AdamW], ids=["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lr", [-1, math.nan, math.inf, np.float32(-0.1), np.array(-2.0)], ids=str)
def test_the_learning_rate_must_be_a_number_of_at_least_0(make, way, lr):
    with pytest.raises(ValueError, match="the learning rate must be a number of at least 0, not"):
        WAYS[way](make, lr)


@pytest.mark.parametrize("way", ["made", "assigned"])
@pytest.mark.parametrize("lr", ["0.1", None, [0.1]])
def test_a_learning_rate_that_is_no_number_is_named(way, lr):
    with pytest.raises(ValueError, match="the learning rate must be") as caught:
        WAYS[way](Adam, lr)
    assert str(caught.value).endswith("leave out the quotes") is isinstance(lr, str)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_an_array_of_one_number_is_a_learning_rate_as_in_a_state(dtype, compiled):
    p = Tensor(np.ones(2, np.float32), requires_grad=True)
    optimizer, other = SGD([p], lr=np.array(2, dtype)), Adam([p])
    other.lr = optimizer.state_dict()["lr"]
    assert (other.lr, type(other.lr), type(optimizer.lr)) == (2.0, float, float)

    def step():
        optimizer.zero_grad()
        p.sum().backward()
        optimizer.step()

    (tg.jit(step) if compiled else step)()
    assert p.tolist() == [-1, -1]
    assert p.dtype == np.float32


@pytest.mark.parametrize("way", ["made", "assigned"])
@pytest.mark.parametrize(
    ("lr", "message"),
    [
        (Tensor(0.1), r"number of at least 0, not Tensor\(0.1, dtype=float32\): pass its \.item\(\)"),
        (10**400, r"not 10+: a float holds up to about 1\.8e308"),
        (np.array([0.1]), "number of at least 0, not array"),
        (np.array(1j), "number of at least 0, not 1j"),
        (np.array("0.1"), "leave out the quotes"),
    ],
    ids=["Tensor", "huge", "vector", "complex", "text"],
)
def test_a_learning_rate_that_is_no_number_of_pythons_is_told_what_to_be(way, lr, message):
    with pytest.raises(ValueError, match=message):
        WAYS[way](Adam, lr)


def test_what_is_refused_changes_nothing():
    optimizer = SGD(parameters(), 0.5, momentum=0.9)
    run(optimizer, *optimizer.params, 1)
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match="learning rate"):
        optimizer.load_state_dict({"lr": np.nan, "momentum.0": np.zeros(2), "momentum.1": np.zeros(2)})
    for key, value in optimizer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


@pytest.mark.parametrize("lr", [0, 0.25, np.float64(0.25), np.float32(0.25)], ids=repr)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_numbers_of_numpy_and_0_are_learning_rates_like_others(lr, compiled):
    p = Tensor(np.ones(2, np.float32), requires_grad=True)
    optimizer = SGD([p], lr=0.5)

    def step():
        optimizer.zero_grad()
        (3 * p).sum().backward()
        optimizer.step()

    step = tg.jit(step) if compiled else step
    step()
    optimizer.lr = lr
    step()
    assert type(optimizer.lr) is float
    assert p.dtype == np.float32
    assert p.tolist() == [-0.5 - 3 * float(lr)] * 2
    if compiled:
        assert len(step.programs) == 1


@pytest.mark.parametrize("name", ["momentum", "weight_decay", "eps"])
def test_the_other_options_are_checked_when_they_are_assigned(name):
    optimizer = Adam(parameters()) if name == "eps" else SGD(parameters(), 0.1, momentum=0.5)
    setattr(optimizer, name, np.float64(0.25))
    assert type(getattr(optimizer, name)) is float
    with pytest.raises(ValueError, match=f"{name} must be a number of at least 0, not -1"):
        setattr(optimizer, name, -1)
    with pytest.raises(ValueError, match="betas must be"):
        Adam(parameters()).betas = (0.9, 1.0)


def test_a_learning_rate_that_falls_inside_a_jitted_step_stays_an_input():
    def training(wrap):
        p = Tensor(np.ones(2), requires_grad=True)
        optimizer = SGD([p], lr=0.5)

        def step():
            optimizer.lr = 0.5 * optimizer.lr
            optimizer.zero_grad()
            (p**2).sum().backward()
            optimizer.step()

        step = wrap(step)
        for _ in range(4):
            step()
        return p.tolist(), optimizer.lr, step

    jitted, rate, step = training(tg.jit)
    assert (jitted, rate) == training(lambda f: f)[:2]
    assert len(step.programs) == 1


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("given", [[1, 2], np.array([1.0, 2.0]), Tensor(np.array([1.0, 2.0]))], ids=str)
def test_a_gradient_may_be_assigned_as_an_array_or_a_list(given, compiled):
    p = Tensor(np.zeros(2, np.float32), requires_grad=True)
    optimizer = SGD([p], lr=1)

    def step(scale):
        p.grad = given if isinstance(given, list) else given * scale
        optimizer.step()

    (tg.jit(step) if compiled else step)(np.float32(1))
    assert p.dtype == np.float32
    assert p.tolist() == [-1, -2]


def test_a_gradient_is_a_tensor_of_the_type_and_shape_of_what_it_belongs_to():
    p = Tensor(np.zeros(2, np.float32), requires_grad=True)
    p.grad = np.array([1.0, 2.0])
    assert isinstance(p.grad, Tensor)
    assert p.grad.dtype == np.float32
    for wrong in (np.zeros(3), 0.0, np.zeros((1, 2)), Tensor([[1.0, 2.0]])):
        with pytest.raises(tg.ShapeError, match=r"the gradient has shape .*, but .* has shape \(2,\)"):
            p.grad = wrong
    with pytest.raises(TypeError, match="holds numbers, not str"):
        p.grad = "steep"
    assert p.grad.tolist() == [1, 2]
    p.grad = None
    assert p.grad is None


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_a_step_after_a_gradient_of_one_parameter_does_not_warn(compiled):
    p, q = parameters()
    optimizer = SGD([p, q], lr=1)

    def step():
        optimizer.zero_grad()
        p.sum().backward()
        optimizer.step()

    step = tg.jit(step) if compiled else step
    step()
    step()
    assert p.tolist() == [-1, -3]


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], ValueError, "at least one parameter"),
        (tg.nn.Linear(2, 2).freeze().parameters(), ValueError, r"there is none: .* net\.freeze\(False\)"),
        (Tensor(1.0, requires_grad=True), TypeError, r"list of parameters, such as model.parameters\(\), not Tensor"),
        (None, TypeError, "not NoneType"),
        (tg.nn.Linear(2, 2), TypeError, "not Linear"),
        ([Tensor(1.0)], TypeError, "parameter 0, a Tensor, is no Tensor that requires a gradient"),
        ([Tensor(1.0, requires_grad=True), np.zeros(2)], TypeError, "parameter 1, a ndarray, is no Tensor"),
        ([*tg.nn.Linear(2, 2).named_parameters()], TypeError, r"parameter 0, a tuple, .*: pass model\.parameters\(\)"),
        ([{"params": parameters(), "lr": 0.1}], TypeError, "parameter 0, a dict, .*groups have an optimizer each"),
        (dict(tg.nn.Linear(2, 2).named_parameters()), TypeError, "parameter 0, a str, .*: pass a list"),
        (iter(()), ValueError, "there is none: .*it is used up, so make a list of it first"),
        ([2 * Tensor(1.0, requires_grad=True)], TypeError, "parameter 0 is a result of multiply"),
    ],
)
@pytest.mark.parametrize("make", [SGD, Adam, AdamW])
def test_parameters_must_be_tensors_that_require_gradients(make, params, error, message):
    with pytest.raises(error, match=message):
        make(params, lr=0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda ps: SGD(ps, 0.1, momentum=-0.1), "momentum must be a number of at least 0, not -0.1"),
        (lambda ps: SGD(ps, 0.1, weight_decay=-1), "weight_decay must be"),
        (lambda ps: SGD(ps, 0.1, momentum=math.nan), "momentum must be"),
        (lambda ps: SGD(ps, 0.1, nesterov=True), "nesterov looks ahead.*set momentum above 0"),
        (lambda ps: Adam(ps, betas=(1.0, 0.9)), r"betas must be at least 0 and below 1, not \(1.0, 0.9\)"),
        (lambda ps: Adam(ps, betas=(0.9, -0.1)), "betas must be"),
        (lambda ps: Adam(ps, eps=-1e-8), "eps must be"),
        (lambda ps: AdamW(ps, weight_decay=-0.01), "weight_decay must be"),
        (lambda ps: Adam(ps, betas=(0.9,)), "betas"),
        (lambda ps: Adam(ps, betas=0.9), "betas"),
        (lambda ps: Adam(ps, betas=("0.9", "0.99")), "betas must be"),
    ],
)
def test_options_are_validated(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(parameters())


def test_a_learning_rate_that_was_changed_is_kept_and_loaded():
    p = tg.Tensor([1.0], requires_grad=True)
    optimizer = tg.optim.SGD([p], lr=0.5)
    optimizer.lr *= 0.25
    other = tg.optim.SGD([p], lr=3.0)
    other.load_state_dict(optimizer.state_dict())
    assert (other.lr, type(other.lr)) == (0.125, float)
    other.load_state_dict({})
    assert other.lr == 0.125


def test_a_jitted_step_forgets_a_gradient_of_another_shape():
    p = Tensor(np.zeros(2), requires_grad=True)
    optimizer = SGD([p], lr=1)

    @tg.jit
    def step():
        optimizer.zero_grad()
        p.sum().backward()
        optimizer.step()

    step()
    p.sum().backward()
    p.data = np.zeros(3)
    step()
    assert p.tolist() == [-1, -1, -1]


def test_a_jitted_step_without_gradients_warns_when_it_is_recorded():
    p, q = parameters()
    step = tg.jit(SGD([p, q], lr=1).step)
    with pytest.warns(UserWarning, match="no parameter has a gradient"):
        step()


@pytest.mark.parametrize("make", [lambda p: tg.optim.SGD(p, 0.1, momentum=0.9), tg.optim.Adam, tg.optim.AdamW])
def test_a_gradient_that_is_a_constant_is_followed_under_jit_as_eagerly(make):
    results = []
    for wrap in (lambda f: f, tg.jit):
        w = Tensor(np.ones(3), requires_grad=True)
        optimizer = make([w])

        def step(w=w, optimizer=optimizer):
            optimizer.zero_grad()
            w.sum().backward()
            optimizer.step()

        step = wrap(step)
        for _ in range(3):
            step()
        results.append(w.tolist())
    np.testing.assert_allclose(results[1], results[0], rtol=1e-12)

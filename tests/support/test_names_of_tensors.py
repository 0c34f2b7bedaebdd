"""What users of NumPy and PyTorch call on a Tensor works, or the error names what is written here."""

import inspect

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Tensor
from tinygrad_lite.support.names import INSTEAD_OF_METHODS

X = np.arange(24.0).reshape(2, 3, 4) - 3
WORKS = {
    "flatten from an axis on": (lambda x: x.flatten(1), lambda x: x.reshape(2, 12)),
    "flatten": (lambda x: x.flatten(), np.ravel),
    "view": (lambda x: x.view(6, 4), lambda x: x.reshape(6, 4)),
    "permute": (lambda x: x.permute(2, 0, 1), lambda x: x.transpose(2, 0, 1)),
    "unsqueeze": (lambda x: x.unsqueeze(1), lambda x: x[:, None]),
    "clone": (lambda x: x.clone(), np.copy),
    "dot": (lambda x: x.dot(np.ones(4)), lambda x: x @ np.ones(4)),
    "norm": (lambda x: x.norm(), lambda x: np.sqrt(np.sum(x * x))),
    "norm of axes": (lambda x: x.norm((0, 2), keepdims=True), lambda x: np.sqrt((x * x).sum((0, 2), keepdims=True))),
}


@pytest.mark.parametrize("name", WORKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_method_is_that_of_the_other_library(name, dtype):
    ours, theirs = WORKS[name]
    x = Tensor(X.astype(dtype), requires_grad=True)
    for f in (ours, tg.jit(ours)):
        y = f(x)
        assert y.dtype == dtype
        np.testing.assert_allclose(y.detach().data, theirs(X), rtol=1e-5)


@pytest.mark.parametrize("name", WORKS)
def test_a_method_is_differentiated_in_both_orders(name):
    assert tg.gradcheck(lambda x: (WORKS[name][0](x) ** 2).sum() / 10, X + 0.3, order=2)


def test_the_samples_stay_when_there_are_none():
    assert Tensor(np.ones((0, 3, 4))).flatten(1).shape == (0, 12)
    with pytest.raises(tg.ShapeError, match="2 axes"):
        Tensor(np.ones((2, 3))).flatten(3)


@pytest.mark.parametrize("name", INSTEAD_OF_METHODS)
def test_a_name_that_is_not_here_is_answered_with_what_to_write(name):
    with pytest.raises(AttributeError, match=rf"a Tensor has no '{name}': write "):
        getattr(Tensor([1.0]), name)
    assert not hasattr(Tensor([1.0]), name), "a name that is here needs no advice"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: x.sum(dim=1), r"Tensor\.sum has no argument 'dim': write axis="),
        (lambda x: x.mean(1, keepdim=True), r"Tensor\.mean has no argument 'keepdim': write keepdims="),
        (lambda x: x.softmax(dim=-1), r"Tensor\.softmax has no argument 'dim': write axis="),
        (lambda x: x.var(unbiased=False), r"Tensor\.var has no argument 'unbiased': write ddof="),
        (lambda x: x.unsqueeze(dim=0), "has no argument 'dim': write axis="),
        (lambda x: tg.nn.functional.softmax(x, dim=1), "softmax has no argument 'dim': write axis="),
        (lambda x: tg.nn.functional.log_softmax(x, over=1), "log_softmax has no argument 'over'$"),
        (lambda x: tg.nn.Softmax(dim=1), "Softmax has no argument 'dim': write axis="),
        (lambda x: x.sum(over=1), "unexpected keyword argument 'over'"),
        (lambda x: x.sum(1, axis=1), "multiple values for argument 'axis'"),
    ],
)
def test_an_argument_of_another_library_is_answered_with_that_of_numpy(call, message):
    x = Tensor(np.ones((2, 3)))
    with pytest.raises(TypeError, match=message):
        call(x)
    with pytest.raises(TypeError, match=message):
        tg.jit(call)(x)


def test_a_method_that_answers_for_arguments_is_still_the_method():
    assert Tensor.sum.__doc__ == "Return the sum over axes."
    assert [*inspect.signature(Tensor.sum).parameters] == ["self", "axis", "keepdims", "options"]


def test_functions_of_numpy_and_slips_are_answered_too():
    x = Tensor([1.0])
    with pytest.raises(AttributeError, match=r"write np\.expm1\(x\)"):
        x.expm1()
    with pytest.raises(AttributeError, match="expm1"):
        Tensor.expm1  # noqa: B018
    with pytest.raises(AttributeError) as error:
        x.sigmoidd  # noqa: B018
    assert (error.value.name, error.value.obj) == ("sigmoidd", x), "of which Python makes: Did you mean: 'sigmoid'?"
    assert "relu" in dir(x)
    assert not {"expm1", "gather"} & {*dir(x)}
    assert getattr(x, "__array_interface__", None) is None


def test_a_number_is_found_in_a_tensor():
    t = Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert 3.0 in t
    assert 5.0 not in t


def test_an_array_with_the_method_of_a_tensor_says_how_to_keep_the_gradient():
    w = Tensor(np.ones(3), requires_grad=True)
    with pytest.raises(TypeError, match=r"in place of an array's method.*np\.dot\(x, w\)"):
        np.ones((2, 3)).dot(w)


def test_what_plots_and_saves_is_told_what_to_write(tmp_path):
    w = Tensor(np.ones(3), requires_grad=True)
    with pytest.raises(TypeError, match=r"np\.save\(path, x\.numpy\(\)\)"):
        np.save(tmp_path / "w.npy", w)
    with pytest.raises(TypeError, match=r"To look at it, plot or save it, use \.numpy\(\)"):
        np.asarray(w)

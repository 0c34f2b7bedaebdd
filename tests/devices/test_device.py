"""A Tensor is on one device: it moves when it is asked to, its gradient back with it, and mixing is an error."""

import copy

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.devices import standin as module
from tinygrad_lite.errors import DeviceError
from tinygrad_lite.support import devices as device
from tinygrad_lite.support.devices import is_of_a_device


@pytest.fixture
def there(standin):
    """Return a function that makes a Tensor on the stand-in's device."""
    return lambda data, **options: tg.Tensor(device.to_device(np.asarray(data), standin), **options)


def test_to_the_same_device_is_the_same_tensor(there, standin):
    here = tg.Tensor([1.0])
    assert here.to("cpu") is here
    x = there([1.0])
    assert x.to(standin) is x


def test_there_and_back(standin):
    x = tg.Tensor([[1.0, 2.0], [3.0, 4.0]], name="x")
    y = x.to(standin)
    assert (x.device, y.device) == ("cpu", standin)
    assert isinstance(y.data, module.ndarray)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert type(y.to("cpu").data) is np.ndarray
    np.testing.assert_array_equal(y.to("cpu").data, x.data)


def test_what_is_read_is_copied_to_the_cpu(there):
    x = there([[1.0, 2.5]])
    assert type(x.numpy()) is np.ndarray
    assert not x.numpy().flags.writeable
    assert x.tolist() == [[1.0, 2.5]]
    assert (x[0, 1].item(), float(x.sum()), int(x[0, 0]), f"{x.sum():.2f}") == (2.5, 3.5, 1, "3.50")
    assert bool(x[0, 0])
    assert repr(x) == "Tensor([[1. , 2.5]], dtype=float64, device='standin')"


def test_nothing_is_copied_unasked(there):
    with pytest.raises(DeviceError, match=r"on 'standin'.*with \.numpy\(\)"):
        np.asarray(there([1.0]))


def test_an_unknown_device_lists_the_known(standin):
    with pytest.raises(DeviceError, match="no device 'gpu': the devices are 'cpu', 'cuda', 'standin'"):
        tg.Tensor(1.0).to("gpu")


def test_without_its_module_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(device.MODULES, "cuda", "tests.devices.not_installed")
    with pytest.raises(DeviceError, match=r"'cuda' needs .*pip install 'tinygrad_lite\[cuda\]'"):
        tg.Tensor(1.0).to("cuda")


def test_without_a_gpu_it_says_so(standin, monkeypatch):
    monkeypatch.setattr(module.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"finds no GPU.*'cpu'"):
        tg.Tensor(1.0).to(standin)


def _assign(a, b):
    a[:] = b


BINARY = {
    "add": lambda a, b: a + b,
    "matmul": lambda a, b: a @ b.T,
    "maximum": np.maximum,
    "where": lambda a, b: np.where(a > 1, a, b),
    "concatenate": lambda a, b: np.concatenate([a, b]),
    "einsum": lambda a, b: np.einsum("ij,ij->", a, b),
    "squared_loss": tg.nn.functional.squared_loss,
    "linear": lambda a, b: tg.nn.functional.linear(a, a.T, b[0, :2]),
    "np.greater": lambda a, b: a > b,
    "assignment": _assign,
}


@pytest.mark.parametrize("operation", BINARY)
def test_mixing_says_which_operand_is_where(operation, there):
    a, b = np.ones((2, 3)), np.ones((2, 3))
    for first, second in ((there(a), tg.Tensor(b)), (tg.Tensor(a), there(b)), (there(a), b)):
        with pytest.raises(DeviceError, match=rf"^{operation} of operands on different devices: .*'standin'") as caught:
            BINARY[operation](first, second)
        assert "is on 'cpu'" in str(caught.value)
        assert ".to('standin')" in str(caught.value)


def test_mixing_names_the_parameter(there):
    w = tg.Tensor(np.ones((3, 2)), requires_grad=True, name="weight")
    with pytest.raises(DeviceError, match=r"input 0, of shape \(1, 3\), is on 'standin', input 1, 'weight', of shape"):
        there([[1.0, 2.0, 3.0]]) @ w


def test_a_number_of_the_cpu_is_no_exception(there):
    # CuPy takes scalars of NumPy's, so that the gradient of this one would stay on the device.
    scale = tg.Tensor(2.0, requires_grad=True, dtype="float64") * 1
    for factor in (scale, tg.Tensor(np.array(2.0), requires_grad=True)):
        with pytest.raises(DeviceError, match="multiply of operands on different devices"):
            there([1.0]) * factor


def test_a_condition_elsewhere_is_named(there):
    with pytest.raises(DeviceError, match=r"condition, of shape \(2,\), is on 'cpu'"):
        np.where(np.array([True, False]), there([1.0, 2.0]), 0)


def test_another_error_stays_what_it_is(there):
    with pytest.raises(tg.ShapeError, match=r"matmul of \(1, 2\) @ \(1, 2\)"):
        there([[1.0, 2.0]]) @ there([[1.0, 2.0]])
    with pytest.raises(ValueError, match="broadcast"):
        there([1.0, 2.0])[:] = there([1.0, 2.0, 3.0])


def test_a_cotangent_must_be_where_its_tensor_is(there):
    x = there([1.0, 2.0], requires_grad=True)
    with pytest.raises(DeviceError, match="the gradient is on 'cpu', but its Tensor is on 'standin'"):
        (x * x).backward(np.ones(2))


def test_a_parameter_owns_its_memory(there):
    x = there([1.0, 2.0])
    w = tg.Tensor(x.data, requires_grad=True)
    w.data -= 1.0
    assert x.tolist() == [1.0, 2.0]
    assert copy.copy(w.detach()).tolist() == [0.0, 1.0]


def test_a_change_in_place_is_noticed_through_a_view(there):
    x = there([[1.0, 2.0]])
    y = x.T * there([1.0], requires_grad=True)
    x.data += 1.0
    with pytest.raises(tg.GraphError, match="changed in place"):
        y.sum().backward()


def test_an_index_is_kept_as_it_was(there, standin):
    index = device.to_device(np.array([0, 0]), standin)
    x = there([1.0, 2.0], requires_grad=True)
    y = x[index]
    index[:] = 1
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 0.0]


def test_an_anomaly_is_found(there):
    x = there([1.0, 0.0])
    with (
        tg.detect_anomaly(),
        np.errstate(divide="ignore"),
        pytest.raises(FloatingPointError, match=r"log gives -inf at index 1 of shape \(2,\), from 0\.0"),
    ):
        np.log(x)


def test_the_modules_of_a_device_are_known_by_name():
    assert all(map(is_of_a_device, ("cupy", "cupy.cuda.compiler", "cupy_backends.cuda", "cuda.pathfinder")))
    assert not any(map(is_of_a_device, ("", "cupyish", "cudann", "numpy.lib", "tempfile", "__main__")))

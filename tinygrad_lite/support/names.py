"""Advice on names from other libraries, such as PyTorch, that this one does not have.

The AttributeError, ImportError or TypeError says what to write instead.
"""

from __future__ import annotations

import difflib
import dis
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any

import numpy as np

from .late import load


def _by_name(advice: dict[str, str]) -> dict[str, str]:
    """Return the advice by single name, given advice by names separated by spaces."""
    return {name: text for names, text in advice.items() for name in names.split()}


INSTEAD = _by_name(
    {
        "tensor as_tensor from_numpy": "tg.Tensor(data)",
        "Variable Parameter": "tg.Tensor(data, requires_grad=True)",
        "save save_model": 'tg.checkpoint.save(path, {"net": net.state_dict()}, {})',
        "load load_model": 'tg.checkpoint.load(path), and net.load_state_dict(states["net"])',
        "DataLoader Dataset TensorDataset": "tg.data.Batches(images, labels, batch_size)",
        "MNIST load_data": "tg.data.load_mnist()",
        "ImageFolder image_dataset_from_directory": "tg.data.load_pictures(folder)",
        "datasets": "tg.data",
        "compile": "tg.jit(f)",
        "seed set_seed random": "tg.manual_seed(seed)",
        "inference_mode": "tg.no_grad()",
        "stop_gradient": "x.detach()",
        "autograd GradientTape": "tg.grad(f), or loss.backward()",
        "cuda": 'x.to("cuda")',
        "Model": "tg.nn.Module",
        "layers": "tg.nn",
        "losses metrics": "tg.nn.functional",
        "initializers": "tg.nn.init",
        "optimizers": "tg.optim",
        "zeros ones eye arange empty full": "NumPy's function of that name, and tg.Tensor(…) of its array",
        "cat": "np.concatenate, which takes Tensors",
        "bmm mm": "a @ b",
        "rand": "tg.Tensor(np.random.default_rng().random(shape))",
        "randn": "tg.Tensor(np.random.default_rng().normal(size=shape))",
        "Dense LazyLinear": "tg.nn.Linear(in_features, out_features)",
        "Activation": "tg.nn.ReLU() or another activation",
        "Input InputLayer": "tg.nn.Identity(), or nothing",
        "ModuleList ParameterList": "a list in an attribute",
        "ModuleDict ParameterDict": "a dictionary in an attribute",
        "CrossEntropyLoss categorical_crossentropy sparse_categorical_crossentropy "
        "CategoricalCrossentropy SparseCategoricalCrossentropy": "tg.nn.functional.cross_entropy(logits, labels)",
        "MSELoss mse_loss MeanSquaredError mean_squared_error": "((p - y) ** 2).mean(), or "
        "tg.nn.functional.squared_loss(p, y), which adds up the squares of a sample",
        "L1Loss l1_loss": "abs(p - y).mean()",
        "to_categorical": "tg.nn.functional.one_hot(labels, classes)",
        "Accuracy": "tg.nn.functional.accuracy(p, labels)",
        "dropout": "tg.nn.Dropout(p)(x)",
        "kaiming_uniform kaiming_uniform_": "tg.nn.init.he_uniform(shape)",
        "kaiming_normal kaiming_normal_": "tg.nn.init.he_normal(shape)",
        "xavier_uniform xavier_uniform_": "tg.nn.init.glorot_uniform(shape)",
        "xavier_normal xavier_normal_": "tg.nn.init.glorot_normal(shape)",
        "lr_scheduler": "optimizer.lr = rate(i) before each step, with a function of tg.optim.schedule",
        "Conv1D": "tg.nn.Conv1d",
        "Conv2D": "tg.nn.Conv2d",
        "MaxPooling2D": "tg.nn.MaxPool2d",
        "BatchNormalization": "tg.nn.BatchNorm1d or tg.nn.BatchNorm2d",
        "LayerNormalization": "tg.nn.LayerNorm",
        "MultiheadAttention": "tg.nn.MultiHeadAttention",
        "BCELoss binary_cross_entropy BCEWithLogitsLoss": "tg.nn.functional.binary_cross_entropy_with_logits(z, y)",
        "HuberLoss SmoothL1Loss smooth_l1_loss": "tg.nn.functional.huber_loss(p, y)",
        "KLDivLoss": "tg.nn.functional.kl_div(log_p, y)",
        "NLLLoss": "tg.nn.functional.nll_loss(log_p, labels)",
        "clip_grad_norm_": "tg.optim.clip_grad_norm(params, max_norm)",
        "clip_grad_value_": "tg.optim.clip_grad_value(params, clip_value)",
    }
)

# The same for methods and attributes of arrays.
INSTEAD_OF_METHODS = _by_name(
    {
        "mm bmm matmul": "x @ y",
        "mul multiply": "x * y",
        "add": "x + y",
        "sub subtract": "x - y",
        "div divide true_divide": "x / y",
        "pow power": "x ** n",
        "neg negative": "-x",
        "t": "x.T",
        "H mH": "x.mT",
        "cpu": 'x.to("cpu")',
        "cuda": 'x.to("cuda")',
        "get": "x.numpy()",
        "float single": 'x.astype("float32")',
        "double": 'x.astype("float64")',
        "half": 'x.astype("float16")',
        "int long": 'x.astype("int64")',
        "bool": 'x.astype("bool")',
        "type": "x.astype(dtype)",
        "dim": "x.ndim",
        "numel nelement": "x.size",
        "is_leaf": "x.operation is None",
        "grad_fn": "x.operation",
        "requires_grad_": "x.requires_grad = True",
        "detach_": "x = x.detach()",
        "zero_": "x[...] = 0 inside no_grad()",
        "fill fill_ copy_": "x[...] = value inside no_grad()",
        "add_ sub_ mul_ div_": "x += y, and so on, inside no_grad()",
        "zero_grad": "x.grad = None",
        "masked_fill": "np.where(mask, value, x)",
        "gather": "np.take_along_axis(x, index, axis)",
        "index_select": "x.take(index, axis)",
        "masked_select": "x[mask]",
        "scatter scatter_": "tg.scatter(x, axis, index, source), which returns a new Tensor",
        "index_add index_add_": "tg.index_add(x, axis, index, source), which returns a new Tensor",
        "index_copy index_fill": "tg.scatter(x, axis, index, source)",
        "narrow select": "x[:, start:stop], a slice of an axis",
        "unbind": "np.unstack(x, axis=axis)",
        "movedim": "np.moveaxis(x, source, destination)",
        "swapdims transpose_": "x.swapaxes(i, j)",
        "unfold": "np.lib.stride_tricks.sliding_window_view(x, n, axis)",
        "repeat_interleave": "x.repeat(n, axis)",
        "view_as reshape_as": "x.reshape(y.shape)",
        "type_as": "x.astype(y.dtype)",
        "new_zeros new_ones new_full": "np.zeros_like(x, shape=shape), and so on",
        "new_tensor": "tg.Tensor(data)",
        "expand expand_as": "x.broadcast_to(shape)",
        "contiguous ascontiguousarray": "x, as it is",
        "chunk split": "np.split(x, n)",
        "cat": "np.concatenate([x, y])",
        "topk": "x[x.argsort()[-k:]] of a vector",
        "flat": "x.ravel()",
        "zeros ones empty": "np.zeros_like(x), and so on",
        "eye": "np.eye(len(x))",
        "tobytes tofile dump": "x.numpy() first",
        "backprop": "x.backward()",
        "gelu silu leaky_relu elu softplus": "tg.nn.functional.gelu(x), and so on",
    }
)

# The same for methods and attributes of modules.
INSTEAD_IN_MODULES = _by_name(
    {
        "cuda": 'net.to("cuda")',
        "cpu": 'net.to("cpu")',
        "float": 'net.astype("float32")',
        "double": 'net.astype("float64")',
        "half": 'net.astype("float16")',
        "register_buffer": "self.name = tg.nn.Buffer(data)",
        "register_parameter": "self.name = tg.Tensor(data, requires_grad=True)",
        "register_module add_module": "self.name = module",
        "modules children named_children": "net.named_modules(), which yields paths and modules",
        "named_buffers buffers": "net.state_dict(), which has them by path",
        "apply": "for path, module in net.named_modules(): f(module)",
        "fit": "a loop: loss.backward(), optimizer.step(), optimizer.zero_grad()",
        "predict": "net.eval()(x)",
        "save": 'tg.checkpoint.save(path, {"net": net.state_dict()}, {})',
    }
)

# Arguments of functions that reduce or act along axes.
INSTEAD_OF_ARGUMENTS = _by_name(
    {
        "dim": "axis=",
        "dims": "the axes without a name, as in x.transpose(1, 0)",
        "keepdim keep_dims": "keepdims=",
        "unbiased": "ddof=",
        "start_dim": "start=",
    }
)

# What functions that act along axes name these.
_ACTING = {"axis", "axes", "start"}

# Names that users look for, of features that the library does not have yet.
NOT_YET = "Conv3d MaxPool1d Transformer RNN PReLU Adadelta Adamax NAdam RAdam LBFGS vmap"

# The modules in which to look for a similar name.
PLACES = ("tinygrad_lite", *(f"tinygrad_lite.{name}" for name in ("nn", "nn.functional", "nn.init", "optim", "data")))


def answer_for_missing(module: str, later: Mapping[str, tuple[str, str]] = MappingProxyType({})) -> None:
    """Give a module a ``__getattr__`` that says what to write instead of a name that it lacks.

    It carries out imports that are for ``later``: the module and the name of each, by the name they define here.

    A type checker reads a ``__getattr__`` in a module's own text as a promise of every name. Set from here, it stays
    hidden, and the type checker still finds misspelt names.
    """
    namespace = vars(sys.modules[module])

    def missing(name: str) -> Any:
        if name in later:
            return namespace.setdefault(name, load(*later[name]))
        message = f"{module} has no {name!r}{'' if name.startswith('_') else _advice(module, name)}"
        # `from … import …` discards the message of an AttributeError, and then looks for a submodule.
        caller = sys._getframe(1)
        is_import = caller.f_code.co_code[caller.f_lasti] == dis.opmap["IMPORT_FROM"]
        if is_import and f"{module}.{name}" not in sys.modules:
            raise ImportError(message, name=module)
        raise AttributeError(message)

    namespace["__getattr__"] = missing
    namespace["__dir__"] = lambda: sorted({*namespace, *later})


def _advice(module: str, name: str) -> str:
    if name in INSTEAD:
        return f": write {INSTEAD[name]}"
    ours: dict[str, str] = {}
    exact: dict[str, str] = {}  # preferred to one that differs in capitals: relu is the function, ReLU the layer
    for place in (module, *PLACES):
        for public in _public(importlib.import_module(place)):
            path = f"tg{place.removeprefix('tinygrad_lite')}.{public}"
            ours.setdefault(public.lower(), path)
            exact.setdefault(public, path)
    if name.lower() in ours:
        return f": write {exact.get(name, ours[name.lower()])}"
    if name in NOT_YET.split():
        return " yet"
    theirs = getattr(np, name, None)
    if callable(theirs) and not isinstance(theirs, type):
        return f": write np.{name}, since NumPy's functions take Tensors"
    if theirs is not None:
        return f": NumPy has np.{name}"
    return "".join(f": did you mean {ours[near]}?" for near in difflib.get_close_matches(name.lower(), ours, n=1))


class Absent:
    """A descriptor for a name that a class lacks: its AttributeError says what to write instead.

    A method ``__getattr__`` would do the same, but slow down the access to existing attributes.

    Parameters
    ----------
    advice : str
        What to write instead.
    """

    def __init__(self, advice: str) -> None:
        self.advice = advice
        self.__doc__ = f"Not here: write {advice}."  # which `help` shows

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        message = f"a {owner.__name__} has no {self.name!r}: write {self.advice}"
        raise AttributeError(message, name=self.name, obj=owner if instance is None else instance)


def answer_for_absent(tensor: type, of_numpy: dict[str, str]) -> None:
    """Give Tensors advice on names and arguments of other libraries, and on NumPy functions that are not methods."""
    _set_absent(tensor, of_numpy | INSTEAD_OF_METHODS)
    answer_for_arguments(*tensor.__mro__[:-1])


def answer_for_absent_of_modules(module: type) -> None:
    """Give modules advice on names of other libraries; a subclass may still define these names."""
    _set_absent(module, INSTEAD_IN_MODULES)


def answer_for_arguments(*owners: type | ModuleType) -> None:
    """Let the functions in classes or modules that take an ``axis``, or axes, say so if they are given a ``dim``."""
    for owner in owners:
        for name, function in list(vars(owner).items()):
            if isinstance(function, FunctionType) and _ACTING & inspect.signature(function).parameters.keys():
                setattr(owner, name, _answering(function))


def _answering(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def answering(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError:
            theirs = kwargs.keys() & INSTEAD_OF_ARGUMENTS.keys()
            if theirs:
                raise unknown_argument(function.__qualname__.removesuffix(".__init__"), theirs) from None
            raise

    return answering


def unknown_argument(function: str, given: Iterable[str]) -> TypeError:
    """Return the error for an argument that a function lacks; for one of another library it gives NumPy's name."""
    name = min(given)
    advice = f": write {INSTEAD_OF_ARGUMENTS[name]}" if name in INSTEAD_OF_ARGUMENTS else ""
    return TypeError(f"{function} has no argument {name!r}{advice}")


def _set_absent(owner: type, advice: dict[str, str]) -> None:
    for name in advice.keys() - {name for base in owner.__mro__ for name in vars(base)}:
        absent = Absent(advice[name])
        absent.__set_name__(owner, name)
        setattr(owner, name, absent)


def _public(module: ModuleType) -> list[str]:
    """Return the public names of a module."""
    if hasattr(module, "__all__"):
        return [*module.__all__]
    own = [name for name, x in vars(module).items() if getattr(x, "__module__", None) == module.__name__]
    return [name for name in own if not name.startswith("_")]

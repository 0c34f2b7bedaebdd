"""A deep-learning micro-framework to read in an evening: tensors, one rule for each derivative, many readings.

``tg.__version__`` is the version that is installed. In the examples of all docstrings NumPy is ``np``.

>>> import tinygrad_lite as tg
>>> tg.grad(lambda x: x**2)(3.0)
Tensor(6., dtype=float32)
"""

import sys
from typing import TYPE_CHECKING

if sys.version_info < (3, 11):  # noqa: UP036 (pip checks this, but a checkout need not be installed)
    raise ImportError(f"tinygrad_lite needs Python 3.11 or newer, and this is Python {sys.version.split()[0]}")

from . import nn, optim, rules
from .arrays import PrecisionWarning, get_default_dtype, set_default_dtype
from .engine import no_grad
from .errors import DataError, DeviceError, GraphError, JitError, MissingExtra, ShapeError
from .rules.composed.scattering import index_add, scatter
from .scan import scan
from .support.late import imports_for_later
from .support.names import answer_for_missing
from .support.randomness import manual_seed
from .tensor import GradientWarning, Tensor
from .transforms import grad, hessian, jacobian, jvp, value_and_grad, vjp

# A step of training needs none of these, so each is imported when its name is used: see `support.late`.
if TYPE_CHECKING:
    from . import checkpoint, data, parallel, plot
    from .anomaly import detect_anomaly
    from .compiler import JitWarning, jit
    from .compiler.writers.batched import ExportError
    from .compiler.writers.onnx import export_onnx
    from .compiler.writers.page import export_page
    from .formulas import explain
    from .proof import GradientMismatch, KinkWarning, gradcheck, prove
    from .recompute import checkpoint_activations
    from .safetensors import load_safetensors, save_safetensors

__version__ = "0.1.0"

__all__ = [
    "DataError",
    "DeviceError",
    "ExportError",
    "GradientMismatch",
    "GradientWarning",
    "GraphError",
    "JitError",
    "JitWarning",
    "KinkWarning",
    "MissingExtra",
    "PrecisionWarning",
    "ShapeError",
    "Tensor",
    "__version__",
    "checkpoint",
    "checkpoint_activations",
    "data",
    "detect_anomaly",
    "explain",
    "export_onnx",
    "export_page",
    "get_default_dtype",
    "grad",
    "gradcheck",
    "hessian",
    "index_add",
    "jacobian",
    "jit",
    "jvp",
    "load_safetensors",
    "manual_seed",
    "nn",
    "no_grad",
    "optim",
    "parallel",
    "plot",
    "prove",
    "rules",
    "save_safetensors",
    "scan",
    "scatter",
    "set_default_dtype",
    "value_and_grad",
    "vjp",
]

# Hide the submodule `tensor`: `tg.tensor` shall raise the error that says to write `tg.Tensor`. Imports still find it.
del globals()["tensor"]
answer_for_missing(__name__, imports_for_later(__name__))

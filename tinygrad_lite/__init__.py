"""A deep-learning micro-framework to read in an evening: tensors, one rule for each derivative, many readings."""

from . import data, nn, optim, plot, rules
from .anomaly import detect_anomaly
from .dtypes import PrecisionWarning, get_default_dtype, set_default_dtype
from .engine import no_grad
from .errors import DataError, GraphError, JitError, ShapeError
from .explain import explain
from .gradcheck import GradientMismatch, KinkWarning, gradcheck, prove
from .jit import JitWarning, jit
from .tensor import Tensor
from .transforms import grad, hessian, jacobian, jvp, value_and_grad, vjp

__all__ = [
    "DataError",
    "GradientMismatch",
    "GraphError",
    "JitError",
    "JitWarning",
    "KinkWarning",
    "PrecisionWarning",
    "ShapeError",
    "Tensor",
    "data",
    "detect_anomaly",
    "explain",
    "get_default_dtype",
    "grad",
    "gradcheck",
    "hessian",
    "jacobian",
    "jit",
    "jvp",
    "nn",
    "no_grad",
    "optim",
    "plot",
    "prove",
    "rules",
    "set_default_dtype",
    "value_and_grad",
    "vjp",
]

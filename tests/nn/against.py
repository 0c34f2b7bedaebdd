"""Compare a function with another library's: the value, and the gradient by each input."""

from __future__ import annotations

import numpy as np

import tinygrad_lite as tg


def assert_equal(of_ours, of_theirs, *arrays, tolerance=1e-12):
    """Compare a function with PyTorch's, on float64 arrays; a random cotangent is carried back."""
    import torch

    ours = [tg.Tensor(x, requires_grad=True) for x in arrays]
    theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
    y, z = of_ours(*ours), of_theirs(*theirs)
    g = np.random.default_rng(9).standard_normal(tuple(z.shape))
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=tolerance, atol=tolerance)
    y.backward(g)
    z.backward(torch.tensor(g))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=tolerance, atol=tolerance)

"""What the tests of the models share."""

import numpy as np
import pytest

import tinygrad_lite as tg
from models.command import digits
from tests.models.small import small_digits


@pytest.fixture
def small(monkeypatch):
    """Let the command train on small data in place of MNIST, and leave the default dtype as it was."""
    monkeypatch.setattr(digits, "load_mnist", lambda *args, **kwargs: small_digits())
    yield
    tg.set_default_dtype(np.float32)

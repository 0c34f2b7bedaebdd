"""What the tests of the models share."""

from itertools import count

import numpy as np
import pytest
from matplotlib.figure import Figure

import tinygrad_lite as tg
from models.command import digits
from tests.models.small import small_digits
from tinygrad_lite.plot import output


@pytest.fixture
def small(monkeypatch):
    """Let the command train on small data in place of MNIST, and leave the default dtype as it was."""
    monkeypatch.setattr(digits, "load_mnist", lambda *args, **kwargs: small_digits())
    yield
    tg.set_default_dtype(np.float32)


@pytest.fixture
def unpainted(monkeypatch):
    """Let a file with a number be a picture: drawing takes far longer than a run on small data."""

    def untouched(*data):
        figure = Figure()
        figure.suptitle(data[-1])
        return figure

    for name in ("curves", "mistakes", "confusion", "weights"):
        monkeypatch.setattr(tg.plot, name, untouched)
    numbers = count()
    monkeypatch.setattr(output, "png", lambda figure: b"picture %d" % next(numbers))

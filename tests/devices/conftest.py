"""The stand-in for a GPU, made known as CuPy is: by a name, and the module of its arrays."""

from __future__ import annotations

import pytest

from tests.devices import standin as module
from tinygrad_lite.support import devices as device


@pytest.fixture
def standin(monkeypatch):
    """Return the name of the stand-in's device."""
    monkeypatch.setitem(device.MODULES, "standin", "tests.devices.standin")
    module.kernels.clear()  # a machine on which nothing was computed yet
    return "standin"

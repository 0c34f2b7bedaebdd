"""The stand-in for a GPU, made known as CuPy is: by a name, and the module of its arrays."""

from __future__ import annotations

import pytest

from tinygrad_lite import device


@pytest.fixture
def standin(monkeypatch):
    """Return the name of the stand-in's device."""
    monkeypatch.setitem(device.MODULES, "standin", "tests.device.standin")
    return "standin"

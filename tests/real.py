"""Which tests need the real MNIST, and whether it is here: no test downloads it."""

import os

import pytest

needs_mnist = pytest.mark.skipif("TINYGRAD_LITE_DATA" not in os.environ, reason="TINYGRAD_LITE_DATA names no MNIST")

"""The MNIST command on small data, for processes of their own: ``python -m tests.models.on_small_digits``."""

import sys

import tinygrad_lite as tg
from tests.models.small import small_digits

if __name__ == "__main__":
    # Before the command's modules take it from there.
    tg.data.load_mnist = lambda *args, **kwargs: small_digits()
    from models import mnist

    sys.exit(mnist.main())

"""Lets ``python models/mnist.py`` run from any folder: there Python looks for ``models.command`` beside the script."""

from pathlib import Path

__path__ = [str(Path(__file__).parent)]  # so that `models` is a package here too

"""Make ``python models/mnist.py`` work from any folder: Python looks for ``models`` beside it, and finds this file."""

from pathlib import Path

__path__ = [str(Path(__file__).parent)]  # makes this module a package that contains `command`

"""Make ``python models/mnist.py`` work from any folder, also where the library is not installed.

Python looks for what a script imports beside the script, and finds this file, which sends it to the checkout.
"""

import importlib
import sys
from pathlib import Path

here = Path(__file__).parent
sys.path[sys.path.index(str(here))] = str(here.parent)
importlib.import_module("models")  # which says so if something is missing
del sys.modules[__name__]
importlib.import_module(__name__)  # the library, which takes the place of this module

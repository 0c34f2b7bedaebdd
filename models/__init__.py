"""Example models with their training loops, written as a user of the library would.

Run one with ``python -m models.NAME`` in the checkout, or with ``python models/NAME.py`` from any folder. Both need
NumPy, tqdm and matplotlib, which ``pip install -e .`` installs; after that the first works from any folder, too.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("numpy", "tqdm", "matplotlib", "tinygrad_lite")


def reason_not_to_run() -> str:
    """Return in a sentence why no command of the models can run here; an empty text if they can.

    This file has to be read by old versions of Python, too.
    """
    if sys.version_info < (3, 11):  # noqa: UP036
        return f"Python 3.11 or newer is needed, and this is Python {sys.version.split()[0]}"
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        folder = Path(__file__).parent.parent
        command = f'`{sys.executable} -m pip install -e "{folder}"`'
        return f"{' and '.join(missing)} cannot be found: {command} installs what is missing"
    return ""


is_a_command = sys.argv[:1] == ["-m"] or Path(sys.argv[0]).resolve().parent == Path(__file__).resolve().parent
if is_a_command and reason_not_to_run():
    print(reason_not_to_run(), file=sys.stderr)
    sys.exit(2)

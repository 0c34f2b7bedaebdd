"""Example models with their training loops, written as a user of the library would.

Run one with ``python -m models.NAME`` in the checkout, or with ``python models/NAME.py`` from any folder. Both need the
library (``pip install .``) and the checkout. After ``pip install -e .`` the first command works from any folder, too.
"""

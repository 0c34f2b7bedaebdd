"""Models and their training loops, as a user of the library writes them.

They are run with ``python -m models.NAME`` in the checkout, or ``python models/NAME.py`` from any folder. Both need the
library (``pip install .``) and the checkout; after ``pip install -e .`` the first works from any folder, too.
"""

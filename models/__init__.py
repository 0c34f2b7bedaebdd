"""Models and their training loops, as a user of the library writes them; run with ``python -m models.NAME``."""

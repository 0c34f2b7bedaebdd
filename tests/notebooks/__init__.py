"""The notebooks: run by the tests, and run again and saved by ``python -m tests.notebooks``."""

"""Benchmarks: how fast the library is beside hand-written NumPy and beside other libraries."""

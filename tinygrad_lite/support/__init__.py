"""Helpers for every part of the library, independent of Tensors: devices, files, flags, locks, text, random numbers."""

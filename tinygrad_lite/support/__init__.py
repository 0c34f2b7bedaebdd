"""What every part of the library may use, and what knows nothing of Tensors: devices, files, flags, locks, text."""

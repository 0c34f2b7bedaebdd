"""Programs written for other readers than NumPy, for batches of any length.

`lengths` and `batched` are what a writer of any language starts from: a model's program in which the lengths that
follow from the batch are marked. `onnx` writes it as an ONNX file, with the operators of `onnx_table`.
"""

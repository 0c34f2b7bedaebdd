"""Writers of programs in other formats than Python, for batches of any length.

A recording is made for one batch length, but an exported model must take any. `lengths` and `batched` solve this for
all writers: they record a model for batches of several lengths, and provide its program, in which the lengths that
depend on the batch are marked. `onnx` writes it as an ONNX file, with the operators of `onnx_table`; `page` as a web
page, in the JavaScript that `page_source` writes with the functions of `page_table`. What a writer cannot say, it
refuses as `refusals` says.
"""

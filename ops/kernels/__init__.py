"""Compiled loops: arrays and numbers in, arrays out.

Every module here holds one family of kernels and is imported by name, for instance ``from ops.kernels import
gemm``.  Importing compiles nothing: a kernel is compiled at its first call and kept on disk (see `cache`).
``python -m ops.kernels warmup`` compiles all of them ahead, ``python -m ops.kernels doctor`` describes the
set-up.
"""

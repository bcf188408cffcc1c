"""Programs as people write them for PyTorch, each run under both libraries by swapping its imports.

A program is a file with a function `train() -> list[float]`, the losses it went through. What differs between the
libraries, the random numbers, a program draws from NumPy (`start.py`).
"""

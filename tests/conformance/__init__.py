"""Level 1 of the public names beside PyTorch's, on generated calls: a file of rows per family; `runner.py` compares."""

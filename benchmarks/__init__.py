"""Benchmarks against PyTorch and JAX: the same programs, each library in fresh processes, by turns."""

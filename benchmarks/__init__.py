"""Benchmarks against PyTorch: the same program on both libraries, each in a fresh process, by turns."""

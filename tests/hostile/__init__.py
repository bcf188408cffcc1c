"""Damaged and hostile files of every format `load` reads: python -m tests.hostile [FORMAT [COUNT]]."""

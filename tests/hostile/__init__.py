"""Damaged and hostile files of every format `load` and the data sets read: python -m tests.hostile [FORMAT [COUNT]]."""

"""The programs of slides 004, as short as they go: each `train` returns the numbers it went through."""

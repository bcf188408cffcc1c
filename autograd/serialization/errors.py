"""What is raised for a file whose content cannot be read."""

from pickle import UnpicklingError  # the class alone: nothing here unpickles


class FileError(ValueError, RuntimeError):
    """A file is damaged, is of no known format, or holds something that has no counterpart here."""


class RefusedError(FileError, UnpicklingError):
    """A PyTorch file holds an object that could be rebuilt only by running code, or that has no counterpart here."""

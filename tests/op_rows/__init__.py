"""The rows of the table of primitives, a file per family."""

"""Hypothesis, or one sentence on how to get it."""

try:
    import hypothesis as hypothesis
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "autograd.testing needs Hypothesis: pip install magtape[test]", name="hypothesis"
    ) from error

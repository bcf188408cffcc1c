"""Where the library means to differ from PyTorch, and why; everything else that differs fails."""

import re
from typing import NamedTuple


class Deliberate(NamedTuple):
    """Names (a pattern), what the difference says (a pattern), and the reason."""

    names: str
    says: str
    reason: str


DELIBERATE = [
    Deliberate(
        ".*", "PyTorch's .*not implemented for", "PyTorch has no kernel for the type; the result is well defined"
    ),
    Deliberate(".*", "INTERNAL ASSERT", "PyTorch itself fails"),
    Deliberate(
        ".*",
        "PyTorch's .*derivative for aten::.* is not implemented",
        "PyTorch lacks the derivative; floor_divide's is 0 wherever there is one, as div(rounding_mode='floor') has it",
    ),
    Deliberate(
        "(pow|addcdiv|masked_fill|__i?pow__|__rpow__).*",
        "ours 'a result', PyTorch's .*(Subtraction, the `-` operator|Float can't be cast|value cannot be converted|Autograd not support dtype)",
        "PyTorch's backward fails where the exponent is bool, or a 0-d operand is an integer",
    ),
    Deliberate(
        "addcmul.*|addcdiv.*",
        "argument alpha must not be a floating point number",
        "PyTorch drops the fraction of `value` where all tensors are integers",
    ),
    Deliberate(
        "(pow|__i?r?pow__).*",
        "ours 'NotImplementedError: pow: not implemented for bool'",
        "PyTorch takes some powers of truth values and not others",
    ),
    Deliberate(
        "logical_.* in-place",
        "gradient",
        "PyTorch hands the gradient on as if nothing had been written; it is 0",
    ),
    Deliberate(
        "(eq|ne|lt|le|gt|ge|greater|less|not_equal|greater_equal|less_equal|logical_.*) in-place",
        "requires_grad is False, PyTorch's True",
        "a tensor compared in place with one that requires gradients has no gradient to hand on",
    ),
    Deliberate(
        ".*",
        r"ours .*takes \d+ positional arguments but",
        "PyTorch still takes its oldest signatures, add(input, alpha, other); alpha, beta and value come by keyword",
    ),
    Deliberate(
        "masked_fill in-place",
        "more than one element of the written-to tensor",
        "PyTorch announces that it will refuse to write into an expanded tensor too",
    ),
    Deliberate(
        ".*",
        "ours 'NotImplementedError: .*PyTorch's .RuntimeError: (output with shape|The size|result type|unsupported op)",
        "where both the type and a shape are wrong, the type is named first",
    ),
]


def is_deliberate(name: str, difference: str) -> bool:
    """Return whether a difference is one of those meant."""
    return any(re.fullmatch(each.names, name) and re.search(each.says, difference) for each in DELIBERATE)

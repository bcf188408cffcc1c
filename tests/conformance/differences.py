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
    Deliberate(".*", "INTERNAL ASSERT|PyTorch's .*Autograd not support dtype", "PyTorch's backward itself fails"),
    Deliberate(
        ".*",
        "PyTorch's .*derivative for aten::.* is not implemented",
        "PyTorch lacks the derivative; floor_divide's is 0 wherever there is one, as div(rounding_mode='floor') has it",
    ),
    Deliberate(
        "(pow|addcdiv|masked_fill|__i?pow__|__rpow__).*",
        "ours 'a result', PyTorch's .*(Subtraction, the `-` operator|Float can't be cast|value cannot be converted)",
        "PyTorch's backward fails where the exponent is bool, or a 0-d operand is an integer",
    ),
    Deliberate(
        "__setitem__.*|__getitem__.*",
        "can't assign a numpy.ndarray",
        "NumPy's arrays are taken for values too",
    ),
    Deliberate(
        "__[gs]etitem__.*",
        "ours 'IndexError: .*PyTorch's .(RuntimeError: (Index put|value cannot)|a result)",
        "what is wrong with an index is said first, and though it picks nothing",
    ),
    Deliberate(
        "__getitem__ .*",
        r"ours 'a result', PyTorch's 'IndexError: Dimension out of range",
        "PyTorch refuses a 0-d mask behind the last dimension",
    ),
    Deliberate(
        "(scatter|scatter_add) .*",
        "returned an invalid gradient",
        "PyTorch has no gradient for a source larger than the index; that of what is not read is 0",
    ),
    Deliberate(
        "(randn_like|rand_like|normal|log_normal|bmm|matmul|addmm|baddbmm) .*",
        "(NotImplementedError: (rand|normal|log)|same dtype).*PyTorch's .(a result|RuntimeError: (Only|log_normal))|requires_grad is F",
        "PyTorch does not look at the type of empty tensors",
    ),
    Deliberate(
        "F.leaky_relu in-place",
        "backward calculation is triggered with a negative slope",
        "the input is kept for backward where it is needed",
    ),
    Deliberate("F.nll_loss function", "grad_input must be contiguous", "PyTorch's backward fails"),
    Deliberate(
        "to method",
        "ours 'a result', PyTorch's .TypeError",
        "non_blocking and copy may come by position after the device alone too",
    ),
    Deliberate(
        "baddbmm .*",
        "ours 'RuntimeError: bmm: .*PyTorch's .IndexError: Dimension",
        "an operand that is no batch of matrices is refused by bmm's error",
    ),
    Deliberate(
        "(index_select|index_add) .*",
        "ours .IndexError: index_",
        "for positions out of bounds PyTorch raises IndexError, RuntimeError or nothing, by shape; here it is IndexError",
    ),
    Deliberate(
        "gather .*",
        "Index tensor must have the same number of dimensions",
        "PyTorch lets an empty index have other dimensions",
    ),
    Deliberate(
        "gather .*",
        "unexpected keyword argument 'sparse_grad'",
        "there are no sparse tensors",
    ),
    Deliberate(
        "(addcmul|addcdiv|index_add|addmm|baddbmm) .*",
        "argument (alpha|beta) must not be a floating point number",
        "PyTorch drops the fraction of alpha, beta or value where all tensors are integers",
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
        r"ours .*takes (from \d+ to )?\d+ positional arguments but",
        "PyTorch still takes its oldest signatures, add(input, alpha, other); alpha, beta and value come by keyword",
    ),
    Deliberate(
        "(sort|argsort|msort) .*",
        "PyTorch's .TypeError: (sort|argsort)",
        "beside `stable` PyTorch takes the others by keyword alone",
    ),
    Deliberate(
        "(amax|amin) .*",
        "gradient .*PyTorch's .*nan",
        "NaN that are the extreme share the gradient evenly, as max() and min() have it in both",
    ),
    Deliberate(
        "(var_mean|std_mean) .*",
        r"result\[1\]: .*inf.*PyTorch's .*nan",
        "the mean of infinite numbers is infinite, as mean() has it in both",
    ),
    Deliberate(
        "(masked_fill|tril|triu|fill|zero|zero_|baddbmm) (in-place|function)",
        "more than one element of the written-to tensor",
        "PyTorch announces that it will refuse to write into an expanded tensor too",
    ),
    Deliberate(
        ".*",
        "ours 'NotImplementedError: .*PyTorch's .(RuntimeError: (output with shape|The size|result type|unsupported op)|IndexError: Dim)",
        "where both the type and a shape are wrong, the type is named first",
    ),
]


def is_deliberate(name: str, difference: str) -> bool:
    """Return whether a difference is one of those meant."""
    return any(re.fullmatch(each.names, name) and re.search(each.says, difference) for each in DELIBERATE)

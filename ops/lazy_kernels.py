"""The kernels as primitives and optimisers call them: a module is imported, and numba with it, at its first use.

numba takes longer to import than all else together, and a program's first seconds should not wait for it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ops.kernels import adaptive_pool as adaptive_pool
    from ops.kernels import arithmetic as arithmetic
    from ops.kernels import attention as attention
    from ops.kernels import attention_rows as attention_rows
    from ops.kernels import choices as choices
    from ops.kernels import conv as conv
    from ops.kernels import elementwise as elementwise
    from ops.kernels import extremes as extremes
    from ops.kernels import gemm as gemm
    from ops.kernels import largest as largest
    from ops.kernels import lbfgs as lbfgs
    from ops.kernels import lists as lists
    from ops.kernels import lookup as lookup
    from ops.kernels import norm as norm
    from ops.kernels import optim as optim
    from ops.kernels import pool as pool
    from ops.kernels import precision as kernel_precision
    from ops.kernels import random as random
    from ops.kernels import recurrent as recurrent
    from ops.kernels import reduction as reduction
    from ops.kernels import row_norm as row_norm
    from ops.kernels import rows as rows
    from ops.kernels import scan as scan
    from ops.kernels import softmax as softmax
    from ops.kernels import softmax_columns as softmax_columns
    from ops.kernels import threads as threads
    from ops.kernels import transposing as transposing
else:

    class _Lazy:
        """Stands for a module; what is asked of it is kept, so that only the first use costs an import."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, attribute: str) -> Any:
            value = getattr(importlib.import_module(f"ops.kernels.{self._name}"), attribute)
            setattr(self, attribute, value)
            return value

    adaptive_pool, arithmetic, conv, elementwise = map(_Lazy, ("adaptive_pool", "arithmetic", "conv", "elementwise"))
    gemm, norm, optim, pool, random = map(_Lazy, ("gemm", "norm", "optim", "pool", "random"))
    row_norm, rows, softmax, threads, transposing = map(
        _Lazy, ("row_norm", "rows", "softmax", "threads", "transposing")
    )
    kernel_precision, lookup, reduction = map(_Lazy, ("precision", "lookup", "reduction"))
    largest, lbfgs, lists = map(_Lazy, ("largest", "lbfgs", "lists"))
    softmax_columns, choices, extremes, scan = map(_Lazy, ("softmax_columns", "choices", "extremes", "scan"))
    attention, attention_rows, recurrent = map(_Lazy, ("attention", "attention_rows", "recurrent"))


def get_num_threads() -> int:
    """Return into how many chunks large work is split."""
    return threads.get_num_threads()


def set_num_threads(n: int) -> None:
    """Split large work into n chunks from now on, in every Python thread."""
    threads.set_num_threads(n)


def get_float32_matmul_precision() -> str:
    """Return how exact float32 convolutions must be: "highest", "high" (the default) or "medium"."""
    return kernel_precision.get_float32_matmul_precision()


def set_float32_matmul_precision(precision: str) -> None:
    """Choose how exact float32 convolutions must be.

    "highest": each output is the sum of its own products.  "high" (the default) and "medium": convolutions by
    3 x 3 and 5 x 5 filters may use Winograd's algorithms, whose float32 errors are up to three times as large (5.6e-6
    of the largest output) and which spread an infinity or NaN over a tile of up to 8 x 8 outputs.  Matrix products and
    float64 are not affected.
    """
    kernel_precision.set_float32_matmul_precision(precision)
